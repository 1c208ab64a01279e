"""Metrics of subgroups, and their differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lifelines import KaplanMeierFitter
from scipy import stats
from statsmodels.stats.multitest import multipletests

from benchmarks.subgroup_level import SETTINGS, rejections
from survkit.metrics import Outcomes, evaluate
from survkit.metrics.observed_expected import (
    calibration_in_the_large,
    expected_events,
    observed_expected,
)
from survkit.metrics.outcomes import LATE_ENTRY
from survkit.metrics.subgroup_tests import MIN_EVENTS
from survkit.metrics.subgroups import (
    SUBGROUP_METRICS,
    Grouping,
    SubgroupScores,
    score_subgroups,
    worst_comparison,
)
from survkit.types import InputError, SurvivalData, SurvivalPrediction, TimeGrid
from tests.metrics.metric_fixtures import (
    CAUSES,
    survival_data,
    tied_causes,
    tied_incidence,
    tied_problem,
    well_specified,
)

NEW = ("observed_expected@50", "calibration_in_the_large")


def problem(n=300, **optional):
    prediction, data, grid, train = tied_problem(n, **optional)
    return prediction, Outcomes(data, *train, grid)


def grouping(n, *shares, seed=3):
    codes = np.random.default_rng(seed).choice(len(shares), n, p=shares)
    return Grouping("sex", tuple("abcdef"[: len(shares)]), codes)


def by_name(scores: SubgroupScores):
    return {own.name: own.evaluation for own in scores.subgroups}


def comparisons(scores: SubgroupScores, metric):
    return {own.subgroup: own for own in scores.comparisons if own.metric == metric}


def test_numbers_of_a_subgroup_are_those_of_evaluate_on_its_rows_alone():
    prediction, outcomes = problem()
    own = grouping(300, 0.5, 0.3, 0.2)
    scores = score_subgroups(prediction, outcomes, own, bootstrap=20)
    known = {"train_time": outcomes.train_time, "train_event": outcomes.train_event}
    for place, name in enumerate(own.names):
        rows = own.codes == place
        alone = evaluate(
            prediction.subset(rows),
            outcomes.data.subset(rows),
            **known,
            grid=outcomes.grid,
            bootstrap=0,
        )
        found = by_name(scores)[name]
        compared = [*(m for m in SUBGROUP_METRICS if m not in NEW), "ece_null_mean"]
        assert {m: found.values[m] for m in compared} == {m: alone.values[m] for m in compared}
        assert {m: found.details[m] for m in compared} == {m: alone.details[m] for m in compared}
        assert set(found.intervals) == {*SUBGROUP_METRICS}
    subgroup = scores.subgroups[0]
    rows = own.codes == 0
    assert (subgroup.rows, subgroup.subjects) == (rows.sum(), rows.sum())
    assert subgroup.events == outcomes.data.event[rows].sum()
    reverse = KaplanMeierFitter().fit(outcomes.data.time[rows], ~outcomes.data.event[rows])
    assert subgroup.follow_up == reverse.median_survival_time_


def test_holm_is_that_of_statsmodels_over_all_tests_of_the_column():
    prediction, outcomes = problem()
    scores = score_subgroups(prediction, outcomes, grouping(300, 0.5, 0.3, 0.2), bootstrap=100)
    tested = [each for each in scores.comparisons if not each.reason]
    assert len(tested) == 3 * len(SUBGROUP_METRICS)
    expected = multipletests([each.p for each in tested], method="holm")[1]
    np.testing.assert_allclose([each.adjusted for each in tested], expected)


def test_the_second_of_two_subgroups_is_the_first_the_other_way_round_and_counts_once():
    prediction, outcomes = problem()
    scores = score_subgroups(prediction, outcomes, grouping(300, 0.6, 0.4), bootstrap=100)
    for metric in SUBGROUP_METRICS:
        one, other = comparisons(scores, metric).values()
        assert (one.own, one.rest, one.p) == (other.rest, other.own, other.p)
        assert (one.difference, one.low, one.high) == (
            -other.difference,
            -other.high,
            -other.low,
        )
        assert one.worse != other.worse
        assert one.low < one.difference < one.high
    first = [each.p for each in scores.comparisons[: len(SUBGROUP_METRICS)]]
    expected = multipletests(first, method="holm")[1]
    np.testing.assert_allclose([each.adjusted for each in scores.comparisons], np.tile(expected, 2))


def test_a_difference_ends_at_the_last_cut_that_both_sides_can_use():
    prediction, outcomes = problem()
    time = outcomes.data.time
    early = time <= 5
    data = replace(outcomes.data, time=time)
    own = Grouping("x", ("early", "late"), np.where(early, 0, 1))
    scores = score_subgroups(prediction, replace(outcomes, data=data), own, bootstrap=5)
    found = comparisons(scores, "integrated_brier")["early"]
    alone = by_name(scores)["late"].values["integrated_brier"]
    last = replace(outcomes, data=data.subset(early)).weights.last_cut
    end = float(outcomes.grid.cuts[last])
    limited = replace(outcomes, data=data.subset(~early), last_time=end)
    assert 0 < last < replace(outcomes, data=data.subset(~early)).weights.last_cut
    assert limited.weights.last_cut == last
    assert found.rest != alone
    cuts = outcomes.grid.cuts[: last + 1]
    squares = (prediction.survival[~early, : last + 1] - ~limited.happened) ** 2
    brier = (squares * limited.at_cuts).mean(axis=0)
    assert found.rest == pytest.approx(np.trapezoid(brier, cuts) / end)


def test_a_p_value_is_that_of_the_bootstrap_standard_error():
    prediction, outcomes = problem()
    scores = score_subgroups(prediction, outcomes, grouping(300, 0.6, 0.4), bootstrap=400)
    found = comparisons(scores, "brier@50")["a"]
    # The percentiles of a normal distribution are 3.92 standard errors apart.
    error = (found.high - found.low) / (2 * stats.norm.ppf(0.975))
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(found.difference) / error), abs=0.03)


def test_a_subgroup_that_is_predicted_badly_is_the_worst():
    prediction, data = well_specified(600, 1, np.linspace(0, 8, 17))
    own = grouping(600, 0.3, 0.7)
    survival = prediction.survival.copy()
    rows = np.flatnonzero(own.codes == 0)
    survival[rows] = survival[np.random.default_rng(0).permutation(rows)]
    train = well_specified(500, 2)[1]
    outcomes = Outcomes(data, train.time, train.event, TimeGrid(prediction.times))
    scores = score_subgroups(replace(prediction, survival=survival), outcomes, own, bootstrap=200)
    worst = worst_comparison(scores)
    assert worst is not None
    assert worst.subgroup == "a"
    assert worst.metric in ("concordance", "auc@50", "ece_equal_mass")
    assert worst.adjusted < 0.001


def test_calibration_errors_are_compared_between_equally_many_subjects():
    prediction, data = well_specified(1050, 4, np.linspace(0, 8, 17))
    own = Grouping("x", ("few", "many"), (np.arange(1050) >= 50).astype(int))
    train = well_specified(500, 5)[1]
    outcomes = Outcomes(data, train.time, train.event, TimeGrid(prediction.times))
    scores = score_subgroups(prediction, outcomes, own, bootstrap=100)
    few, many = (by_name(scores)[name].values["ece_equal_mass"] for name in own.names)
    found = comparisons(scores, "ece_equal_mass")["few"]
    assert few > 2 * many  # though both are perfectly calibrated
    assert abs(found.own - found.rest) < 0.05
    assert found.p > 0.05


@pytest.mark.parametrize(
    ("codes", "event", "reason"),
    [
        ([0] * 4, None, "4 subjects, fewer than min_at_risk 10"),
        ([0], None, "1 subject, fewer than min_at_risk 10"),
        ([], None, "there is no such subject"),
    ],
)
def test_a_subgroup_of_few_is_shown_without_metrics(codes, event, reason):
    prediction, outcomes = problem()
    own = Grouping("x", ("few", "b", "c"), np.array([*codes, *[1] * 100, *[2] * 300])[:300])
    scores = score_subgroups(prediction, outcomes, own, bootstrap=5)
    few = scores.subgroups[0]
    assert (few.name, few.rows) == ("few", len(codes))
    for metric in SUBGROUP_METRICS:
        assert np.isnan(few.evaluation.values[metric])
        assert few.evaluation.details[metric]["reason"] == reason
        assert metric not in few.evaluation.intervals
    for each in scores.comparisons:
        if each.subgroup == "few":
            assert np.isnan(each.p)
            assert each.reason == f"of the subgroup: {reason}"
    assert ("few" in {each.subgroup for each in scores.comparisons}) == bool(codes)


def test_subgroups_without_events_or_all_censored_are_described_and_not_tested():
    prediction, outcomes = problem()
    own = grouping(300, 0.3, 0.4, 0.3)
    none = own.codes == 0
    censored = replace(outcomes.data, event=outcomes.data.event & ~none)
    scores = score_subgroups(prediction, replace(outcomes, data=censored), own, bootstrap=20)
    assert scores.subgroups[0].events == 0
    values = scores.subgroups[0].evaluation.values
    details = scores.subgroups[0].evaluation.details
    for metric in ("concordance", "auc@50", "calibration_in_the_large"):
        assert np.isnan(values[metric])
        assert details[metric]["reason"]
    assert values["observed_expected@50"] == 0
    assert values["brier@50"] > 0
    own_tests = [each for each in scores.comparisons if each.subgroup == "a"]
    assert all(np.isnan(each.p) and each.reason for each in own_tests)
    reasons = {each.metric: each.reason for each in own_tests}
    assert reasons["brier@50"] == f"of the subgroup: 0 events, fewer than {MIN_EVENTS}"
    assert reasons["observed_expected@50"] == "of the subgroup: no event is observed"
    everybody = replace(outcomes.data, event=np.zeros(300, dtype=bool))
    scores = score_subgroups(prediction, replace(outcomes, data=everybody), own, bootstrap=20)
    assert all(each.reason for each in scores.comparisons)
    assert worst_comparison(scores) is None


def test_one_subgroup_of_all_is_compared_with_nobody():
    prediction, outcomes = problem()
    own = Grouping("x", ("all", "none"), np.zeros(300, dtype=int))
    scores = score_subgroups(prediction, outcomes, own, bootstrap=5)
    assert scores.comparisons == ()
    assert np.isnan(scores.censoring_p)
    assert 0 < scores.subgroups[0].evaluation.values["concordance"] < 1


def test_competing_causes_have_metrics_of_their_own():
    n, cuts = 400, np.arange(13.0)
    time, cause = tied_causes(n, 0)
    data = SurvivalData(np.zeros((n, 1)), cause > 0, time, cause=cause, cause_names=CAUSES)
    incidence = tied_incidence(n, cuts, 1)
    survival = 1 - incidence.sum(axis=1)
    prediction = SurvivalPrediction(cuts, survival, cumulative_incidence=incidence)
    train_time, train_cause = tied_causes(500, 2)
    outcomes = Outcomes(data, train_time, train_cause > 0, TimeGrid(cuts))
    own = grouping(n, 0.5, 0.5)
    scores = score_subgroups(prediction, outcomes, own, bootstrap=50)
    assert len(scores.metrics) == 3 * len(SUBGROUP_METRICS)
    rows = own.codes == 0
    assert scores.subgroups[0].events_of_cause == tuple((cause[rows] == c).sum() for c in (1, 2))
    alone = evaluate(
        prediction.subset(rows),
        data.subset(rows),
        train_time=train_time,
        train_event=train_cause > 0,
        grid=outcomes.grid,
        bootstrap=0,
    )
    values = scores.subgroups[0].evaluation.values
    for metric in ("concordance", "auc@50", "brier@50", "integrated_brier", "ece_equal_mass"):
        assert values[f"relapse/{metric}"] == alone.values[f"relapse/{metric}"]
    observed, left = 0.0, 1.0  # Aalen and Johansen's estimate, by its definition
    for now in np.arange(1.0, 7.0):
        at_risk = (time[rows] >= now).sum()
        observed += left * ((time == now) & (cause == 2))[rows].sum() / at_risk
        left *= 1 - ((time == now) & (cause > 0))[rows].sum() / at_risk
    ratio = observed / incidence[rows, 1, 6].mean()
    assert values["death/observed_expected@50"] == pytest.approx(ratio)


def test_rows_of_a_subject_are_drawn_together_also_from_two_subgroups():
    prediction, data, grid, train = tied_problem(300)
    twice = np.repeat(np.arange(150), 2)
    first = np.arange(0, 300, 2)
    same = np.repeat(first, 2)
    data = replace(data, time=data.time[same], event=data.event[same], subject_id=twice)
    prediction = prediction.subset(same)
    outcomes = Outcomes(data, *train, grid)
    # Each subject has one row in each subgroup, so nothing can differ in any resample.
    own = Grouping("visit", ("1", "2"), np.tile([0, 1], 150))
    scores = score_subgroups(prediction, outcomes, own, bootstrap=30)
    assert [each.subjects for each in scores.subgroups] == [150, 150]
    for each in scores.comparisons:
        assert each.difference == pytest.approx(0, abs=1e-6)
        assert (each.low, each.high) == pytest.approx((0, 0), abs=1e-6)


def test_late_entries_are_refused_by_reason_and_concordance_is_known():
    prediction, data, grid, train = tied_problem(300)
    data = replace(data, entry=np.where(data.time > 1, 0.5, 0.0))
    scores = score_subgroups(
        prediction, Outcomes(data, *train, grid), grouping(300, 0.5, 0.5), bootstrap=5
    )
    own = scores.subgroups[0].evaluation
    assert 0 < own.values["concordance"] < 1
    for metric in set(SUBGROUP_METRICS) - {"concordance"}:
        assert own.details[metric]["reason"] == LATE_ENTRY


def test_the_published_conventions_have_no_rule_of_subjects_at_risk():
    prediction, outcomes = problem()
    own = Grouping("x", ("few", "b"), (np.arange(300) >= 8).astype(int))
    published = replace(outcomes, convention="published")
    scores = score_subgroups(prediction, published, own, bootstrap=5)
    assert scores.subgroups[0].evaluation.values["brier@50"] >= 0


def test_no_bootstrap_no_intervals_and_no_p():
    prediction, outcomes = problem()
    scores = score_subgroups(prediction, outcomes, grouping(300, 0.5, 0.5), bootstrap=0)
    assert scores.subgroups[0].evaluation.intervals == {}
    assert {each.reason for each in scores.comparisons} == {"no bootstrap"}


def test_groupings_that_do_not_fit_are_refused():
    prediction, outcomes = problem()
    with pytest.raises(InputError, match="different names"):
        Grouping("x", ("a", "a"), np.zeros(3))
    with pytest.raises(InputError, match="none of its 2 places"):
        Grouping("x", ("a", "b"), np.array([0, 2]))
    with pytest.raises(InputError, match="3 rows, but data has 300"):
        score_subgroups(prediction, outcomes, Grouping("x", ("a",), np.zeros(3)))


def test_censoring_that_depends_on_the_subgroup_is_found():
    prediction, outcomes = problem()
    own = grouping(300, 0.5, 0.5)
    assert score_subgroups(prediction, outcomes, own, bootstrap=0).censoring_p > 0.01
    lost = (own.codes == 0) & (outcomes.data.time > 3)
    time = np.where(lost, 3.0, outcomes.data.time)
    data = replace(outcomes.data, time=time, event=outcomes.data.event & ~lost)
    found = score_subgroups(prediction, replace(outcomes, data=data), own, bootstrap=0)
    assert found.censoring_p < 0.001


def test_expected_events_are_the_cumulative_hazard_at_the_own_time():
    cuts = np.array([0.0, 1.0, 2.0, 4.0])
    survival = np.tile([0.9, 0.5, 0.5, 0.2], (5, 1))
    time = np.array([0.0, 0.5, 1.0, 2.0, 3.0])
    expected = -np.log([0.9, 0.7, 0.5, 0.5, 0.35])
    np.testing.assert_allclose(expected_events(survival, cuts, time), expected)
    one = np.tile([0.1, 0.3, 0.3, 0.4], (5, 1))
    both = [expected_events(survival, cuts, time, each) for each in (one, 1 - survival - one)]
    np.testing.assert_allclose(sum(both), expected)
    # Of the fall from 0.9 to 0.5 the cause has a half; at time 0 it has all.
    np.testing.assert_allclose(both[0][2], -np.log(0.9) + 0.5 * np.log(0.9 / 0.5))
    assert np.isinf(expected_events(np.array([[1.0, 0.0]]), cuts[:2], np.array([1.0])))


def test_the_metrics_of_all_subjects_together_are_those_of_their_formulas():
    prediction, data = well_specified(500, 3, np.linspace(0, 8, 17))
    at = 4.0
    fitter = KaplanMeierFitter().fit(data.time, data.event)
    predicted = 1 - prediction.at(at)[:, 0]
    ratio = (1 - fitter.predict(at)) / predicted.mean()
    found = observed_expected(predicted, data.time, data.event.astype(int), 1, at)
    assert found[0] == pytest.approx(ratio)
    assert found[0] == pytest.approx(1, abs=0.15)
    expected = np.full(4, 0.5)
    event = np.array([True, False, True, True])
    assert calibration_in_the_large(event, expected)[0] == pytest.approx(np.log(3 / 2))
    doubled = calibration_in_the_large(event, expected, np.array([[2.0, 0, 0, 0], [0, 2.0, 0, 0]]))
    np.testing.assert_allclose(doubled, [np.log(2), np.nan])


def test_certain_death_leaves_calibration_in_the_large_undefined():
    survival = survival_data(np.array([1.0] * 30), np.ones(30, dtype=bool))
    grid = TimeGrid(np.array([0.0, 0.5, 1.0]))
    zero = SurvivalPrediction(grid.cuts, np.tile([1.0, 0.0, 0.0], (30, 1)))
    outcomes = Outcomes(survival, survival.time, survival.event, grid)
    own = Grouping("x", ("a", "b"), np.repeat([0, 1], 15))
    found = score_subgroups(zero, outcomes, own, bootstrap=5).subgroups[0].evaluation
    assert "survival is predicted to be 0" in found.details["calibration_in_the_large"]["reason"]


@pytest.mark.slow
def test_two_equal_subgroups_seldom_differ() -> None:
    found = rejections(SETTINGS["few subjects"], simulations=200, bootstrap=100)
    assert found["all"] <= 0.07
