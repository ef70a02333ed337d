"""What the same checks cost without the platform, in runs per second: the peers of `peers.py`, two at a time each."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.quality.peers import Stock, soda_cli

WORKERS = 2
_CLI_SCANS = 6
_WARM_SCANS = 40
_RAW_SCANS = 100


@dataclass(frozen=True, slots=True)
class Peers:
    """Runs per second."""

    soda_scan: float
    soda_warm: float
    raw: float


def measure_peers(connection: dict[str, Any], suites: Sequence[str]) -> Peers:
    """`suites` are the checks of one dataset each."""
    with tempfile.TemporaryDirectory(prefix="bench-d-") as directory:
        homes = [Path(directory) / str(number) for number in range(WORKERS)]
        for home in homes:
            home.mkdir()
        soda_scan = _rate(lambda worker, text: soda_cli(homes[worker], connection, text), suites[:_CLI_SCANS])
        with Stock(homes[0]) as first, Stock(homes[1]) as second:
            processes = (first, second)
            for process in processes:
                process.scan(connection, suites[0])  # loads Soda
            statements: list[list[str]] = []
            soda_warm = _rate(
                lambda worker, text: statements.append(processes[worker].scan(connection, text)["queries"]), suites[:_WARM_SCANS]
            )
            for process in processes:
                process.replay(connection, statements[0])  # opens the connection that stays
            replayed = (statements * _RAW_SCANS)[:_RAW_SCANS]
            raw = _rate(lambda worker, queries: processes[worker].replay(connection, queries), replayed)
    return Peers(soda_scan, soda_warm, raw)


def _rate(action: Callable[[int, Any], object], jobs: Sequence[Any]) -> float:
    """Each worker does its share one after the other, the workers at the same time."""

    def share(worker: int) -> None:
        for job in jobs[worker::WORKERS]:
            action(worker, job)

    started = time.monotonic()
    with ThreadPoolExecutor(WORKERS) as workers:
        list(workers.map(share, range(WORKERS)))
    return len(jobs) / (time.monotonic() - started)
