"""Soda Core as it ships, in a process of its own: `python -m bench.quality.stock` answers JSON lines.

It is never imported beside the engine, whose patches would change what is measured.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import sys
import time
from collections.abc import Sequence
from typing import Any


def configuration(connection: dict[str, Any]) -> str:
    """Soda's own configuration for a warehouse."""
    fields = {
        "type": "snowflake", "username": connection["user"], "password": connection["password"], "account": connection["account"],
        "database": connection["database"], "schema": connection["schema"], "host": connection["host"], "port": connection["port"],
    }  # fmt: skip
    lines = "\n".join(f"  {name}: {json.dumps(value)}" for name, value in fields.items())
    return f"data_source wh:\n{lines}\n"


def _use_http() -> None:
    """Soda cannot be told to speak http, which the emulator does; nor not to look for cloud metadata servers."""
    import snowflake.connector

    connect = snowflake.connector.connect

    def plain(*arguments: Any, **named: Any) -> Any:
        named.update(protocol="http", platform_detection_timeout_seconds=0)
        return connect(*arguments, **named)

    snowflake.connector.connect = plain  # type: ignore[assignment]
    from soda.data_sources import snowflake_data_source

    snowflake_data_source.connector.connect = plain


def scan(connection: dict[str, Any], checks: str) -> dict[str, Any]:
    """One scan with a new connection, as Soda makes it."""
    from soda.scan import Scan

    started = time.perf_counter()
    run = Scan()
    run.set_data_source_name("wh")
    run.add_configuration_yaml_str(configuration(connection))
    run.add_sodacl_yaml_str(checks)
    run.execute()
    seconds = time.perf_counter() - started
    outcomes = {check.check_cfg.location.line: check.outcome.name if check.outcome else "NONE" for check in run._checks}
    queries = [str(query.sql) for query in run._queries]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": seconds, "outcomes": outcomes, "queries": queries, "memory_kb": memory, "errors": run.get_error_logs_text()}


class Replay:
    """The raw statements on one connection that stays open: what any tool would have to beat."""

    def __init__(self, connection: dict[str, Any]) -> None:
        import snowflake.connector

        named = {key: connection[key] for key in ("user", "password", "account", "database", "schema", "host", "port")}
        self._connection = snowflake.connector.connect(**named)

    def run(self, queries: Sequence[str]) -> dict[str, Any]:
        started = time.perf_counter()
        for sql in queries:
            with self._connection.cursor() as cursor:
                cursor.execute(sql)
                cursor.fetchall()
        return {"seconds": time.perf_counter() - started}


def main() -> None:
    """Answer `{"op": "scan" | "replay", …}` lines until the input ends."""
    logging.disable(logging.CRITICAL)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _use_http()
    replay: Replay | None = None
    for line in sys.stdin:
        request = json.loads(line)
        if request["op"] == "scan":
            answer = scan(request["connection"], request["checks"])
        else:
            replay = replay or Replay(request["connection"])
            answer = replay.run(request["queries"])
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def cli() -> None:
    """`soda scan` itself, with the same two settings: `python -m bench.quality.stock cli scan …`."""
    _use_http()
    from soda.cli.cli import main as soda

    sys.argv = ["soda", *sys.argv[2:]]
    soda()


if __name__ == "__main__":
    cli() if sys.argv[1:2] == ["cli"] else main()
