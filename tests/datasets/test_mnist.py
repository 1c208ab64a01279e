import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survkit.datasets import load_dataset
from survkit.datasets.mnist import (
    PUBLISHED_CENSORING,
    PUBLISHED_MEANS,
    PUBLISHED_STDS,
    draw_times,
    process_of,
)
from survkit.types import InputError

PUBLISHED = process_of(PUBLISHED_MEANS, PUBLISHED_STDS, PUBLISHED_CENSORING)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return load_dataset("digits", data_dir=tmp_path_factory.mktemp("empty"))


def test_moments_are_those_of_the_log_normal_itself():
    label = np.repeat(np.arange(10), 20_000)
    times = draw_times(label, PUBLISHED).true_time.reshape(10, -1)
    np.testing.assert_allclose(times.mean(axis=1), PUBLISHED_MEANS, rtol=0.03)
    np.testing.assert_allclose(times.std(axis=1), PUBLISHED_STDS, rtol=0.06)
    # Logarithms of log-normal times are symmetric about their median.
    logs = np.log(times)
    np.testing.assert_allclose(logs.mean(axis=1), np.median(logs, axis=1), atol=0.02)


def test_censoring_is_uniform_before_the_event_time():
    times = draw_times(np.repeat(np.arange(10), 5000), PUBLISHED)
    censored = ~times.event
    assert abs(censored.mean() - 0.15) < 0.005
    assert np.array_equal(times.time[times.event], times.true_time[times.event])
    share = times.time[censored] / times.true_time[censored]
    assert 0 <= share.min() < 0.01
    assert 0.99 < share.max() < 1
    assert abs(share.mean() - 0.5) < 0.02
    # Which subjects are censored has nothing to do with the digit.
    rates = censored.reshape(10, -1).mean(axis=1)
    assert np.abs(rates - 0.15).max() < 0.03


@given(
    st.lists(st.floats(0.5, 100), min_size=10, max_size=10),
    st.lists(st.floats(0.01, 50), min_size=10, max_size=10),
    st.floats(0, 0.99),
)
@settings(max_examples=25, deadline=None)
def test_times_are_positive_and_never_after_the_event(means, stds, censoring):
    process = process_of(means, stds, censoring)
    times = draw_times(np.arange(10), process)
    assert (times.true_time > 0).all()
    assert (times.time <= times.true_time).all()
    assert (times.time[times.event] == times.true_time[times.event]).all()
    assert process.horizon == max(means) + 3 * max(stds)


def test_the_draws_never_change():
    times = draw_times(np.arange(1000) % 10, PUBLISHED)
    rounded = np.round(times.time, 6).astype("<f8").tobytes()
    assert hashlib.sha256(rounded).hexdigest()[:16] == "959905dc2cfb2c49"


def test_digits(digits):
    assert digits.name == digits.card.name == "digits"
    assert [len(part) for part in digits.splits] == [1437, 180, 180]
    assert digits.splits.train.features.shape == (1437, 64)
    assert digits.splits.train.features.min() == 0
    assert digits.splits.train.features.max() == 1
    assert digits.preprocessor is None
    assert digits.grid.horizon == 46
    assert digits.grid.num_classes == 101
    assert digits.card.events == sum(part.event.sum() for part in digits.splits)
    assert "IPCW is not valid" in str(digits.card)


def test_labels_and_images_belong_together(digits):
    from sklearn.datasets import load_digits

    pixels, label = load_digits(return_X_y=True)
    shown = {tuple(image): digit for image, digit in zip(pixels, label, strict=True)}
    for part in digits.splits:
        assert [shown[tuple(row * 16)] for row in part.features] == part.label.tolist()


def test_events_beyond_the_horizon_are_of_the_last_class(tmp_path):
    short = load_dataset(
        "digits", data_dir=tmp_path, mnist_means=[5.0] * 10, mnist_stds=[1.0] * 10,
        mnist_censoring_percentage=0.0,
    )  # fmt: skip
    train = short.splits.train
    beyond = train.true_time > short.grid.horizon
    assert short.grid.horizon == 8
    assert 0 < beyond.sum() < 30
    assert train.event[beyond].all()
    assert (short.grid.classify(train.time)[beyond] == len(short.grid.cuts)).all()


def test_a_sample_is_a_part_of_the_training_rows(digits, tmp_path):
    sample = load_dataset("digits", data_dir=tmp_path, mnist_sample_pct=0.25)
    assert [len(part) for part in sample.splits] == [359, 180, 180]
    assert sample.card.n == 719
    np.testing.assert_array_equal(sample.splits.train.features, digits.splits.train.features[:359])
    np.testing.assert_array_equal(sample.splits.train.time, digits.splits.train.time[:359])
    np.testing.assert_array_equal(sample.splits.test.time, digits.splits.test.time)
    assert sample.sha256 != digits.sha256


def test_each_digit_can_have_its_own_share(digits, tmp_path):
    shares = [1, 0.5, 0, 1, 1, 1, 1, 1, 1, 0.1]
    sample = load_dataset("digits", data_dir=tmp_path, mnist_sample_pct=shares)
    whole, kept = digits.splits.train, sample.splits.train
    counts = np.bincount(whole.label, minlength=10)
    expected = np.round(np.multiply(shares, counts))
    np.testing.assert_array_equal(np.bincount(kept.label, minlength=10), expected)
    for digit in range(10):
        times = whole.time[whole.label == digit]
        np.testing.assert_array_equal(
            kept.time[kept.label == digit], times[: round(shares[digit] * len(times))]
        )
    np.testing.assert_array_equal(sample.splits.test.time, digits.splits.test.time)
    others = [load_dataset("digits", data_dir=tmp_path, mnist_sample_pct=s).sha256
              for s in (0.5, [0.5] * 10)]  # fmt: skip
    assert len({sample.sha256, digits.sha256, *others}) == 4


def test_digests_are_those_of_earlier_versions(digits, tmp_path):
    assert digits.sha256.startswith("80a8a7fcd592be39")
    sample = load_dataset("digits", data_dir=tmp_path, mnist_sample_pct=0.25)
    assert sample.sha256.startswith("a89b19b3e9c33173")


def test_the_digest_tells_the_parameters(digits, tmp_path):
    assert load_dataset("digits", data_dir=tmp_path).sha256 == digits.sha256
    other = load_dataset("digits", data_dir=tmp_path, mnist_censoring_percentage=0.3)
    assert other.sha256 != digits.sha256


def test_more_censoring_censors_more_subjects_and_none_fewer(tmp_path):
    few, many = (
        load_dataset(
            "digits",
            data_dir=tmp_path,
            stratified_split=False,  # the same rows
            mnist_censoring_percentage=share,
        ).splits.train
        for share in (0.15, 0.3)
    )
    np.testing.assert_array_equal(few.features, many.features)
    assert (many.event <= few.event).all()
    assert many.event.sum() < few.event.sum()


def test_quantile_cuts_end_at_the_horizon(tmp_path):
    grid = load_dataset("digits", data_dir=tmp_path, quantile_event_times=True, time_bins=10).grid
    assert grid.horizon == 46
    assert len(grid.cuts) == 10
    assert np.ptp(np.diff(grid.cuts)) > 1


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"mnist_means": (1.0,) * 9}, r"--mnist_means has 9 numbers; it needs 10"),
        ({"mnist_stds": (1.0,) * 11}, r"--mnist_stds has 11 numbers"),
        ({"mnist_means": (0.0,) * 10}, r"--mnist_means is 0 for digit 0; it must be 1e-18 to"),
        ({"mnist_stds": (*(1.0,) * 9, -1.0)}, r"--mnist_stds is -1 for digit 9"),
        ({"mnist_censoring_percentage": 1.0}, r"--mnist_censoring_percentage is 1"),
        ({"mnist_censoring_percentage": 15.0}, r"it is a share"),
        ({"mnist_sample_pct": 0.0}, r"--mnist_sample_pct is 0"),
        ({"mnist_sample_pct": 1.5}, r"--mnist_sample_pct is 1.5"),
        ({"mnist_sample_pct": 0.0001}, r"training split"),
        ({"mnist_sample_pct": (0.5, 0.5)}, r"has 2 numbers; it needs one, or 10, one for each"),
        ({"mnist_sample_pct": (*(0.5,) * 9, 2.0)}, r"--mnist_sample_pct is 2 for digit 9"),
        ({"mnist_sample_pct": (0.0,) * 10}, r"leaves no training rows"),
    ],
)
def test_bad_parameters(parameters, message, tmp_path):
    with pytest.raises(InputError, match=message):
        load_dataset("digits", data_dir=tmp_path, **parameters)


def test_config_defaults_are_the_published_setting():
    from survkit.configs.train import TrainConfig

    config = TrainConfig()
    assert (
        process_of(config.mnist_means, config.mnist_stds, config.mnist_censoring_percentage)
        == PUBLISHED
    )


def test_mnist(real_data_dir):
    mnist = load_dataset("mnist", data_dir=real_data_dir)
    assert mnist.own_test_rows
    assert [len(part) for part in mnist.splits] == [55_000, 5_000, 10_000]
    train = mnist.splits.train
    assert train.features.shape == (55_000, 784)
    assert train.features.dtype == np.float32
    assert (train.features.min(), train.features.max()) == (0, 1)
    assert np.array_equal(np.unique(train.label), np.arange(10))
    assert mnist.grid.num_classes == 101
    assert mnist.card.n == 70_000
    # A constant column stays, as the published networks have 784 inputs.
    assert (train.features == 0).all(axis=0).any()
