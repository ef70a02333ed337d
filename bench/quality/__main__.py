"""`python -m bench.quality [--only a,b,c,d]`: run the benchmarks, print the table, write bench/out/quality.json."""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.quality import report
from bench.quality.cases import Bench, CaseResult, case_a, case_b, case_c
from bench.quality.peers import Stock
from bench.quality.platform_runs import PlatformRuns
from chalkandduster.local.state import State
from chalkandduster.local.suite import Suite


def main() -> int:
    """0 when every target was met, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m bench.quality", description=__doc__)
    parser.add_argument("--only", default="a,b,c,d", help="cases to run, separated by commas")
    wanted = set(parser.parse_args().only.split(","))
    results = _cases_beside_soda(wanted)
    document: dict[str, Any] = report.as_json(results)
    met = all(result.met for result in results)
    report.show(results)
    if "d" in wanted:
        from bench.quality import case_d

        throughput = case_d.measure()
        document["d"] = {**asdict(throughput), "met": throughput.met}
        met = met and throughput.met
        sys.stdout.write(f"d: {throughput.runs_per_second:.1f} runs/s, idle start {throughput.idle_start_ms_median:.0f} ms (median)\n")
    report.write(document)
    return 0 if met else 1


def _cases_beside_soda(wanted: set[str]) -> list[CaseResult]:
    if not wanted & {"a", "b", "c"}:
        return []
    with tempfile.TemporaryDirectory(prefix="bench-quality-", ignore_cleanup_errors=True) as directory:
        home = Path(directory)
        home.chmod(0o711)  # as root Postgres runs as nobody, who has to pass through
        with (
            Suite(State(home / "state"), 0, lambda line: None) as suite,
            Stock(home / "soda") as stock,
            PlatformRuns(suite, "wide") as ours,
        ):
            bench = Bench(suite.warehouse, stock, home / "soda", ours)
            results = [case(bench) for name, case in (("a", case_a), ("b", case_b)) if name in wanted]
            if "c" in wanted:
                ours.keep(10)
                results.append(case_c(bench))
            return results


if __name__ == "__main__":
    raise SystemExit(main())
