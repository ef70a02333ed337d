"""Does every statement in the .sql files fit the migrated schema?"""

from __future__ import annotations

from collections.abc import Mapping

import asyncpg

from services.common.postgres import Connection


async def unprepared(connection: Connection, statements: Mapping[str, str]) -> dict[str, str]:
    """What Postgres says, by name, of the statements that it cannot PREPARE; empty when all is well.

    Connect as the service's app role: then a grant that a migration forgot is not seen here, but a wrong name or type is.
    """
    problems = {}
    for name, statement in statements.items():
        try:
            await connection.prepare(statement)
        except asyncpg.PostgresError as error:
            problems[name] = str(error)
    return problems
