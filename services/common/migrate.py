"""The migrations of one service: `python -m services.common.migrate <service>`.

Does what `python -m services.<service>.main migrate` does, and imports nothing that only serving needs: seconds of CPU for each
service at each start of a suite.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from services.common.logging import setup_logging
from services.common.migrations import run_migrations
from services.common.startup import CannotStart

VARIABLE = "CHALKANDDUSTER_MIGRATION_DATABASE_URL"
SERVICES = Path(__file__).resolve().parents[1]
USAGE_EXIT_CODE = 64


def main(arguments: list[str]) -> int:
    """0 when the schema is up to date; 1 with one sentence on stderr when it is not, 64 for a wrong command line."""
    names = sorted(path.parents[1].name for path in SERVICES.glob("*/storage/migrations"))
    if len(arguments) != 1 or arguments[0] not in names:
        sys.stderr.write(f"usage: python -m services.common.migrate {' | '.join(names)}\n")
        return USAGE_EXIT_CODE
    [name] = arguments
    setup_logging(name, "INFO")
    try:
        asyncio.run(run_migrations(_database_url(), SERVICES / name / "storage" / "migrations", name))
    except CannotStart as error:
        sys.stderr.write(f"{name}: {error}\n")
        return 1
    return 0


def _database_url() -> str:
    url = os.environ.get(VARIABLE, "")
    if not url:
        raise CannotStart(f"{VARIABLE} is missing")
    return url


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
