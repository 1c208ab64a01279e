from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from survkit.datasets import load_dataset
from survkit.metrics import evaluate
from survkit.pages.svg import draw_svg
from survkit.report import load_runs
from survkit.report.calibration_figures import calibration_over_time
from survkit.report.expert_figures import (
    expert_load_bars,
    expert_prototypes,
    kaplan_meier_by_expert,
    router_heatmap,
)
from survkit.report.figures import brier_over_time, survival_curves
from survkit.report.profiles import (
    cohort_profile,
    profile_heatmap,
    profile_table,
    standardised_difference,
)
from survkit.report.training_figures import learning_curves, loss_against_experts, read_history
from survkit.runs.read import load_fitted
from survkit.train import main as train
from survkit.types import InputError, SurvivalData, SurvivalPrediction


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture
def axes() -> Axes:
    return plt.subplots()[1]


@pytest.fixture(scope="module")
def synthetic() -> tuple[SurvivalData, SurvivalData, SurvivalPrediction, object]:
    dataset = load_dataset("synthetic", data_dir="", synthetic_rows=600, time_bins=20)
    train_rows, _, test = dataset.splits
    rate = np.exp(test.features[:, 0].astype(float)) / 5
    curves = np.exp(-rate[:, None] * dataset.grid.cuts)
    return train_rows, test, SurvivalPrediction(dataset.grid.cuts, curves), dataset.grid


def labels(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_brier_over_time_is_the_brier_score_at_every_cut(axes: Axes, synthetic) -> None:
    train_rows, test, prediction, grid = synthetic
    drawn = brier_over_time(
        {"model": prediction}, test, train=train_rows, grid=grid, time_unit="years", axes=axes
    )
    assert drawn is axes
    assert labels(axes) == ["Kaplan-Meier, no features", "model"]
    assert axes.get_xlabel() == "time (years), with the number at risk"
    marks = zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
    for tick, label in marks:
        at_risk = int((test.time > tick).sum())
        assert label.get_text() == f"{tick:g}\n{at_risk}"
    cuts, score = axes.lines[1].get_data()
    settings = {"train_time": train_rows.time, "train_event": train_rows.event, "grid": grid}
    values = evaluate(prediction, test, bootstrap=0, **settings).values
    assert score[np.searchsorted(cuts, grid.cuts[5])] == pytest.approx(values["brier@25"])
    assert np.mean(score[1:]) == pytest.approx(values["brier"])


def test_brier_over_time_ends_where_too_few_are_at_risk(axes: Axes, synthetic) -> None:
    train_rows, test, prediction, grid = synthetic
    last = {}
    for number in (0, 30):
        brier_over_time(
            {"model": prediction}, test, train=train_rows, grid=grid, min_at_risk=number, axes=axes
        )
        last[number] = axes.lines[-1].get_xdata()[-1]
    assert np.count_nonzero(test.time > last[30]) >= 30
    following = grid.cuts[grid.cuts > last[30]][0]
    assert np.count_nonzero(test.time > following) < 30
    assert last[0] > last[30]


def test_predicted_curves_are_drawn_as_they_are_read(axes: Axes, synthetic) -> None:
    _, test, prediction, _ = synthetic
    exact = SurvivalPrediction(prediction.times[1:], prediction.survival[:, 1:], step=True)
    survival_curves({"grid": prediction, "exact": exact}, test.time, test.event, axes=axes)
    kaplan_meier, grid, steps = axes.lines
    assert kaplan_meier.get_drawstyle() == steps.get_drawstyle() == "steps-post"
    assert grid.get_drawstyle() == "default"
    np.testing.assert_allclose(grid.get_ydata(), prediction.survival.mean(axis=0))
    assert (steps.get_xdata()[0], steps.get_ydata()[0]) == (0, 1)


def test_calibration_has_a_line_for_each_time(axes: Axes, synthetic) -> None:
    _, test, prediction, grid = synthetic
    times = [float(grid.cuts[5]), float(grid.cuts[10])]
    calibration_over_time(prediction, test.time, test.event, times=times, axes=axes)
    assert len(axes.containers) == 2
    at_risk = np.count_nonzero(test.time > times[0])
    assert labels(axes)[1] == f"by {times[0]:.4g}, {at_risk} at risk"


def test_the_expert_load_is_the_share_of_largest_weights(axes: Axes) -> None:
    weights = np.array([[0.6, 0.4, 0.0], [0.2, 0.8, 0.0], [0.9, 0.1, 0.0], [0.5, 0.4, 0.1]])
    expert_load_bars(weights, axes=axes)
    assert [bar.get_height() for bar in axes.patches] == [0.75, 0.25, 0.0]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), weights.mean(axis=0))


def test_kaplan_meier_by_expert_counts_events_not_censorings(axes: Axes) -> None:
    time = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    event = np.array([True, True, False, False, False, True])
    weights = np.repeat(np.array([[0.9, 0.1, 0.0], [0.1, 0.9, 0.0]]), 3, axis=0)
    kaplan_meier_by_expert(weights, SurvivalData(np.zeros((6, 1)), event, time), axes=axes)
    assert labels(axes) == [
        "all (n = 6)",
        "expert 1 (n = 3, 2 events)",
        "expert 2 (n = 3, 1 events)",
    ]
    assert axes.lines[1].get_ydata()[-1] == pytest.approx(1 / 3)
    assert axes.lines[2].get_ydata()[-1] == pytest.approx(0)


def test_curves_of_twenty_experts_differ(axes: Axes) -> None:
    n = 200
    weights = np.eye(20)[np.arange(n) % 20]
    data = SurvivalData(np.zeros((n, 1)), np.ones(n, bool), np.arange(1.0, n + 1))
    kaplan_meier_by_expert(weights, data, axes=axes)
    drawn = {(line.get_color(), line.get_linestyle()) for line in axes.lines[1:]}
    assert len(drawn) == 20
    assert len(axes.collections) == 0  # bands would hide each other


@pytest.mark.parametrize("model", ["fixed_moe", "adjustable_moe"])
def test_prototypes_are_the_experts_own_curves(
    axes: Axes, model: str, tmp_path: Path, small_flags: list[str]
) -> None:
    flags = ["--model", model, "--mixture_components", "3", "--log_dir", str(tmp_path)]
    assert train([*small_flags, *flags]) == 0
    fitted = load_fitted(load_runs(tmp_path)["path"].iloc[0]).model
    expert_prototypes(fitted, load=np.array([0.5, 0.0, 0.5]), axes=axes)
    assert labels(axes) == ["expert 1", "1 without subjects", "expert 3"]
    logits = fitted.network.head.prototypes.detach().numpy()[2].astype(float)
    scores = np.exp(np.cumsum(logits[::-1])[::-1])
    probabilities = scores / scores.sum()
    survival = 1 - np.cumsum(probabilities)[:-1]
    np.testing.assert_allclose(axes.lines[2].get_ydata(), survival, atol=1e-6)


def test_experts_without_prototypes_are_refused(log_dir: Path) -> None:
    runs = load_runs(log_dir)
    path = runs.loc[runs["model"] == "personalized_moe", "path"].iloc[0]
    with pytest.raises(InputError, match="experts of personalized_moe have no prototype"):
        expert_prototypes(load_fitted(path).model)


def test_the_router_heatmap_has_mean_weights_by_label(axes: Axes) -> None:
    weights = np.array([[1.0, 0.0], [0.5, 0.5], [0.2, 0.8]])
    router_heatmap(weights, np.array([3, 3, 7]), axes=axes)
    assert [text.get_text() for text in axes.texts] == ["75", "25", "20", "80"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["3", "7"]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["1", "2"]


def test_learning_curves_mark_the_epoch_that_was_kept(axes: Axes, log_dir: Path) -> None:
    runs = load_runs(log_dir)
    histories = {str(r["seed"]): read_history(r["path"]) for _, r in runs.iterrows()}
    best = dict(zip(histories, runs["best_epoch"], strict=False))
    learning_curves(histories, best_epochs=best, axes=axes)
    assert labels(axes) == ["42", "43"]
    (dot,) = [line for line in axes.lines if line.get_marker() == "o"][:1]
    assert list(dot.get_xdata()) == [best["42"]]


def test_a_history_without_losses_is_refused(tmp_path: Path) -> None:
    assert read_history(tmp_path).empty
    with pytest.raises(InputError, match="the history of a has no column 'epoch'"):
        learning_curves({"a": pd.DataFrame()})
    (tmp_path / "history.jsonl").write_text('{"epoch": 1}\n{"epo')  # half written
    assert read_history(tmp_path)["epoch"].tolist() == [1]
    (tmp_path / "history.jsonl").write_text("{\n")
    with pytest.raises(InputError, match=r"history.jsonl is damaged: line 1"):
        read_history(tmp_path)


def test_loss_against_experts_draws_runs_and_means(axes: Axes) -> None:
    runs = pd.DataFrame(
        {
            "model": "fixed_moe",
            "config_mixture_components": [2, 2, 5],
            "test_loss": [2.0, 3.0, 1.0],
        }
    )
    loss_against_experts(runs, axes=axes)
    np.testing.assert_allclose(axes.lines[1].get_xdata(), [2, 5])
    np.testing.assert_allclose(axes.lines[1].get_ydata(), [2.5, 1.0])
    with pytest.raises(InputError, match="no lss"):
        loss_against_experts(runs, "lss")


def test_the_standardised_difference() -> None:
    rng = np.random.default_rng(0)
    one, two = rng.normal(1.0, 2.0, 20_000), rng.normal(0.0, 1.0, 20_000)
    assert standardised_difference(one, two) == pytest.approx(1 / np.sqrt(2.5), abs=0.02)
    shares = np.repeat([0.0, 1.0], [70, 30]), np.repeat([0.0, 1.0], [50, 50])
    expected = -0.2 / np.sqrt((0.21 + 0.25) / 2)  # Austin (2009), equation 2
    assert standardised_difference(*shares) == pytest.approx(expected)
    assert np.isnan(standardised_difference(np.ones(3), np.ones(3)))
    assert np.isnan(standardised_difference(np.ones(3), np.ones(0)))


def test_a_profile_is_in_raw_units_and_names_categories() -> None:
    dataset = load_dataset("gbsg2", data_dir="")
    test = dataset.splits.test
    names = list(test.feature_names)
    old = test.features[:, names.index("age")] > 0
    weights = np.column_stack([old, ~old, np.zeros(len(test))]).astype(float)
    profile = cohort_profile(weights, test, dataset.preprocessor)
    assert set(profile["expert"]) == {1, 2}
    rows = profile[profile["expert"] == 1].set_index("feature")
    assert 55 < rows.loc["age", "mean"] < 75  # years
    assert rows.loc["age", "mean_of_others"] < 55
    assert rows.loc["age", "difference"] > 1
    assert rows.loc["age", "n"] == old.sum()
    assert {"tgrade = I", "tgrade = II", "tgrade = III"} <= set(rows.index)
    assert [name for name in rows.index if name.startswith("horTh")] == ["horTh = yes"]
    assert rows.loc["tgrade = II", "is_share"]
    axes = profile_heatmap(profile, features=4)
    rows_drawn = [label.get_text() for label in axes.get_yticklabels()]
    assert any(name.startswith("age (5") for name in rows_drawn)
    assert axes.get_title() == f"4 of {len(rows)} features"


def test_the_table_of_profiles_names_what_sets_experts_apart() -> None:
    names = ("charges", "x")
    features = np.array([[2000, 1], [3000, 0], [10, 1], [30, 0]])
    data = SurvivalData(
        features, np.array([True, True, False, True]), np.ones(4), feature_names=names
    )
    weights = np.repeat([[0.9, 0.1], [0.2, 0.8]], 2, axis=0)
    table = profile_table(cohort_profile(weights, data), features=1).text
    assert table.loc["1"].tolist() == ["2", "2", "charges 2,500 (20)"]
    assert table.loc["2"].tolist() == ["2", "1", "charges 20 (2,500)"]
    both = profile_table(cohort_profile(weights, data)).text
    assert both.loc["1"].iloc[-1] == "charges 2,500 (20); x 50% (50%)"


def test_names_of_features_and_models_are_drawn_as_they_stand() -> None:
    names = (r"$\frac{$", "_x", "serum\ncreatinine " * 9)
    features = np.random.default_rng(0).normal(size=(40, 3))
    data = SurvivalData(features, np.ones(40, bool), np.arange(1.0, 41), feature_names=names)
    weights = np.where(features[:, :1] > 0, [[0.9, 0.1]], [[0.2, 0.8]])
    profile = cohort_profile(weights, data)
    svg = draw_svg(partial(profile_heatmap, profile), width=6, height=3, label="some")
    drawn = [text.strip("\u200b") for text in re.findall(r"<text[^>]*>([^<]*)<", svg)]
    assert any(text.startswith(r"$\frac{$ (") for text in drawn)
    assert any(text.startswith("_x (") for text in drawn)
    assert any(text.startswith("serum creatinine serum creatinine serum… (") for text in drawn)
    curve = SurvivalPrediction(np.array([0.0, 40.0]), np.array([[1.0, 0.5]] * 40))
    curves = {"$m$": curve, "_m": curve}
    draw = partial(survival_curves, curves, data.time, data.event, time_unit="$u$")
    svg = draw_svg(draw, width=6, height=4, label="some")
    drawn = [text.strip("\u200b") for text in re.findall(r"<text[^>]*>([^<]*)<", svg)]
    assert {"$m$", "_m", "time ($u$), with the number at risk"} <= set(drawn)


def test_one_group_has_nothing_to_be_set_apart_from() -> None:
    dataset = load_dataset("gbsg2", data_dir="")
    test = dataset.splits.test
    profile = cohort_profile(np.ones((len(test), 1)), test, dataset.preprocessor)
    assert profile["difference"].isna().all()
    with pytest.raises(InputError, match="all subjects belong to one expert"):
        profile_heatmap(profile)
    with pytest.raises(InputError, match="3 rows of expert weights"):
        cohort_profile(np.ones((3, 1)), test)


def test_svg_takes_the_colours_of_the_page() -> None:
    weights = np.full((4, 2), 0.5)
    svg = draw_svg(partial(expert_load_bars, weights), width=4, height=3, label="load <1>")
    root = ElementTree.fromstring(svg)
    assert root.get("aria-label") == "load <1>"
    assert root.get("role") == "img"
    assert "#000000" not in svg
    assert "expert" in svg  # text is text
    assert draw_svg(partial(expert_load_bars, weights), width=4, height=3, label="load <1>") == svg
    assert plt.get_fignums() == []
