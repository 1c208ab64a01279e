"""The Kaplan-Meier baseline against lifelines' estimator."""

from __future__ import annotations

import numpy as np
import pytest
from lifelines import KaplanMeierFitter

from survkit.baselines.kaplan_meier import KaplanMeier
from survkit.types import InputError, SurvivalData, TimeGrid

GRID = TimeGrid.evenly_spaced(3.0, 13)


def test_everybody_gets_the_curve_of_the_training_rows(small_data: SurvivalData) -> None:
    model = KaplanMeier(grid=GRID).fit(small_data, small_data)
    expected = KaplanMeierFitter().fit(small_data.time, small_data.event).predict(GRID.cuts)
    prediction = model.predict(small_data.features[:7])
    np.testing.assert_allclose(prediction.survival, np.tile(expected, (7, 1)), atol=1e-12)


def test_ties_and_events_at_time_0_count_at_their_cut() -> None:
    data = SurvivalData(
        np.zeros((5, 1)), np.array([1, 1, 0, 1, 0], bool), np.array([0.0, 1.0, 1.0, 2.0, 2.0])
    )
    grid = TimeGrid(np.array([0.0, 1.0, 2.0, 3.0]))
    survival = KaplanMeier(grid=grid).fit(data, data).predict(data.features).survival
    np.testing.assert_allclose(survival[0], [4 / 5, 3 / 5, 3 / 10, 3 / 10])


def test_without_events_nobody_dies(small_data: SurvivalData) -> None:
    censored = SurvivalData(small_data.features, np.zeros(120, bool), small_data.time)
    prediction = KaplanMeier(grid=GRID).fit(censored, censored).predict(censored.features)
    assert (prediction.survival == 1).all()


def test_other_columns_are_refused(small_data: SurvivalData) -> None:
    model = KaplanMeier(grid=GRID).fit(small_data, small_data)
    with pytest.raises(InputError, match=r"features must have shape \(n, 5\)"):
        model.predict(small_data.features[:, :3])
