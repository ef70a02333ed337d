"""Cases (a), (b) and (c): one suite of checks, ours beside `soda scan`, Soda warm in process and the raw replay of its SQL.

All runs of a round stand next to each other in time, and a ratio is the median of the rounds' own ratios: what else the
machine does in the meantime weighs on both sides alike.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import snowflake.connector

from bench.quality import workload
from bench.quality.peers import Stock, soda_cli
from chalkandduster.local.emulator import EmulatorProcess

Ours = Callable[[str], "Run"]
"""Runs a checks text on the emulator's `wide` table, start to verdict."""


@dataclass(frozen=True, slots=True)
class Run:
    """One measured run."""

    seconds: float
    verdicts: Mapping[int, str]
    """By line of the check."""
    memory_mb: float = 0.0


@dataclass(frozen=True, slots=True)
class CaseResult:
    """Medians in seconds, ratios of ours to each peer, and whether all outcomes were the same."""

    name: str
    rounds: int
    seconds: Mapping[str, float]
    ratios: Mapping[str, float]
    targets: Mapping[str, float]
    same_outcomes: bool
    memory_mb: Mapping[str, float] = field(default_factory=dict)

    @property
    def met(self) -> bool:
        return self.same_outcomes and all(self.ratios[peer] <= target for peer, target in self.targets.items())


@dataclass(slots=True)
class Bench:
    """An emulator with data in it, stock Soda in its process, and ours."""

    emulator: EmulatorProcess
    stock: Stock
    home: Path
    ours: Ours

    @property
    def connection(self) -> dict[str, Any]:
        names = ("user", "password", "account", "database", "schema", "host", "port")
        return {name: self.emulator.connect_args[name] for name in names}

    def load(self, rows: int) -> None:
        with snowflake.connector.connect(**self.emulator.connect_args) as connection:
            workload.create(connection.cursor().execute, rows)

    def case(self, name: str, checks: str, rounds: int, targets: Mapping[str, float], *, cli: bool = True) -> CaseResult:
        """Measure one suite in interleaved rounds, after one run of each to warm what is warm in practice."""
        self.ours(checks)
        first = self.stock.scan(self.connection, checks)
        runs: dict[str, list[float]] = {"ours": [], "soda_warm": [], "raw_replay": [], **({"soda_scan": []} if cli else {})}
        mine = Run(0.0, {})
        for _ in range(rounds):
            mine = self.ours(checks)
            runs["ours"].append(mine.seconds)
            runs["raw_replay"].append(self.stock.replay(self.connection, first["queries"]))
            runs["soda_warm"].append(float(self.stock.scan(self.connection, checks)["seconds"]))
            if cli:
                runs["soda_scan"].append(soda_cli(self.home, self.connection, checks))
        theirs = {int(line): outcome for line, outcome in first["outcomes"].items()}
        return CaseResult(
            name=name,
            rounds=rounds,
            seconds={peer: statistics.median(seconds) for peer, seconds in runs.items()},
            ratios={peer: _ratio(runs["ours"], seconds) for peer, seconds in runs.items() if peer != "ours"},
            targets=targets,
            same_outcomes=theirs == dict(mine.verdicts),
            memory_mb={"ours": mine.memory_mb, "soda_warm": first["memory_kb"] / 1024},
        )


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    return statistics.median(mine / their for mine, their in zip(ours, theirs, strict=True))


def case_a(bench: Bench, rows: int = 1_000_000, rounds: int = 7) -> CaseResult:
    """30 checks on a million rows of 20 columns."""
    bench.load(rows)
    return bench.case("a", workload.CHECKS, rounds, {"raw_replay": 0.80, "soda_scan": 0.45})


def case_b(bench: Bench, rounds: int = 7) -> CaseResult:
    """The same checks on 10,000 rows, with 100 ms added to each warehouse request."""
    bench.load(10_000)
    bench.emulator.set_latency(100)
    try:
        return bench.case("b", workload.CHECKS, rounds, {"soda_warm": 0.35})
    finally:
        bench.emulator.set_latency(0)


def case_c(bench: Bench, rows: int = 1_000_000, rounds: int = 3) -> CaseResult:
    """A `failed rows` query that a million rows fail, ten of them to be kept."""
    bench.load(rows)
    checks = workload.MANY_FAILING.format(table=workload.TABLE)
    return bench.case("c", checks, rounds, {"soda_warm": 0.01}, cli=False)
