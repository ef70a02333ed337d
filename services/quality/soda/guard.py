"""The SQL guard: what a statement must be before it is sent to a warehouse.

It works on the syntax tree of the statement as it would be sent, never on the text of the checks, because SodaCL lets
texts in at a dozen places. It is the second fence: the first is a read-only role of the login, the third the sandbox.
"""

from __future__ import annotations

import functools
import itertools
import re
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

MAX_SQL = 200_000
"""Characters of one statement; a hundred fused checks stay below it."""


class Refused(Exception):
    """A statement that no check may send; `message` says what was found, for the user."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class Scope:
    """What statements of one session may read."""

    dialect: str
    """`snowflake` or `postgres`."""
    database: str
    schema: str
    granted: frozenset[tuple[str, str]]
    """(database, schema) pairs as the warehouse stores their names."""


_FORBIDDEN: tuple[tuple[type[exp.Expr], str], ...] = (
    (exp.Command, "a command"),
    (exp.DDL, "a change"),
    (exp.DML, "a change"),
    (exp.Into, "SELECT … INTO"),
    (exp.Lock, "a row lock"),
    (exp.Copy, "COPY"),
    (exp.Use, "USE"),
    (exp.Set, "SET"),
    (exp.Pragma, "PRAGMA"),
    (exp.Parameter, "a session variable"),
    (exp.SessionParameter, "a session variable"),
    (exp.Placeholder, "a placeholder"),
)
_FUNCTIONS = re.compile(
    r"(system\$|pg_|lo_|dblink|duckdb_|read_|txid_|has_|inet_|query_to_|table_to_|schema_to_|database_to_|cursor_to_|to_regclass|ts_stat"
    r"|(result_scan|generator|identifier|get_ddl|set_config|current_setting|glob|getenv|sniff_csv|parquet_scan|st_read|query|query_table"
    r"|get_presigned_url|build_scoped_file_url|build_stage_file_url|get_stage_location|nextval|setval|currval|lastval|version|xmltable"
    r"|external_function_request)\Z)",
    re.IGNORECASE,
)
_TABLE_FUNCTIONS = (exp.Explode, exp.Unnest)
_EMULATED_CATALOG = re.compile(
    r"sqlite_(temp_)?(master|schema)|duckdb_\w+|pragma_\w+"
    r"|pg_(am|attrdef|attribute|class|collation|constraint|database|depend|description|enum|index|indexes|matviews|namespace|operator|proc"
    r"|prepared_statements|range|roles|sequence|sequences|settings|stat\w*|tables|tablespace|type|user|views)",
    re.IGNORECASE,
)
"""System tables that answer without a schema where a local emulator stands in for Snowflake, and list every schema of it.
Exact names: a table of Snowflake may begin with `PG_`."""
_ESCAPED_NAME = re.compile(r'U&"', re.IGNORECASE)
_METADATA = frozenset({"tables", "columns"})


def check(sql: str, scope: Scope, *, internal: bool = False) -> None:
    """Raise Refused unless the statement is one SELECT over readable tables. `internal` statements may read metadata."""
    message = _verdict(sql, scope, internal)
    if message:
        raise Refused(message)


@functools.lru_cache(maxsize=2048)
def _verdict(sql: str, scope: Scope, internal: bool) -> str:
    if len(sql) > MAX_SQL:
        return f"The statement has {len(sql)} characters; at most {MAX_SQL} are allowed."
    try:
        if scope.dialect == "postgres" and _has_escaped_name(sql):
            return 'Names with Unicode escapes (`U&"…"`) may not be used in checks; write the name itself.'
        statements = [found for found in sqlglot.parse(sql, read=scope.dialect) if found is not None]
        return _judge(statements, scope, internal)
    except SqlglotError as error:
        return f"This is not SQL that can be checked for safety: {_plain_error(error)}"
    except RecursionError:
        return "The SQL is nested too deeply."


def _has_escaped_name(sql: str) -> bool:
    """Whether `U&"…"` stands outside of strings: Postgres decodes it after this guard, which would read another name."""
    if not _ESCAPED_NAME.search(sql):
        return False
    tokens = sqlglot.tokenize(sql, read="postgres")
    return any(
        first.text.upper() == "U" and sign.text == "&" and sign.start == first.end + 1 and sql[sign.end + 1 : sign.end + 2] == '"'
        for first, sign in itertools.pairwise(tokens)
    )


def _judge(statements: list[exp.Expr], scope: Scope, internal: bool) -> str:
    if len(statements) != 1:
        return f"Expected one SELECT statement, but found {len(statements)}."
    root = statements[0]
    if not isinstance(root, (exp.Select, exp.SetOperation, exp.Subquery)):
        return f"Only SELECT statements may run in checks; found {_name_of(root)}."
    for node in root.walk():
        message = _node_message(node, scope, internal)
        if message:
            return message
    return ""


def _node_message(node: exp.Expr, scope: Scope, internal: bool) -> str:
    for kind, what in _FORBIDDEN:
        if isinstance(node, kind):
            return f"Only reading is allowed in checks; found {what}."
    if isinstance(node, exp.TableFromRows) and not isinstance(node.this, _TABLE_FUNCTIONS):
        return f"Only tables may be read in checks; found {node.sql(dialect=scope.dialect)[:80]}."
    if isinstance(node, exp.Table):
        return _table_message(node, scope, internal)
    if isinstance(node, exp.Func):
        return _function_message(node)
    if isinstance(node, exp.Column) and node.table and node.name.casefold() == "nextval" and not node.this.args.get("quoted"):
        return "Only reading is allowed in checks; found a sequence being advanced."
    if isinstance(node, exp.Dot) and isinstance(node.expression, exp.Func):
        return f"Functions of a schema may not be called in checks: {node.sql()[:80]}."
    return ""


def _function_message(node: exp.Func) -> str:
    name = node.name if isinstance(node, (exp.Anonymous, exp.AnonymousAggFunc)) else node.sql_name()
    if _FUNCTIONS.match(name or ""):
        return f"The function {name[:60]} may not be called in checks."
    return ""


def _table_message(node: exp.Table, scope: Scope, internal: bool) -> str:
    if not isinstance(node.this, exp.Identifier):
        if isinstance(node.this, _TABLE_FUNCTIONS):
            return ""
        return f"Only tables may be read in checks; found {node.sql(dialect=scope.dialect)[:80]}."
    table, schema, database = (_fold(part, scope.dialect) for part in (node.this, node.args.get("db"), node.args.get("catalog")))
    if re.search(r"[/\\:*?@']", table):
        return f"`{table[:60]}` is not a table that checks may read."
    if schema.lower() == "information_schema":
        return "" if internal and table.lower() in _METADATA else "The information schema may not be read in checks."
    if _is_system_table(table, schema, scope):
        return f"System table {table[:60]} may not be read in checks."
    if schema and (database or scope.database, schema) not in scope.granted:
        return ungranted(".".join(part for part in (database, schema) if part))
    return ""


def _is_system_table(table: str, schema: str, scope: Scope) -> bool:
    if scope.dialect == "postgres":
        return table.lower().startswith("pg_")
    return not schema and _EMULATED_CATALOG.fullmatch(table) is not None


def ungranted(schema: str) -> str:
    """The sentence for a schema, written as the user may know it, that the connection does not grant."""
    return f"Schema {schema[:120]} is not granted to this connection; add it to the connection's granted schemas to read it."


def _fold(part: object, dialect: str) -> str:
    if not isinstance(part, exp.Identifier):
        return ""
    name = str(part.this)
    if part.args.get("quoted"):
        return name
    return name.lower() if dialect == "postgres" else name.upper()


def fold_name(name: str, dialect: str) -> str:
    """A configured name as the warehouse stores it: folded unless it stands in double quotes."""
    if len(name) > 1 and name[0] == name[-1] == '"':
        return name[1:-1]
    return name.lower() if dialect == "postgres" else name.upper()


def _name_of(node: exp.Expr) -> str:
    if isinstance(node, exp.Command):
        return str(node.this).upper()[:40]
    # Words that are no statement parse as an expression: `SELEC 1`, `VACUUM`.
    return f"`{node.sql()[:40]}`" if isinstance(node, (exp.Alias, exp.Column)) else type(node).__name__.upper()


def _plain_error(error: SqlglotError) -> str:
    """Where the SQL stops making sense. The parser's own words name its classes, so only its place is told."""
    errors = getattr(error, "errors", None)
    if errors:
        return f"it cannot be read near `{str(errors[0].get('highlight', ''))[:60]}`."
    return "a quote, a comment or a `$$` is opened and not closed."
