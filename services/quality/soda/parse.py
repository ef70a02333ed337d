"""One check's text and settings to Soda's own check configuration, or to what is wrong with it."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from services.quality.domain.scan import CheckProblem
from services.quality.soda import patches
from services.quality.soda.document import Position, Value, YamlList, YamlMap
from services.quality.soda.settings_policy import column_setting_problem, file_problem, setting_problem
from services.quality.soda.vocabulary import (
    COLUMN_METRICS,
    MANY_ARGUMENTS,
    METRICS,
    OTHER_CHECKS,
    did_you_mean,
    family_of,
    quote_unit_columns,
)

patches.apply()

from soda.common.logs import Logs  # noqa: E402 (patches must come first)
from soda.common.parser import PathElement  # noqa: E402
from soda.sodacl.column_configurations_cfg import ColumnConfigurationsCfg  # noqa: E402
from soda.sodacl.location import Location  # noqa: E402
from soda.sodacl.sodacl_cfg import SodaCLCfg  # noqa: E402
from soda.sodacl.sodacl_parser import AntlrParser, SodaCLParser  # noqa: E402


@dataclass(frozen=True, slots=True)
class ParsedCheck:
    """A check as Soda understands it. `cfg` is None exactly when there are problems."""

    cfg: Any
    problems: tuple[CheckProblem, ...]
    column: str
    threshold: str


@functools.lru_cache(maxsize=4096)
def parse_line(text: str) -> AntlrParser:
    """Soda's grammar applied to one check line; the tree is read only, so one worker parses each text once."""
    return AntlrParser(text, lambda parser: parser.check())


def parse_check(scan: Any, table: str, text: str, config: Value, position: Position, *, upper: bool) -> ParsedCheck:
    """Parse one check whose variables are already resolved. `upper` says that the warehouse folds names upwards."""
    text = quote_unit_columns(text, upper=upper)
    problem = file_problem(config) or line_problem(text, config, position) or setting_problem(text, config, position)
    if problem:
        return ParsedCheck(None, (problem,), column_of(text), "")
    logs = Logs().reset()
    parser = _CheckParser(scan, logs, position)
    try:
        cfg = parser.check(f"checks for {table}", text, config)
    except Exception as error:  # Soda's parser raises what its own code stumbles over; the check is at fault
        return ParsedCheck(None, (_stumbled(error, position),), column_of(text), "")
    problems = tuple(_problems(logs, position))
    if not problems and cfg is None:
        problems = (CheckProblem(*position, f"`{text[:80]}` is not a check."),)
    problems = problems or threshold_problem(cfg, position)
    return ParsedCheck(None if problems else cfg, problems, column_of(text), threshold_of(text, config))


class _CheckParser(SodaCLParser):  # type: ignore[misc]
    """Soda's parser fed with single checks: positions come from our own tree, and files and templates are out."""

    def __init__(self, scan: Any, logs: Logs, position: Position) -> None:
        super().__init__(sodacl_cfg=SodaCLCfg(scan=scan), logs=logs, file_path="checks", data_source_name="own")
        self.path_stack.path_elements[0].location = Location("checks", *position)
        self.location = self.path_stack.path_elements[0].location

    def check(self, header: str, text: str, config: Value) -> Any:
        return self._SodaCLParser__parse_table_check_str(header, text, config)

    def column_setting(self, setting: str, value: Value, cfg: Any) -> None:
        self._SodaCLParser__parse_missing_and_valid(setting, value, cfg)

    def antlr_parse_check(self, text: str) -> AntlrParser:
        return parse_line(text)

    def _push_path_element(self, key: object, value: Value) -> None:
        parent = self.path_stack.path_elements[-1].value
        position = parent.positions.get(key) if isinstance(parent, YamlMap) and isinstance(key, str) else None
        if isinstance(parent, YamlList) and isinstance(key, int):
            position = parent.positions[key]
        self.location = Location("checks", *position) if position else self.location
        self.path_stack.path_elements.append(PathElement(location=self.location, value=value))

    def _resolve_jinja(self, value: str, variables: object = None) -> str:
        return value


def parse_column_setting(
    scan: Any, known: Any, column: str, setting: str, value: Value, position: Position
) -> tuple[Any, CheckProblem | None]:
    """Add one entry of `configurations for TABLE` to a column's configuration, which is created at the first one."""
    problem = column_setting_problem(setting, value, position)
    cfg = known or ColumnConfigurationsCfg(column)
    if problem is None:
        logs = Logs().reset()
        _CheckParser(scan, logs, position).column_setting(setting, value, cfg)
        problem = next(iter(_problems(logs, position)), None)
    return cfg, problem


def line_problem(text: str, config: Value, position: Position) -> CheckProblem | None:
    """What is wrong with the line of a check by itself."""
    if text in OTHER_CHECKS:
        return None
    parsed = parse_line(text)
    if not parsed.is_ok():
        return _grammar_problem(text, parsed, position)
    metric_check = parsed.result.metric_check()
    message = _metric_problem(metric_check, config) if metric_check else ""
    return CheckProblem(*position, message) if message else None


def _metric_problem(metric_check: Any, config: Value) -> str:
    metric = metric_check.metric()
    name = metric.metric_name().getText()
    arguments = _arguments(metric)
    if name.startswith("$"):
        return "Check templates (`$name`) are not part of Soda Core; write the check out."
    if _defines(name, config):
        return ""
    if name not in METRICS:
        return f"Unknown check `{name}`{did_you_mean(name, METRICS | OTHER_CHECKS) or '.'} {_expected_metrics()}"
    if name in COLUMN_METRICS and not arguments:
        return f"`{name}` needs a column, as in `{name}(column)`."
    if name == "row_count" and arguments:
        return "`row_count` counts rows and takes no column; use `valid_count`, `missing_count` or a `filter`."
    if name not in MANY_ARGUMENTS and len(arguments) > 1:
        return f"`{name}` takes one column, but {len(arguments)} were found."
    return _percentile_problem(name, arguments)


def _percentile_problem(name: str, arguments: list[str]) -> str:
    if not name.startswith("percentile"):
        return ""
    fraction = arguments[1] if len(arguments) == 2 else ""
    if re.fullmatch(r"0?\.\d+|[01](\.0*)?", fraction):
        return ""
    return f"`{name}` needs a column and a fraction from 0 to 1, as in `{name}(column, 0.95)`."


def _defines(name: str, config: Value) -> bool:
    return isinstance(config, dict) and any(f"{name} {kind}" in config for kind in ("query", "expression", "sql_file"))


def _expected_metrics() -> str:
    return (
        f"Expected one of: {', '.join(sorted(METRICS | OTHER_CHECKS))}, or a metric of your own with `<name> expression` or `<name> query`."
    )


def _arguments(metric: Any) -> list[str]:
    found = metric.metric_args()
    return [] if found is None else [part.getText().strip() for part in found.metric_arg()]


_TOKENS = {"IDENTIFIER_DOUBLE_QUOTE": "a name", "IDENTIFIER_UNQUOTED": "a name", "DIGITS": "a number", "' '": "a space", "<EOF>": "the end"}
_HIDDEN = {"IDENTIFIER_BACKTICK", "IDENTIFIER_SQUARE_BRACKETS", "STRING", "'.'", "'avg'", "'min'", "'max'"}


def _grammar_problem(text: str, parsed: AntlrParser, position: Position) -> CheckProblem:
    word = re.match(r"[A-Za-z_]\w*", text)
    if word and word.group(0) not in METRICS and not text.startswith((*OTHER_CHECKS, "values in", "change", "row_count same")):
        hint = did_you_mean(word.group(0), METRICS | OTHER_CHECKS)
        if hint:
            return CheckProblem(*position, f"Unknown check `{word.group(0)}`{hint} {_expected_metrics()}")
    message = str(parsed.error_message or "")
    found = re.search(r"input '([^']*)'", message)
    where = (
        f" at `{found.group(1)}`" if found and found.group(1).strip() not in ("", "<EOF>") else " at its end" if "<EOF>'" in message else ""
    )
    expected = _expected(message)
    return CheckProblem(*position, f"Cannot read `{text[:120]}`{where}. Expected {expected}.")


def _expected(message: str) -> str:
    listed = re.search(r"expecting (?:\{(.*)\}|(.*))", message)
    raw = re.findall(r"'[^']*'|<EOF>|[A-Z_]+", (listed.group(1) or listed.group(2)) if listed else "")
    words = [_TOKENS.get(token, token.strip("'").strip()) for token in raw if token not in _HIDDEN]
    unique = list(dict.fromkeys(word for word in words if word))
    return f"one of: {', '.join(unique)}" if unique else "a check such as `row_count > 0` or `missing_count(column) = 0`"


def _problems(logs: Logs, position: Position) -> list[CheckProblem]:
    found = []
    for log in logs.logs:
        if log.level.value == "ERROR":
            at = (log.location.line, log.location.col) if log.location and log.location.line else position
            found.append(CheckProblem(at[0], at[1], _sentence(str(log.message))))
    return found[:1]


def _sentence(message: str) -> str:
    text = re.sub(r"\s+", " ", message).strip()[:400]
    return text if text.endswith((".", "?", "!")) else text + "."


def _stumbled(error: Exception, position: Position) -> CheckProblem:
    if isinstance(error, patches.ForbiddenAccess):
        return CheckProblem(*position, str(error))
    return CheckProblem(*position, "The settings of this check do not fit together; compare them with the SodaCL reference for its kind.")


def threshold_problem(cfg: Any, position: Position) -> tuple[CheckProblem, ...]:
    """Thresholds of the wrong kind, which Soda would only notice (or ignore) while it runs."""
    message = ""
    if type(cfg).__name__ == "FreshnessCheckCfg":
        if cfg.fail_freshness_threshold is None and cfg.warn_freshness_threshold is None:
            message = "Freshness needs a longest age, as in `freshness(column) < 1d` (units d, h and m)."
    else:
        for bound in _bounds(cfg):
            if isinstance(bound, timedelta):
                message = "A duration such as `1d` only fits `freshness`; expected a number."
            elif isinstance(bound, str):
                message = f"Expected a number in the threshold, but found `{bound[:40]}`."
    return (CheckProblem(*position, message),) if message else ()


def _bounds(cfg: Any) -> list[object]:
    thresholds = [getattr(cfg, name, None) for name in ("fail_threshold_cfg", "warn_threshold_cfg")]
    bounds = [getattr(threshold, side, None) for threshold in thresholds if threshold for side in ("gt", "gte", "lt", "lte")]
    return [bound for bound in bounds if bound is not None]


_ARGUMENTS = re.compile(
    r"(?:(?:change|anomaly)\b.*?\bfor\s+)?"
    r'(?:(?:values in|\w+)\s*\((?P<arguments>(?:"[^"]*"|[^()"])*)\)|freshness using (?P<using>[\w$"]+))'
)
"""The columns of a check, which stand in the first brackets behind its metric; those of a threshold are no columns."""


def column_of(text: str) -> str:
    """The one column that a check is about, unquoted; empty for none or several."""
    found = _ARGUMENTS.match(text)
    if found is None:
        return ""
    if found.group("using"):
        return found.group("using").strip('"`')
    arguments = re.findall(r'"[^"]*"|[^",]+', found.group("arguments"))
    if len(arguments) > 1 and text.startswith(("duplicate", "values in")):
        return ""
    return arguments[0].strip().strip('"`') if arguments else ""


def threshold_of(text: str, config: Value) -> str:
    """The condition in SodaCL words: `> 0`, or `warn: > 1, fail: > 5`."""
    if family_of(text) == "values in":
        return "= 0"
    parsed = parse_line(text) if text not in OTHER_CHECKS else None
    metric_check = parsed.result.metric_check() if parsed and parsed.is_ok() else None
    if metric_check and metric_check.threshold():
        return str(metric_check.threshold().getText()).strip()
    if family_of(text) == "row_count same as":
        return text.removeprefix("row_count ").strip()
    zones = [(zone, config.get(zone)) for zone in ("warn", "fail")] if isinstance(config, dict) else []
    texts = [f"{zone}: {_zone_text(value)}" for zone, value in zones if value is not None]
    return ", ".join(texts) or ("= 0" if text == "failed rows" else "")


def _zone_text(value: Value) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key} {_listed(item)}".strip() for key, item in value.items())
    return str(value).removeprefix("when ").strip()


def _listed(value: Value) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {item}" if item is not None else str(key) for key, item in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
