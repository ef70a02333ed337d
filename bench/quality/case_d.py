"""Case (d): runs per second, 200 datasets x 10 checks, 2 workers, through the whole platform; and how long an idle one takes to start.

`python -m bench.quality.case_d` starts a suite of its own (registry, quality, gateway, Postgres, emulator), measures, prints.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import snowflake.connector

from bench.quality.case_d_peers import measure_peers
from chalkandduster.client import Client
from chalkandduster.local import tokens
from chalkandduster.local.state import State
from chalkandduster.local.suite import WAREHOUSE_USER, Suite
from chalkandduster.quality.v1.run_pb2 import ListRunsRequest, Run, TriggerDatasetRequest
from chalkandduster.registry.v1.connection_pb2 import Connection, CreateConnectionRequest, SnowflakeSettings
from chalkandduster.registry.v1.dataset_pb2 import CreateDatasetRequest, Dataset
from chalkandduster.registry.v1.tenant_pb2 import CreateTenantRequest, Quotas, Tenant

DATASETS = 200
ROWS = 1_000
ROUNDS = 3
IDLE_RUNS = 50
CALLERS = 4
TARGET_RUNS_PER_SECOND = 8.0
TARGET_START_MS = 50.0


@dataclass(frozen=True, slots=True)
class CaseD:
    """Medians over the rounds."""

    runs_per_second: float
    rounds: Sequence[float]
    idle_start_ms_median: float
    """From the run's creation to its start, both by the database's clock."""
    idle_start_ms_p95: float
    soda_scan_runs_per_second: float
    """The command line, two at a time."""
    soda_warm_runs_per_second: float
    """Soda as it ships inside two processes that have it loaded, a new connection for each scan."""
    raw_runs_per_second: float
    """The statements of stock Soda alone, on two connections that stay open."""

    @property
    def met(self) -> bool:
        return self.runs_per_second >= TARGET_RUNS_PER_SECOND and self.idle_start_ms_median < TARGET_START_MS


def table_name(number: int) -> str:
    return f"ORDERS_{number:03d}"


def checks_for(table: str) -> str:
    """Ten checks, one of which finds something."""
    return f"""\
checks for {table}:
- row_count > 0
- missing_count(EMAIL) = 0
- missing_percent(STATUS) < 5 %
- duplicate_count(ID) = 0
- invalid_count(STATUS) = 0:
    valid values: [new, paid, sent]
- invalid_count(EMAIL) < 100:
    valid format: email
- min(AMOUNT) >= 0
- max(AMOUNT) < 100000
- avg(AMOUNT) between 1 and 1000
- avg_length(EMAIL) > 3
"""


def measure() -> CaseD:
    """Start a suite, measure it and its peers, stop it."""
    with tempfile.TemporaryDirectory(prefix="bench-d-", ignore_cleanup_errors=True) as directory, _suite(Path(directory)) as suite:
        tables = _load_tables(suite)
        with _tenant(suite) as client:
            datasets = _register(client, suite, tables)
            _trigger_all(client, datasets[:8])
            _wait_until_done(client)
            rounds = [_round(client, datasets) for _ in range(ROUNDS)]
            idle = sorted(_idle_start_ms(client, dataset) for dataset in datasets[:IDLE_RUNS])
        peers = measure_peers(suite.warehouse.connect_args, [checks_for(table) for table in tables])
    return CaseD(
        runs_per_second=statistics.median(rounds),
        rounds=rounds,
        idle_start_ms_median=statistics.median(idle),
        idle_start_ms_p95=idle[int(0.95 * len(idle))],
        soda_scan_runs_per_second=peers.soda_scan,
        soda_warm_runs_per_second=peers.soda_warm,
        raw_runs_per_second=peers.raw,
    )


@contextmanager
def _suite(directory: Path) -> Iterator[Suite]:
    directory.chmod(0o711)  # as root Postgres runs as nobody, who has to pass through
    with Suite(State(directory / "state"), 0, lambda line: None) as suite:
        yield suite


def _load_tables(suite: Suite) -> list[str]:
    tables = [table_name(number) for number in range(DATASETS)]
    with closing(snowflake.connector.connect(**suite.warehouse.connect_args)) as connection:
        cursor = connection.cursor()
        for table in tables:
            cursor.execute(
                f"CREATE TABLE {table} AS SELECT range AS ID, 'user' || range || '@example.com' AS EMAIL,"
                f" CASE range % 4 WHEN 0 THEN 'new' WHEN 1 THEN 'paid' WHEN 2 THEN 'sent' ELSE 'lost' END AS STATUS,"
                f" (range % 500)::double AS AMOUNT FROM range({ROWS})"
            )
    return tables


@contextmanager
def _tenant(suite: Suite) -> Iterator[Client]:
    """A caller in a tenant whose cap does not stand in the way of the workers."""
    state = suite.state.directory
    lifetime = timedelta(hours=1)
    with Client(suite.gateway_url, token=tokens.mint(state, tenant_id=None, role="platform_admin", lifetime=lifetime)) as admin:
        quotas = Quotas(max_concurrent_runs=8, max_datasets=2 * DATASETS)
        tenant = admin.registry.CreateTenant(CreateTenantRequest(tenant=Tenant(name="bench", quotas=quotas)))
    with Client(suite.gateway_url, token=tokens.mint(state, tenant_id=tenant.id, role="tenant_admin", lifetime=lifetime)) as client:
        yield client


def _register(client: Client, suite: Suite, tables: Sequence[str]) -> list[str]:
    arguments = suite.warehouse.connect_args
    settings = SnowflakeSettings(
        account=arguments["account"],
        user=WAREHOUSE_USER,
        password=arguments["password"],
        database=arguments["database"],
        schema=arguments["schema"],
        host=arguments["host"],
        port=int(arguments["port"]),
        protocol=arguments["protocol"],
    )
    created = client.registry.CreateConnection(CreateConnectionRequest(connection=Connection(name="warehouse", snowflake=settings)))

    def register(table: str) -> str:
        dataset = Dataset(name=table.lower(), connection_id=created.id, table=table, checks_yaml=checks_for(table))
        return client.registry.CreateDataset(CreateDatasetRequest(dataset=dataset)).id

    with ThreadPoolExecutor(CALLERS) as callers:
        return list(callers.map(register, tables))


def _trigger_all(client: Client, datasets: Sequence[str]) -> list[str]:
    def trigger(dataset: str) -> str:
        return client.quality.TriggerDataset(TriggerDatasetRequest(dataset_id=dataset)).id

    with ThreadPoolExecutor(CALLERS) as callers:
        return list(callers.map(trigger, datasets))


def _wait_until_done(client: Client) -> None:
    """Asks rarely, and for one run of each state: the asking would be measured with the runs."""
    while any(client.quality.ListRuns(ListRunsRequest(page_size=1, state=state)).runs for state in (Run.QUEUED, Run.RUNNING)):
        time.sleep(0.25)


def _round(client: Client, datasets: Sequence[str]) -> float:
    """Runs per second from the first trigger to the last end, every result checked."""
    started = time.monotonic()
    runs = _trigger_all(client, datasets)
    _wait_until_done(client)
    seconds = time.monotonic() - started
    listed = client.quality.ListRuns(ListRunsRequest(page_size=len(runs)))
    outcomes = {(Run.Verdict.Name(run.verdict), run.check_counts.total, run.check_counts.failed) for run in listed.runs}
    assert outcomes == {("FAIL", 10, 1)}, outcomes
    return len(runs) / seconds


def _idle_start_ms(client: Client, dataset: str) -> float:
    run = client.wait_for_run(client.quality.TriggerDataset(TriggerDatasetRequest(dataset_id=dataset)).id, timeout_s=60)
    return (run.start_time.ToNanoseconds() - run.create_time.ToNanoseconds()) / 1e6


if __name__ == "__main__":
    result = measure()
    print(json.dumps({**asdict(result), "met": result.met}, indent=1))
    sys.exit(0 if result.met else 1)
