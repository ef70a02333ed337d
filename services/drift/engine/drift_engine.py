"""The engine behind the port of the use cases: pure methods, and a state that only they read."""

from __future__ import annotations

from dataclasses import replace

from services.drift.app.ports import Adopted, Judged, Judgement
from services.drift.domain.baseline import Mode
from services.drift.domain.dataset import CatalogTable
from services.drift.domain.errors import StateUnreadable
from services.drift.domain.record import DriftKind, FeedbackVerdict, Found
from services.drift.domain.schema import SchemaColumn
from services.drift.domain.watch_settings import WatchSettings
from services.drift.methods.judge import DatasetState, Look, decode_state, distribution_settings, encode_state, judge
from services.drift.methods.review import Opinion, accept_columns, accept_rows, hear_columns, hear_rows

_OPINIONS = {FeedbackVerdict.EXPECTED: Opinion.EXPECTED, FeedbackVerdict.FALSE: Opinion.FALSE, FeedbackVerdict.REAL: Opinion.REAL}


class DriftEngine:
    """`app.ports.Engine`."""

    def empty(self) -> object:
        return DatasetState()

    def load(self, text: str) -> object:
        try:
            return decode_state(text)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise StateUnreadable from error

    def dump(self, state: object) -> str:
        return encode_state(_known(state))

    def with_columns_of(self, state: object, known: object) -> object:
        learned = _known(state)
        return learned if learned.schema else replace(learned, schema=_known(known).schema)

    def judge(self, state: object, judged: Judged, settings: WatchSettings) -> Judgement:
        look = Look(judged.profile, judged.instant, _columns(judged.table), judged.dialect)
        verdict, after = judge(_known(state), look, settings)
        adopted = tuple(Adopted(column, text) for column, text in verdict.adopted)
        return Judgement(after, verdict.found, verdict.standing, verdict.band, adopted)

    def accept(self, state: object, columns: frozenset[str], mode: Mode, settings: WatchSettings) -> object:
        """ONCE leaves history as it is: what moved is known and not told again for a while."""
        known = _known(state)
        if mode is Mode.ONCE:
            return known
        accepted = accept_columns(known, columns or None, distribution_settings(settings))
        return accepted if columns else accept_rows(accepted)

    def feedback(self, state: object, found: Found, verdict: FeedbackVerdict, settings: WatchSettings) -> object:
        known = _known(state)
        if found.kind is DriftKind.VOLUME:
            return hear_rows(known, found.baseline_value, found.current_value, _OPINIONS[verdict])
        if found.kind is DriftKind.DISTRIBUTION:
            return hear_columns(known, found.columns, _OPINIONS[verdict], distribution_settings(settings))
        return known


def _known(state: object) -> DatasetState:
    if not isinstance(state, DatasetState):
        raise TypeError("a state of another engine")
    return state


def _columns(table: CatalogTable | None) -> tuple[SchemaColumn, ...]:
    if table is None:
        return ()
    return tuple(SchemaColumn(c.name, c.declared_type, c.nullable, c.position) for c in table.columns)
