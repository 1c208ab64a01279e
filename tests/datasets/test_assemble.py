import numpy as np
import pandas as pd
import pytest

from survkit.datasets.assemble import build_dataset, time_grid
from survkit.datasets.card import Card
from survkit.datasets.splitting import split_rows
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
    for part, rows in zip(dataset.splits, dataset.rows, strict=True):
        np.testing.assert_array_equal(part.label, rows)
        np.testing.assert_array_equal(part.true_time, rows + 0.5)
        np.testing.assert_array_equal(part.time, table.time[rows])
        np.testing.assert_array_equal(part.event, table.event[rows])
        assert part.subject_id is None
    assert dataset.grid.horizon == dataset.splits.train.time.max()


def test_only_training_rows_reach_the_statistics():
    table = toy_table()
    held_out = np.concatenate(split_rows(100, event=table.event)[1:])
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
    changed.loc[split_rows(100, event=table.event).train[0], "x"] += 1.0
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
        build_dataset(toy_table(event=event), CARD, stratified_split=False)


@pytest.mark.parametrize(
    ("n", "asked", "stratified"),
    [(1999, None, True), (2000, None, False), (1999, False, False), (2000, True, True)],
)
def test_small_tables_are_stratified_unless_asked_otherwise(n, asked, stratified):
    table = toy_table(n, event=np.random.default_rng(0).random(n) < 0.1)
    dataset = build_dataset(table, CARD, stratified_split=asked)
    assert dataset.split.stratified is stratified
    expected = split_rows(n, event=table.event if stratified else None)
    for part, rows, own in zip(dataset.splits, expected, dataset.rows, strict=True):
        np.testing.assert_array_equal(own, rows)
        np.testing.assert_array_equal(part.time, table.time[rows])


def test_subjects_of_a_small_table_are_stratified():
    subject_id = np.repeat(np.arange(100), 3)
    event = np.isin(np.arange(300), 3 * np.arange(10) + 2)  # one row each of ten subjects
    dataset = build_dataset(toy_table(300, event=event, subject_id=subject_id), CARD)
    assert [int(part.event.sum()) for part in dataset.splits] == [8, 1, 1]


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
