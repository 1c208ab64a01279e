import numpy as np
import pytest

from survkit.datasets import load_dataset
from survkit.datasets.sepsis import one_row_a_subject
from survkit.types import InputError, SurvivalData
from tests.datasets.sepsis_fixtures import many, patient, write_set

N = 60


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sepsis")
    write_set(folder, many(N))
    return folder


def _load(data_dir, **parameters):
    return load_dataset("sepsis", data_dir=data_dir, **parameters)


def _rows(dataset):
    """Return (event, time) by patient over all splits, a list where a patient has several rows."""
    found = {}
    for part in dataset.splits:
        for subject, event, time in zip(part.subject_id, part.event, part.time, strict=True):
            found.setdefault(int(subject), []).append((bool(event), float(time)))
    return found


def _onset(number):
    return number % 7 + 6 if number % 3 == 0 else None


def test_onset_is_six_hours_after_the_first_label(data_dir):
    dataset = _load(data_dir)
    rows = _rows(dataset)
    assert sorted(rows) == list(range(1, N + 1))
    for number, ((event, time),) in rows.items():
        assert (event, time) == ((True, _onset(number)) if _onset(number) else (False, 100))
    assert dataset.card.n == N
    assert dataset.card.events == N // 3
    assert [len(part) for part in dataset.splits] == [48, 6, 6]


def test_event_free_patients_survive_every_cut(data_dir):
    dataset = _load(data_dir, time_bins=30)
    np.testing.assert_array_equal(dataset.grid.cuts, np.arange(30))
    for part in dataset.splits:
        assert (part.time[~part.event] == 30).all()
        assert (dataset.grid.classify(part.time[~part.event]) == 30).all()
        assert dataset.grid.num_classes == 31


def test_nobody_is_censored_before_the_horizon_for_the_metrics(data_dir):
    from survkit.metrics.censoring import censoring_distribution

    train = _load(data_dir).splits.train
    curve = censoring_distribution(train.time, train.event)
    assert (curve.at(np.arange(100.0)) == 1).all()


def test_without_administrative_censoring_records_end(data_dir):
    rows = _rows(_load(data_dir, administrative_censoring=False))
    for number, ((event, time),) in rows.items():
        expected = (True, _onset(number)) if _onset(number) else (False, 8 + number % 20)
        assert (event, time) == expected


def test_hourly_rows_end_before_the_onset(data_dir):
    dataset = _load(data_dir, single_record=False)
    rows, hours, dropped = _rows(dataset), {n: 8 + n % 20 for n in range(1, N + 1)}, 0
    for number, outcomes in rows.items():
        onset = _onset(number)
        if onset is None:
            assert outcomes == [(False, 100)] * hours[number]
        else:
            kept = min(onset, hours[number])
            dropped += hours[number] - kept
            assert outcomes == [(True, onset - hour) for hour in range(kept)]
    assert f"{dropped} hourly rows at or after the onset are left out" in dataset.warnings
    assert dropped > 0
    subjects = [set(part.subject_id.tolist()) for part in dataset.splits]
    assert not subjects[0] & subjects[1] | subjects[0] & subjects[2] | subjects[1] & subjects[2]
    left = _rows(_load(data_dir, single_record=False, administrative_censoring=False))
    assert left[1] == [(False, 9 - hour) for hour in range(9)]


def test_landmark_takes_those_at_risk_and_counts_from_there(data_dir):
    dataset = _load(data_dir, landmark_hours=8)
    expected = {}
    for number in range(1, N + 1):
        onset = _onset(number)
        if 8 + number % 20 > 8 and (onset is None or onset > 8):
            expected[number] = [(True, onset - 8) if onset else (False, 100)]
    assert _rows(dataset) == expected
    assert 0 < len(expected) < N
    assert dataset.card.n == len(expected)
    left = _rows(_load(data_dir, landmark_hours=8, administrative_censoring=False))
    assert left[1] == [(False, 1)]


def _feature(dataset, name):
    """Return a column in the unit of the file, by patient."""
    column = dataset.splits.train.feature_names.index(name)
    fitted = {c.name: c for c in dataset.preprocessor.numeric}.get(name)
    mean, scale = (fitted.mean, fitted.scale) if fitted else (0, 1)
    return {
        int(subject): float(value) * scale + mean
        for part in dataset.splits
        for subject, value in zip(part.subject_id, part.features[:, column], strict=True)
    }


@pytest.mark.parametrize(
    ("parameters", "hours"),
    [({}, 1000), ({"num_hours": 4}, 4), ({"landmark_hours": 6}, 6),
     ({"landmark_hours": 6, "num_hours": 3}, 3)],
)  # fmt: skip
def test_features_are_averages_of_the_hours_read(data_dir, parameters, hours):
    dataset = _load(data_dir, **parameters)
    heart_rate, missing = _feature(dataset, "HR"), _feature(dataset, "Temp_missing")
    assert len(heart_rate) > 20
    for number, value in heart_rate.items():
        read = min(hours, 8 + number % 20)
        assert value == pytest.approx((read - 1) / 2, abs=1e-4)
        assert missing[number] == pytest.approx(read // 2 / read)


@pytest.mark.slow
def test_hours_are_imputed_and_scaled_by_training_patients(tmp_path):
    write_set(tmp_path, many(N))
    before = _load(tmp_path)
    held_out = int(before.splits.test.subject_id[0])
    write_set(tmp_path, {held_out: [row | {"Lactate": 1e4} for row in many(N)[held_out]]})
    after = _load(tmp_path)
    assert after.preprocessor == before.preprocessor
    assert after.sha256 != before.sha256
    np.testing.assert_array_equal(after.splits.train.features, before.splits.train.features)


def test_every_setting_splits_the_patients_alike(data_dir):
    parts = [
        [set(part.subject_id.tolist()) for part in _load(data_dir, **parameters).splits]
        for parameters in ({}, {"single_record": False}, {"landmark_hours": 8})
    ]
    assert parts[0] == parts[1]
    for whole, part in zip(parts[0], parts[2], strict=True):
        assert part <= whole
    assert sum(map(len, parts[2])) < N


def test_each_set_is_split_for_itself(tmp_path):
    write_set(tmp_path, many(20), "training_setA")
    write_set(tmp_path, many(40, first=100_000), "training_setB")
    dataset = _load(tmp_path)
    in_first = [(part.subject_id < 100_000).sum() for part in dataset.splits]
    assert in_first == [16, 2, 2]
    assert [len(part) for part in dataset.splits] == [48, 6, 6]
    assert "training_setA (20 patients) and training_setB (40 patients)" in str(dataset.card)
    assert not [warning for warning in dataset.warnings if "not found" in warning]


def test_cards_tell_the_tasks_apart(data_dir):
    published, landmark = _load(data_dir), _load(data_dir, landmark_hours=6)
    assert any("a prediction sees its own future" in leak for leak in published.card.known_leaks)
    assert landmark.card.known_leaks == ()
    assert "the honest task" in str(landmark.card)
    assert landmark.card.time_unit == "hours since hour 6 of the record"
    for dataset in (published, landmark):
        assert "by discharge too, counts as event-free" in str(dataset.card)
        assert "training_setB (60 patients)" in str(dataset.card)
        assert any("training_setA was not found" in warning for warning in dataset.warnings)


def test_the_digest_tells_the_task(data_dir):
    settings = (
        {},
        {"num_hours": 4},
        {"landmark_hours": 6},
        {"single_record": False},
        {"administrative_censoring": False},
    )
    assert len({_load(data_dir, **each).sha256 for each in settings}) == len(settings)
    assert _load(data_dir).sha256 == _load(data_dir, skip_bad_files=True).sha256


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"landmark_hours": 500}, "landmark_hours is 500, but nobody is at risk .* 27 hours"),
        ({"landmark_hours": 26}, "the validation split has no patient; there are too few"),
        ({"landmark_hours": 6, "num_hours": 7}, "num_hours is 7, beyond the landmark at hour 6"),
        ({"landmark_hours": 6, "single_record": False}, "cannot go with --no_single_record"),
        ({"quantile_event_times": True}, "--quantile_event_times has no meaning for sepsis"),
        ({"time_bins": 1}, "at least two cuts"),
        ({"time_bins": 0}, "at least two cuts"),
        ({"num_hours": 0}, "--num_hours is 0; it must be at least 1"),
        ({"landmark_hours": -1}, "--landmark_hours is -1; it must be at least 1"),
    ],
)
def test_bad_settings(data_dir, parameters, message):
    with pytest.raises(InputError, match=message):
        _load(data_dir, **parameters)


def test_no_onset_at_all(tmp_path):
    write_set(tmp_path, {number: patient(9, seed=number) for number in range(1, 21)})
    with pytest.raises(InputError, match="all 16 rows of the training split are censored"):
        _load(tmp_path)


def test_one_row_a_subject():
    data = SurvivalData(
        features=np.array([[1, 2], [3, 1], [5, 0], [7, 1]]),
        event=[True, True, False, False],
        time=[4, 4, 9, 9],
        categorical=((1, 3),),
        subject_id=[8, 8, 5, 5],
    )
    single = one_row_a_subject(data)
    assert single.features.tolist() == [[2, 2], [6, 1]]
    assert single.event.tolist() == [True, False]
    assert single.time.tolist() == [4, 9]
    assert single.subject_id.tolist() == [8, 5]


def test_the_challenge_data(real_data_dir, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    dataset = load_dataset("sepsis", data_dir=real_data_dir)
    assert dataset.card.n == sum(map(len, dataset.splits))
    assert dataset.splits.train.features.shape[1] == 35 + 34 + 1
    assert dataset.grid.num_classes == 101
    assert not any(np.isin(dataset.splits.train.subject_id, dataset.splits.test.subject_id))
