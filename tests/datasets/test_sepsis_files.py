import os

import numpy as np
import pytest

from survkit.datasets import sepsis_files
from survkit.datasets.sepsis_files import read_records
from survkit.datasets.sepsis_parsing import COLUMNS, FEATURES
from survkit.types import InputError
from tests.datasets.sepsis_fixtures import as_psv, many, patient, write_set


def test_every_value_is_read(tmp_path):
    patients = many(12)
    write_set(tmp_path, patients)
    records, warnings = read_records(tmp_path)
    assert warnings == ()
    assert records.patient.tolist() == list(patients)
    assert records.hours.tolist() == [len(rows) for rows in patients.values()]
    rows = [row for each in patients.values() for row in each]
    for name, values in zip(FEATURES, records.values, strict=True):
        expected = [float(f"{row[name]:g}") for row in rows]
        np.testing.assert_allclose(values, expected, rtol=1e-6, err_msg=name)
    assert records.sepsis_label.tolist() == [row["SepsisLabel"] == 1 for row in rows]


def test_chunks_give_the_same_as_one(tmp_path, monkeypatch):
    write_set(tmp_path, many(12))
    whole, _ = read_records(tmp_path)
    (tmp_path / "cache" / "sepsis.npz").unlink()
    monkeypatch.setattr(sepsis_files, "_FILES_AT_ONCE", 5)
    assert read_records(tmp_path)[0].sha256 == whole.sha256


def test_both_sets_are_read_where_they_are(tmp_path):
    write_set(tmp_path, many(4), "training_setA")
    write_set(tmp_path, many(5, first=100_001), "training_setB")
    records, _ = read_records(tmp_path)
    assert records.set_index.tolist() == [0] * 4 + [1] * 5
    assert records.patient[4] == 100_001


def test_other_files_are_let_be(tmp_path):
    folder = write_set(tmp_path, many(3))
    (folder / "index.html").write_text("<html>")
    (folder / "._p000001.psv").write_text("junk")
    assert len(read_records(tmp_path)[0].patient) == 3


def test_lines_may_end_as_on_windows_or_not_at_the_end(tmp_path):
    folder = write_set(tmp_path, many(3))
    expected = read_records(tmp_path)[0].sha256
    path = folder / "p000001.psv"
    text = path.read_text()
    for other in (text.rstrip("\n"), text.replace("\n", "\r\n")):
        path.write_bytes(other.encode())
        records, warnings = read_records(tmp_path)
        assert records.sha256 == expected
        assert warnings == ()


def test_the_cache_is_used_until_a_file_changes(tmp_path, monkeypatch):
    folder = write_set(tmp_path, many(3))
    first, _ = read_records(tmp_path)
    monkeypatch.setattr(sepsis_files, "parse", lambda contents: pytest.fail("read again"))
    again, warnings = read_records(tmp_path)
    assert (again.sha256, warnings) == (first.sha256, ())
    np.testing.assert_array_equal(again.values, first.values)
    monkeypatch.undo()
    path = folder / "p000002.psv"
    path.write_text(as_psv(patient(9, 3, seed=7)))
    assert read_records(tmp_path)[0].sha256 != first.sha256
    changed = read_records(tmp_path)[0]
    os.utime(path, ns=(0, 0))
    assert read_records(tmp_path)[0].sha256 == changed.sha256


def test_a_read_only_data_directory_stays_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    write_set(tmp_path / "data", many(3))
    (tmp_path / "data").chmod(0o555)
    assert read_records(tmp_path / "data")[1] == ()
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["physionet.org"]
    assert len(list((tmp_path / "user").rglob("sepsis.npz"))) == 1


GOOD = as_psv(patient(8))
LINES = GOOD.splitlines()


def _with_field(name: str, text: str) -> str:
    fields = LINES[3].split("|")
    fields[COLUMNS.index(name)] = text
    return "\n".join([*LINES[:3], "|".join(fields), *LINES[4:]]) + "\n"


BAD = {
    "empty": ("", "it is empty"),
    "no_rows": (LINES[0] + "\n", "it has no rows"),
    "no_column": (GOOD.replace("|Lactate|", "|Laktat|"), "it lacks column Lactate"),
    "other_columns": (
        GOOD.replace("HR|O2Sat", "O2Sat|HR", 1),
        "its columns are not the challenge's 41 in their order",
    ),
    "text": (_with_field("Resp", "fast"), r"line 4: Resp is 'fast', not a number"),
    "infinite": (_with_field("Resp", "inf"), "line 4: Resp is 'inf', not a number"),
    "unused_text": (_with_field("Unit1", "MICU"), "line 4: Unit1 is 'MICU', not a number"),
    "label": (_with_field("SepsisLabel", "2"), "line 4: SepsisLabel is '2', not 0 or 1"),
    "no_label": (_with_field("SepsisLabel", "NaN"), "line 4: SepsisLabel is 'NaN'"),
    "cut": (GOOD[:-40], r"line 9 \(the last one: cut off\?\): \d+ fields, not 41"),
    "cut_at_label": (GOOD[:-2], r"line 9 \(the last one: cut off\?\): SepsisLabel is ''"),
    "long_line": (GOOD.replace("\n", "|1\n", 3).replace("|1\n", "\n", 1), "line 2: 42 fields"),
    "blank_line": (GOOD.replace("\n", "\n\n", 2), "line 2: 1 fields, not 41"),
    "quote": (_with_field("Resp", '"1"'), "line 4: Resp is '\"1\"', not a number"),
    "binary": ("\0\0\0\0" * 10, "it lacks column HR"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD)
def test_a_bad_file_is_named_and_left_out_on_request(tmp_path, content, message):
    folder = write_set(tmp_path, many(4))
    (folder / "p000003.psv").write_text(content)
    with pytest.raises(InputError, match=rf"training_setB/p000003.psv: {message}") as raised:
        read_records(tmp_path)
    assert "1 file that cannot be used" in str(raised.value)
    assert "--skip_bad_files" in str(raised.value)
    for _ in range(2):  # the second time from the cache
        records, (warning,) = read_records(tmp_path, skip_bad_files=True)
        assert records.patient.tolist() == [1, 2, 4]
        assert warning.startswith("left out 1 file that cannot be used: training_setB/p000003.psv")
    with pytest.raises(InputError, match="p000003"):
        read_records(tmp_path)


def test_many_bad_files_are_counted(tmp_path):
    write_set(tmp_path, {number: [] for number in range(1, 9)} | many(2, first=20))
    with pytest.raises(InputError, match=r"^8 files .*p000005.psv: it has no rows; and 3 more; "):
        read_records(tmp_path)
    records, (warning,) = read_records(tmp_path, skip_bad_files=True)
    assert len(records.patient) == 2
    assert "left out 8 files" in warning


def test_nothing_is_left(tmp_path):
    write_set(tmp_path, {1: [], 2: []})
    with pytest.raises(InputError, match="no file can be used: 2 files"):
        read_records(tmp_path, skip_bad_files=True)


def test_a_patient_twice_is_a_bad_file(tmp_path):
    write_set(tmp_path, many(3), "training_setA")
    write_set(tmp_path, many(3, first=3), "training_setB")
    message = "training_setB/p000003.psv: patient already in training_setA/p000003.psv"
    with pytest.raises(InputError, match=message):
        read_records(tmp_path)
    records, _ = read_records(tmp_path, skip_bad_files=True)
    assert records.patient.tolist() == [1, 2, 3, 4, 5]
    assert records.set_index.tolist() == [0, 0, 0, 1, 1]


def test_a_file_must_be_named_by_its_patient(tmp_path):
    folder = write_set(tmp_path, many(3))
    (folder / "p000001 (copy).psv").write_text(GOOD)
    with pytest.raises(InputError, match=r"p000001 \(copy\).psv: the name is not p<number>.psv"):
        read_records(tmp_path)


def test_no_set_says_how_to_get_them(tmp_path):
    with pytest.raises(InputError, match=r"neither training_setA nor .*\n  wget .*\n.*--data_dir"):
        read_records(tmp_path)


def test_a_set_without_files_is_refused(tmp_path):
    write_set(tmp_path, many(3), "training_setA")
    write_set(tmp_path, {}, "training_setB")
    for skip in (False, True):
        with pytest.raises(InputError, match=r"training_setB holds no .psv file"):
            read_records(tmp_path, skip_bad_files=skip)
