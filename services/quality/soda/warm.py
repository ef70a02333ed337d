"""Builds one check of every family without a warehouse, which loads all that Soda loads late."""

from __future__ import annotations

from services.quality.soda import guard
from services.quality.soda.datasource import DEFAULT_SOURCE, QuietScan, create_source
from services.quality.soda.document import read_document
from services.quality.soda.names import Names
from services.quality.soda.prepare import Preparation
from services.quality.soda.statements import fused_sql
from services.quality.soda.suite import read_suite
from services.quality.soda.tasks import collect
from services.quality.soda.validate import validate


def prepare_everything(checks_yaml: str) -> None:
    """Read, validate, prepare and guard a text for both dialects."""
    validate(checks_yaml)
    for dialect, place in (("snowflake", ("D", "S")), ("postgres", ("d", "s"))):
        names = Names(guard.Scope(dialect, *place, frozenset({place})))
        suite = read_suite(read_document(checks_yaml))
        scan = QuietScan({})
        scan.add_source(DEFAULT_SOURCE, create_source(scan._logs, DEFAULT_SOURCE, names))
        preparation = Preparation(scan, suite, {}, names, [])
        for declared in suite.declarations:
            preparation.prepare(declared, ())
        work = collect(preparation.source_scan, names)
        guard.check(fused_sql(work.one_row), names.scope)
