import numpy as np
import pytest

from survkit.metrics.bootstrap import (
    bootstrap_interval,
    ratio,
    resample_chunks,
    resample_counts,
    weighted_ratio,
)
from survkit.metrics.concordance import concordance
from survkit.types import InputError
from tests.metrics.metric_fixtures import well_specified


def test_each_resample_draws_as_many_rows_as_there_are():
    counts = resample_counts(50, resamples=200, seed=0)
    assert (counts.sum(axis=1) == 50).all()
    # Drawn with replacement: a row is left out of about 1/e of the resamples.
    assert (counts == 0).mean() == pytest.approx(np.exp(-1), abs=0.01)
    assert (counts == resample_counts(50, resamples=200, seed=0)).all()
    assert (counts != resample_counts(50, resamples=200, seed=1)).any()


def test_rows_of_a_subject_are_drawn_together():
    subject = np.array([7, 7, 3, 3, 3, 9])
    counts = resample_counts(6, resamples=50, seed=0, subject_id=subject)
    for identity in (7, 3, 9):
        rows = counts[:, subject == identity]
        assert (rows == rows[:, :1]).all()
    first_rows = counts[:, [0, 2, 5]]
    assert (first_rows.sum(axis=1) == 3).all()


@pytest.mark.parametrize("subject", [None, np.array([7, 7, 3, 3, 3, 9])])
def test_chunks_are_the_resamples_in_their_order(subject):
    how = {"resamples": 10, "seed": 0, "subject_id": subject}
    chunks = list(resample_chunks(6, **how, at_once=4))
    assert [len(chunk) for chunk in chunks] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate(chunks), resample_counts(6, **how))


def test_clusters_widen_the_interval():
    rng = np.random.default_rng(0)
    subject = np.repeat(np.arange(40), 5)
    values = np.repeat(rng.normal(size=40), 5)[:, None]
    rows, clusters = (
        weighted_ratio(values, np.ones((200, 1)), resample_counts(200, resamples=400, **how)).std()
        for how in ({"seed": 0}, {"seed": 0, "subject_id": subject})
    )
    assert clusters == pytest.approx(rows * np.sqrt(5), rel=0.2)


def test_negative_number_of_resamples():
    with pytest.raises(InputError, match="bootstrap is -1"):
        resample_counts(5, resamples=-1, seed=0)


def test_ratio_is_nan_without_a_denominator():
    np.testing.assert_array_equal(ratio(np.array([1.0, 2.0]), np.array([0.0, 4.0])), [np.nan, 0.5])


def test_an_interval_leaves_undefined_resamples_out():
    values = np.append(np.arange(1001.0), np.nan)
    assert bootstrap_interval(values, 500.0) == pytest.approx((25.0, 975.0))
    assert bootstrap_interval(np.array([np.nan]), 1.0) is None


def test_an_interval_is_moved_back_by_the_bias_of_resampling():
    assert bootstrap_interval(np.arange(1001.0), 400.0) == pytest.approx((-75.0, 875.0))


@pytest.mark.slow
def test_intervals_of_mean_and_concordance_cover_the_truth():
    def harrell(prediction, data, counts=None):
        return concordance(
            prediction.risk_score(), data.time, data.event, np.ones((len(data), 1)), counts
        )[:, 0]

    def brier(prediction, data, counts=None):
        late = data.true_time > 3
        loss = (late - prediction.at([3.0])[:, 0]) ** 2
        return weighted_ratio(loss[:, None], np.ones((len(loss), 1)), counts)[:, 0]

    truth = [float(metric(*well_specified(5000, 0))[0]) for metric in (harrell, brier)]
    covered = np.zeros(2)
    for seed in range(100):
        problem = well_specified(120, seed + 1)
        counts = resample_counts(120, resamples=200, seed=seed)
        for m, metric in enumerate((harrell, brier)):
            low, high = bootstrap_interval(metric(*problem, counts), float(metric(*problem)[0]))
            covered[m] += low <= truth[m] <= high
    # 95 of 100 are expected, a little fewer for 120 subjects.
    assert (covered >= 85).all()
    assert (covered < 100).all()
