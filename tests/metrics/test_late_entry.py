"""Risk sets and metrics of subjects who come under observation late."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lifelines import KaplanMeierFitter

from survkit.baselines.aalen_johansen import IncidenceCurves
from survkit.describe.kaplan_meier import kaplan_meier_curve
from survkit.metrics import evaluate
from survkit.metrics.censoring import censoring_distribution, kaplan_meier, life_table
from survkit.metrics.late_entry import expected_curves
from survkit.metrics.log_rank import log_rank_test
from survkit.metrics.outcomes import KNOWN_OF_LATE, LATE_ENTRY
from survkit.types import InputError, SurvivalData, SurvivalPrediction, TimeGrid
from tests.late_entry import at_risk, late_data

GRID = TimeGrid(np.linspace(0, 4, 21))


def rates(data):
    """Return the true hazards (n,) of data with one cause."""
    return np.exp(0.7 * data.features[:, 0].astype(float) - 0.5)


def true_curves(data, cuts=GRID.cuts):
    return SurvivalPrediction(cuts, np.exp(-rates(data)[:, None] * cuts))


def test_entries_are_checked():
    data = late_data(50)
    with pytest.raises(InputError, match=r"entry is 9\.0 in row 3, whose time is"):
        replace(data, entry=np.where(np.arange(len(data)) == 3, 9.0, 0.0))
    with pytest.raises(InputError, match=r"entry is -1\.0 in row 0"):
        replace(data, entry=np.full(len(data), -1.0))
    assert replace(data, time=np.zeros(len(data)), entry=np.zeros(len(data))).entry is not None
    half = data.subset(np.arange(len(data)) % 2 == 0)
    np.testing.assert_array_equal(half.entry, data.entry[::2])
    assert data.at_risk([0.0, 1.0]).tolist() == [
        int((data.entry == 0).sum()),
        int(((data.entry <= 1) & (data.time > 1)).sum()),
    ]


@pytest.mark.parametrize("digits", [1, 6])
def test_risk_sets_are_those_of_the_definition(digits):
    data = late_data(150, digits=digits, causes=2)
    times, events, in_sets, censorings = life_table(data.time, data.event, data.entry)
    survival, incidence, censoring = 1.0, np.zeros(2), 1.0
    curves = IncidenceCurves.estimate(data.time, data.cause, 2, data.entry)
    km = kaplan_meier(data.time, data.event, data.entry)
    of_censoring = censoring_distribution(data.time, data.event, data.entry)
    described = kaplan_meier_curve(data.time, data.event, data.entry)
    for j, time in enumerate(times):
        now, here = at_risk(data, time), data.time == time
        assert in_sets[j] == now.sum() == described.at_risk(time)
        assert events[j] == (here & data.event).sum()
        assert censorings[j] == (here & ~data.event).sum()
        for cause in (1, 2):
            incidence[cause - 1] += survival * (here & (data.cause == cause)).sum() / now.sum()
        survival *= 1 - events[j] / now.sum()
        if now.sum() > events[j]:
            censoring *= 1 - censorings[j] / (now.sum() - events[j])
        assert km.at(time) == pytest.approx(survival, abs=1e-12)
        assert of_censoring.at(time) == pytest.approx(censoring, abs=1e-12)
        assert described.at(time).value == pytest.approx(survival, abs=1e-12)
        np.testing.assert_allclose(curves.at([time])[1][:, 0], incidence, atol=1e-12)
    if digits == 6:  # lifelines has who enters at a time at risk at it
        other = KaplanMeierFitter().fit(data.time, data.event, entry=data.entry)
        np.testing.assert_allclose(km.at(times), other.predict(times), atol=1e-12)


def test_the_log_rank_test_is_the_score_test_of_the_partial_likelihood():
    from survkit.baselines.partial_likelihood import PartialLikelihood

    data = late_data(200, 3)
    group = (data.features[:, 0] > 0).astype(np.int64)
    found = log_rank_test(data.time, data.event, group, data.entry)
    likelihood = PartialLikelihood.of(group[:, None], data.event, data.time, data.entry)
    gradient, information = likelihood.derivatives(np.zeros(1))
    assert found.chi_square == pytest.approx(gradient[0] ** 2 / information[0, 0])


def test_ignoring_entries_overestimates_survival_and_using_them_does_not():
    data, times = late_data(20_000), np.array([0.5, 1.0, 2.0])
    random = np.random.default_rng(9).normal(size=100_000)
    truth = np.exp(-np.exp(0.7 * random - 0.5)[:, None] * times).mean(axis=0)
    with_entries = kaplan_meier(data.time, data.event, data.entry).at(times)
    without = kaplan_meier(data.time, data.event).at(times)
    np.testing.assert_allclose(with_entries, truth, atol=0.015)
    assert (without - truth > 0.05).all()
    # The mean of the true curves of those who are seen is not the truth either.
    prediction = true_curves(data, np.linspace(0, 4, 401))
    expected, incidence = expected_curves(prediction, data.time, data.entry)
    assert (prediction.survival.mean(axis=0)[[50, 100, 200]] - truth > 0.025).all()
    np.testing.assert_allclose(expected[[50, 100, 200]], truth, atol=0.015)
    np.testing.assert_allclose(expected + incidence[0], 1, atol=1e-12)


def concordances(risk, curves, data):
    """Return the concordance of risks, and of curves (n, T) at the cuts, over all pairs."""
    won, of_curves, pairs = 0.0, 0.0, 0
    for i in np.flatnonzero(data.event):
        now = at_risk(data, data.time[i])
        row = np.searchsorted(GRID.cuts, data.time[i])
        row = min(row, len(GRID.cuts) - 1)
        for j in np.flatnonzero(now):
            if data.time[j] > data.time[i] or (data.time[j] == data.time[i] and not data.event[j]):
                pairs += 1
                won += (risk[i] > risk[j]) + 0.5 * (risk[i] == risk[j])
                mine, other = curves[i, row], curves[j, row]
                of_curves += (mine < other) + 0.5 * (mine == other)
    return won / pairs, of_curves / pairs


def test_metrics_are_conditional_or_undefined():
    data = late_data(120, 5, digits=1)
    prediction = true_curves(data)
    known = {"train_time": data.time, "train_event": data.event, "grid": GRID}
    found = evaluate(prediction, data, **known, bootstrap=20, evaluation_times=[1.0])
    expected = concordances(-prediction.median(), prediction.survival, data)
    assert (found.values["concordance"], found.values["concordance_td"]) == pytest.approx(expected)
    padded = np.column_stack([np.ones(len(data)), prediction.survival, np.zeros(len(data))])
    losses = []
    for row, k, event, entry in zip(
        padded, GRID.classify(data.time), data.event, data.entry, strict=True
    ):
        j = GRID.classify(entry) if entry else -1  # given no event in class j or before
        if k <= j:
            losses.append(0.0)
            continue
        mass = row[k] - row[k + 1] if event else row[k]
        losses.append(np.log(row[j + 1]) - np.log(mass))
    assert found.values["loss"] == pytest.approx(np.mean(losses))
    undefined = {name for name, value in found.values.items() if np.isnan(value)}
    assert set(found.values) - undefined <= set(KNOWN_OF_LATE)
    assert {"brier@t=1", "ece", "mae", "km_calibration", "auc@50", "d_calibration_p"} <= undefined
    assert {found.details[name]["reason"] for name in undefined} == {LATE_ENTRY}
    assert set(found.intervals) == {"loss", "concordance", "concordance_td"}


def test_entries_of_zero_are_no_late_entries():
    data = replace(late_data(100, 2, digits=1), entry=None)
    zeros = replace(data, entry=np.zeros(len(data)))
    prediction = true_curves(data)
    known = {"train_time": data.time, "train_event": data.event, "grid": GRID, "bootstrap": 0}
    one, other = (evaluate(prediction, each, **known).values for each in (data, zeros))
    for name in ("loss", "concordance", "concordance_td"):
        assert one[name] == pytest.approx(other[name])


def test_metrics_of_causes_are_undefined():
    data = late_data(60, 5, causes=2)
    assert isinstance(data, SurvivalData)
    curves = IncidenceCurves.estimate(data.time, data.cause, 2, data.entry)
    survival, incidence = curves.at(GRID.cuts)
    prediction = SurvivalPrediction(
        GRID.cuts,
        np.tile(survival, (len(data), 1)),
        cumulative_incidence=np.tile(incidence, (len(data), 1, 1)),
    )
    known = {"train_time": data.time, "train_event": data.event, "grid": GRID, "bootstrap": 0}
    found = evaluate(prediction, data, **known)
    of_causes = [name for name in found.values if "/" in name]
    assert len(of_causes) > 10
    assert all(found.details[name]["reason"] == LATE_ENTRY for name in of_causes)
    assert np.isfinite(found.values["loss"])
