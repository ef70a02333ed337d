"""Which settings a check may carry, and of what type: the key policy that keeps files and nonsense out."""

from __future__ import annotations

from services.quality.domain.scan import CheckProblem
from services.quality.soda.document import Position, Value, YamlList, YamlMap
from services.quality.soda.vocabulary import (
    KEYS_OF,
    METRIC_KEYS,
    VALIDITY,
    VALIDITY_LISTS,
    VALIDITY_NUMBERS,
    VALIDITY_TEXTS,
    did_you_mean,
    family_of,
)

_TEXTS = VALIDITY_TEXTS | {"filter", "name", "identity", "query", "fail condition", "fail query", "failed rows query"}
_LISTS = VALIDITY_LISTS | {"fields", "checks"}
_WHOLE = frozenset({"samples limit", "group_limit"})
_NEEDS_SETTINGS = {
    "schema": "`warn:` or `fail:` with conditions such as `when required column missing: [id]`",
    "failed rows": "`fail condition:` or `fail query:`",
    "group by": "`query:`, `fields:` and `checks:`",
    "group evolution": "`query:` and `warn:` or `fail:`",
}


def setting_problem(text: str, config: Value, position: Position) -> CheckProblem | None:
    """The first thing wrong with a check's settings: a key that is not allowed, or a value of the wrong type."""
    family = family_of(text)
    if config is None:
        needed = _NEEDS_SETTINGS.get(family)
        return CheckProblem(*position, f"`{text}` needs {needed} below it.") if needed else None
    if not isinstance(config, YamlMap):
        return CheckProblem(*position, f"Expected settings (`name: …`) below `{text[:60]}:`, but found {_kind(config)}.")
    for key, value in config.items():
        message = _key_problem(text, family, key) or _value_problem(family, key, value)
        if message:
            return CheckProblem(*config.positions[key], message)
    return _query_problem(family, config, position)


def column_setting_problem(setting: str, value: Value, position: Position) -> CheckProblem | None:
    """What is wrong with one entry of `configurations for TABLE`."""
    if setting not in VALIDITY:
        message = f"Unknown setting `{setting[:60]}`{did_you_mean(setting, VALIDITY) or '.'} Expected `<setting> for <column>`."
    else:
        message = _value_problem("metric", setting, value)
    return CheckProblem(*position, message) if message else None


def file_problem(config: Value) -> CheckProblem | None:
    """A setting that would read a file of this machine; said before anything else about the check."""
    positions = config.positions if isinstance(config, YamlMap) else {}
    for key, position in positions.items():
        if key.endswith(("sql_file", " file")):
            return CheckProblem(*position, f"`{key[:60]}` reads a file, which checks cannot do; write the query itself.")
    return None


def _key_problem(text: str, family: str, key: str) -> str:
    if family == "metric" and key.endswith((" query", " expression")) and key != "failed rows query":
        name = key.rsplit(" ", 1)[0]
        return (
            "" if text.startswith(name) or f" {name}" in text else f"`{key[:60]}` must begin with the metric of the check, `{text[:60]}`."
        )
    allowed = KEYS_OF.get(family, METRIC_KEYS)
    if key in allowed:
        return ""
    return f"Unknown setting `{key[:60]}`{did_you_mean(key, allowed) or '.'} Expected one of: {', '.join(sorted(allowed))}."


def _value_problem(family: str, key: str, value: Value) -> str:
    if key in _TEXTS or key.endswith((" query", " expression")):
        return "" if isinstance(value, str) and value.strip() else f"`{key}` must be a text, but found {_kind(value)}."
    if key in _LISTS:
        return _list_problem(key, value)
    if key in VALIDITY_NUMBERS:
        return (
            ""
            if isinstance(value, (int, float)) and not isinstance(value, bool)
            else f"`{key}` must be a number, but found {_kind(value)}."
        )
    if key in _WHOLE:
        return (
            "" if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else f"`{key}` must be a whole number of 0 or more."
        )
    if key == "attributes":
        return "" if isinstance(value, YamlMap) else "`attributes` must be `name: value` entries."
    if key == "include null":
        return "" if isinstance(value, bool) else "`include null` must be true or false."
    return _zone_problem(family, key, value)


def _list_problem(key: str, value: Value) -> str:
    if not isinstance(value, YamlList) or not value:
        return f"`{key}` must be a list, as in `[a, b]`, but found {_kind(value)}."
    if key in VALIDITY_LISTS:
        texts = all(isinstance(item, str) for item in value)
        numbers = all(isinstance(item, (int, float)) for item in value)
        return "" if texts or numbers else f"`{key}` must hold only texts or only numbers; put quotes around the texts."
    return ""


def _zone_problem(family: str, key: str, value: Value) -> str:
    if key not in ("warn", "fail"):
        return ""
    if family in ("schema", "group evolution"):
        return (
            "" if isinstance(value, YamlMap) and value else f"`{key}` must hold conditions such as `when …: …`, but found {_kind(value)}."
        )
    if isinstance(value, str) and value.startswith("when "):
        return ""
    return f"`{key}` must be a condition such as `when > 5`, but found {_kind(value)}."


def _query_problem(family: str, config: YamlMap, position: Position) -> CheckProblem | None:
    if family == "failed rows" and ("fail condition" in config) == ("fail query" in config):
        return CheckProblem(*position, "A `failed rows` check needs exactly one of `fail condition:` and `fail query:`.")
    if family in ("schema", "group evolution") and "warn" not in config and "fail" not in config:
        return CheckProblem(*position, f"A `{family}` check needs `warn:` or `fail:` with conditions.")
    missing = {"group by": ("query", "fields", "checks"), "group evolution": ("query",)}.get(family, ())
    absent = [key for key in missing if key not in config]
    return CheckProblem(*position, f"A `{family}` check needs `{absent[0]}:`.") if absent else None


def _kind(value: Value) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list) else f"`{str(value)[:60]}`"
