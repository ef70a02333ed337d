"""`up --load FILE`: a file becomes a table, the table a dataset with starter checks, and the checks run."""

from __future__ import annotations

import re
from pathlib import Path

from chalkandduster.demo.register import Registrar
from chalkandduster.demo.view import print_run
from chalkandduster.local.emulator.loading import table_name_of
from chalkandduster.local.emulator.process import EmulatorAdmin, EmulatorError, LoadedColumn, LoadedTable
from chalkandduster.local.report import SuiteStatus
from chalkandduster.local.supervisor import Say, SuiteError

TENANT = "local"
CONNECTION = "local-warehouse"
# Columns that may be a key: whole numbers and text. Times and measures repeat by chance or never.
_KEY_TYPES = ("NUMBER", "VARCHAR")
_KEY_CHECKS = 3
# Words that SQL takes for its own, and the one-letter names that SodaCL's grammar does: they need quotes in a check.
_RESERVED = """
    ALL ALTER AND ANY AS BETWEEN BY CASE CAST CHECK COLUMN CONNECT CONSTRAINT CREATE CROSS CURRENT DATABASE DATE DELETE DISTINCT DROP ELSE
    EXISTS FALSE FOLLOWING FOR FROM FULL GRANT GROUP HAVING ILIKE IN INCREMENT INNER INSERT INTERSECT INTO IS JOIN LATERAL LEFT LIKE
    LOCALTIME MINUS NATURAL NOT NULL OF ON OR ORDER QUALIFY REGEXP REVOKE RIGHT RLIKE ROW ROWS SAMPLE SCHEMA SELECT SET SOME START TABLE
    THEN TIME TIMESTAMP TO TRIGGER TRUE UNION UNIQUE UPDATE USING VALUES VIEW WHEN WHENEVER WHERE WITH
"""
_QUOTED = frozenset(_RESERVED.split())


def load_file(suite: SuiteStatus, admin_token: str, file: Path, say: Say) -> None:
    """Load, register, run, print. Loading the same file again replaces the table and runs the checks anew. Raises SuiteError."""
    loaded = _load(suite, admin_token, file)
    say(f"{file.name}: {loaded.rows:,} rows in table {loaded.database}.{loaded.schema}.{loaded.table}")
    with Registrar(suite, TENANT, say) as registrar:
        connection_id = registrar.connect(CONNECTION)
        name = dataset_name(loaded.table)
        dataset_id = registrar.dataset(name, connection_id, loaded.table, starter_checks(loaded))
        run = registrar.run(dataset_id)()
    print_run(run)
    say(f"tenant {TENANT}, dataset {name}: change its checks with PATCH /api/v1/datasets/{dataset_id}")


def dataset_name(table: str) -> str:
    """The table's name as a dataset's: those start with a letter or digit and hold no `$`."""
    return re.sub(r"[^a-z0-9_]", "-", table.lower()).strip("_-")[:200] or "table"


def _load(suite: SuiteStatus, admin_token: str, file: Path) -> LoadedTable:
    warehouse = suite.warehouse or {}
    table = table_name_of(file)
    try:
        admin = EmulatorAdmin(str(warehouse["host"]), int(warehouse["port"]), admin_token)
        return admin.load(file, f"{table}_TABLE" if table in _QUOTED else table)
    except EmulatorError as error:
        raise SuiteError(f"the file was not loaded: {error}") from error


def starter_checks(loaded: LoadedTable) -> str:
    """Checks that hold the table to what it looks like now: its columns, what is complete, what looks like a key."""
    lines = [f"# Starter checks, derived from the {loaded.rows} rows that were loaded. Change them to what you know to be right."]
    lines += [f"checks for {loaded.table}:", "  - row_count > 0"]
    lines += _schema_check(loaded.columns)
    for column in loaded.columns:
        lines += _completeness(column, loaded.rows)
    keys = [c for c in loaded.columns if c.type.startswith(_KEY_TYPES) and c.distinct == loaded.rows > 1]
    lines += [f"  - {_call('duplicate_count', key)} = 0" for key in keys[:_KEY_CHECKS]]
    return "\n".join(lines) + "\n"


def _schema_check(columns: tuple[LoadedColumn, ...]) -> list[str]:
    names = ", ".join(f'"{column.name}"' for column in columns)
    return ["  - schema:", "      name: The columns are still there", "      fail:", f"        when required column missing: [{names}]"]


def _completeness(column: LoadedColumn, rows: int) -> list[str]:
    if column.missing == 0:
        return [f"  - {_call('missing_count', column)} = 0"]
    if column.missing == rows:
        return []  # nothing to hold it to
    return [f"  - {_call('missing_percent', column)}:", "      warn: when > 5%", "      fail: when > 50%"]


def _call(metric: str, column: LoadedColumn) -> str:
    plain = re.fullmatch(r"[A-Z_][A-Z0-9_]+", column.name) and column.name not in _QUOTED
    return f"{metric}({column.name})" if plain else f'{metric}("{column.name}")'
