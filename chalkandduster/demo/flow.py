"""The demo's walk: load three tables, register them, trigger their checks through REST, show what failed and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chalkandduster.demo import retail
from chalkandduster.demo.register import Registrar
from chalkandduster.demo.view import print_run
from chalkandduster.local.emulator.process import EmulatorAdmin
from chalkandduster.local.report import SuiteStatus
from chalkandduster.local.supervisor import Say, SuiteError

TENANT = "demo-retail"
CONNECTION = "warehouse"
# The run whose verdict is the demo's: the table with most kinds of flaws.
MAIN = "orders"
CHECKS = Path(__file__).parent / "checks"


def run_demo(suite: SuiteStatus, warehouse: EmulatorAdmin, say: Say) -> str:
    """Do the walk in a running suite; the line that sums it up. Raises SuiteError, also when no flaw was found."""
    for table, file in retail.write_tables(Path(suite.directory) / "retail").items():
        loaded = warehouse.load(file, table)
        say(f"table {table}: {loaded.rows:,} rows loaded")
    with Registrar(suite, TENANT, say) as registrar:
        connection_id = registrar.connect(CONNECTION)
        pending = {}
        for file in sorted(CHECKS.glob("*.yaml")):
            dataset_id = registrar.dataset(file.stem, connection_id, file.stem, file.read_text(encoding="utf-8"))
            pending[file.stem] = registrar.run(dataset_id)
        runs = {name: wait() for name, wait in pending.items()}
    # The main one last, right above the line that names it.
    for name in sorted(runs, key=lambda name: name == MAIN):
        print_run(runs[name])
    return summary(runs[MAIN])


def summary(run: dict[str, Any]) -> str:
    """The demo's last line. Raises SuiteError if the run did not find what is known to be wrong."""
    counts = run.get("check_counts") or {}
    failed, total = int(counts.get("failed", 0)), int(counts.get("total", 0))
    if run.get("verdict") != "FAIL" or not failed:
        reason = (run.get("error") or {}).get("message") or "the flaws of the data set were not found"
        raise SuiteError(f"run {run['id']} ended as {run['state']} with the verdict {run.get('verdict') or 'none'}: {reason}")
    return f"demo: run {run['id']} verdict FAIL, {failed} of {total} checks failed"
