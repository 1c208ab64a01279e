import numpy as np
import pytest

from survkit.datasets import load_dataset
from survkit.datasets.bundled import BUNDLED
from survkit.types import InputError


@pytest.mark.parametrize(
    ("name", "sizes", "events", "columns", "time_bins"),
    [
        ("flchain", [6298, 788, 788], 2169, 8, 100),
        ("gbsg2", [548, 69, 69], 299, 8, 20),
        ("whas500", [400, 50, 50], 215, 13, 20),
        ("veteran", [109, 14, 14], 128, 6, 20),
        ("rossi", [344, 44, 44], 114, 7, 20),
        ("lung", [182, 23, 23], 165, 8, 20),
    ],
)
def test_counts(name, sizes, events, columns, time_bins, tmp_path):
    dataset = load_dataset(name, data_dir=tmp_path)
    assert dataset.name == dataset.card.name == name
    assert [len(part) for part in dataset.splits] == sizes
    assert sum(part.event.sum() for part in dataset.splits) == events == dataset.card.events
    preprocessor = dataset.preprocessor
    assert len(preprocessor.numeric) + len(preprocessor.coded) == columns
    assert dataset.grid.num_classes == time_bins + 1
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "causes", "censored"),
    [
        ("bmt", {"TRM": 9, "relapse": 15}, 11),
        ("cgvhd", {"cGVHD": 86, "relapse": 5, "death": 5}, 4),
    ],
)
def test_causes(name, causes, censored, tmp_path):
    dataset = load_dataset(name, data_dir=tmp_path)
    parts = [np.bincount(part.cause, minlength=len(causes) + 1) for part in dataset.splits]
    assert sum(parts).tolist() == [censored, *causes.values()]
    assert dataset.card.causes == causes
    assert dataset.splits.train.cause_names == tuple(causes)
    one = load_dataset(name, data_dir=tmp_path, cause_of_interest="relapse")
    assert sum(part.event.sum() for part in one.splits) == causes["relapse"] == one.card.events
    with pytest.raises(InputError, match="found the causes first 1, expected"):
        dataset.card.check(dataset.card.n, dataset.card.events, {"first": 1})


def test_columns_that_tell_the_outcome_are_dropped(tmp_path):
    for name, column in (("flchain", "chapter"), ("whas500", "los")):
        dataset = load_dataset(name, data_dir=tmp_path)
        assert column in dataset.card.dropped_columns
        assert not [each for each in dataset.splits.train.feature_names if column in each]


def test_flchain_groups_and_years_are_numbers(tmp_path):
    dataset = load_dataset("flchain", data_dir=tmp_path)
    numbers = {column.name for column in dataset.preprocessor.numeric}
    assert {"flc.grp", "sample.yr", "creatinine"} <= numbers
    assert "creatinine_missing" in dataset.splits.train.feature_names
    assert min(part.time.min() for part in dataset.splits) == 0


def test_lung_categories(tmp_path):
    preprocessor = load_dataset("lung", data_dir=tmp_path).preprocessor
    assert [column.name for column in preprocessor.coded] == ["inst", "sex"]
    assert {"meal.cal", "wt.loss"} <= set(preprocessor.indicators)


def test_whas500_stay_of_the_dead_is_their_time():
    from sksurv.datasets import load_whas500

    features, outcome = load_whas500()
    same = features["los"].to_numpy() == outcome["lenfol"]
    assert same.sum() == 40
    assert outcome["fstat"][same].all()


def test_other_data_than_the_card_describes_are_refused(monkeypatch, tmp_path):
    from sksurv import datasets

    features, outcome = datasets.load_gbsg2()
    monkeypatch.setattr(datasets, "load_gbsg2", lambda: (features[:-1], outcome[:-1]))
    with pytest.raises(InputError, match=r"gbsg2: found 685 subjects .* expected 686 with 299"):
        load_dataset("gbsg2", data_dir=tmp_path)


def test_loading_twice_gives_the_same(tmp_path):
    first, second = (load_dataset("veteran", data_dir=tmp_path) for _ in range(2))
    assert first.sha256 == second.sha256
    np.testing.assert_array_equal(first.splits.test.features, second.splits.test.features)


def test_cards_are_complete():
    for name, bundled in BUNDLED.items():
        assert bundled.card.name == name
        assert bundled.card.source
        assert bundled.card.licence
