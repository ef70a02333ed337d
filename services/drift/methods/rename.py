"""Is a column that went the same as one that came? A guess from name, type, place and content, with a confidence.

Names are compared as token sets and as skeletons without separators and vowels, and by Ratcliff–Obershelp likeness (Dr. Dobb's Journal,
July 1988; difflib). Contents are compared by null rate, distinct count, frequent values and quantiles of their profiles.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from difflib import SequenceMatcher

from services.drift.domain.profile import ColumnProfile

ABBREVIATIONS = """
amount amt
number num no nbr
quantity qty
code cd
date dt day
time ts timestamp datetime
identifier id key
customer cust client
country nation
price cost rate fee
description desc label text
origin src source from
destination dest dst to target
temperature temp
pressure pres
delay late lag
departure dep
arrival arr
scheduled sched
count cnt n
percent pct
average avg mean
address addr
distance dist
total sum tot
vendor supplier seller
type kind category
status state
location loc place
minute min
hour hr
invoice bill
unit item
stock product
carrier airline
name title
year yr
"""
"""Common abbreviations and synonyms of column names: those of a line mean the same, the first stands for all."""
_CANON = {word: words[0] for words in map(str.split, ABBREVIATIONS.strip().splitlines()) for word in words}
_PARTS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")


@dataclass(frozen=True, slots=True)
class Likeness:
    confidence: float
    reasons: tuple[str, ...]


def tokens(name: str) -> tuple[str, ...]:
    """Words of a name, canonical: CustomerId, CUSTOMER_ID and cust_key agree.

    >>> tokens("CUSTOMER_ID") == tokens("custKey")
    True
    """
    return tuple(_CANON.get(t.lower(), t.lower()) for t in _PARTS.findall(name))


def _skeleton(name: str) -> str:
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return plain[:1] + re.sub(r"[aeiou]", "", plain[1:])


def name_likeness(old: str, new: str) -> float:
    """0 to 1. One name inside the other (a prefix, a suffix, a version) counts as near certain.

    >>> name_likeness("TEMP", "SRC_TEMP") > 0.9, name_likeness("UNIT_PRICE", "UNT_PRC") > 0.9, name_likeness("FARE", "CARRIER") < 0.6
    (True, True, True)
    """
    plain_old, plain_new = (re.sub(r"[^a-z0-9]", "", n.lower()) for n in (old, new))
    if plain_old == plain_new or _skeleton(old) == _skeleton(new):
        return 1.0
    old_tokens, new_tokens = tokens(old), tokens(new)
    shorter, longer = sorted((old_tokens, new_tokens), key=len)
    if (shorter and longer[: len(shorter)] == shorter) or longer[len(longer) - len(shorter) :] == shorter:
        return 1.0 if len(longer) == len(shorter) else 0.95
    common = len(set(old_tokens) & set(new_tokens)) / max(1, len(set(old_tokens) | set(new_tokens)))
    ratio = SequenceMatcher(None, plain_old, plain_new).ratio()
    return max(common, ratio * 0.9, SequenceMatcher(None, _skeleton(old), _skeleton(new)).ratio() * 0.9 - 0.1)


def profile_likeness(old: ColumnProfile | None, new: ColumnProfile | None, old_rows: int, new_rows: int) -> float | None:
    """0 to 1 of two contents, None when either is unknown."""
    if old is None or new is None or old_rows == 0 or new_rows == 0:
        return None
    parts = [1 - min(1.0, 4 * abs(old.nulls / old_rows - new.nulls / new_rows))]
    if old.distinct and new.distinct:
        parts.append(math.exp(-abs(math.log(old.distinct / new.distinct))))
    if old.top and new.top:
        parts += [_top_likeness(old, new, old_rows, new_rows)] * 3
    if old.kind is new.kind and old.quantiles and len(old.quantiles) == len(new.quantiles):
        width = (max(*old.quantiles, *new.quantiles) - min(*old.quantiles, *new.quantiles)) or 1.0
        gaps = [abs(a - b) / width for a, b in zip(old.quantiles, new.quantiles, strict=True)]
        parts += [1 - min(1.0, 3 * sum(gaps) / len(gaps))] * 2
    if old.kind is new.kind and old.mean is not None and new.mean is not None and old.stddev is not None:
        parts.append(math.exp(-abs(old.mean - new.mean) / (old.stddev or abs(old.mean) or 1.0)))
    return sum(parts) / len(parts)


def _top_likeness(old: ColumnProfile, new: ColumnProfile, old_rows: int, new_rows: int) -> float:
    """Shared mass of frequent values; values are compared as text without a trailing ".0", so a retyped number still agrees."""
    first, second = ({v.removesuffix(".0"): n / rows for v, n in c.top} for c, rows in ((old, old_rows), (new, new_rows)))
    shared = sum(min(share, second.get(value, 0.0)) for value, share in first.items())
    return shared / max(1e-9, min(sum(first.values()), sum(second.values())))


def likeness(name: float, content: float | None, same_type: bool, same_kind: bool, place: float) -> Likeness:
    """Confidence that one column became the other. A near certain name needs little else; a strange name needs content and place."""
    evidence = -5.3 + 5.6 * name + 1.5 * place + (1.2 if same_type else 0.5 if same_kind else -0.6)
    if content is not None:
        evidence += 4.0 * (content - 0.5)
    reasons = []
    if name >= 0.7:
        reasons.append("alike name")
    if same_type:
        reasons.append("same type")
    if place >= 1:
        reasons.append("same place")
    if content is not None and content >= 0.7:
        reasons.append("alike content")
    return Likeness(1 / (1 + math.exp(-evidence)), tuple(reasons))
