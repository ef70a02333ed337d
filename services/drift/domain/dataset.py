"""What an evaluation needs to know about its dataset, and what the warehouse's catalogue says of the table."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.drift.domain.connection import ConnectionSpec, SnowflakeConnection
from services.drift.domain.profile import ColumnKind


@dataclass(frozen=True, slots=True)
class DatasetDefinition:
    """A dataset and its connection, as the registry answers them. Kept in memory for as long as an evaluation lasts."""

    id: str
    name: str
    database: str
    """Empty for the connection's."""
    schema: str
    """Empty for the connection's."""
    table: str
    drift_yaml: str
    excluded_columns: tuple[str, ...]
    """Columns whose values never leave the warehouse, by the dataset's sample policy."""
    connection: ConnectionSpec = field(repr=False)
    tenant_active: bool

    @property
    def dialect(self) -> str:
        """The SQL that the warehouse reads."""
        return "snowflake" if isinstance(self.connection, SnowflakeConnection) else "postgres"


@dataclass(frozen=True, slots=True)
class CatalogColumn:
    """A column as the catalogue describes it."""

    name: str
    """As stored."""
    declared_type: str
    nullable: bool
    position: int
    """1-based."""
    kind: ColumnKind


@dataclass(frozen=True, slots=True)
class CatalogTable:
    """A table as the catalogue describes it."""

    path: tuple[str, ...]
    """Stored names, outermost first: (database, schema, table) or (schema, table)."""
    columns: tuple[CatalogColumn, ...]
    """In the order of the table."""
    retention_days: int = 0
    """Days that Snowflake keeps earlier states of it; 0 elsewhere."""
    rows: int | None = None
    """Rows as the catalogue counts them; None when it does not say."""

    def column(self, written: str) -> CatalogColumn | None:
        """The column of that name: exactly, else whatever the case, as long as that is one only."""
        exact = [column for column in self.columns if column.name == written]
        alike = exact or [column for column in self.columns if column.name.casefold() == written.casefold()]
        return alike[0] if len(alike) == 1 else None
