# ruff: noqa: S608 (the SQL is built here, of quoted names)
"""Names of tables and columns as one warehouse stores them, and the metadata queries that follow from it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlglot.dialects import Postgres, Snowflake

from services.quality.soda.guard import Scope, ungranted

_RESERVED = frozenset(
    {*Snowflake.tokenizer_class.KEYWORDS, *Postgres.tokenizer_class.KEYWORDS}
    | {"ACCOUNT", "CAST", "CHECK", "CONNECT", "CONNECTION", "CURRENT_ROLE", "FOREIGN", "GROUP"}
    | {"ISSUE", "ORDER", "ORGANIZATION", "PRIMARY", "START", "TO", "TRY_CAST", "USER"}
)
"""Words that may stand for more than a name; a table called so is put in quotes, which changes nothing else."""
_PARTS = re.compile(r'"[^"]+"|[^.]+')


@dataclass(frozen=True, slots=True)
class TableName:
    """A table with its place, as the warehouse stores the names."""

    database: str
    schema: str
    table: str


@dataclass(frozen=True, slots=True)
class Names:
    """The naming rules of one session: how unquoted names fold, and where unqualified ones live."""

    scope: Scope

    @property
    def upper(self) -> bool:
        return self.scope.dialect == "snowflake"

    def fold(self, name: str) -> str:
        """The stored form of a name: unquoted ones folded, quoted ones as they stand."""
        if len(name) > 1 and name[0] == name[-1] and name[0] in '"`':
            return name[1:-1]
        return name.upper() if self.upper else name.lower()

    def written(self, stored: str) -> str:
        """A stored name as a check would write it: quoted where folding would change it."""
        return self._sql_name(stored, "")

    def quote(self, stored: str) -> str:
        return '"' + stored.replace('"', '""') + '"'

    def locate(self, written: str) -> TableName:
        """Where a table named in a check lives: `t`, `schema.t` or `database.schema.t`."""
        parts = [self.fold(part) for part in _PARTS.findall(written)]
        schema = parts[-2] if len(parts) > 1 else self.scope.schema
        database = parts[-3] if len(parts) > 2 else self.scope.database
        return TableName(database, schema, parts[-1])

    def qualified(self, written: str) -> str:
        """The table in SQL, with the dataset's own database and schema when the check names none."""
        place = self.locate(written)
        name = self._sql_name(place.table, written)
        prefix = [self._sql_name(place.schema, "")]
        if self.upper:
            prefix.insert(0, self._sql_name(place.database, ""))
        return ".".join([*prefix, name])

    def _sql_name(self, stored: str, written: str) -> str:
        plain = re.fullmatch(r"[A-Z_][A-Z0-9_$]*" if self.upper else r"[a-z_][a-z0-9_$]*", stored)
        return stored if plain and not written.endswith('"') and stored.upper() not in _RESERVED else self.quote(stored)

    def refusal(self, written: str) -> str:
        """Why a table named in a check may not be looked at, its columns and types included; empty when it may."""
        place = self.locate(written)
        granted = (place.database, place.schema) in self.scope.granted
        return "" if granted else ungranted(f"{place.database}.{place.schema}" if self.upper else place.schema)

    def columns_sql(self, place: TableName) -> str:
        """Rows of column name, type and nullability, in the order of the table."""
        return (
            f"SELECT column_name, data_type, is_nullable FROM {self._catalog(place.database)}information_schema.columns "
            f"WHERE table_schema = {literal(place.schema)} AND table_name = {literal(place.table)} ORDER BY ordinal_position"
        )

    def tables_sql(self, database: str, schema: str) -> str:
        """Rows of one column: the tables and views of a schema."""
        return (
            f"SELECT table_name FROM {self._catalog(database)}information_schema.tables "
            f"WHERE table_schema = {literal(schema)} ORDER BY table_name"
        )

    def _catalog(self, database: str) -> str:
        return f"{self._sql_name(database, '')}." if self.upper else ""


def literal(text: str) -> str:
    """A stored name as a SQL string. Backslashes are doubled too: Snowflake reads them as escapes, and names rarely hold any."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
