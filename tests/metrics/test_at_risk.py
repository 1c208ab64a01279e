"""Metrics where few subjects are left: missing with a reason, never won by predicting death."""

from __future__ import annotations

import numpy as np
import pytest

from survkit.datasets import load_dataset
from survkit.datasets.assemble import Dataset
from survkit.metrics import Outcomes, evaluate
from survkit.models.registry import MODELS
from survkit.types import InputError, SurvivalPrediction, TimeGrid
from tests.metrics.metric_fixtures import survival_data, tied_problem

OVER_TIME = ("brier@", "auc@", "accuracy@", "ece", "integrated_brier", "brier", "km_calibration")
HIGHER = ("concordance", "auc", "accuracy", "d_calibration_p")


def small(name: str, *, quantiles: bool = False) -> Dataset:
    """Load a dataset whose random test rows have few subjects left late."""
    given = {"quantile_event_times": quantiles, "stratified_split": False}
    return load_dataset(name, data_dir="unused", **given)


def scores(dataset: Dataset, prediction: SurvivalPrediction, **options):
    train = dataset.splits.train
    known = {"train_time": train.time, "train_event": train.event, "grid": dataset.grid}
    return evaluate(prediction, dataset.splits.test, **known, bootstrap=0, **options)


@pytest.mark.parametrize("quantiles", [False, True])
@pytest.mark.parametrize("min_at_risk", [1, 10])
@pytest.mark.parametrize("name", ["lung", "veteran"])
def test_predicting_that_everybody_has_died_never_beats_kaplan_meier(name, min_at_risk, quantiles):
    dataset = small(name, quantiles=quantiles)
    model = MODELS["kaplan_meier"].build(grid=dataset.grid, parameters={}, seed=0)
    model.fit(dataset.splits.train, dataset.splits.validation)
    test = dataset.splits.test
    dead = SurvivalPrediction(dataset.grid.cuts, np.zeros((len(test), len(dataset.grid.cuts))))
    own, other = (
        scores(dataset, each, min_at_risk=min_at_risk)
        for each in (dead, model.predict(test.features))
    )
    compared = 0
    for metric, value in own.values.items():
        reference = other.values[metric]
        if np.isnan(value) or np.isnan(reference) or metric.startswith("ece_null"):
            continue
        lost = reference - value if metric.startswith(HIGHER) else value - reference
        if metric.startswith("accuracy"):  # of one certain guess and another for everybody
            continue
        tie = metric.startswith(("concordance", "auc"))  # neither ranks anybody
        assert lost > 0 or (tie and lost == 0), metric
        compared += 1
    assert compared >= 6
    for evaluation in (own, other):
        for metric, details in evaluation.details.items():
            if "at_risk" in details and details["at_risk"] < min_at_risk:
                assert np.isnan(evaluation.values[metric])


def test_a_metric_without_enough_subjects_is_missing_and_says_how_many_are_left():
    result = scores(small("lung"), flat(small("lung")))
    for percentage in (50, 75):
        details = result.details[f"brier@{percentage}"]
        assert np.isnan(result.values[f"brier@{percentage}"])
        assert details["at_risk"] == 0
        reason = "0 of 23 subjects are still at risk, fewer than min_at_risk 10"
        assert details["reason"] == reason


def flat(dataset: Dataset) -> SurvivalPrediction:
    n, m = len(dataset.splits.test), len(dataset.grid.cuts)
    return SurvivalPrediction(dataset.grid.cuts, np.linspace(1, 0.2, m) * np.ones((n, 1)))


def test_every_metric_over_time_ends_where_the_least_number_is_left():
    prediction, data, grid, train = tied_problem(80)
    outcomes = Outcomes(data, *train, grid, min_at_risk=25)
    last = outcomes.weights.last_cut
    assert (data.time > grid.cuts[last]).sum() >= 25 > (data.time > grid.cuts[last + 1]).sum()
    options = {"train_time": train[0], "train_event": train[1], "grid": grid, "bootstrap": 0}
    few = evaluate(prediction, data, **options, min_at_risk=81)
    for metric, value in few.values.items():
        if metric.startswith((*OVER_TIME, "concordance_ipcw")):
            assert np.isnan(value), metric
            assert "subjects are still at risk" in few.details[metric]["reason"], metric
    assert np.isfinite(few.values["concordance"])


def test_the_rows_of_one_subject_count_once():
    time = np.repeat([1.0, 2.0, 3.0, 9.0], 10)
    data = survival_data(time, np.ones(40, bool), subject_id=np.repeat(np.arange(4), 10))
    grid = TimeGrid(np.arange(10.0))
    outcomes = Outcomes(data, time, data.event, grid, min_at_risk=2)
    assert outcomes.weights.last_cut == 2
    reason = "1 of 4 subjects is still at risk, fewer than min_at_risk 2"
    assert [point.reason for point in outcomes.points] == [None, reason, reason]


def test_the_published_convention_does_not_ask_how_many_are_left():
    prediction, data, grid, train = tied_problem(80)
    options = {"train_time": train[0], "train_event": train[1], "grid": grid, "bootstrap": 0}
    one, other = (
        evaluate(prediction, data, **options, convention="published", min_at_risk=least)
        for least in (0, 50)
    )
    assert one.values == other.values


def test_a_resample_that_draws_nobody_who_is_left_has_no_value():
    time = np.array([1.0, 2, 3, 4, 5, 9])
    data = survival_data(time, np.ones(6, bool))
    grid = TimeGrid(np.array([0.0, 2, 4, 6, 8]))
    prediction = SurvivalPrediction(grid.cuts, np.zeros((6, 5)))
    result = evaluate(
        prediction, data, train_time=time, train_event=data.event, grid=grid, min_at_risk=1
    )
    for metric in ("brier@75", "integrated_brier", "ece", "km_calibration", "accuracy@75"):
        assert 500 < result.details[metric]["resamples_defined"] < 800, metric
    low, _ = result.intervals["brier@75"]
    assert low > 0


def test_evaluation_times_add_metrics_and_change_none():
    prediction, data, grid, train = tied_problem(80)
    options = {"train_time": train[0], "train_event": train[1], "grid": grid, "min_at_risk": 5}
    plain = evaluate(prediction, data, **options)
    times = [2.5, float(grid.cuts[3]), 1000.0]
    finer = prediction.read(np.union1d(prediction.times, times[:2]))
    more = evaluate(finer, data, **options, evaluation_times=times)
    for metric, value in plain.values.items():
        assert more.values[metric] == pytest.approx(value, rel=1e-12, nan_ok=True), metric
    added = set(more.values) - set(plain.values)
    names = ("brier", "auc", "accuracy", "ece", "ece_equal_mass")
    assert added == {f"{name}@t={time:g}" for name in names for time in times}
    assert more.details["brier@t=2.5"]["time"] == 2.5
    assert more.details["brier@t=2.5"]["at_risk"] == (data.time > 2.5).sum()
    at_cut = Outcomes(data, *train, grid, min_at_risk=5)
    survival, weights = prediction.survival[:, 3], at_cut.at_cuts[:, 3]
    brier = (weights * (survival - ~at_cut.happened[:, 3]) ** 2).mean()
    assert more.values[f"brier@t={times[1]:g}"] == pytest.approx(brier, rel=1e-12)
    assert "ends at time" in more.details["brier@t=1000"]["reason"]


def test_evaluation_times_that_a_prediction_has_anyway_change_nothing():
    prediction, data, _, train = tied_problem(80)
    coarse = TimeGrid(np.array([0.0, 4.0, 8.0, 12.0]))
    options = {"train_time": train[0], "train_event": train[1], "grid": coarse, "bootstrap": 0}
    own = float(prediction.times[3])
    plain, more = (
        evaluate(prediction, data, **options, min_at_risk=1, evaluation_times=times)
        for times in ((), own)
    )
    for metric, value in plain.values.items():
        assert more.values[metric] == pytest.approx(value, rel=1e-12, nan_ok=True), metric


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_at_risk": -5}, "min_at_risk is -5; it must be a whole number"),
        ({"min_at_risk": 2.5}, "min_at_risk is 2.5"),
        ({"evaluation_times": [0.0]}, "evaluation_times has 0.0"),
        ({"evaluation_times": [np.nan]}, "evaluation_times has nan"),
    ],
)
def test_impossible_rules_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        scores(small("lung"), flat(small("lung")), **options)


def test_calibration_intervals_do_not_go_below_0():
    dataset = small("lung")
    train, test = dataset.splits.train, dataset.splits.test
    known = {"train_time": train.time, "train_event": train.event, "grid": dataset.grid}
    result = evaluate(flat(dataset), test, **known, evaluation_times=[100.0, 180.0])
    lowest = [low for name, (low, _) in result.intervals.items() if name.startswith("ece")]
    assert len(lowest) >= 4
    assert min(lowest) >= 0


def test_times_in_single_precision_give_the_same_metrics():
    prediction, _, grid, _ = tied_problem(80)
    rng = np.random.default_rng(0)
    time = grid.cuts[rng.integers(1, len(grid.cuts), 80)] * 1.0
    cuts = TimeGrid(grid.cuts * 0.7)
    event = rng.random(80) < 0.7
    same = [
        evaluate(
            SurvivalPrediction(cuts.cuts, prediction.survival),
            survival_data((time * 0.7).astype(kind), event),
            train_time=(time * 0.7).astype(kind),
            train_event=event,
            grid=cuts,
            bootstrap=0,
            min_at_risk=1,
        ).values
        for kind in (np.float32, np.float64)
    ]
    for metric, value in same[1].items():
        assert same[0][metric] == pytest.approx(value, rel=1e-6, nan_ok=True), metric
