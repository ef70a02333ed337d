"""The peers of a benchmark: `soda scan` cold, Soda warm in process, and the raw replay of its SQL."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.quality.stock import configuration

_NO_TELEMETRY = "send_anonymous_usage_stats: false\nuser_cookie_id: none\n"


class Stock:
    """A process with stock Soda in it."""

    def __init__(self, home: Path) -> None:
        self._environment = environment(home)
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.quality.stock"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=self._environment
        )
        return self

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def scan(self, connection: dict[str, Any], checks: str) -> dict[str, Any]:
        return self.ask({"op": "scan", "connection": connection, "checks": checks})

    def replay(self, connection: dict[str, Any], queries: Sequence[str]) -> float:
        return float(self.ask({"op": "replay", "connection": connection, "queries": list(queries)})["seconds"])

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.communicate()


def soda_cli(home: Path, connection: dict[str, Any], checks: str) -> float:
    """Seconds of one `soda scan` from the shell."""
    (home / "configuration.yml").write_text(configuration(connection), encoding="utf-8")
    (home / "checks.yml").write_text(checks, encoding="utf-8")
    command = [sys.executable, "-m", "bench.quality.stock", "cli", "scan", "-d", "wh", "-c", str(home / "configuration.yml")]
    started = time.perf_counter()
    subprocess.run(
        [*command, str(home / "checks.yml")], env=environment(home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
    )
    return time.perf_counter() - started


def environment(home: Path) -> dict[str, str]:
    """An environment in which Soda reports to nobody."""
    (home / ".soda").mkdir(parents=True, exist_ok=True)
    (home / ".soda" / "config.yml").write_text(_NO_TELEMETRY, encoding="utf-8")
    return {"HOME": str(home), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
