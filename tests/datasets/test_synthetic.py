import numpy as np
import pytest
from sksurv.metrics import concordance_index_censored
from sksurv.nonparametric import kaplan_meier_estimator

from survkit.datasets import load_dataset
from survkit.datasets.synthetic import load_synthetic, true_survival
from survkit.types import InputError, SurvivalPrediction

PROCESSES = ["proportional", "nonproportional"]


@pytest.mark.parametrize("process", PROCESSES)
def test_the_true_model_discriminates(process):
    dataset = load_synthetic(synthetic_process=process)
    for part in dataset.splits:
        curves = true_survival(part.features, dataset.grid.cuts, process=process)
        risk = SurvivalPrediction(dataset.grid.cuts, curves).risk_score()
        assert concordance_index_censored(part.event, part.time, risk)[0] >= 0.75


@pytest.mark.parametrize("process", PROCESSES)
def test_times_are_drawn_from_the_true_survival_function(process):
    data = load_synthetic(synthetic_rows=20_000, synthetic_process=process).splits.train
    # S(T | x) is uniform whatever x is, and also within a part of the features' range.
    own = np.array(
        [
            true_survival(data.features[[i]], [data.true_time[i]], process=process)[0, 0]
            for i in range(4000)
        ]
    )
    for feature in (0, 2, 5):
        for half in (data.features[:4000, feature] > 0, data.features[:4000, feature] <= 0):
            deciles = np.quantile(own[half], np.linspace(0.1, 0.9, 9))
            np.testing.assert_allclose(deciles, np.linspace(0.1, 0.9, 9), atol=0.04)


@pytest.mark.parametrize("process", PROCESSES)
def test_kaplan_meier_agrees_with_the_mean_true_curve(process):
    data = load_synthetic(synthetic_rows=10_000, synthetic_process=process).splits.train
    times, survival = kaplan_meier_estimator(data.event, data.time)
    for moment in (0.5, 2.0, 5.0, 9.0):
        estimate = survival[np.searchsorted(times, moment, side="right") - 1]
        truth = true_survival(data.features, [moment], process=process).mean()
        assert estimate == pytest.approx(truth, abs=0.015)


def test_curves_cross_only_where_hazards_are_not_proportional():
    features = load_synthetic().splits.train.features[:200]
    times = np.linspace(0.05, 9.5, 60)
    crossed = {}
    for process in PROCESSES:
        difference = np.diff(true_survival(features, times, process=process), axis=0)
        crossed[process] = ((difference > 1e-9).any(1) & (difference < -1e-9).any(1)).mean()
    assert crossed["proportional"] == 0
    assert crossed["nonproportional"] > 0.2


def test_curves_are_survival_functions():
    features = load_synthetic().splits.test.features
    curves = true_survival(features, [0.0, 1.0, 5.0, 1e9])
    np.testing.assert_array_equal(curves[:, 0], 1)
    assert (np.diff(curves, axis=1) <= 0).all()
    np.testing.assert_allclose(curves[:, -1], 0, atol=1e-12)


def test_outcomes_follow_from_true_time():
    dataset = load_dataset("synthetic", data_dir="unused", synthetic_rows=2000)
    assert [len(part) for part in dataset.splits] == [1600, 200, 200]
    assert dataset.preprocessor is None
    for part in dataset.splits:
        np.testing.assert_array_equal(part.time[part.event], part.true_time[part.event])
        assert (part.time[~part.event] < part.true_time[~part.event]).all()
        assert 0.5 < part.event.mean() < 0.9


def test_data_depend_on_the_parameters_alone():
    first, second = load_synthetic(synthetic_rows=300), load_synthetic(synthetic_rows=300)
    assert first.sha256 == second.sha256
    np.testing.assert_array_equal(first.splits.train.time, second.splits.train.time)
    others = [
        load_synthetic(synthetic_rows=301),
        load_synthetic(synthetic_rows=300, synthetic_process="nonproportional"),
    ]
    assert len({first.sha256, *(other.sha256 for other in others)}) == 3


def test_bad_parameters():
    with pytest.raises(InputError, match="'cox'; it must be proportional or nonproportional"):
        load_synthetic(synthetic_process="cox")
    with pytest.raises(InputError, match="synthetic_rows is 2; at least 3"):
        load_synthetic(synthetic_rows=2)
