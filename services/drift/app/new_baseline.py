"""Makes the next version of a dataset's baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from services.drift.app.ports import NewBaseline
from services.drift.domain.baseline import Baseline, Mode, Origin, usual_figures
from services.drift.domain.record import KeptProfile, Standing, Watch

WINDOW = 60
"""Most profiles that a version names as its sources: as many as the engine remembers."""
_LEARNED = frozenset({Standing.NORMAL, Standing.ACCEPTED})


@dataclass(frozen=True, slots=True)
class Reason:
    """Why there is a new version."""

    origin: Origin
    text: str = ""
    author: str = ""
    columns: tuple[str, ...] = ()
    mode: Mode | None = None
    expire_time: datetime | None = None


def next_baseline(
    watch: Watch, closing_state: str, window: Sequence[KeptProfile], reason: Reason, now: datetime
) -> tuple[Watch, NewBaseline]:
    """The watch under a new version, and that version. `closing_state` is what was known until now; `window` is by time."""
    sources = [profile for profile in window if profile.standing in _LEARNED][-WINDOW:]
    version = watch.baseline_version + 1
    baseline = Baseline(
        dataset_id=watch.dataset_id,
        version=version,
        origin=reason.origin,
        parent_version=watch.baseline_version,
        create_time=now,
        window_start=sources[0].time if sources else None,
        window_end=sources[-1].time if sources else None,
        profile_ids=tuple(profile.id for profile in sources),
        columns=reason.columns,
        mode=reason.mode,
        author=reason.author,
        reason=reason.text,
        expire_time=reason.expire_time,
        figures=usual_figures([profile.profile for profile in sources]),
        active=True,
    )
    return replace(watch, baseline_version=version), NewBaseline(baseline, closing_state, watch.period)
