"""One scan, start to end: read, prepare, measure, judge, sample. Runs in a worker process and nowhere else."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from services.quality.domain.scan import CheckResult, CheckVerdict, FailedRows, ScanFailed, ScanFailure, ScanOutcome, ScanRequest
from services.quality.soda.datasource import DEFAULT_SOURCE, QuietScan, create_source
from services.quality.soda.document import BadDocument, read_document
from services.quality.soda.evaluate import evaluate
from services.quality.soda.explain import Explainer
from services.quality.soda.findings import Finding, error, not_evaluated
from services.quality.soda.history import Ask, History
from services.quality.soda.names import Names
from services.quality.soda.percent import compute_percentages
from services.quality.soda.prepare import Preparation, Prepared
from services.quality.soda.samples import failed_rows, sample_limit, sample_sql
from services.quality.soda.session import Limits, StatementFailed, WarehouseLost
from services.quality.soda.session_pool import SessionPool
from services.quality.soda.statements import Runner
from services.quality.soda.suite import Suite, read_suite
from services.quality.soda.tasks import COLUMN_CAP, collect

MAX_TABLES = 10_000
MAX_QUERY_SHOWN = 8_000
_EXTRA_SECONDS = 20.0
"""How long one statement may take that fetches failed rows, or the names for a message."""
_SAMPLE_BUDGET = 4_000_000
"""Characters of failed rows kept by one scan, over all checks."""


@dataclass(frozen=True, slots=True)
class Pools:
    """The sessions of a scan: the dataset's own warehouse, and the others that its checks name."""

    own: SessionPool
    others: dict[str, SessionPool]


def run_scan(request: ScanRequest, pools: Pools, ask: Ask, threads: ThreadPoolExecutor) -> ScanOutcome:
    """Carry out a scan. Raises ScanFailed when there is nothing to run or no warehouse to run it on."""
    try:
        return _Scan(request, pools, ask, threads).run()
    except BadDocument as bad:
        where = f"Line {bad.problem.line}, column {bad.problem.column}: " if bad.problem.line else ""
        raise ScanFailed(ScanFailure.INVALID_CHECKS, where + bad.problem.message) from None
    except WarehouseLost as lost:
        raise ScanFailed(lost.failure, lost.message) from None


class _Scan:
    def __init__(self, request: ScanRequest, pools: Pools, ask: Ask, threads: ThreadPoolExecutor) -> None:
        self._request = request
        self._pools = pools
        self._limits = Limits(_tag(request), time.monotonic() + request.deadline_seconds, request.statement_timeout_seconds)
        self._runner = Runner(self._limits, threads)
        self._names = Names(pools.own.scope)
        self._columns: dict[str, Sequence[str]] = {}
        self._tables: dict[str, Sequence[str]] = {}
        now = request.data_time or datetime.now(UTC)
        self._now = now if now.tzinfo else now.replace(tzinfo=UTC)
        self._history = History(ask, self._now)
        self._explainer = Explainer(self._names, self.columns, self.tables)
        self._sample_room = _SAMPLE_BUDGET

    def run(self) -> ScanOutcome:
        suite = read_suite(read_document(self._request.checks_yaml))
        if not suite.declarations:
            raise ScanFailed(ScanFailure.INVALID_CHECKS, "The checks declare nothing: add at least one check, such as `- row_count > 0`.")
        values = {"NOW": self._now.isoformat(), **suite.variables, **self._request.variables}
        scan = self._soda_scan(values)
        preparation = Preparation(scan, suite, values, self._names, list(self._pools.others))
        items = [item for declared in suite.declarations for item in preparation.prepare(declared, self._each_tables(suite))]
        self._measure(scan, items)
        # The verdicts are known: what follows only adds rows and hints, and may not use up the scan's time.
        self._limits.statement_seconds = min(self._limits.statement_seconds, _EXTRA_SECONDS)
        checks = tuple(self._result(item) for item in items)
        return ScanOutcome(checks, self._history.kept(), self._limits.statements, self._limits.warehouse_seconds)

    def _soda_scan(self, values: dict[str, str]) -> QuietScan:
        scan = QuietScan(values)
        scan.add_source(DEFAULT_SOURCE, create_source(scan._logs, DEFAULT_SOURCE, self._names))
        for name, pool in self._pools.others.items():
            scan.add_source(name, create_source(scan._logs, name, Names(pool.scope)))
        return scan

    def _each_tables(self, suite: Suite) -> Sequence[str]:
        if all(declared.each is None for declared in suite.declarations):
            return ()
        return self.tables(self._names.scope.schema)

    def _measure(self, scan: QuietScan, items: Sequence[Prepared]) -> None:
        if all(item.check is None for item in items):
            # Nothing to send, but a login that fails must not look like a run that went well.
            with self._pools.own.lease():
                return
        jobs = []
        for source_scan in scan._data_source_scans:
            name = source_scan.data_source.data_source_name
            pool = self._pools.own if name == DEFAULT_SOURCE else self._pools.others[name]
            jobs.append((pool, collect(source_scan, Names(pool.scope))))
        self._runner.run(jobs)

    def columns(self, table: str) -> Sequence[str]:
        """Stored column names of a table; none when they cannot be read."""
        if table not in self._columns:
            granted = not self._names.refusal(table)
            self._columns[table] = self._first_column(self._names.columns_sql(self._names.locate(table)), COLUMN_CAP) if granted else ()
        return self._columns[table]

    def tables(self, schema: str) -> Sequence[str]:
        """Stored names of the tables of a schema; none when they cannot be read."""
        scope = self._names.scope
        if (scope.database, schema) not in scope.granted:
            return ()
        if schema not in self._tables:
            self._tables[schema] = self._first_column(self._names.tables_sql(scope.database, schema), MAX_TABLES)
        return self._tables[schema]

    def _first_column(self, sql: str, cap: int) -> list[str]:
        try:
            return [str(row[0]) for row in self._runner.rows(self._pools.own, sql, cap, internal=True).rows]
        except StatementFailed:
            return []

    def _result(self, item: Prepared) -> CheckResult:
        finding = self._finding(item)
        samples = self._samples(item, finding)
        if item.check is not None and finding.verdict is not CheckVerdict.ERROR:
            self._history.keep(item)
        return CheckResult(
            id=item.result_id,
            name=_name(item),
            definition=item.declared.definition,
            table=self._names.locate(item.table).table if item.table and not item.problem.startswith("Unknown section") else item.table,
            column=item.parsed.column,
            verdict=finding.verdict,
            measured_value=finding.value,
            threshold=item.parsed.threshold,
            failed_rows_count=finding.failed_rows,
            message=finding.message,
            query=self._query(item)[:MAX_QUERY_SHOWN],
            line=item.line,
            attributes=_attributes(item),
            samples=samples,
        )

    def _finding(self, item: Prepared) -> Finding:
        if item.problem:
            return error(item.problem)
        if item.nothing:
            return not_evaluated(item.nothing)
        failures = self._runner.measured.failures
        failed = next((metric for metric in _basic_metrics(item) if id(metric) in failures), None)
        if failed is not None:
            return error(self._explain(item, failed, failures[id(failed)]))
        try:
            compute_percentages(item.check)
            return evaluate(item, self._runner.measured, self._history, self._names)
        except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError):
            return error("The measured value does not fit this check.")

    def _explain(self, item: Prepared, metric: Any, failure: StatementFailed) -> str:
        other = getattr(item.parsed.cfg, "other_data_source_name", None)
        if other in self._pools.others and metric is item.check.metrics.get("other_row_count"):
            elsewhere = Explainer(Names(self._pools.others[other].scope), lambda _: (), lambda _: ())
            return f"In connection {other}: {elsewhere.explain(failure, [item.parsed.cfg.other_table_name])}"
        return self._explainer.explain(failure, _tables_of(item), _columns_of(item))

    def _query(self, item: Prepared) -> str:
        if item.check is None:
            return ""
        metrics = [metric for metric in _basic_metrics(item) if id(metric) in self._runner.measured.queries]
        named = [metric for metric in metrics if metric.name != "row_count"] or metrics
        return self._runner.measured.queries[id(named[0])] if named else ""

    def _samples(self, item: Prepared, finding: Finding) -> FailedRows | None:
        policy = self._request.samples
        wanted = finding.verdict in (CheckVerdict.FAIL, CheckVerdict.WARN) and (finding.failed_rows is None or finding.failed_rows > 0)
        if not wanted or policy.limit <= 0 or item.check is None or sample_limit(item, policy) <= 0 or self._sample_room <= 0:
            return None
        try:
            sql = sample_sql(item, policy, self._names, self.columns)
            rows = self._runner.rows(self._pools.own, sql, sample_limit(item, policy)) if sql else None
        except StatementFailed:
            return None
        except WarehouseLost:
            # Rows too large to fetch end a session too; verdicts that are measured are not given up for them.
            self._sample_room = 0
            return None
        kept = failed_rows(rows, policy.excluded_columns) if rows else None
        self._sample_room -= sum(len(value or "") for row in kept.rows for value in row) if kept else 0
        return kept


def _tag(request: ScanRequest) -> str:
    return json.dumps({"app": "chalkandduster", "tenant": request.tenant_id, "dataset": request.dataset_id, "run": request.run_id})


def _name(item: Prepared) -> str:
    config = item.config
    own = config.get("name") if isinstance(config, dict) else None
    if isinstance(own, str) and own.strip():
        return own.strip()[:500]
    return item.text[:500] or item.declared.definition[:500]


def _attributes(item: Prepared) -> dict[str, str]:
    own = item.config.get("attributes") if isinstance(item.config, dict) else None
    merged = {**(item.declared.attributes or {}), **(own if isinstance(own, dict) else {})}
    return {str(key): ", ".join(map(str, value)) if isinstance(value, list) else str(value) for key, value in merged.items()}


def _basic_metrics(item: Prepared) -> list[Any]:
    """The metrics that statements measure: a percentage stands for the counts that it is made of."""
    found: list[Any] = []
    for metric in item.check.metrics.values():
        derived = getattr(metric, "derived_formula", None)
        found.extend(derived.metric_dependencies.values() if derived else [metric])
    return found


def _tables_of(item: Prepared) -> list[str]:
    other = getattr(item.parsed.cfg, "target_table_name", None)
    return [table for table in (item.table, other) if table]


def _columns_of(item: Prepared) -> list[tuple[str, str]]:
    cfg = item.parsed.cfg
    target = getattr(cfg, "target_table_name", None)
    if target is None:
        return []
    return [*((item.table, name) for name in cfg.source_column_names), *((target, name) for name in cfg.target_column_names)]
