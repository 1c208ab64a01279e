import json
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sksurv.metrics import concordance_index_censored

from survkit.metrics import Outcomes, evaluate, evaluate_against, renormalise_beyond_horizon
from survkit.metrics.calibration import (
    calibration_error_null,
    equal_mass_bins,
    equal_width_bins,
    expected_calibration_error,
)
from survkit.metrics.censoring import (
    censoring_distribution,
    censoring_weights,
    kaplan_meier,
    weights_at_cuts,
)
from survkit.metrics.classes import class_likelihood, class_probabilities
from survkit.metrics.concordance import concordance
from survkit.metrics.problem import survival_at_cuts
from survkit.types import InputError, SurvivalPrediction, TimeGrid
from tests.metrics.metric_fixtures import (
    survival_data,
    tied_problem,
    tied_survival,
    well_specified,
)

ALWAYS = {
    "loss",
    "concordance",
    "concordance_ipcw",
    "concordance_td",
    "brier@25",
    "brier@50",
    "brier@75",
    "brier",
    "integrated_brier",
    "auc@25",
    "auc@50",
    "auc@75",
    "accuracy@25",
    "accuracy@50",
    "accuracy@75",
    "ece",
    "ece_equal_mass",
    "ece_null_mean",
    "ece_null_p95",
    "d_calibration_p",
    "km_calibration",
    "mae",
    "mae_pseudo",
    "point_error_optimal",
}
WITH_TRUTH = {"brier_true@25", "brier_true@50", "brier_true@75", "ece_true", "mae_true"}
WITH_EXPERTS = {"expert_load", "dead_experts", "router_entropy"}
WITH_LABEL = {"purity", "ari", "nmi"}
WITHOUT_INTERVAL = {
    "ece_null_mean",
    "ece_null_p95",
    "d_calibration_p",
    "expert_load",
    "dead_experts",
}


def run(problem, **options):
    prediction, data, grid, (train_time, train_event) = problem
    options = {"bootstrap": 20, "min_at_risk": 1, **options}
    return evaluate(
        prediction, data, train_time=train_time, train_event=train_event, grid=grid, **options
    )


def with_extras(seed=0, n=80):
    rng = np.random.default_rng(seed)
    prediction, data, grid, train = tied_problem(
        n, seed=seed, label=rng.integers(3, size=n), true_time=rng.uniform(0, 15, n)
    )
    weights = rng.dirichlet(np.ones(4), n)
    return SurvivalPrediction(prediction.times, prediction.survival, weights), data, grid, train


def test_plain_data_give_the_plain_metrics():
    result = run(tied_problem())
    assert set(result.values) == set(result.details) == ALWAYS
    assert not any(np.isnan(value) for value in result.values.values())
    assert set(result.intervals) == ALWAYS - WITHOUT_INTERVAL


def test_truth_experts_and_labels_add_theirs():
    result = run(with_extras())
    assert set(result.values) == ALWAYS | WITH_TRUTH | WITH_EXPERTS | WITH_LABEL
    assert set(result.intervals) == set(result.values) - WITHOUT_INTERVAL
    assert sum(result.values["expert_load"]) == pytest.approx(1)
    json.dumps([result.values, result.intervals, result.details])


@pytest.mark.parametrize("convention", ["standard", "published"])
def test_details_say_what_was_used(convention):
    result = run(with_extras(), convention=convention)
    for name, details in result.details.items():
        assert 0 < details["n_used"] <= 80, name
        assert 1 <= details["max_weight"] <= 100**2, name
        assert "reason" not in details
    assert result.details["brier@50"]["n_used"] < 80
    assert result.details["brier"]["max_weight"] > 1


def test_values_agree_with_direct_formulas():
    prediction, data, grid, train = tied_problem()
    values = run((prediction, data, grid, train)).values
    risk = prediction.risk_score()
    reference = concordance_index_censored(data.event, data.time, risk)[0]
    assert values["concordance"] == pytest.approx(reference, abs=1e-12)
    # Times are cuts here: the class of time t is t.
    survival = prediction.survival
    loss = []
    for i, k in enumerate(data.time.astype(int)):
        before = 1.0 if k == 0 else survival[i, k - 1]
        loss.append(-np.log(before - survival[i, k]) if data.event[i] else -np.log(before))
    assert values["loss"] == pytest.approx(np.mean(loss))
    error = np.abs(prediction.median() - data.time)[data.event]
    assert values["mae"] == pytest.approx(error.mean())


def test_metrics_over_time_use_the_cuts_they_name():
    prediction, data, grid, train = tied_problem()
    values = run((prediction, data, grid, train), bootstrap=0).values
    censoring = censoring_distribution(*train)
    weights = censoring_weights(data.time, data.event, grid.cuts, censoring)
    last = weights.last_cut
    assert last < 12
    upto, over_time = grid.cuts[: last + 1], slice(1, last + 1)
    survival, matrix = prediction.survival, weights_at_cuts(data.time, grid.cuts, weights)
    happened = data.event[:, None] & (data.time[:, None] <= upto)
    brier = (matrix * (happened - 1 + survival[:, : last + 1]) ** 2).mean(axis=0)
    assert values["brier@25"] == pytest.approx(brier[3])
    assert values["brier"] == pytest.approx(brier[1:].mean())
    assert values["integrated_brier"] == pytest.approx(np.trapezoid(brier, upto) / upto[-1])
    predicted = 1 - survival[:, over_time]
    for name, binning in (("ece", equal_width_bins), ("ece_equal_mass", equal_mass_bins)):
        error = expected_calibration_error(
            predicted, happened[:, 1:], matrix[:, 1:], binning(predicted)
        )
        assert values[name] == pytest.approx(error[0])
    null = calibration_error_null(
        survival[:, over_time],
        grid.cuts[over_time],
        equal_mass_bins(predicted),
        censoring,
        weights,
    )
    assert values["ece_null_mean"] == null.mean()
    assert values["ece_null_p95"] == np.quantile(null, 0.95)
    gap = survival[:, : last + 1].mean(axis=0) - kaplan_meier(data.time, data.event).at(upto)
    distance = np.trapezoid(gap**2, upto) / upto[-1]
    assert values["km_calibration"] == pytest.approx(distance)
    early = data.event & (data.time < upto[-1])
    assert (data.event & (data.time == upto[-1])).any()
    uno = np.where(early, 1 / censoring.before(data.time) ** 2, 0.0)[:, None]
    index = concordance(prediction.risk_score(), data.time, data.event, uno)
    assert values["concordance_ipcw"] == pytest.approx(index[0, 0])


def test_metrics_at_one_time_use_the_grid_index():
    prediction, data, grid, train = with_extras()
    values = run((prediction, data, grid, train)).values
    for percentage, cut in ((25, 3), (50, 6), (75, 9)):
        happened = data.true_time <= cut
        score = (happened - 1 + prediction.survival[:, cut]) ** 2
        assert values[f"brier_true@{percentage}"] == pytest.approx(score.mean())


def test_conventions_differ():
    problem = tied_problem()
    standard, published = run(problem), run(problem, convention="published")
    assert standard.values["concordance"] == published.values["concordance"]
    assert standard.values["brier@50"] != published.values["brier@50"]


def test_order_of_subjects_does_not_matter():
    prediction, data, grid, train = with_extras()
    order = np.random.default_rng(0).permutation(len(data))
    one = run((prediction, data, grid, train), bootstrap=0)
    other = run((prediction.subset(order), data.subset(order), grid, train), bootstrap=0)
    # The null distribution draws its random numbers in the order of subjects.
    for name in set(one.values) - {"ece_null_mean", "ece_null_p95"}:
        assert other.values[name] == pytest.approx(one.values[name], abs=1e-12), name
    assert other.values["ece_null_mean"] == pytest.approx(one.values["ece_null_mean"], rel=0.1)


def test_same_seed_same_result_and_no_intervals_or_null_on_request():
    one, same, other = (run(tied_problem(), seed=seed) for seed in (3, 3, 4))
    assert one == same
    assert one.values["brier"] == other.values["brier"]
    assert one.intervals != other.intervals
    bare = run(tied_problem(), bootstrap=0, null_draws=0)
    assert bare.intervals == {}
    assert set(one.values) - set(bare.values) == {"ece_null_mean", "ece_null_p95"}


def test_outcomes_serve_several_predictions():
    prediction, data, grid, train = with_extras()
    outcomes = Outcomes(data, *train, grid, min_at_risk=1)
    worse = SurvivalPrediction(prediction.times, prediction.survival**2, prediction.expert_weights)
    for each in (prediction, worse, prediction):
        again = evaluate_against(each, outcomes, bootstrap=20)
        assert again == run((each, data, grid, train))


def test_intervals_do_not_depend_on_how_many_resamples_are_held_at_once(monkeypatch):
    problem = with_extras()
    whole = run(problem, bootstrap=30)
    monkeypatch.setattr(sys.modules["survkit.metrics.evaluate"], "_CHUNK_ELEMENTS", 7 * 80)
    chunked = run(problem, bootstrap=30)
    assert chunked.values == whole.values
    assert chunked.intervals.keys() == whole.intervals.keys()
    for name, interval in whole.intervals.items():
        assert chunked.intervals[name] == pytest.approx(interval, rel=1e-5, abs=1e-6), name


def test_intervals_surround_estimates():
    result = run(tied_problem(), bootstrap=300)
    for name in ("loss", "concordance", "brier", "auc@50", "mae", "ece", "ece_equal_mass"):
        low, high = result.intervals[name]
        assert low < result.values[name] < high


def test_rows_of_one_subject_are_resampled_together():
    prediction, data, grid, train = tied_problem(40)
    rows = np.repeat(np.arange(40), 5)
    independent = survival_data(data.time[rows], data.event[rows])
    clustered = survival_data(data.time[rows], data.event[rows], subject_id=rows)
    widths = []
    for rows_data in (independent, clustered):
        problem = (prediction.subset(rows), rows_data, grid, train)
        low, high = run(problem, bootstrap=300).intervals["brier"]
        widths.append(high - low)
    assert widths[1] > 1.7 * widths[0]


def test_perfectly_calibrated_predictions_stay_within_the_null():
    prediction, data = well_specified(911, 5)
    _, train = well_specified(4000, 6)
    grid = TimeGrid(prediction.times)
    result = run((prediction, data, grid, (train.time, train.event)), bootstrap=0)
    assert result.values["ece_equal_mass"] < result.values["ece_null_p95"] * 1.05
    assert result.values["ece_null_mean"] == pytest.approx(0.04, abs=0.01)
    worse = SurvivalPrediction(prediction.times, prediction.survival**2)
    result = run((worse, data, grid, (train.time, train.event)), bootstrap=0)
    assert result.values["ece_equal_mass"] > 2 * result.values["ece_null_p95"]


def test_prediction_on_finer_times_gives_the_same_as_on_the_cuts():
    prediction, data, grid, train = tied_problem()
    fine = np.linspace(0, 15, 61)
    finer = SurvivalPrediction(fine, tied_survival(80, fine, seed=2))
    on_cuts = run((prediction, data, grid, train), bootstrap=0).values
    values = run((finer, data, grid, train), bootstrap=0).values
    for name in ("loss", "brier", "ece", "auc@50", "accuracy@25", "point_error_optimal"):
        assert values[name] == pytest.approx(on_cuts[name], abs=1e-12)


def test_times_that_differ_from_the_cuts_by_rounding_are_the_cuts():
    cuts = np.linspace(0, 0.7, 8)
    survival = tied_survival(5, cuts, seed=0)
    for factor in (1 + 1e-13, 1 - 1e-13):
        prediction = SurvivalPrediction(cuts * factor, survival)
        np.testing.assert_array_equal(survival_at_cuts(prediction, TimeGrid(cuts)), survival)


def test_bad_arguments_are_named():
    prediction, data, grid, train = tied_problem()
    with pytest.raises(InputError, match=r"prediction ends at time 11.*horizon 12"):
        run(
            (
                SurvivalPrediction(prediction.times[:-1], prediction.survival[:, :-1]),
                *[data, grid, train],
            )
        )
    with pytest.raises(InputError, match="prediction has 79 subjects, but data has 80"):
        run((prediction.subset(np.arange(79)), data, grid, train))
    with pytest.raises(InputError, match="convention is 'none'"):
        run((prediction, data, grid, train), convention="none")
    with pytest.raises(InputError, match="point_error is 'none'"):
        run((prediction, data, grid, train), point_error="none")
    with pytest.raises(InputError, match="bootstrap is -1"):
        run((prediction, data, grid, train), bootstrap=-1)


def outcome_problem(time, event, survival=None, train=None, **optional):
    grid = TimeGrid(np.arange(13.0))
    time, event = np.asarray(time, dtype=float), np.asarray(event, dtype=bool)
    survival = tied_survival(len(time), grid.cuts, seed=0) if survival is None else survival
    prediction = SurvivalPrediction(grid.cuts, survival)
    train = tied_problem()[3] if train is None else train
    return prediction, survival_data(time, event, **optional), grid, train


def reasons(result):
    return {name: d["reason"] for name, d in result.details.items() if "reason" in d}


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 14), st.booleans()), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 14), st.booleans()), min_size=1, max_size=6),
    st.sampled_from(["standard", "published"]),
    st.sampled_from(["absolute", "log"]),
    st.booleans(),
)
def test_anything_degenerate_is_nan_with_a_reason(rows, train_rows, convention, kind, flat):
    time, event = map(np.array, zip(*rows, strict=True))
    train = tuple(map(np.array, zip(*train_rows, strict=True)))
    survival = np.ones((len(time), 13)) if flat else None
    problem = outcome_problem(time, event, survival, (train[0] * 1.0, train[1]), true_time=time)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = run(problem, bootstrap=5, convention=convention, point_error=kind)
    assert set(result.values) == ALWAYS | WITH_TRUTH
    for name, value in result.values.items():
        assert np.isfinite(value) != ("reason" in result.details[name]), name
        assert result.details[name].get("reason") != ""


def test_reasons_name_what_is_wrong():
    no_event = reasons(run(outcome_problem([3, 5, 9], [False] * 3)))
    assert "comparable pairs" in no_event["concordance"]
    assert "known event time" in no_event["mae"]
    assert "no event up to" in no_event["auc@50"]
    early = reasons(run(outcome_problem([1, 2, 2], [False] * 3), min_at_risk=0))
    assert early["brier@50"] == "every subject is censored by then"
    assert "censored by time 2" in early["brier"]
    assert "ece" in early


def test_flat_curves_have_infinite_medians_and_tie():
    result = run(outcome_problem([3, 5, 9], [True, True, False], np.ones((3, 13))))
    assert result.values["concordance"] == 0.5
    assert "infinite for 2 of 2" in result.details["mae"]["reason"]
    assert "2 of 3 outcomes" in result.details["loss"]["reason"]


def test_cuts_beyond_the_usable_ones_are_undefined():
    # All training rows are censored by time 4: nothing later can be weighted.
    train = np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, False, True, False])
    result = run(outcome_problem([1, 2, 8, 9], [True, True, True, False], train=train))
    reason = "the censoring survival is 0, below 0.05"
    assert result.details["brier@50"]["reason"] == reason
    assert "brier@50" not in result.intervals
    assert np.isfinite(result.values["brier@25"])


def test_log_error_of_an_event_at_time_zero():
    problem = outcome_problem([0, 5, 9], [True, True, False])
    assert "time 0" in reasons(run(problem, point_error="log"))["point_error_optimal"]
    assert "point_error_optimal" not in reasons(run(problem, point_error="relative"))


def test_class_likelihood_sums_the_classes():
    survival = tied_survival(6, np.arange(5.0), seed=0)
    probabilities = class_probabilities(survival)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    for k in range(6):
        classes = np.full(6, k)
        event = class_likelihood(survival, np.ones(6, dtype=bool), classes)
        censored = class_likelihood(survival, np.zeros(6, dtype=bool), classes)
        np.testing.assert_allclose(event, probabilities[:, k])
        np.testing.assert_allclose(censored, probabilities[:, k:].sum(axis=1))


def test_renormalising_leaves_nothing_beyond_the_horizon():
    prediction, *_ = with_extras()
    scaled = renormalise_beyond_horizon(prediction)
    assert (scaled.survival[:, -1] == 0).all()
    assert scaled.expert_weights is prediction.expert_weights
    end = prediction.survival[:, -1:]
    np.testing.assert_allclose(
        class_probabilities(scaled.survival)[:, :-1] * (1 - end),
        class_probabilities(prediction.survival)[:, :-1],
        atol=1e-12,
    )
    flat = np.ones((3, 2))
    flat[0] = [1.0, 0.5]
    with pytest.raises(InputError, match=r"2 predicted curves never fall.*subject 1"):
        renormalise_beyond_horizon(SurvivalPrediction(np.array([0.0, 1.0]), flat))
