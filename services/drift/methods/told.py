"""Changes of columns and of the number of rows as findings: short name, plain words, how loud."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from services.drift.domain.profile import Profile
from services.drift.domain.record import DriftKind, Found, Severity
from services.drift.domain.schema import ChangeKind, SchemaColumn, TypeDirection
from services.drift.domain.schema import SchemaChange as Change
from services.drift.domain.watch_settings import SchemaChange, SchemaRule
from services.drift.methods.schema_diff import Look, schema_diff
from services.drift.methods.volume import VolumeJudgement, VolumeSettings
from services.drift.methods.wording import number, percent

DEFAULT_RULES: Mapping[SchemaChange, SchemaRule] = {
    SchemaChange.ADDED: SchemaRule.INFO,
    SchemaChange.REMOVED: SchemaRule.CRITICAL,
    SchemaChange.RENAMED: SchemaRule.CRITICAL,
    SchemaChange.WIDENED: SchemaRule.INFO,
    SchemaChange.NARROWED: SchemaRule.CRITICAL,
    SchemaChange.NULLABILITY: SchemaRule.WARNING,
    SchemaChange.REORDERED: SchemaRule.IGNORE,
}
SEVERITIES = {SchemaRule.INFO: Severity.INFO, SchemaRule.WARNING: Severity.WARNING, SchemaRule.CRITICAL: Severity.CRITICAL}
SHORT_NAMES = {
    ChangeKind.ADDED: "column_added",
    ChangeKind.REMOVED: "column_removed",
    ChangeKind.RENAMED: "column_renamed",
    ChangeKind.NULLABLE_CHANGED: "nullability_changed",
    ChangeKind.REORDERED: "columns_reordered",
}
VOLUME_WORDS = {
    "empty": "volume_stall",
    "repeated": "volume_repeated",
    "slow_drop": "volume_leak",
    "slow_rise": "volume_growth",
    "drop": "volume_drop",
    "spike": "volume_spike",
}
LARGE = 0.6
"""ln of the ratio from which a move of the number of rows is critical: 1.8 times, or 45 % less."""


def schema_found(
    before: Sequence[SchemaColumn],
    before_profile: Profile | None,
    after: Sequence[SchemaColumn],
    after_profile: Profile,
    dialect: str,
    rules: Mapping[SchemaChange, SchemaRule],
) -> list[Found]:
    """Findings of what changed between two looks, as loud as the rules say."""
    out = []
    for change in schema_diff(Look(before, before_profile), Look(after, after_profile), dialect):
        kind = rule_kind(change)
        rule = rules.get(kind, DEFAULT_RULES[kind])
        if rule is not SchemaRule.IGNORE:
            out.append(_found(change, SEVERITIES[rule]))
    return out


def rule_kind(change: Change) -> SchemaChange:
    """The rule that speaks about a change; another kind of type counts as narrowed, for old values may not fit."""
    if change.kind is ChangeKind.TYPE_CHANGED:
        return SchemaChange.WIDENED if change.direction is TypeDirection.WIDENED else SchemaChange.NARROWED
    kinds = {
        ChangeKind.ADDED: SchemaChange.ADDED,
        ChangeKind.REMOVED: SchemaChange.REMOVED,
        ChangeKind.RENAMED: SchemaChange.RENAMED,
        ChangeKind.NULLABLE_CHANGED: SchemaChange.NULLABILITY,
        ChangeKind.REORDERED: SchemaChange.REORDERED,
    }
    return kinds[change.kind]


def _found(change: Change, severity: Severity) -> Found:
    columns = change.columns or (change.column,)
    short = SHORT_NAMES.get(change.kind) or ("type_widened" if change.direction is TypeDirection.WIDENED else "type_narrowed")
    if change.kind is ChangeKind.TYPE_CHANGED and change.direction is TypeDirection.OTHER:
        short = "type_changed"
    return Found(DriftKind.SCHEMA, short, columns, _words(change), severity, change.confidence)


def _words(change: Change) -> str:
    match change.kind:
        case ChangeKind.ADDED:
            return f"column {change.column} added ({change.to})"
        case ChangeKind.REMOVED:
            return f"column {change.column} removed (was {change.was})"
        case ChangeKind.RENAMED:
            return f"column {change.column} is probably {change.to} now (a guess: {', '.join(change.reasons) or 'nothing else fits'})"
        case ChangeKind.TYPE_CHANGED:
            how = "" if change.direction in (None, TypeDirection.OTHER) else f", {change.direction.value}"
            return f"{change.column}: type {change.was} → {change.to}{how}"
        case ChangeKind.NULLABLE_CHANGED:
            return f"{change.column}: {change.was} → {change.to}"
        case _:
            return f"order of columns changed: {', '.join(change.columns)}"


def volume_found(judged: VolumeJudgement, own: VolumeSettings) -> Found:
    """The finding of a load that is away from its forecast; quiet when that was told before."""
    expected = judged.expected or 0.0
    ratio = judged.rows / expected if expected > 0 else math.inf
    change = VOLUME_WORDS.get(judged.kind, "volume_drop")
    if judged.kind == "spike" and 1.8 <= ratio <= 2.2:
        change = "volume_duplicated"
    elif judged.kind == "drop" and ratio >= 0.3:
        change = "volume_partial"
    size = abs(math.log(max(ratio, 1e-3))) if math.isfinite(ratio) else math.inf
    loud = Severity.CRITICAL if size >= LARGE or judged.kind == "empty" else Severity.WARNING
    return Found(
        kind=DriftKind.VOLUME,
        change=change,
        columns=(),
        message=_volume_words(judged, change, ratio) + (" (since earlier)" if judged.ongoing else ""),
        severity=Severity.INFO if judged.ongoing else loud,
        confidence=round(1 - min(1.0, own.effective_tests * math.exp(-judged.score * own.threshold)), 6),
        baseline_value=judged.expected,
        current_value=judged.rows,
    )


def _volume_words(judged: VolumeJudgement, change: str, ratio: float) -> str:
    rows, expected = number(round(judged.rows)), number(round(judged.expected or 0.0))
    match judged.kind:
        case "empty":
            return f"no rows, {expected} expected"
        case "repeated":
            return f"exactly {rows} rows for the third time in a row"
        case "slow_drop" | "slow_rise":
            return f"rows have been {'falling' if judged.kind == 'slow_drop' else 'rising'} away from their level: {rows} now"
    how = f"{percent(1 - ratio)} fewer" if ratio < 1 else f"{percent(ratio - 1)} more"
    guess = {"volume_duplicated": "; perhaps loaded twice", "volume_partial": "; perhaps a partial load"}.get(change, "")
    return f"{rows} rows, {expected} expected, {how}{guess}"
