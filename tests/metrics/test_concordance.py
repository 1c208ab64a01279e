import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sksurv.metrics import concordance_index_censored, concordance_index_ipcw
from sksurv.util import Surv
from SurvivalEVAL.evaluations.discrimination.distributional import concordance_time_dependent

from survkit.metrics import concordance as module
from survkit.metrics import pair_wins
from survkit.metrics.bootstrap import resample_counts
from survkit.metrics.censoring import censoring_distribution
from survkit.metrics.concordance import comparable_pairs, concordance, concordance_td
from tests.metrics.metric_fixtures import tied_outcomes, tied_survival

CUTS = np.arange(13.0)


def harrell(risk, time, event, counts=None):
    return concordance(risk, time, event, np.ones((len(time), 1)), counts)[:, 0]


def literal_concordance(weight, beats, time, event):
    """Sum over all pairs by definition; beats(i, j) is 1, 1/2 or 0."""
    won = total = 0.0
    for i in np.flatnonzero(event):
        for j in range(len(time)):
            if time[i] < time[j] or (time[i] == time[j] and not event[j]):
                won += weight[i] * beats(i, j)
                total += weight[i]
    return won / total


@pytest.fixture
def sample():
    time, event = tied_outcomes(120, seed=1)
    return tied_survival(120, CUTS, seed=2), time, event


def test_harrell_agrees_with_scikit_survival_with_ties(sample):
    survival, time, event = sample
    risk = -survival[:, 6]
    reference, _, _, tied_risk, tied_time = concordance_index_censored(event, time, risk)
    assert tied_risk > 0
    assert tied_time > 0
    assert harrell(risk, time, event)[0] == pytest.approx(reference, abs=1e-12)


def test_uno_agrees_with_scikit_survival_on_events_without_tied_censoring(sample):
    # scikit-survival weighs by G(T), here it is G(T-): they agree where no training row is
    # censored at a time of an event. Censorings are moved to half hours for that.
    survival, time, event = sample
    time = np.where(event, time, time + 0.5)
    train_time, train_event = tied_outcomes(300, seed=4)
    train_time = np.where(train_event, train_time, train_time + 0.5)
    risk, tau = -survival[:, 6], 9.0
    reference = concordance_index_ipcw(
        Surv.from_arrays(train_event, train_time), Surv.from_arrays(event, time), risk, tau
    )[0]
    weight = 1 / censoring_distribution(train_time, train_event).before(time) ** 2
    weight = np.where(event & (time < tau), weight, 0.0)
    ours = concordance(risk, time, event, weight[:, None])[0, 0]
    assert ours == pytest.approx(reference, abs=1e-12)


def test_uno_with_tied_censoring_agrees_with_the_definition(sample):
    survival, time, event = sample
    censoring = censoring_distribution(time, event)
    weight = np.where(event & (time < 8), 1 / censoring.before(time) ** 2, 0.0)
    risk = -survival[:, 6]
    ours = concordance(risk, time, event, weight[:, None])[0, 0]
    literal = literal_concordance(
        weight, lambda i, j: (risk[i] > risk[j]) + 0.5 * (risk[i] == risk[j]), time, event
    )
    assert ours == pytest.approx(literal, abs=1e-12)


def crossing_curves(n, seed):
    rng = np.random.default_rng(seed)
    shape, rate = rng.choice([0.5, 1.0, 2.0], n), rng.choice([0.05, 0.1, 0.2], n)
    return np.exp(-((CUTS[None] * rate[:, None]) ** shape[:, None]))


def test_antolini_agrees_with_survivaleval_with_ties(sample):
    _, time, event = sample
    survival = crossing_curves(len(time), seed=3)
    at_event = 1 - survival[:, time[event].astype(int)]
    reference = concordance_time_dependent(at_event, time, event)[0]
    ours = concordance_td(survival, CUTS, time, event)[0]
    assert ours == pytest.approx(reference, abs=1e-12)


def test_antolini_agrees_with_the_definition(sample):
    _, time, event = sample
    survival = crossing_curves(len(time), seed=3)
    at = time.astype(int)
    literal = literal_concordance(
        np.ones(len(time)),
        lambda i, j: (
            (survival[i, at[i]] < survival[j, at[i]])
            + 0.5 * (survival[i, at[i]] == survival[j, at[i]])
        ),
        time,
        event,
    )
    assert concordance_td(survival, CUTS, time, event)[0] == pytest.approx(literal, abs=1e-12)


def test_antolini_reads_events_between_times_at_the_next_time(sample):
    survival, time, event = sample
    earlier = concordance_td(survival, CUTS, time - 0.3, event)
    assert earlier[0] == pytest.approx(concordance_td(survival, CUTS, time, event)[0], abs=1e-12)


def test_antolini_keeps_the_last_value_beyond_the_last_time(sample):
    survival, time, event = sample
    shortened = concordance_td(survival[:, :6], CUTS[:6], time, event)[0]
    held = np.column_stack([survival[:, :6], *[survival[:, 5]] * 7])
    assert shortened == pytest.approx(concordance_td(held, CUTS, time, event)[0], abs=1e-12)


@pytest.mark.parametrize("leaf", [1, 5, 256])
@pytest.mark.parametrize("block_elements", [1, 500, 10**7])
def test_resamples_equal_repeated_subjects_for_any_block_size(
    sample, monkeypatch, block_elements, leaf
):
    monkeypatch.setattr(module, "_BLOCK_ELEMENTS", block_elements)
    monkeypatch.setattr(pair_wins, "_BLOCK_ELEMENTS", block_elements)
    monkeypatch.setattr(pair_wins, "_LEAF", leaf)
    survival, time, event = sample
    risk = -survival[:, 6]
    counts = resample_counts(len(time), resamples=5, seed=0)
    ours = harrell(risk, time, event, counts)
    ours_td = concordance_td(survival, CUTS, time, event, counts)
    for b, count in enumerate(counts):
        rows = np.repeat(np.arange(len(time)), count.astype(int))
        reference = concordance_index_censored(event[rows], time[rows], risk[rows])[0]
        assert ours[b] == pytest.approx(reference, abs=1e-12)
        again = concordance_td(survival[rows], CUTS, time[rows], event[rows])[0]
        assert ours_td[b] == pytest.approx(again, abs=1e-12)


outcome = st.tuples(st.integers(0, 6), st.booleans(), st.integers(-3, 3))


@settings(max_examples=60, deadline=None)
@given(st.lists(outcome, min_size=2, max_size=25), st.randoms())
def test_invariants(rows, random):
    time, event, risk = (np.array(column) for column in zip(*rows, strict=True))
    time, risk = time.astype(float), risk.astype(float)
    value = harrell(risk, time, event)[0]
    shuffled = random.sample(range(len(time)), len(time))
    np.testing.assert_allclose(harrell(risk[shuffled], time[shuffled], event[shuffled]), value)
    if np.isnan(value):
        assert len(comparable_pairs(time, event).anchors) == 0
        return
    assert 0 <= value <= 1
    assert harrell(-risk, time, event)[0] == pytest.approx(1 - value)
    assert harrell(np.exp(risk), time, event)[0] == pytest.approx(value)


def test_infinite_risks_tie():
    time, event = np.array([1.0, 2.0, 3.0]), np.array([True, True, False])
    assert harrell(np.array([-np.inf] * 3), time, event)[0] == 0.5


def test_subjects_in_pairs():
    time = np.array([1.0, 2.0, 3.0, 4.0])
    event = np.array([False, True, False, True])
    pairs = comparable_pairs(time, event)
    assert pairs.subjects() == 3
    assert pairs.subjects(np.zeros(4, dtype=bool)) == 0
