"""Each statistic shows its formula in a doctest; here they run, and their properties are held over many inputs."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import services.drift.methods
from services.drift.methods.cramers_v import cramers_v
from services.drift.methods.exceedance import ExcessPrior, fit_tail
from services.drift.methods.jensen_shannon import jensen_shannon
from services.drift.methods.kolmogorov_smirnov import histogram_ks
from services.drift.methods.psi import psi
from services.drift.methods.tail import TailPrior, pareto_surprise
from services.drift.methods.wasserstein import wasserstein

NAMES = [m.name for m in pkgutil.iter_modules(services.drift.methods.__path__, "services.drift.methods.")]
COUNTS = st.lists(st.integers(0, 1000), min_size=3, max_size=3)


@pytest.mark.parametrize("name", NAMES)
def test_doctests_of_a_method_hold(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


@given(COUNTS, COUNTS)
def test_distances_are_symmetric_and_bounded(a: list[int], b: list[int]) -> None:
    assert psi(a, b) == pytest.approx(psi(b, a))
    assert 0.0 <= jensen_shannon(a, b) <= 1.0 + 1e-9
    assert 0.0 <= cramers_v(a, b).cramers_v <= 1.0 + 1e-9


@given(COUNTS)
def test_distance_of_a_histogram_to_itself_is_nothing(a: list[int]) -> None:
    assert psi(a, a) == pytest.approx(0.0)
    assert cramers_v(a, a).cramers_v == pytest.approx(0.0)


def test_ks_is_the_mass_on_the_other_side() -> None:
    shares, reference = np.array([[0.0, 0.5, 0.5]]), np.array([[[0.5, 0.5, 0.0]]])
    assert histogram_ks(shares, reference)[0, 0] == pytest.approx(0.5)


def test_wasserstein_is_in_units_of_the_column() -> None:
    assert wasserstein([0.0, 5.0, 10.0], [100.0, 105.0, 110.0], [0.0, 0.5, 1.0]) == pytest.approx(100.0)
    assert wasserstein([], [1.0], [0.5]) == 0.0


def test_surprise_grows_with_the_move_and_falls_with_past_moves() -> None:
    calm, restless = np.full((40, 1), 0.5), np.array([[3.0], [0.5]] * 20)
    small, large = (pareto_surprise(calm, np.array([m]), TailPrior())[0] for m in (2.0, 4.0))
    assert small < large
    assert pareto_surprise(restless, np.array([4.0]), TailPrior())[0] < large


def test_tail_of_a_short_past_surprises_nobody() -> None:
    assert fit_tail([0.1, 0.2], ExcessPrior()).surprise(100.0) == 0.0
    assert fit_tail([0.1, 0.2], ExcessPrior()).value_at(5.0) is None
