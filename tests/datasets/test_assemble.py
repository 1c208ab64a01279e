import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split

from survkit.datasets.assemble import build_dataset, split_rows, time_grid
from survkit.datasets.card import Card
from survkit.datasets.tables import RawTable
from survkit.types import InputError

CARD = Card("toy", 100, 50, "days", "here", "MIT", {"id": "a number"}, ("x leaks",), ("short",))


def toy_table(n=100, **changes):
    random = np.random.default_rng(3)
    features = pd.DataFrame(
        {
            "x": random.normal(size=n),
            "y": np.where(random.random(n) < 0.3, np.nan, random.normal(size=n)),
            "g": random.choice(["a", "b", "c"], size=n),
        }
    )
    values = {
        "features": features,
        "event": np.arange(n) % 2 == 0,
        "time": random.exponential(size=n),
        "categorical": ("g",),
    }
    return RawTable(**(values | changes))


@pytest.mark.parametrize("n", [137, 500, 9105])
def test_split_is_that_of_two_train_test_splits(n):
    rest, test = train_test_split(np.arange(n), test_size=0.1, random_state=42)
    train, validation = train_test_split(rest, test_size=0.1 / 0.9, random_state=42)
    for ours, theirs in zip(split_rows(n), (train, validation, test), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("n", [3, 10, 1000, 9105, 12345])
def test_split_parts_are_disjoint_and_whole(n):
    rows = split_rows(n)
    assert sorted(np.concatenate(rows)) == list(range(n))
    assert len(rows.test) == -(-n // 10)
    assert len(rows.validation) in (len(rows.test), len(rows.test) - 1)


def test_subjects_are_split_whole():
    subject_id = np.repeat(np.arange(50), np.random.default_rng(0).integers(1, 9, size=50))
    rows = split_rows(len(subject_id), subject_id)
    assert sorted(np.concatenate(rows)) == list(range(len(subject_id)))
    subjects = [set(subject_id[part]) for part in rows]
    assert [len(each) for each in subjects] == [40, 5, 5]
    assert not subjects[0] & subjects[1]
    assert not subjects[0] & subjects[2]
    assert not subjects[1] & subjects[2]


def test_too_few_subjects_to_split():
    with pytest.raises(InputError, match="2 subjects cannot be split in three"):
        split_rows(2)


def test_time_grid_defaults_by_size():
    time, event = np.array([1.0, 3.0, 7.0]), np.array([True, True, False])
    np.testing.assert_allclose(time_grid(time, event, n=1000).cuts, np.linspace(0, 7, 100))
    small = np.concatenate([[0], np.linspace(1, 3, 20)[1:-1], [7]])
    np.testing.assert_allclose(time_grid(time, event, n=999).cuts, small)
    even = time_grid(time, event, n=999, quantile_event_times=False)
    np.testing.assert_allclose(even.cuts, np.linspace(0, 7, 20))
    evenly = {"quantile_event_times": False, "labeling_floor_mode": True}
    grid = time_grid(time, event, n=3, time_bins=8, **evenly)
    np.testing.assert_array_equal(grid.cuts, np.arange(8))
    assert grid.classify(2.5) == 2
    quantiles = time_grid(time, event, n=3, time_bins=4, quantile_event_times=True)
    np.testing.assert_allclose(quantiles.cuts, [0, 1 + 2 / 3, 1 + 4 / 3, 7])
    for quantile in (False, True):
        with pytest.raises(InputError, match="time_bins >= 2"):
            time_grid(time, event, n=3, time_bins=1, quantile_event_times=quantile)


def test_rows_keep_their_outcomes_and_extras():
    n = 100
    table = toy_table(n, label=np.arange(n), true_time=np.arange(n) + 0.5)
    dataset = build_dataset(table, CARD)
    for part, rows in zip(dataset.splits, split_rows(n), strict=True):
        np.testing.assert_array_equal(part.label, rows)
        np.testing.assert_array_equal(part.true_time, rows + 0.5)
        np.testing.assert_array_equal(part.time, table.time[rows])
        np.testing.assert_array_equal(part.event, table.event[rows])
        assert part.subject_id is None
    assert dataset.grid.horizon == dataset.splits.train.time.max()


def test_only_training_rows_reach_the_statistics():
    table = toy_table()
    held_out = np.concatenate(split_rows(100)[1:])
    changed = table.features.copy()
    changed.loc[held_out, "x"] = 1000.0
    changed.loc[held_out, "y"] = np.nan
    changed.loc[held_out, "g"] = "new"
    time = table.time.copy()
    time[held_out] = 1000.0
    before = build_dataset(table, CARD)
    after = build_dataset(toy_table(features=changed, time=time), CARD)
    assert after.preprocessor.state() == before.preprocessor.state()
    np.testing.assert_array_equal(after.grid.cuts, before.grid.cuts)
    np.testing.assert_array_equal(after.splits.train.features, before.splits.train.features)
    assert after.sha256 != before.sha256
    assert any(note.startswith("test rows: column 'g'") for note in after.warnings)


def test_changing_training_rows_changes_the_statistics():
    table = toy_table()
    changed = table.features.copy()
    changed.loc[split_rows(100).train[0], "x"] += 1.0
    after = build_dataset(toy_table(features=changed), CARD)
    assert after.preprocessor.state() != build_dataset(table, CARD).preprocessor.state()


@pytest.mark.parametrize(
    ("events", "message"),
    [([], "all 100 rows of the table are censored"), ([7], "the table has 1 event; at least 2")],
)
def test_too_few_events(events, message):
    event = np.isin(np.arange(100), events)
    with pytest.raises(InputError, match=message):
        build_dataset(toy_table(event=event), CARD)


def test_too_few_events_among_training_rows():
    event = np.isin(np.arange(100), split_rows(100).test[:5])
    with pytest.raises(InputError, match="all 80 rows of the training split are censored"):
        build_dataset(toy_table(event=event), CARD)


def test_card_checks_and_prints():
    CARD.check(100, 50)
    with pytest.raises(InputError, match="found 100 subjects with 49 events, expected 100 with 50"):
        CARD.check(100, 49)
    assert str(CARD).splitlines() == [
        "toy: 100 subjects, 50 events (50%), time in days",
        "  source: here",
        "  licence: MIT",
        "  dropped id: a number",
        "  known leak: x leaks",
        "  note: short",
    ]
