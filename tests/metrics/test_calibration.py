import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from survkit.metrics import calibration as module
from survkit.metrics.bootstrap import resample_counts
from survkit.metrics.calibration import (
    calibration_error_null,
    equal_mass_bins,
    equal_width_bins,
    expected_calibration_error,
)
from survkit.metrics.censoring import censoring_distribution, censoring_weights, weights_at_cuts
from tests.metrics.metric_fixtures import (
    tied_outcomes,
    tied_survival,
    well_specified,
    well_specified_causes,
)

CUTS = np.arange(13.0)


def literal_calibration_error(predicted, happened, weights, bins):
    """One cut, by definition."""
    gaps, sizes = [], []
    for b in range(10):
        inside = bins == b
        if weights[inside].sum() > 0:
            rate = (weights * happened)[inside].sum() / weights[inside].sum()
            gaps.append(abs(rate - predicted[inside].mean()))
            sizes.append(inside.sum())
    return np.average(gaps, weights=sizes)


@pytest.fixture
def sample():
    """Predicted probabilities with ties, happened and weights at cuts 1..8, 100 subjects."""
    time, event = tied_outcomes(100, seed=1)
    weights = censoring_weights(time, event, CUTS, censoring_distribution(time, event))
    matrix = weights_at_cuts(time, CUTS, weights)[:, 1:9]
    predicted = 1 - tied_survival(100, CUTS, seed=2)[:, 1:9]
    return predicted, event[:, None] & (time[:, None] <= CUTS[1:9]), matrix


@pytest.mark.parametrize("binning", [equal_width_bins, equal_mass_bins])
def test_error_agrees_with_the_definition(sample, binning):
    predicted, happened, weights = sample
    bins = binning(predicted)
    literal = [
        literal_calibration_error(predicted[:, k], happened[:, k], weights[:, k], bins[:, k])
        for k in range(8)
    ]
    ours = expected_calibration_error(predicted, happened, weights, bins)
    assert ours[0] == pytest.approx(np.mean(literal), abs=1e-12)


def test_resamples_equal_repeated_subjects_in_the_same_bins(sample):
    predicted, happened, weights = sample
    bins = equal_mass_bins(predicted)
    counts = resample_counts(100, resamples=4, seed=0)
    ours = expected_calibration_error(predicted, happened, weights, bins, counts)
    for b, count in enumerate(counts):
        rows = np.repeat(np.arange(100), count.astype(int))
        again = expected_calibration_error(
            predicted[rows], happened[rows], weights[rows], bins[rows]
        )
        assert ours[b] == pytest.approx(again[0], rel=1e-5)


@pytest.mark.parametrize("size", [1, 7])
def test_blocks_change_nothing(sample, monkeypatch, size):
    predicted, happened, weights = sample
    counts = resample_counts(100, resamples=3, seed=0)

    def compute():
        bins = equal_mass_bins(predicted)
        errors = [
            expected_calibration_error(predicted, happened, weights, bins, drawn)
            for drawn in (None, counts)
        ]
        time, event = tied_outcomes(100, seed=1)
        censoring = censoring_distribution(time, event)
        null = calibration_error_null(
            1 - predicted,
            CUTS[1:9],
            bins,
            censoring,
            censoring_weights(time, event, CUTS, censoring),
            draws=10,
        )
        return [bins, *errors, null]

    whole = compute()
    monkeypatch.setattr(module, "_BLOCK_ROWS", size)
    monkeypatch.setattr(module, "_RESAMPLED_CUTS", size)
    for elements in ("_SORTED_ELEMENTS", "_DRAWN_ELEMENTS", "_CACHED_ELEMENTS"):
        monkeypatch.setattr(module, elements, size * 50)
    for expected, blockwise in zip(whole, compute(), strict=True):
        np.testing.assert_allclose(blockwise, expected, rtol=1e-5)


def test_equal_mass_bins_hold_tenths_and_keep_ties_together():
    distinct = np.random.default_rng(0).permutation(100)[:, None] / 100
    bins = equal_mass_bins(distinct)[:, 0]
    assert (np.bincount(bins) == 10).all()
    assert (bins == distinct[:, 0] * 100 // 10).all()
    tied = np.repeat([0.1, 0.4, 0.9], [30, 40, 30])[:, None]
    assert [len(np.unique(equal_mass_bins(tied)[tied == v])) for v in (0.1, 0.4, 0.9)] == [1] * 3
    assert len(np.unique(equal_mass_bins(tied))) == 3


def test_ties_go_to_the_bin_of_their_mean_rank():
    predicted = np.random.default_rng(0).integers(7, size=(20, 50)) / 10
    mean_rank = rankdata(predicted, axis=0) - 0.5
    np.testing.assert_array_equal(equal_mass_bins(predicted), mean_rank * 10 // 20)


def test_equal_width_bins_include_both_ends():
    predicted = np.array([0.0, 0.05, 0.1, 0.95, 1.0, 1.0 + 1e-9, -1e-9])
    assert equal_width_bins(predicted).tolist() == [0, 0, 1, 9, 9, 9, 0]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.randoms())
def test_error_lies_in_the_unit_interval_and_ignores_the_order(seed, random):
    rng = np.random.default_rng(seed)
    predicted, happened = rng.choice(11, (20, 3)) / 10, rng.random((20, 3)) < 0.5
    weights = rng.choice([0.0, 1.0, 2.5], (20, 3))
    weights[0] = 1.0
    order = random.sample(range(20), 20)
    for binning in (equal_width_bins, equal_mass_bins):
        value = expected_calibration_error(predicted, happened, weights, binning(predicted))[0]
        shuffled = expected_calibration_error(
            predicted[order], happened[order], weights[order], binning(predicted[order])
        )[0]
        assert 0 <= value <= 1
        assert shuffled == pytest.approx(value, abs=1e-12)


def test_error_of_certain_and_true_predictions_is_zero():
    happened = np.array([[True], [False], [True]])
    bins = equal_width_bins(happened * 1.0)
    error = expected_calibration_error(happened * 1.0, happened, np.ones((3, 1)), bins)
    assert error[0] == 0
    error = expected_calibration_error(~happened * 1.0, happened, np.ones((3, 1)), bins)
    assert error[0] == 1


def test_a_bin_without_weight_is_left_out_and_a_cut_without_weight_is_undefined():
    predicted, happened = np.array([[0.05], [0.95]]), np.array([[False], [True]])
    bins = equal_width_bins(predicted)
    one = expected_calibration_error(predicted, happened, np.array([[0.0], [2.0]]), bins)
    assert one[0] == pytest.approx(0.05)
    assert np.isnan(expected_calibration_error(predicted, happened, np.zeros((2, 1)), bins))[0]


@pytest.mark.parametrize("counts", [None, np.ones((3, 2), dtype=np.float32)])
def test_error_without_cuts_is_undefined(counts):
    none = np.zeros((2, 0))
    bins = equal_mass_bins(none)
    assert np.isnan(expected_calibration_error(none, none == 1, none, bins, counts)).all()


def test_null_distribution_is_that_of_true_predictions():
    """Real errors of true predictions over many samples, and the null of one of them, agree."""
    cuts = np.linspace(0, 12, 41)
    errors = []
    for seed in range(60):
        prediction, data = well_specified(200, seed)
        _, train = well_specified(2000, 999)
        censoring = censoring_distribution(train.time, train.event)
        weights = censoring_weights(data.time, data.event, cuts, censoring)
        upto = slice(1, weights.last_cut + 1)
        predicted = 1 - prediction.survival[:, upto]
        happened = data.event[:, None] & (data.time[:, None] <= cuts[upto])
        matrix = weights_at_cuts(data.time, cuts, weights)[:, upto]
        bins = equal_mass_bins(predicted)
        errors.append(expected_calibration_error(predicted, happened, matrix, bins)[0])
    null = calibration_error_null(
        prediction.survival[:, upto], cuts[upto], bins, censoring, weights, draws=100
    )
    assert null.mean() == pytest.approx(np.mean(errors), rel=0.1)
    assert np.quantile(null, 0.95) == pytest.approx(np.quantile(errors, 0.95), rel=0.2)


def test_null_is_unbiased_where_censorings_tie_with_events():
    # One curve for all: the error is the distance of one rate from its expectation, which many
    # subjects make small if, and only if, drawn events and censorings are weighted rightly.
    n = 20_000
    censoring = censoring_distribution(*tied_outcomes(300, seed=4))
    nobody = np.zeros(n, dtype=bool)
    weights = censoring_weights(np.ones(n), nobody, CUTS, censoring)
    upto = slice(1, weights.last_cut + 1)
    survival = np.broadcast_to(np.exp(-0.15 * CUTS[upto]), (n, weights.last_cut))
    bins = equal_mass_bins(1 - survival)
    null = calibration_error_null(survival, CUTS[upto], bins, censoring, weights, draws=20)
    assert null.mean() < 0.006


def test_null_shrinks_with_the_number_of_subjects():
    means = []
    for n in (100, 1600):
        prediction, data = well_specified(n, 1)
        censoring = censoring_distribution(data.time, data.event)
        weights = censoring_weights(data.time, data.event, prediction.times, censoring)
        upto = slice(1, weights.last_cut + 1)
        survival = prediction.survival[:, upto]
        null = calibration_error_null(
            survival, prediction.times[upto], equal_mass_bins(1 - survival), censoring, weights
        )
        means.append(null.mean())
    assert means[0] / means[1] == pytest.approx(4, rel=0.25)


def test_null_of_a_cause_is_that_of_true_predictions():
    cuts = np.linspace(0, 12, 41)
    _, train = well_specified_causes(2000, 999, cuts)
    censoring = censoring_distribution(train.time, train.event)
    errors, nulls = [], []
    for seed in range(60):
        prediction, data = well_specified_causes(200, seed, cuts)
        weights = censoring_weights(data.time, data.event, cuts, censoring)
        upto = slice(1, weights.last_cut + 1)
        predicted = prediction.cumulative_incidence[:, 0, upto]
        happened = (data.cause == 1)[:, None] & (data.time[:, None] <= cuts[upto])
        matrix = weights_at_cuts(data.time, cuts, weights)[:, upto]
        bins = equal_mass_bins(predicted)
        errors.append(expected_calibration_error(predicted, happened, matrix, bins)[0])
    columns = prediction.survival[:, upto], cuts[upto], bins, censoring, weights
    null = calibration_error_null(*columns, incidence=predicted, draws=100)
    assert null.mean() == pytest.approx(np.mean(errors), rel=0.1)
    assert np.quantile(null, 0.95) == pytest.approx(np.quantile(errors, 0.95), rel=0.2)
    everything = 1 - prediction.survival[:, upto]
    for incidence in (None, everything):
        nulls.append(calibration_error_null(*columns, incidence=incidence, draws=5))
    np.testing.assert_allclose(*nulls, rtol=1e-6)  # summed in single precision
