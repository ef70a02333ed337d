"""One profile in, findings and the next state out: schema, volume and distribution together. Pure and deterministic."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from services.drift.domain.profile import Profile, decode_profile, encode_profile
from services.drift.domain.record import Band, DriftKind, Found, Severity, Standing
from services.drift.domain.schema import SchemaColumn
from services.drift.domain.watch_settings import Watched, WatchSettings
from services.drift.methods.distribution import DistributionSettings, learn, prepare, score_profile
from services.drift.methods.effects import NOISE
from services.drift.methods.explain import distribution_found
from services.drift.methods.forecast import DAY
from services.drift.methods.history import History, decode_history, encode_history
from services.drift.methods.layout import SHARE_FLOOR
from services.drift.methods.told import schema_found, volume_found
from services.drift.methods.volume import VolumeJudgement, VolumeSettings, judge_volume
from services.drift.methods.volume_state import VolumeState, decode_volume, encode_volume
from services.drift.methods.wording import percent
from services.drift.profiling.plan import PERIODS

FORMAT = 1
NEVER = 10**9


@dataclass(frozen=True, slots=True)
class DatasetState:
    """Everything remembered of a dataset. Bounded in size, whatever the number of profiles."""

    distribution: History | None = None
    volume: VolumeState = field(default_factory=VolumeState)
    schema: tuple[SchemaColumn, ...] = ()
    last_profile: Profile | None = None
    """For the content of columns that are gone at the next look."""
    since: str | None = None
    """Instant of the partition at which the deviation of columns began that is going on, ISO."""


@dataclass(frozen=True, slots=True)
class Look:
    """A profile and what is known beside it."""

    profile: Profile
    instant: dt.datetime
    """UTC instant of the partition's start."""
    schema: Sequence[SchemaColumn] = ()
    """Columns by the catalogue; empty when nobody knows, which leaves schema drift out."""
    dialect: str = "snowflake"


@dataclass(frozen=True, slots=True)
class Verdict:
    """All that is said of one profile."""

    found: tuple[Found, ...]
    standing: Standing
    band: Band | None
    score: float
    """Largest surprise of rows and columns over the alarm threshold; 1 and above alarms."""
    detectable: str
    """How large a change could be seen today, in words."""
    adopted: tuple[tuple[str, str], ...] = ()
    """Columns (an empty one for the number of rows) whose change held until it was taken as normal, each with words for it."""


def judge(state: DatasetState, look: Look, settings: WatchSettings) -> tuple[Verdict, DatasetState]:
    """Verdict on one profile, and the state to keep. Profiles must come in order of time; missing partitions come with 0 rows."""
    schema_said, schema = _judge_schema(state, look, settings)
    judged, volume, volume_said = _judge_volume(state, look, settings)
    history, score, columns_said, adopted = _judge_columns(state, look.profile, settings)
    if judged.adopted_shift is not None:
        adopted = (("", f"the number of rows is {judged.adopted_shift:.2g} times what it was"), *adopted)
    since = None if history is None or history.since is None else state.since or look.instant.isoformat()
    if state.since is not None:
        began = dt.datetime.fromisoformat(state.since)
        columns_said = [replace(f, since=began) if f.severity is Severity.INFO else f for f in columns_said]
    watched = {DriftKind.SCHEMA: Watched.SCHEMA, DriftKind.VOLUME: Watched.VOLUME, DriftKind.DISTRIBUTION: Watched.DISTRIBUTION}
    found = tuple(f for f in (*schema_said, *volume_said, *columns_said) if watched[f.kind] in settings.watch)
    drifted = any(f.kind is not DriftKind.SCHEMA for f in found)
    verdict = Verdict(
        found=found,
        standing=Standing.DRIFTED if drifted else Standing.NORMAL,
        band=_band(judged),
        score=max(judged.score if Watched.VOLUME in settings.watch else 0.0, score),
        detectable=_detectable(state, look.profile, judged, settings),
        adopted=adopted,
    )
    last = look.profile if look.profile.columns and look.profile.rows else state.last_profile
    return verdict, DatasetState(history, volume, schema, last, since)


def distribution_settings(settings: WatchSettings) -> DistributionSettings:
    """The distribution track's settings of a dataset."""
    return DistributionSettings(
        budget=settings.false_alarms,
        sensitivity=settings.sensitivity,
        muted=frozenset(settings.muted),
        adopt_after=settings.adopt_after or NEVER,
    )


def volume_settings(settings: WatchSettings) -> VolumeSettings:
    """The volume track's settings of a dataset. The default hold is what suits the step: hours go by faster than weeks."""
    grain = settings.partition.grain if settings.partition is not None else settings.grain
    step = PERIODS.get(grain, DAY)
    hold = None if settings.adopt_after == WatchSettings().adopt_after else settings.adopt_after or NEVER
    return VolumeSettings(
        budget=settings.false_alarms,
        sensitivity=settings.sensitivity,
        country=settings.holidays or None,
        step_seconds=step,
        adopt_after=hold,
    )


def _judge_columns(
    state: DatasetState, profile: Profile, settings: WatchSettings
) -> tuple[History | None, float, list[Found], tuple[tuple[str, str], ...]]:
    """What is incomplete or empty is not judged and teaches nothing."""
    if profile.rows == 0 or not profile.columns or not profile.complete or Watched.DISTRIBUTION not in settings.watch:
        return state.distribution, 0.0, [], ()
    own = distribution_settings(settings)
    history = prepare(state.distribution, profile)
    scored = score_profile(history, profile, own)
    after = learn(history, profile, scored, own)
    warm = history.length >= own.warm_up
    alarm = warm and scored.score >= 1
    still = warm and not alarm and bool(scored.raw.max(initial=0.0) >= own.threshold)
    found = [distribution_found(history, profile, scored, own, ongoing=still)] if alarm or still else []
    names = ("", *(name for name, _ in history.columns))
    held = zip(names, history.streaks, after.streaks, strict=True)
    reached = (name for name, before, now in held if name and before < own.adopt_after <= now)
    adopted = tuple((name, f"{name} has held its change for {own.adopt_after} partitions") for name in reached)
    return after, scored.score if warm else 0.0, found, adopted


def _judge_volume(state: DatasetState, look: Look, settings: WatchSettings) -> tuple[VolumeJudgement, VolumeState, list[Found]]:
    own = volume_settings(settings)
    rows = look.profile.rows / look.profile.sampled
    judged, volume = judge_volume(state.volume, local_moment(look.profile.partition, look.instant), rows, own)
    return judged, volume, [volume_found(judged, own)] if judged.alert or judged.ongoing else []


def local_moment(partition: str, instant: dt.datetime) -> dt.datetime:
    """The partition's start on local clocks: days repeat by the wall clock. The instant where the key is not a time."""
    try:
        return dt.datetime.fromisoformat(partition).replace(tzinfo=None)
    except ValueError:
        return instant.replace(tzinfo=None)


def _judge_schema(state: DatasetState, look: Look, settings: WatchSettings) -> tuple[list[Found], tuple[SchemaColumn, ...]]:
    now = tuple(look.schema)
    if not now or not state.schema:
        return [], now or state.schema
    return schema_found(state.schema, state.last_profile, now, look.profile, look.dialect, settings.schema_rules), now


def _band(judged: VolumeJudgement) -> Band | None:
    if judged.expected is None or judged.low is None or judged.high is None or judged.detectable_drop is None:
        return None
    return Band(judged.expected, judged.low, judged.high, judged.detectable_drop)


def _detectable(state: DatasetState, profile: Profile, volume: VolumeJudgement, settings: WatchSettings) -> str:
    """How large a change would be seen today: honest while the history is short."""
    known = volume.detectable_drop is not None and volume.expected is not None
    rows = f"rows: a drop of {percent(volume.detectable_drop or 0.0)}" if known else "rows: not judged yet"
    length = state.distribution.length if state.distribution is not None else 0
    own = distribution_settings(settings)
    if length < own.warm_up or profile.rows < 5:
        return f"{rows}; columns: not judged yet ({length} of {own.warm_up} profiles)"
    k = max(1, math.ceil(own.prior.fraction * length))
    alpha = (own.prior.strength + k) * own.prior.index / own.prior.strength
    ratio = math.exp(max(0.0, own.threshold - math.log((length + 2) / (k + 1))) / alpha)
    move = ratio * math.sqrt((NOISE / math.sqrt(profile.rows)) ** 2 + SHARE_FLOOR**2)
    share = math.sin(min(math.pi, 2 * math.atan(move / 2)) / 2) ** 2
    return f"{rows}; columns: {percent(share)} of the rows turning null in a column that had none"


def encode_state(state: DatasetState) -> str:
    """JSON text of a state; 10 to 25 kB a column with 60 profiles of history."""
    body = {
        "v": FORMAT,
        "volume": encode_volume(state.volume),
        "distribution": None if state.distribution is None else encode_history(state.distribution),
        "profile": None if state.last_profile is None else encode_profile(state.last_profile),
        "schema": [[c.name, c.type, c.nullable, c.ordinal] for c in state.schema],
        "since": state.since,
    }
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)


def decode_state(text: str) -> DatasetState:
    """Inverse of encode_state. Raises ValueError for a format this version does not know: judge the kept profiles again."""
    body = json.loads(text)
    if body.get("v") != FORMAT:
        raise ValueError(f"dataset state format {body.get('v')!r} is not {FORMAT}")
    return DatasetState(
        distribution=None if body["distribution"] is None else decode_history(body["distribution"]),
        volume=decode_volume(body["volume"]),
        schema=tuple(SchemaColumn(*c) for c in body["schema"]),
        last_profile=None if body["profile"] is None else decode_profile(body["profile"]),
        since=body["since"],
    )
