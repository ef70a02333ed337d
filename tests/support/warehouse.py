"""A schema of one's own in the session's Snowflake emulator."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import snowflake.connector

from chalkandduster.local.emulator import EmulatorProcess

USER = "CHALK"
PASSWORD = "chalk-test-password"
# A second user, so that a test can tell a wrong user from a wrong password.
USERS = {USER: {"password": PASSWORD}, "OTHER": {"password": "other-test-password"}}


@dataclass(frozen=True, slots=True)
class Warehouse:
    """One schema; `connect_args` fit `snowflake.connector.connect`."""

    emulator: EmulatorProcess
    schema: str

    @property
    def database(self) -> str:
        return str(self.emulator.connect_args["database"])

    @property
    def connect_args(self) -> dict[str, Any]:
        return {**self.emulator.connect_args, "schema": self.schema}

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run the statements in this schema; the rows of the last."""
        rows: Sequence[Any] = []
        with closing(snowflake.connector.connect(**self.connect_args)) as connection:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)
                rows = cursor.fetchall()
        return [tuple(row) for row in rows]
