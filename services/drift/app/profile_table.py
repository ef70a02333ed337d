"""Profiles a table in its warehouse: few statements, bounded time, and what could not be measured is said."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from services.drift.app.plan_profile import ProfileWish, arranged, new_memos, plan_of, with_histograms
from services.drift.app.ports import Row, WarehouseSession
from services.drift.domain.dataset import CatalogTable
from services.drift.domain.errors import StatementTimedOut, WarehouseRefusedStatement
from services.drift.domain.periods import parse_label
from services.drift.domain.profile import ColumnKind, Profile
from services.drift.domain.record import ColumnMemo
from services.drift.profiling.decode import decode_profiles
from services.drift.profiling.dialects import Dialect, quote_identifier
from services.drift.profiling.plan import ProfilePlan
from services.drift.profiling.statements import Statement, build_statements

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of profiling."""

    profiles: tuple[Profile, ...]
    """By time; none when nothing at all could be measured."""
    memos: Mapping[str, ColumnMemo]
    """What is known of columns by now."""
    troubles: tuple[str, ...] = ()
    """Why something is missing, one sentence each."""


class ProfileTable:
    """One use of a session: the statements of one wish, until a deadline."""

    def __init__(self, session: WarehouseSession, dialect: Dialect, statement_seconds: float, deadline: float) -> None:
        """`deadline` is on the clock of `time.monotonic()`."""
        self._session = session
        self._dialect = dialect
        self._statement_seconds = statement_seconds
        self._deadline = deadline
        self._troubles: list[str] = []

    async def execute(self, wish: ProfileWish) -> Measured:
        """Raises WarehouseUnreachable. What a statement fails by is told in the answer."""
        plan = plan_of(wish)
        profiles = await self._profiles(plan)
        fresh = new_memos(profiles, wish.memos)
        with_edges = {name: memo for name, memo in fresh.items() if memo.edges}
        if with_edges:
            profiles = with_histograms(profiles, await self._profiles(_second_look(plan, with_edges)))
        memos = {**wish.memos, **fresh}
        return Measured(tuple(arranged(profiles, plan, wish)) if profiles or not self._troubles else (), memos, self._told())

    async def extent(self, table: CatalogTable, column: str, before: datetime) -> tuple[datetime, datetime] | None:
        """Oldest and newest time before a given one, local; None when there is none, or it took too long to look."""
        name, path = quote_identifier(column), ".".join(quote_identifier(part) for part in table.path)
        sql = f"SELECT MIN({name}), MAX({name}) FROM {path} WHERE {name} < '{before.isoformat()}'"  # noqa: S608 -- names quoted, times ours
        rows = await self._ask(sql)
        if not rows or rows[0][0] is None or rows[0][1] is None:
            return None
        return parse_label(str(rows[0][0])), parse_label(str(rows[0][1]))

    async def _profiles(self, plan: ProfilePlan) -> list[Profile]:
        """By one run of all statements; when the warehouse refuses one, by a second run without the columns that spoil it."""
        answers, refused = await self._answers(plan)
        if not refused:
            return decode_profiles(plan, answers)
        spoilt = await self._spoilt(plan, refused)
        kept = tuple(column for at, column in enumerate(plan.columns) if at not in spoilt)
        plan_without = replace(plan, columns=kept)
        answers, _ = await self._answers(plan_without)
        names = tuple(plan.columns[at].name for at in sorted(spoilt))
        return [
            replace(profile, complete=False, missing=(*profile.missing, *names)) if names else profile
            for profile in decode_profiles(plan_without, answers)
        ]

    async def _answers(self, plan: ProfilePlan) -> tuple[list[tuple[Statement, Sequence[Row] | None]], set[int]]:
        """The answers of all statements, and the columns of those that the warehouse refused."""
        answers: list[tuple[Statement, Sequence[Row] | None]] = []
        refused: set[int] = set()
        for statement in build_statements(plan, self._dialect):
            rows: Sequence[Row] | None = None
            try:
                rows = await self._session.query(statement.sql, self._seconds_left())
            except StatementTimedOut as error:
                self._troubles.append(error.message)
            except WarehouseRefusedStatement as error:
                self._troubles.append(error.message)
                refused |= set(statement.columns)
            answers.append((statement, rows))
        return answers, refused

    async def _spoilt(self, plan: ProfilePlan, suspects: set[int]) -> set[int]:
        """Those of the columns that the warehouse refuses to measure, found by halves: one odd column erases no neighbour."""
        if not suspects or await self._is_measurable(plan, suspects):
            return set()
        if len(suspects) == 1:
            return suspects
        ordered = sorted(suspects)
        half = len(ordered) // 2
        return await self._spoilt(plan, set(ordered[:half])) | await self._spoilt(plan, set(ordered[half:]))

    async def _is_measurable(self, plan: ProfilePlan, columns: set[int]) -> bool:
        part = replace(plan, columns=tuple(plan.columns[at] for at in sorted(columns)), max_statement_columns=len(columns))
        try:
            for statement in build_statements(part, self._dialect):
                await self._session.query(statement.sql, self._seconds_left())
        except (StatementTimedOut, WarehouseRefusedStatement):
            return False
        return True

    async def _ask(self, sql: str) -> Sequence[Row]:
        try:
            return await self._session.query(sql, self._seconds_left())
        except (StatementTimedOut, WarehouseRefusedStatement) as error:
            _log.info("A look at a table failed.", extra={"reason": error.message})
            return ()

    def _seconds_left(self) -> float:
        left = min(self._statement_seconds, self._deadline - time.monotonic())
        if left <= 0:
            raise StatementTimedOut("The evaluation's time was over before this could be measured.")
        return left

    def _told(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self._troubles))


def _second_look(plan: ProfilePlan, memos: Mapping[str, ColumnMemo]) -> ProfilePlan:
    """A plan for the histograms alone of columns whose edges were found just now."""
    columns = (column for column in plan.columns if column.kind is ColumnKind.NUMBER and column.name in memos)
    return replace(plan, columns=tuple(replace(column, edges=memos[column.name].edges, top=False) for column in columns))
