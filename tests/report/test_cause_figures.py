"""Figures of competing causes."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from sksurv.datasets import load_bmt

from survkit.report.calibration_figures import cause_calibration_over_time
from survkit.report.cause_figures import incidence_curves, stacked_incidences
from survkit.report.expert_figures import aalen_johansen_by_expert
from survkit.report.observed_curves import aalen_johansen_curve
from survkit.types import SurvivalData, SurvivalPrediction

NAMES = ("mortality", "relapse")


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture
def axes() -> Axes:
    return plt.subplots()[1]


@pytest.fixture(scope="module")
def bmt() -> SurvivalData:
    _, outcome = load_bmt()
    cause = outcome["status"].astype(np.int64)
    features = np.zeros((len(cause), 1))
    return SurvivalData(features, cause > 0, outcome["ftime"], cause=cause, cause_names=NAMES)


@pytest.fixture(scope="module")
def prediction(bmt: SurvivalData) -> SurvivalPrediction:
    """Half of all events by 60 months, of both causes alike, the sooner the later the subject."""
    times = np.linspace(0, 120, 25)
    rate = np.linspace(0.5, 2, len(bmt))[:, None] * np.log(2) / 60
    incidence = (1 - np.exp(-rate * times)) / 2
    return SurvivalPrediction(
        times,
        np.exp(-rate * times),
        np.tile([0.2, 0.8], (len(bmt), 1)),
        cumulative_incidence=np.stack([incidence, incidence], axis=1),
    )


def labels(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_aalen_johansen_has_the_published_values(bmt: SurvivalData) -> None:
    """At 72 months, by R's cmprsk in the documentation of scikit-survival."""
    assert bmt.cause is not None
    for number, expected in ((1, 0.2728), (2, 0.4813)):
        curve = aalen_johansen_curve(bmt.time, bmt.cause, number)
        at = np.searchsorted(curve.times, 72, side="right") - 1
        assert curve.times[0] == 0
        now = (bmt.time == 0) & (bmt.cause == number)
        assert curve.value[0] == pytest.approx(now.mean())
        assert curve.value[at] == pytest.approx(expected, abs=5e-5)
        assert curve.low[at] < curve.value[at] < curve.high[at]


def test_a_cause_that_never_occurs_has_an_incidence_of_zero(bmt: SurvivalData) -> None:
    assert bmt.cause is not None
    only_second = np.where(bmt.cause == 2, 2, 0)
    assert aalen_johansen_curve(bmt.time, only_second, 1).value.max() == 0
    second = aalen_johansen_curve(bmt.time, only_second, 2)
    alone = aalen_johansen_curve(bmt.time, (only_second == 2).astype(np.int64), 1)
    np.testing.assert_array_equal(second.value, alone.value)


def test_mean_incidences_stand_over_aalen_johansen(
    axes: Axes, bmt: SurvivalData, prediction: SurvivalPrediction
) -> None:
    assert incidence_curves({"model": prediction}, bmt, 2, time_unit="months", axes=axes) is axes
    assert labels(axes) == ["Aalen-Johansen, 95 %", "model"]
    assert axes.get_ylabel() == "cumulative incidence of relapse"
    times, mean = axes.lines[1].get_data()
    assert prediction.cumulative_incidence is not None
    np.testing.assert_allclose(times, prediction.times)
    np.testing.assert_allclose(mean, prediction.cumulative_incidence[:, 1].mean(axis=0))


def test_stacked_incidences_end_where_survival_begins(
    axes: Axes, prediction: SurvivalPrediction
) -> None:
    stacked_incidences(prediction, NAMES, time_unit="months", axes=axes)
    assert labels(axes) == ["mortality", "relapse", "no event yet"]
    tops = [part.get_paths()[0].vertices[:, 1].max() for part in axes.collections]
    happened = 1 - prediction.survival[:, -1].mean()
    assert tops == pytest.approx([happened / 2, happened, 1.0])


def test_calibration_of_a_cause_is_against_aalen_johansen_in_tenths(
    axes: Axes, bmt: SurvivalData, prediction: SurvivalPrediction
) -> None:
    cause_calibration_over_time(
        prediction, bmt, 1, times=[24.0], at_risk=[12], time_unit="months", axes=axes
    )
    assert labels(axes) == ["perfect", "by 24 months, 12 at risk"]
    predicted, observed = axes.lines[1].get_data()
    first = np.argsort(1 - prediction.of_cause(1).at(24.0)[:, 0], kind="stable")[:4]
    assert bmt.cause is not None
    curve = aalen_johansen_curve(bmt.time[first], bmt.cause[first], 1)
    at = np.searchsorted(curve.times, 24, side="right") - 1
    assert len(predicted) == 10
    assert observed[0] == pytest.approx(curve.value[at])


def test_each_expert_has_a_curve_of_the_cause(
    axes: Axes, bmt: SurvivalData, prediction: SurvivalPrediction
) -> None:
    weights = np.eye(2)[np.arange(len(bmt)) % 2]
    aalen_johansen_by_expert(weights, bmt, 2, time_unit="months", axes=axes)
    assert bmt.cause is not None
    own = int((bmt.cause[::2] == 2).sum())
    assert labels(axes)[:2] == ["all (n = 35)", f"expert 1 (n = 18, {own} events)"]
