from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from survkit.metrics import evaluate
from survkit.report.differences import (
    Resampled,
    best_models,
    excludes_zero,
    paired_differences,
    resample_metrics,
)
from survkit.types import SurvivalData, SurvivalPrediction, TimeGrid

GRID = TimeGrid.evenly_spaced(3.0, 31)
METRICS = ("loss", "concordance", "brier@50", "integrated_brier", "ece_equal_mass")


def subjects(n: int, seed: int) -> tuple[np.ndarray, SurvivalData]:
    """Return hazard rates and outcomes censored uniformly on (0, 6)."""
    rng = np.random.default_rng(seed)
    rate = np.exp(rng.normal(size=n))
    event_time, censoring_time = rng.exponential(1 / rate), rng.uniform(0, 6, n)
    event = event_time <= censoring_time
    return rate, SurvivalData(np.zeros((n, 1)), event, np.minimum(event_time, censoring_time))


def exponential(rate: np.ndarray) -> SurvivalPrediction:
    return SurvivalPrediction(GRID.cuts, np.exp(-rate[:, None] * GRID.cuts))


@pytest.fixture(scope="module")
def train() -> SurvivalData:
    return subjects(2000, seed=1)[1]


@pytest.fixture(scope="module")
def resampled(train: SurvivalData) -> dict[str, Resampled]:
    rate, data = subjects(400, seed=2)
    noise = np.exp(np.random.default_rng(3).normal(scale=0.7, size=400))
    predictions = {
        "truth": exponential(rate),
        "noisy": exponential(rate * noise),
        "noisy again": exponential(rate * noise),
    }
    return resample_metrics(predictions, data, METRICS, train=train, grid=GRID, resamples=300)


def test_values_and_intervals_are_those_of_the_evaluation(
    train: SurvivalData, resampled: dict[str, Resampled]
) -> None:
    rate, data = subjects(400, seed=2)
    evaluation = evaluate(
        exponential(rate),
        data,
        train_time=train.time,
        train_event=train.event,
        grid=GRID,
        bootstrap=300,
        seed=0,
    )
    table = paired_differences(resampled, METRICS, "noisy").set_index(["model", "metric"])
    for metric in METRICS:
        row = table.loc[("truth", metric)]
        assert row["value"] == pytest.approx(evaluation.values[metric], rel=1e-6)
        interval = (row["low"], row["high"])
        assert interval == pytest.approx(evaluation.intervals[metric], rel=1e-5)


def test_equal_predictions_differ_by_nothing(resampled: dict[str, Resampled]) -> None:
    table = paired_differences(resampled, METRICS, "noisy")
    own = table[table["model"] == "noisy again"]
    assert (own[["difference", "difference_low", "difference_high"]] == 0).all().all()
    reference = table[table["model"] == "noisy"]
    assert reference["difference"].isna().all()


def test_the_interval_of_a_difference_of_means_is_that_of_the_pairs(
    resampled: dict[str, Resampled],
) -> None:
    """The loss is a mean over subjects, so its difference has the normal interval of the pairs."""
    rate, data = subjects(400, seed=2)
    noise = np.exp(np.random.default_rng(3).normal(scale=0.7, size=400))
    losses = []
    for prediction in (exponential(rate), exponential(rate * noise)):
        padded = np.column_stack([np.ones(400), prediction.survival, np.zeros(400)])
        k, rows = GRID.classify(data.time), np.arange(400)
        likelihood = np.where(data.event, padded[rows, k] - padded[rows, k + 1], padded[rows, k])
        losses.append(-np.log(likelihood))
    pairs = losses[0] - losses[1]
    error = pairs.std(ddof=1) / np.sqrt(400)
    table = paired_differences(resampled, METRICS, "noisy").set_index(["model", "metric"])
    row = table.loc[("truth", "loss")]
    assert row["difference"] == pytest.approx(pairs.mean(), abs=1e-6)
    assert row["difference_low"] == pytest.approx(pairs.mean() - 1.96 * error, abs=0.4 * error)
    assert row["difference_high"] == pytest.approx(pairs.mean() + 1.96 * error, abs=0.4 * error)


def test_the_best_model_and_those_level_with_it(resampled: dict[str, Resampled]) -> None:
    best = best_models(resampled, METRICS).set_index("metric")
    assert best.loc["loss", "best"] == "truth"
    assert best.loc["concordance", "best"] == "truth"  # more is better
    assert best.loc["loss", "level"] == []
    assert best.loc["loss", "difference"] < 0
    assert best.loc["concordance", "difference"] > 0
    pair = {name: resampled[name] for name in ("noisy", "noisy again")}
    assert best_models(pair, METRICS)["level"].tolist() == [["noisy again"]] * len(METRICS)


def test_unknown_and_undefined_metrics_have_no_difference(train: SurvivalData) -> None:
    rate, data = subjects(50, seed=4)
    never = SurvivalPrediction(GRID.cuts, np.ones((50, len(GRID.cuts))))
    predictions = {"truth": exponential(rate), "never": never}
    metrics = ("loss", "n_train", "d_calibration_p")
    resampled = resample_metrics(predictions, data, metrics, train=train, grid=GRID, resamples=20)
    table = paired_differences(resampled, metrics, "truth")
    assert table.loc[table["model"] == "never", "difference_low"].isna().all()
    assert "loss" not in best_models(resampled, metrics)["metric"].tolist()


def test_rows_of_one_subject_are_drawn_together(train: SurvivalData) -> None:
    rate, data = subjects(200, seed=5)
    twice = np.repeat(np.arange(200), 2)
    doubled = SurvivalData(
        np.zeros((400, 1)), data.event[twice], data.time[twice], subject_id=twice
    )
    prediction = exponential(rate)
    two = {"truth": prediction.subset(twice)}
    settings = {"train": train, "grid": GRID, "resamples": 100}
    one = resample_metrics({"truth": prediction}, data, ("loss",), **settings)["truth"]
    both = resample_metrics(two, doubled, ("loss",), **settings)["truth"]
    np.testing.assert_allclose(one.resamples, both.resamples, rtol=1e-5)


def test_an_unknown_interval_does_not_leave_out_0() -> None:
    assert excludes_zero(0.1, 0.2)
    assert excludes_zero(-0.2, -0.1)
    assert not excludes_zero(-0.1, 0.1)
    assert not excludes_zero(np.nan, np.nan)


def test_without_resamples_there_is_no_interval(train: SurvivalData) -> None:
    rate, data = subjects(50, seed=6)
    resampled = resample_metrics(
        {"a": exponential(rate), "b": exponential(2 * rate)},
        data,
        ("loss",),
        train=train,
        grid=GRID,
        resamples=0,
    )
    table = paired_differences(resampled, ("loss",), "a")
    assert isinstance(table, pd.DataFrame)
    assert table["value"].notna().all()
    assert table["low"].isna().all()
