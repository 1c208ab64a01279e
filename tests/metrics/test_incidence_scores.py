"""Scores of one of several causes, against the definitions and other implementations."""

import numpy as np
import pandas as pd
import pytest
from hazardous.metrics import (
    brier_score_incidence,
    concordance_index_incidence,
    integrated_brier_score_incidence,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from SurvivalEVAL.evaluations.discrimination import auc_cr_per_event, concordance_cr_per_event
from SurvivalEVAL.evaluations.prediction_error import brier_multiple_points_cr_per_event

from survkit.metrics.bootstrap import resample_counts
from survkit.metrics.brier import brier_contributions, incidence_auc, integration_weights
from survkit.metrics.censoring import censoring_distribution, censoring_weights, weights_at_cuts
from survkit.metrics.concordance import (
    comparable_pairs,
    concordance,
    concordance_of_cause,
    concordance_td,
    never_after,
)
from tests.metrics.metric_fixtures import tied_causes, tied_incidence

CUTS = np.arange(13.0)


def moved(time, cause):
    """Censorings half a unit later: others weigh some subjects by G(T), or by G(t-) at t.

    They agree with G(T-) and G(t) where no training row is censored at a time of an event.
    """
    return np.where(cause > 0, time, time + 0.5), cause


class Sample:
    """Outcomes with ties, weights at the cuts, and the incidence of cause 1."""

    def __init__(self, ties):
        change = (lambda *outcome: outcome) if ties else moved
        self.time, self.cause = change(*tied_causes(150, seed=1))
        self.train_time, self.train_cause = change(*tied_causes(400, seed=2))
        self.event, self.competing = self.cause == 1, self.cause == 2
        self.censoring = censoring_distribution(self.train_time, self.train_cause > 0)
        self.weights = censoring_weights(self.time, self.cause > 0, CUTS, self.censoring)
        self.matrix = weights_at_cuts(self.time, CUTS, self.weights)
        self.upto = CUTS[: self.weights.last_cut + 1]
        self.happened = self.event[:, None] & (self.time[:, None] <= self.upto)
        self.incidence = tied_incidence(150, CUTS, seed=3)[:, 0, : len(self.upto)]

    @property
    def others(self):
        """The outcomes as SurvivalEVAL takes them."""
        return self.time, self.cause, self.train_time, self.train_cause


@pytest.fixture
def tied():
    return Sample(ties=True)


@pytest.fixture
def sample():
    return Sample(ties=False)


def table(time, cause):
    return pd.DataFrame({"event": cause, "duration": time})


def test_brier_agrees_with_hazardous_and_survivaleval(sample):
    contributions = brier_contributions(1 - sample.incidence, sample.happened, sample.matrix)
    ours, times = contributions.mean(axis=0)[1:], sample.upto[1:]
    outcomes = table(sample.train_time, sample.train_cause), table(sample.time, sample.cause)
    predicted = sample.incidence[:, 1:]
    reference = brier_score_incidence(*outcomes, predicted, times, event_of_interest=1)
    np.testing.assert_allclose(ours, reference, rtol=1e-12)
    other = brier_multiple_points_cr_per_event(predicted, *sample.others, times, ipcw=True)
    np.testing.assert_allclose(ours, other, rtol=1e-12)
    integral = integrated_brier_score_incidence(*outcomes, predicted, times, event_of_interest=1)
    assert ours @ integration_weights(times) == pytest.approx(integral, rel=1e-12)


def test_brier_with_tied_censoring_agrees_with_the_definition(tied):
    ours = brier_contributions(1 - tied.incidence, tied.happened, tied.matrix).mean(axis=0)
    for k, cut in enumerate(tied.upto):
        literal = 0.0
        for time, cause, predicted in zip(tied.time, tied.cause, tied.incidence[:, k], strict=True):
            if time > cut:
                literal += predicted**2 / tied.censoring.at(cut)
            elif cause:
                literal += ((cause == 1) - predicted) ** 2 / tied.censoring.before(time)
        assert ours[k] == pytest.approx(literal / len(tied.time), rel=1e-12)


def literal_auc(incidence, happened, weights):
    won = total = 0.0
    for i in np.flatnonzero(happened):
        for j in np.flatnonzero(~happened):
            won += weights[i] * weights[j] * beats(incidence[i], incidence[j])
            total += weights[i] * weights[j]
    return won / total


def beats(one, other):
    return float(one > other) + 0.5 * (one == other)


def test_auc_agrees_with_the_definition_and_survivaleval(sample, tied):
    for cut in (2, 5, 9):
        columns = [array[:, cut] for array in (tied.incidence, tied.happened, tied.matrix)]
        assert incidence_auc(*columns)[0] == pytest.approx(literal_auc(*columns), abs=1e-12)
        columns = [array[:, cut] for array in (sample.incidence, sample.happened, sample.matrix)]
        reference = auc_cr_per_event(
            columns[0], sample.time, sample.cause, cut, *sample.others[2:], method="IPCW"
        )
        assert incidence_auc(*columns)[0] == pytest.approx(reference, abs=1e-12)


def literal_concordance(sample, weight, risk_at):
    """Wolbers et al. 2014; weight(t) of each of a pair's two times, risk_at(i) of all at i's."""
    won = total = 0.0
    for i in np.flatnonzero(sample.event):
        risk = risk_at(i)
        for j in range(len(sample.time)):
            later = sample.time[j] > sample.time[i]
            if later or (sample.time[j] == sample.time[i] and not sample.event[j]):
                own = weight(sample.time[i]) ** 2
            elif sample.competing[j]:
                own = weight(sample.time[i]) * weight(sample.time[j])
            else:
                continue
            won += own * beats(risk[i], risk[j])
            total += own
    return won / total


def of_cause(sample, tau, counts=None):
    """Plain and weighted concordance of the risk at cut 6, shape (b, 2)."""
    weight = np.where(sample.time < tau, sample.weights.at_event, 0.0)
    weights = np.column_stack([np.ones(len(sample.time)), weight])
    columns = sample.incidence[:, 6], sample.time, sample.event, sample.competing
    return concordance_of_cause(*columns, weights, counts)


def test_concordance_agrees_with_the_definition_and_others(tied):
    plain, weighted = of_cause(tied, tau=8.0)[0]
    risk = tied.incidence[:, 6]

    def uno(time):
        return 1 / tied.censoring.before(time) if time < 8 else 0.0

    assert plain == pytest.approx(literal_concordance(tied, lambda t: 1, lambda i: risk), abs=1e-12)
    assert weighted == pytest.approx(literal_concordance(tied, uno, lambda i: risk), abs=1e-12)
    naive = concordance_cr_per_event(risk, tied.time, tied.cause)[0]
    ipcw = concordance_cr_per_event(risk, *tied.others, method="IPCW", tau=8.0)[0]
    assert (plain, weighted) == pytest.approx((naive, ipcw), abs=1e-12)
    # With hazardous only the plain one agrees: it weighs by G(T), and takes in events at tau.
    predicted = np.repeat(risk[:, None], 2, axis=1)
    outcomes = table(tied.time, tied.cause)
    reference = concordance_index_incidence(outcomes, predicted, ipcw_estimator=None)
    assert plain == pytest.approx(reference[0], abs=1e-12)


def test_those_with_another_cause_stay_at_risk_for_ever(tied):
    # The same pairs as a single event whose other causes are moved behind everybody's time.
    time = never_after(tied.time, tied.competing)
    risk, ones = tied.incidence[:, 6], np.ones((150, 1))
    moved_away = concordance(risk, time, tied.event, ones)[0, 0]
    assert of_cause(tied, tau=8.0)[0, 0] == pytest.approx(moved_away, abs=1e-12)
    at = np.minimum(tied.time.astype(int), len(tied.upto) - 1)
    literal = literal_concordance(tied, lambda t: 1, lambda i: tied.incidence[:, at[i]])
    ours = concordance_td(1 - tied.incidence, tied.upto, time, tied.event)[0]
    assert ours == pytest.approx(literal, abs=1e-12)
    assert comparable_pairs(time, tied.event).subjects() == 150


def test_resamples_equal_repeated_subjects(tied):
    counts = resample_counts(150, resamples=4, seed=0)
    columns = tied.incidence[:, 5], tied.happened[:, 5], tied.matrix[:, 5]
    auc, pairs = incidence_auc(*columns, counts), of_cause(tied, 8.0, counts)
    for b, count in enumerate(counts):
        rows = np.repeat(np.arange(150), count.astype(int))
        assert auc[b] == pytest.approx(incidence_auc(*(c[rows] for c in columns))[0], rel=1e-5)
        weight = np.where(tied.time < 8, tied.weights.at_event, 0.0)[rows]
        again = concordance_of_cause(
            tied.incidence[rows, 6],
            *(column[rows] for column in (tied.time, tied.event, tied.competing)),
            np.column_stack([np.ones(150), weight]),
        )
        np.testing.assert_allclose(pairs[b], again[0], rtol=1e-5)


outcome = st.tuples(st.integers(0, 6), st.integers(0, 2), st.integers(-3, 3))


@settings(max_examples=30, deadline=None)
@given(st.lists(outcome, min_size=2, max_size=20))
def test_concordance_of_a_cause_is_a_share_that_reversing_the_risk_reverses(rows):
    time, cause, risk = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    weights = 1 + time[:, None] / 10

    def index(risk):
        return concordance_of_cause(risk, time, cause == 1, cause == 2, weights)[0, 0]

    value = index(risk)
    pairs = comparable_pairs(never_after(time, cause == 2), cause == 1)
    assert np.isnan(value) == (len(pairs.anchors) == 0)
    if not np.isnan(value):
        assert 0 <= value <= 1
        assert index(-risk) == pytest.approx(1 - value)
