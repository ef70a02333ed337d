"""Soda's data sources with our names, literals and metric identities, and no connection of their own.

Soda only builds SQL here. Statements are sent by the scan itself (statements.py), through the one guarded session.
"""

from __future__ import annotations

import re
from typing import Any

from services.quality.soda import patches
from services.quality.soda.names import Names

patches.apply()

from soda.common.logs import Logs  # noqa: E402 (patches must come first)
from soda.data_sources.postgres_data_source import PostgresDataSource  # noqa: E402
from soda.data_sources.snowflake_data_source import SnowflakeDataSource  # noqa: E402
from soda.execution.data_source_scan import DataSourceScan  # noqa: E402
from soda.scan import Scan  # noqa: E402

DEFAULT_SOURCE = "(own)"
"""The dataset's own connection. No other connection that checks name can be called so: names hold no brackets."""
MAX_AGGREGATES = 200
"""Expressions of one SELECT; Soda stops at 50, which reads a table of many checks several times."""


class NoConnection:
    """Stands where Soda expects a connection: nothing in Soda may talk to a warehouse by itself."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise patches.ForbiddenAccess("Statements are sent by the scan, not by Soda.")


class QuietScan(Scan):  # type: ignore[misc]
    """A Scan that holds Soda's objects together and never reads the environment."""

    def __init__(self, variables: dict[str, str]) -> None:
        super().__init__()
        self._variables = dict(variables)
        self._data_source_name = DEFAULT_SOURCE
        self._configuration.samples_limit = 0
        self._configuration.sampler = None

    def jinja_resolve(self, definition: Any, variables: Any = None, location: Any = None) -> Any:
        return definition

    def get_variable(self, variable_name: str, default_value: str | None = None) -> str | None:
        return self._variables.get(variable_name, default_value)

    def add_source(self, name: str, source: Any) -> None:
        self._data_source_manager.data_sources[name] = source


class ExactScan(DataSourceScan):  # type: ignore[misc]
    """Shares a metric between two checks only when everything that shapes its SQL is equal.

    Soda's own identity leaves out invalid values, formats and expressions, the direction of reference checks and the
    queries of group evolution, and runs texts together unseparated: different checks would share one value.
    """

    def resolve_metric(self, metric: Any) -> Any:
        exact: dict[str, Any] = self.__dict__.setdefault("exact_metrics", {})
        key = _metric_key(metric)
        known = exact.get(key)
        if known is not None:
            known.merge_checks(metric)
            return known
        exact[key] = metric
        metric.ensure_query()
        return metric


def _metric_key(metric: Any) -> str:
    place = metric.partition
    parts: list[object] = [type(metric).__name__, metric.name]
    parts += [place.table.table_name, place.partition_name] if place else []
    for name in ("column_name", "metric_args", "filter", "aggregation", "query", "sql"):
        parts.append(getattr(metric, name, None))
    if metric.column is not None:
        parts.append(metric.column.column_name)
    validity = getattr(metric, "missing_and_valid_cfg", None)
    if validity is not None:
        parts.append(sorted((key, repr(value)) for key, value in vars(validity).items() if not key.endswith("location")))
    if type(metric).__name__ == "ReferenceMetric":
        cfg = metric.check.check_cfg
        parts += [cfg.source_column_names, cfg.target_table_name, cfg.target_column_names, cfg.is_reverse]
    return repr(parts)


class _Common:
    """What both warehouses share. A mix-in: the Soda class follows it in the bases."""

    names: Names

    def create_data_source_scan(self, scan: Any, data_source_scan_cfg: Any) -> ExactScan:
        self.data_source_scan = ExactScan(scan, data_source_scan_cfg, self)
        return self.data_source_scan

    def connect(self) -> None:
        raise patches.ForbiddenAccess("Statements are sent by the scan, not by Soda.")

    def qualified_table_name(self, table_name: str) -> str:
        return self.names.qualified(table_name)

    def get_max_aggregation_fields(self) -> int:
        return MAX_AGGREGATES

    def sql_select_all_column_names(self, table_name: str) -> list[str]:
        return ["*"]

    def literal_number(self, value: Any) -> str:
        return ("TRUE" if value else "FALSE") if isinstance(value, bool) else repr(value)

    def is_same_type_in_schema_check(self, expected_type: str, actual_type: str) -> bool:
        """Types are compared without case, length and precision, and by the synonyms of the warehouse."""
        expected, actual = _base_type(expected_type), _base_type(actual_type)
        if expected == actual:
            return True
        return any(expected in group and actual in group for group in _SYNONYMS)


_SYNONYMS = (
    {"text", "varchar", "string", "character varying", "char", "character", "nvarchar", "bpchar"},
    {"number", "numeric", "decimal", "integer", "int", "bigint", "smallint", "tinyint", "byteint", "int2", "int4", "int8", "fixed"},
    {"float", "float4", "float8", "double", "double precision", "real"},
    {"timestamp_ntz", "timestamp", "datetime", "timestamp without time zone"},
    {"timestamp_tz", "timestamptz", "timestamp with time zone"},
    {"boolean", "bool"},
    {"time", "time without time zone"},
)
_PG_NUMBERS = ({"integer", "int", "int4"}, {"bigint", "int8"}, {"smallint", "int2"}, {"numeric", "decimal"})


def _base_type(name: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"\([^)]*\)", "", name)).strip().lower()


class ChalkSnowflake(_Common, SnowflakeDataSource):  # type: ignore[misc]
    """Snowflake's SQL, built but never sent."""

    def __init__(self, logs: Logs, name: str, names: Names) -> None:
        super().__init__(logs, name, {"database": names.scope.database, "schema": names.scope.schema, "connection_type": "snowflake"})
        self.names = names
        self.connection = NoConnection()

    def literal_string(self, value: str) -> str:
        return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"

    def escape_regex(self, value: str) -> str:
        # Snowflake has no non-capturing groups; for a match, a capturing one is the same.
        return value.replace("(?:", "(").replace("\\", "\\\\").replace("'", "''")

    def cast_text_to_number(self, column_name: str, validity_format: str) -> str:
        kept = f"REGEXP_REPLACE(COLLATE({column_name}, ''), '[^-0-9\\\\.\\\\,]', '')"
        return f"CAST(NULLIF(REGEXP_REPLACE({kept}, ',', '.'), '') AS FLOAT)"


class ChalkPostgres(_Common, PostgresDataSource):  # type: ignore[misc]
    """PostgreSQL's SQL, built but never sent."""

    def __init__(self, logs: Logs, name: str, names: Names) -> None:
        super().__init__(logs, name, {"database": names.scope.database, "schema": names.scope.schema, "connection_type": "postgres"})
        self.names = names
        self.connection = NoConnection()

    def literal_string(self, value: str) -> str:
        return "'" + value.replace("'", "''") + "'"

    def escape_regex(self, value: str) -> str:
        return value.replace("'", "''")

    def cast_text_to_number(self, column_name: str, validity_format: str) -> str:
        kept = f"REGEXP_REPLACE({column_name}, '[^-0-9.,]', '', 'g')"
        return f"CAST(NULLIF(REGEXP_REPLACE({kept}, ',', '.', 'g'), '') AS DOUBLE PRECISION)"

    def is_same_type_in_schema_check(self, expected_type: str, actual_type: str) -> bool:
        expected, actual = _base_type(expected_type), _base_type(actual_type)
        for group in _PG_NUMBERS:
            if expected in group or actual in group:
                return expected in group and actual in group
        return super().is_same_type_in_schema_check(expected_type, actual_type)


def create_source(logs: Logs, name: str, names: Names) -> ChalkSnowflake | ChalkPostgres:
    """The data source for a session's dialect."""
    return ChalkSnowflake(logs, name, names) if names.upper else ChalkPostgres(logs, name, names)
