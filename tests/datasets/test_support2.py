import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from survkit.datasets import load_dataset, support2
from survkit.datasets.splitting import split_rows
from survkit.datasets.support2 import CATEGORICAL, FEATURES, NORMAL_VALUES, load_support2
from survkit.types import InputError

needs_data = pytest.mark.skipif(
    "SURVKIT_DATA_DIR" not in os.environ, reason="SURVKIT_DATA_DIR is not set: no support2.csv"
)


@pytest.fixture(scope="module")
def data_dir():
    return Path(os.environ["SURVKIT_DATA_DIR"])


@pytest.fixture(scope="module")
def raw(data_dir):
    return pd.read_csv(data_dir / "support2.csv")


@pytest.fixture(scope="module")
def dataset(data_dir):
    return load_support2(data_dir=data_dir)


def test_feature_lists():
    assert len(FEATURES["published"]) == len(set(FEATURES["published"])) == 42
    assert len(FEATURES["baseline"]) == 30
    assert set(CATEGORICAL) <= set(FEATURES["published"])
    assert not set(FEATURES["published"]) & set(support2.DROPPED)


@needs_data
def test_split_sizes_and_outcomes(dataset, raw):
    assert [len(part) for part in dataset.splits] == [7283, 911, 911]
    for part, rows in zip(dataset.splits, split_rows(9105), strict=True):
        np.testing.assert_array_equal(part.time, raw["d.time"].to_numpy()[rows])
        np.testing.assert_array_equal(part.event, raw["death"].to_numpy()[rows] == 1)
    assert sum(part.event.sum() for part in dataset.splits) == 6201
    assert dataset.grid.num_classes == 101


@needs_data
def test_every_column_is_a_feature(dataset):
    columns = dataset.preprocessor
    kept = {c.name for c in (*columns.numeric, *columns.coded)}
    assert kept == set(FEATURES["published"])
    assert {c.name for c in columns.coded} == {*CATEGORICAL, "hday"}
    cardinality = {c.name: c.cardinality for c in columns.coded}
    assert cardinality["sex"] == 3
    assert cardinality["dzgroup"] == 9
    assert cardinality["hday"] == 6


@needs_data
def test_missing_values_are_imputed(dataset, raw):
    rows = split_rows(9105)
    names = list(dataset.splits.test.feature_names)
    expected = NORMAL_VALUES | {"edu": raw["edu"].to_numpy()[rows.train]}
    for name, fill in expected.items():
        column = raw[name].to_numpy()
        fill = np.nanmedian(fill)
        train = np.where(np.isnan(column), fill, column)[rows.train]
        missing = np.isnan(column[rows.test])
        assert missing.any()
        values = dataset.splits.test.features[:, names.index(name)]
        scaled = (fill - train.mean()) / train.std()
        np.testing.assert_allclose(values[missing], scaled, rtol=1e-5)
        indicator = dataset.splits.test.features[:, names.index(f"{name}_missing")]
        np.testing.assert_array_equal(indicator, missing)


@needs_data
def test_baseline_features_leave_out_what_is_unknown_at_day_3(data_dir):
    dataset = load_support2(data_dir=data_dir, support2_features="baseline")
    names = set(dataset.splits.train.feature_names)
    assert not names & {*support2.UNKNOWN_AT_DAY_3, *support2.OTHER_MODELS}
    assert dataset.card.known_leaks == ()
    assert dataset.card.dropped_columns["charges"] == "not known at day 3"


@needs_data
def test_published_card_names_the_leaks(dataset):
    assert "totmcst" in str(dataset.card)
    assert "surv6m" in str(dataset.card)


@needs_data
def test_start_and_censor_day(data_dir, raw):
    dataset = load_support2(data_dir=data_dir, support2_start_day=10, support2_censor_day=180)
    kept = raw[raw["d.time"] > 10]
    assert dataset.card.n == len(kept) < 9105
    assert dataset.card.events == ((kept["death"] == 1) & (kept["d.time"] <= 180)).sum()
    times = np.concatenate([part.time for part in dataset.splits])
    assert sorted(times) == sorted(np.minimum(kept["d.time"], 180) - 10)
    assert times.min() == 1
    assert times.max() == 170
    events = np.concatenate([part.event for part in dataset.splits])
    assert events.sum() == dataset.card.events
    assert "Only patients observed after day 10" in str(dataset.card)


@needs_data
@pytest.mark.parametrize(("start", "censor"), [(-1, None), (10, 10), (20, 10), (None, 0)])
def test_days_out_of_order(data_dir, start, censor):
    with pytest.raises(InputError, match="0 <= start day < censor day"):
        load_support2(data_dir=data_dir, support2_start_day=start, support2_censor_day=censor)


def test_unknown_feature_set(tmp_path):
    with pytest.raises(InputError, match="'all'; it must be published or baseline"):
        load_support2(data_dir=tmp_path, support2_features="all")


@needs_data
def test_download_is_kept_and_equals_the_file(tmp_path, monkeypatch, raw, dataset):
    calls = []

    def fetch():
        calls.append(1)
        return raw.rename(columns={"sno": "id"})

    monkeypatch.setattr(support2, "_fetch_from_uci", fetch)
    for _ in range(2):
        loaded = load_dataset("SUPPORT2", data_dir=tmp_path / "new")
        assert loaded.sha256 == dataset.sha256
    assert calls == [1]
    assert (tmp_path / "new" / "support2.csv").exists()
    np.testing.assert_array_equal(loaded.splits.train.features, dataset.splits.train.features)


def test_nothing_is_downloaded_unless_wanted(tmp_path, monkeypatch):
    monkeypatch.setattr(support2, "_fetch_from_uci", lambda: pytest.fail("it was fetched"))
    with pytest.raises(InputError, match=r"support2\.csv is not there"):
        load_dataset("support2", data_dir=tmp_path / "none", download=False)
    assert not (tmp_path / "none").exists()


def test_a_failed_download_says_how_to_get_the_file(tmp_path, monkeypatch):
    def fetch():
        raise ConnectionError("no network")

    monkeypatch.setattr(support2, "_fetch_from_uci", fetch)
    with pytest.raises(InputError) as error:
        load_support2(data_dir=tmp_path)
    for part in (str(tmp_path / "support2.csv"), "no network", "by hand", "--data_dir"):
        assert part in str(error.value)
    assert not (tmp_path / "support2.csv").exists()


@needs_data
def test_a_wrong_file_is_refused(tmp_path, raw, monkeypatch):
    path = tmp_path / "support2.csv"
    for bad, message in (
        (raw.drop(columns="d.time"), "lacks column d.time"),
        (raw.drop(columns=["alb", "ph"]), "lacks column ph, alb|lacks column alb, ph"),
        (raw.assign(death=raw["death"].where(raw["sno"] != 5)), "'death' is missing in data row 5"),
        (raw.iloc[:-1], "expected 9,105 with 6,201"),
    ):
        bad.to_csv(path, index=False)
        with pytest.raises(InputError, match=message):
            load_support2(data_dir=tmp_path)
        path.unlink()
    monkeypatch.setattr(support2, "_fetch_from_uci", lambda: raw.iloc[:-1])
    with pytest.raises(InputError, match="expected 9,105"):
        load_support2(data_dir=tmp_path)
    assert not path.exists()
