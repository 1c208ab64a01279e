"""The evaluation of cumulative incidences, by cause."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survkit.metrics import Outcomes
from survkit.metrics.classes import class_likelihood, incidence_likelihood
from survkit.report.differences import best_models, resample_metrics
from survkit.types import InputError, SurvivalPrediction, TimeGrid
from tests.metrics.metric_fixtures import (
    CAUSES,
    causes_data,
    tied_causes_problem,
    tied_incidence,
    well_specified_causes,
    with_incidence,
)
from tests.metrics.test_evaluate import ALWAYS, WITHOUT_INTERVAL, reasons, run

OF_A_CAUSE = {
    *(f"{name}@{p}" for name in ("brier", "auc") for p in (25, 50, 75)),
    *("brier", "integrated_brier", "concordance", "concordance_ipcw", "concordance_td"),
    *("ece", "ece_equal_mass", "ece_null_mean", "ece_null_p95", "aj_calibration"),
}
OF_CAUSES = {f"{cause}/{name}" for cause in CAUSES for name in OF_A_CAUSE}


def test_each_cause_has_metrics_beside_those_of_any_event():
    prediction, data, *rest = tied_causes_problem()
    result = run((prediction, data, *rest))
    assert set(result.values) == set(result.details) == ALWAYS | OF_CAUSES
    assert not any(np.isnan(value) for value in result.values.values())
    without = {f"{cause}/{name}" for cause in CAUSES for name in WITHOUT_INTERVAL}
    assert set(result.intervals) == (ALWAYS | OF_CAUSES) - WITHOUT_INTERVAL - without
    for name, details in result.details.items():
        assert 0 < details["n_used"] <= 80, name
        assert 1 <= details["max_weight"] <= 20**2, name
    # Metrics of an event of any cause are those of data without causes, except the likelihood.
    plain = SurvivalPrediction(prediction.times, prediction.survival)
    for alone in ((plain, data), (prediction, replace(data, cause=None, cause_names=()))):
        other = run((*alone, *rest))
        assert set(other.values) == ALWAYS
        for name in ALWAYS - {"loss"}:
            assert other.values[name] == result.values[name], name
            assert other.intervals.get(name) == result.intervals.get(name), name
        assert other.values["loss"] < result.values["loss"]


def test_where_all_events_are_of_one_cause_its_metrics_are_those_of_any_event():
    prediction, data, *rest = tied_causes_problem()
    all_of_one = replace(data, cause=data.event.astype(int))
    risk = 1 - prediction.survival
    certain = with_incidence(prediction.times, np.stack([risk, 0 * risk], axis=1))
    result = run((certain, all_of_one, *rest), evaluation_times=(4.0, 6.5))
    same = OF_A_CAUSE - {"concordance", "concordance_ipcw", "aj_calibration"}
    at_times = ("brier", "auc", "ece", "ece_equal_mass")
    same |= {f"{name}@t={time}" for name in at_times for time in ("4", "6.5")}
    names = {name: f"relapse/{name}" for name in same}
    names["km_calibration"] = "relapse/aj_calibration"
    for name, own in names.items():
        assert result.values[own] == pytest.approx(result.values[name], rel=1e-9), name
        assert result.details[own] == result.details[name] or name.startswith("auc")
        if name in result.intervals:
            assert result.intervals[own] == pytest.approx(result.intervals[name], rel=1e-4), name
    assert result.values["death/aj_calibration"] == result.values["death/brier"] == 0
    assert "no event of this cause" in result.details["death/auc@50"]["reason"]
    assert "no event of this cause" in result.details["death/concordance"]["reason"]


def test_metrics_of_a_cause_at_a_time_are_those_at_its_cut():
    prediction, data, *rest = tied_causes_problem()
    times = np.union1d(prediction.times, [2.5])
    finer = prediction.read(times)
    result = run((finer, data, *rest), evaluation_times=(2.5, 6.0, 30.0))
    on_cuts = run((prediction, data, *rest))
    for name in OF_CAUSES:
        assert result.values[name] == pytest.approx(on_cuts.values[name], abs=1e-12), name
    for name in ("brier", "auc"):
        assert result.values[f"death/{name}@t=6"] == on_cuts.values[f"death/{name}@50"]
    assert "prediction ends" in result.details["death/ece@t=30"]["reason"]


def test_the_true_incidences_score_best():
    cuts = np.linspace(0, 12, 25)
    truth, data = well_specified_causes(1500, 1, cuts)
    _, train = well_specified_causes(2000, 2, cuts)
    own = truth.cumulative_incidence
    others = {
        "swapped": own[:, ::-1],
        # One minus the survival of a cause alone would add up to more than 1: spread over both.
        "equal": np.repeat(own.mean(axis=1, keepdims=True), 2, axis=1),
        "late": 0.7 * own,
    }
    predictions = {"truth": truth}
    predictions |= {name: with_incidence(cuts, other) for name, other in others.items()}
    grid = TimeGrid(cuts)
    metrics = ["loss", *(f"{c}/{name}" for c in CAUSES for name in ("integrated_brier", "auc@50"))]
    resampled = resample_metrics(
        predictions, data, metrics, train=train, grid=grid, resamples=100, seed=0
    )
    table = best_models(resampled, metrics).set_index("metric")
    assert set(table["best"].drop(["relapse/auc@50", "death/auc@50"])) == {"truth"}
    # Ranks of 0.7 times the truth are its own.
    assert set(table.loc[["relapse/auc@50", "death/auc@50"], "best"]) <= {"truth", "late"}
    assert not table.loc["relapse/integrated_brier", "level"]
    result = run((truth, data, grid, (train.time, train.event)), bootstrap=0)
    for cause in CAUSES:
        values = {name: result.values[f"{cause}/{name}"] for name in OF_A_CAUSE}
        assert values["ece_equal_mass"] < 1.1 * values["ece_null_p95"]
        assert values["aj_calibration"] < 1e-3


def test_likelihoods_of_the_causes_add_up_to_that_of_the_event():
    incidence = tied_incidence(6, np.arange(5.0), seed=0)
    survival = 1 - incidence.sum(axis=1)
    for k in range(6):
        classes = np.full(6, k)
        of_causes = [
            incidence_likelihood(survival, incidence, np.full(6, cause), classes)
            for cause in (0, 1, 2)
        ]
        event = class_likelihood(survival, np.ones(6, dtype=bool), classes)
        # Beyond the horizon the causes are not told apart.
        of_any = of_causes[1] if k == 5 else of_causes[1] + of_causes[2]
        np.testing.assert_allclose(of_any, event, atol=1e-12)
        censored = class_likelihood(survival, np.zeros(6, dtype=bool), classes)
        np.testing.assert_allclose(of_causes[0], censored)


def test_reasons_are_known_before_there_is_a_prediction():
    _, data, grid, train = tied_causes_problem()
    outcomes = Outcomes(data, *train, grid, min_at_risk=70)
    for metric in ("brier", "concordance", "auc@50"):
        assert "fewer than min_at_risk 70" in outcomes.why_undefined(f"relapse/{metric}")
    assert Outcomes(data, *train, grid, min_at_risk=1).why_undefined("relapse/brier") is None
    assert "causes are relapse, death" in outcomes.why_undefined("cure/brier")
    one = Outcomes(replace(data, cause=None, cause_names=()), *train, grid)
    assert "not told apart" in one.why_undefined("relapse/brier")


def test_another_number_of_causes_is_refused():
    prediction, data, *rest = tied_causes_problem()
    three = np.insert(prediction.cumulative_incidence, 2, 0.0, axis=1)
    with pytest.raises(InputError, match="prediction has 3 causes, but data has 2"):
        run((with_incidence(prediction.times, three), data, *rest))


outcomes = st.lists(st.tuples(st.integers(0, 14), st.integers(0, 2)), min_size=1, max_size=6)


@settings(max_examples=15, deadline=None)
@given(outcomes, outcomes, st.sampled_from(["standard", "published"]))
def test_anything_degenerate_is_nan_with_a_reason(rows, train_rows, convention):
    time, cause = map(np.array, zip(*rows, strict=True))
    train_time, train_cause = map(np.array, zip(*train_rows, strict=True))
    cuts = np.arange(13.0)
    prediction = with_incidence(cuts, tied_incidence(len(time), cuts, seed=0))
    train = train_time * 1.0, train_cause > 0
    problem = prediction, causes_data(time * 1.0, cause), TimeGrid(cuts), train
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = run(problem, bootstrap=5, convention=convention)
    assert set(result.values) == ALWAYS | OF_CAUSES
    for name, value in result.values.items():
        assert np.isfinite(value) != bool(reasons(result).get(name)), name
