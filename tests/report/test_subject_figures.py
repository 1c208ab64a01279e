from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes

from survkit.report.subject_figures import subject_curves, survival_by_label
from survkit.types import InputError, SurvivalData, SurvivalPrediction

TIMES = np.array([0.0, 1.0, 2.0])
DATA = SurvivalData(
    np.zeros((4, 1)),
    np.array([True, False, True, True]),
    np.array([1.0, 0.5, 2.0, 3.0]),
    label=np.array([0, 0, 0, 7]),
)
SURVIVAL = np.array([[1, 0.6, 0.2], [1, 0.5, 0.1], [1, 0.9, 0.8], [1, 0.4, 0.3]])
WEIGHTS = np.array([[0.9, 0.1, 0.0], [0.8, 0.2, 0.0], [0.1, 0.2, 0.7], [0.0, 1.0, 0.0]])


@pytest.fixture
def axes() -> Iterator[Axes]:
    yield plt.subplots()[1]
    plt.close("all")


def legend(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_survival_by_label_is_kaplan_meier_of_events(axes: Axes) -> None:
    survival_by_label(DATA, time_unit="days", axes=axes)
    assert legend(axes) == ["0", "7"]
    assert axes.get_xlabel() == "time (days)"
    np.testing.assert_allclose(axes.lines[0].get_xdata(), [0, 0.5, 1, 2])
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [1, 1, 0.5, 0])


def test_true_times_are_preferred_where_the_data_have_them(axes: Axes) -> None:
    true_time = np.array([1.0, 4.0, 2.0, 3.0])
    data = SurvivalData(DATA.features, DATA.event, DATA.time, label=DATA.label, true_time=true_time)
    survival_by_label(data, axes=axes)
    np.testing.assert_allclose(axes.lines[0].get_xdata(), [0, 1, 2, 4])
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [1, 2 / 3, 1 / 3, 0])


def test_curves_of_subjects_have_the_colours_of_their_experts(axes: Axes) -> None:
    subject_curves(SurvivalPrediction(TIMES, SURVIVAL, WEIGHTS), DATA, 0, axes=axes)
    assert legend(axes) == ["expert 1 (67 %)", "expert 3 (33 %)", "Kaplan-Meier"]
    curves = [line for line in axes.lines if len(line.get_xdata()) == 3]
    np.testing.assert_allclose([line.get_ydata() for line in curves], SURVIVAL[:3])
    colours = [line.get_color() for line in curves]
    assert colours[0] == colours[1] != colours[2]


def test_curves_are_drawn_as_they_are_read(axes: Axes) -> None:
    """Lines from 1 at time 0 between the times of a grid, a staircase where these are exact."""
    data, survival = DATA.subset(np.array([0])), SURVIVAL[:1, 1:]
    for step, drawn_as in ((False, "default"), (True, "steps-post")):
        prediction = SurvivalPrediction(TIMES[1:], survival, WEIGHTS[:1], step)
        subject_curves(prediction, data, 0, axes=axes)
        curve = axes.lines[0]
        np.testing.assert_allclose(curve.get_xdata(), TIMES)
        np.testing.assert_allclose(curve.get_ydata(), SURVIVAL[0])
        assert curve.get_drawstyle() == drawn_as
        assert axes.lines[-1].get_drawstyle() == "steps-post"  # Kaplan-Meier
        axes.clear()


def test_only_so_many_subjects_are_drawn(axes: Axes) -> None:
    prediction = SurvivalPrediction(TIMES, SURVIVAL, WEIGHTS)
    subject_curves(prediction, DATA, 0, subjects=2, axes=axes)
    assert legend(axes) == ["expert 1 (67 %)", "Kaplan-Meier"]


def test_what_cannot_be_drawn_is_explained() -> None:
    unlabelled = SurvivalData(DATA.features, DATA.event, DATA.time)
    with pytest.raises(InputError, match="subjects have no labels"):
        survival_by_label(unlabelled)
    with pytest.raises(InputError, match="no subject has the label 3"):
        subject_curves(SurvivalPrediction(TIMES, SURVIVAL, WEIGHTS), DATA, 3)
    with pytest.raises(InputError, match="the model is no mixture"):
        subject_curves(SurvivalPrediction(TIMES, SURVIVAL), DATA, 0)
