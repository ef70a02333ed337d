"""What a scan does when only its last part fails."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from services.quality.domain.scan import CheckVerdict, SamplePolicy, ScanFailure
from services.quality.soda import scan_run
from services.quality.soda.findings import Finding
from services.quality.soda.session import StatementFailed, WarehouseLost


@pytest.mark.parametrize(
    ("failure", "goes_on"),
    [(StatementFailed("timeout", "too slow"), True), (WarehouseLost(ScanFailure.WAREHOUSE_UNREACHABLE, "gone"), False)],
)
def test_rows_that_cannot_be_fetched_cost_no_verdict(monkeypatch: pytest.MonkeyPatch, failure: Exception, goes_on: bool) -> None:
    def rows(*_: object) -> Any:
        raise failure

    monkeypatch.setattr(scan_run, "sample_sql", lambda *_: "SELECT 1")
    item: Any = SimpleNamespace(check=object(), parsed=SimpleNamespace(cfg=SimpleNamespace(samples_limit=None)))
    scan: Any = SimpleNamespace(
        _request=SimpleNamespace(samples=SamplePolicy(limit=5)),
        _sample_room=100,
        _names=None,
        columns=None,
        _runner=SimpleNamespace(rows=rows),
        _pools=SimpleNamespace(own=None),
    )
    assert scan_run._Scan._samples(scan, item, Finding(CheckVerdict.FAIL, 3.0, 3)) is None
    assert (scan._sample_room > 0) == goes_on
