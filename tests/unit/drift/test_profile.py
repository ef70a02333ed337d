from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.drift.synthetic import synthetic_profile
from services.drift.domain.profile import Profile, decode_profile, encode_profile
from tests.unit.drift.tables import profile_of


def test_profile_survives_its_json() -> None:
    profile = profile_of(3)
    again = decode_profile(encode_profile(profile))
    assert again.rows == profile.rows
    assert again.columns[1] == profile.columns[1]
    assert again.columns[0].quantiles == pytest.approx(profile.columns[0].quantiles, rel=1e-8)


def test_profile_of_50_columns_stays_below_40_kb() -> None:
    text = encode_profile(synthetic_profile(np.random.default_rng(1), 0, 50))
    assert len(text.encode()) < 40 * 1024


def test_long_values_are_dropped_from_the_rarest_until_the_profile_fits() -> None:
    profile = synthetic_profile(np.random.default_rng(1), 0, 50)
    columns = tuple(replace(c, top=tuple((f"{i:02d}" + "x" * 38, 100 - i) for i in range(40)) if c.top else ()) for c in profile.columns)
    text = encode_profile(replace(profile, columns=columns))
    assert len(text.encode()) < 40 * 1024
    kept = decode_profile(text).columns[1].top
    assert kept[0] == ("00" + "x" * 38, 100)
    assert 8 <= len(kept) < 40


def test_profile_of_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="format"):
        decode_profile('{"v": 99}')


def test_column_is_found_by_its_exact_name() -> None:
    profile = Profile("2024-01-01", 0, profile_of(0).columns)
    found = profile.column("amount")
    assert found is not None
    assert found.name == "amount"
    assert profile.column("AMOUNT") is None
