from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

from survkit.explain.plots import bar_chart, boxen_plot
from survkit.types import InputError
from tests.explain.survlime_fixtures import CoxSet, cox_set

VALUES = np.array([0.2, -0.5, 0.7, -0.1])
NAMES = ["a", "b", "c", "d"]


@pytest.fixture(autouse=True)
def _close_figures() -> object:
    yield
    plt.close("all")


def red_and_blue(colour: tuple[float, ...]) -> tuple[bool, bool]:
    return colour[0] > colour[2], colour[2] > colour[0]


def test_bars_fall_and_are_red_above_zero_and_blue_below() -> None:
    axes = bar_chart(VALUES, NAMES)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["c", "a", "d", "b"]
    widths = [bar.get_width() for bar in axes.patches]
    np.testing.assert_allclose(widths, [0.7, 0.2, -0.1, -0.5])
    for bar, width in zip(axes.patches, widths, strict=True):
        assert red_and_blue(bar.get_facecolor()) == (width > 0, width < 0)
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first at the top


def test_absolute_values_and_grey() -> None:
    axes = bar_chart(VALUES, NAMES, absolute_vals=True, with_colour=False)
    np.testing.assert_allclose([bar.get_width() for bar in axes.patches], [0.7, 0.5, 0.2, 0.1])
    assert len({bar.get_facecolor() for bar in axes.patches}) == 1
    assert axes.get_xlabel() == "|coefficient (log hazard ratio)|"


def test_boxen_plots_are_ordered_by_the_median() -> None:
    samples = VALUES + np.random.default_rng(0).normal(0, 0.01, (200, 4))
    axes = boxen_plot(samples, NAMES)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["c", "a", "d", "b"]
    assert len(axes.collections) >= 4
    boxen_plot(samples, NAMES, with_colour=False, absolute_vals=True)


def test_figures_are_saved_and_drawn_on_given_axes(tmp_path: Path) -> None:
    figure, (left, right) = plt.subplots(1, 2)
    assert bar_chart(VALUES, NAMES, axes=left) is left
    path = tmp_path / "figure.png"
    assert boxen_plot(np.tile(VALUES, (5, 1)), NAMES, axes=right, figure_path=path) is right
    assert path.read_bytes().startswith(b"\x89PNG")
    assert figure.axes == [left, right]


@pytest.mark.slow
def test_sixty_features_do_not_overlap() -> None:
    names = [f"a feature with number {i} $50k" for i in range(60)]
    axes = bar_chart(np.linspace(-1, 1, 60), names)
    figure = axes.get_figure()
    figure.canvas.draw()
    boxes = sorted(
        (label.get_window_extent() for label in axes.get_yticklabels()), key=lambda box: box.y0
    )
    for lower, upper in pairwise(boxes):
        assert lower.y1 <= upper.y0 + 1
    assert min(box.x0 for box in boxes) >= 0


@pytest.fixture(scope="module")
def data() -> CoxSet:
    return cox_set(2, train=150)


def test_the_explainer_draws_what_it_explained_last(data: CoxSet, tmp_path: Path) -> None:
    explainer = data.explainer()
    found = explainer.explain_instance(data.test[0], data.model, num_samples=100)
    axes = explainer.plot_weights(scale_with_data_point=True, figure_path=tmp_path / "bars.png")
    widths = sorted(bar.get_width() for bar in axes.patches)
    np.testing.assert_allclose(widths, np.sort(found * data.test[0]))
    names = [
        label.get_text()
        for label in explainer.plot_weights(feature_names=list("vwxyz")).get_yticklabels()
    ]
    assert sorted(names) == list("vwxyz")
    explainer.montecarlo_explanation(data.test[:3], data.model, num_samples=50, num_repetitions=2)
    explainer.plot_montecarlo_weights(
        scale_with_data_point=True, figsize=(4, 3), figure_path=tmp_path / "boxen.png"
    )
    assert (tmp_path / "boxen.png").stat().st_size > 5000
    with pytest.raises(InputError, match=r"feature_names are 2 names, .*for 5 columns"):
        explainer.plot_weights(feature_names=["a", "b"])
    # Two bars of one name would be drawn over each other.
    with pytest.raises(InputError, match="5 names, 4 of them different"):
        explainer.plot_montecarlo_weights(feature_names=list("aabcd"))
    with pytest.raises(InputError, match="its folder does not exist"):
        explainer.plot_weights(feature_names=range(5), figure_path=tmp_path / "none" / "bars.png")


def test_long_odd_and_repeated_names_leave_room_and_stay_apart() -> None:
    long = "a very long name of a column of an export " * 6
    names = [f"{long}1", f"{long}2", "_x\ny", r"$\frac{$", "W" * 90, "x", "x"]
    samples = np.random.default_rng(0).normal(size=(8, len(names)))
    for axes in (bar_chart(samples[0], names), boxen_plot(samples, names)):
        figure: Any = axes.get_figure()
        figure.canvas.draw()  # a layout without room would warn, and warnings are errors
        labels = [label.get_text() for label in axes.get_yticklabels()]
        assert len(set(labels)) == len(names)
        assert all(len(label) < 45 and "\n" not in label for label in labels)
        assert axes.get_window_extent().width > 0.2 * figure.bbox.width
