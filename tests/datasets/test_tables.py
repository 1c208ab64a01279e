import hashlib
import struct

import numpy as np
import pandas as pd
import pytest

from survkit.datasets.reading import read_csv
from survkit.datasets.tables import RawTable, table_sha256
from survkit.types import InputError


def table(features=None, **changes):
    if features is None:
        features = pd.DataFrame({"age": [60.0, np.nan], "sex": ["f", None]})
    values = {"event": np.array([True, False]), "time": np.array([1.0, 2.0])} | changes
    return RawTable(features, categorical=("sex",), **values)


def test_sha256_is_that_of_the_content():
    # Laid out by hand, so that no version of pandas or numpy can change it unseen.
    content = [
        b"number 3 age 2 ",
        struct.pack("<2d", 60.0, np.nan),
        b"text 3 sex 2 1 f",
        struct.pack("<2q", 0, -1),
        b"number 5 event 2 ",
        struct.pack("<2d", 1.0, 0.0),
        b"number 4 time 2 ",
        struct.pack("<2d", 1.0, 2.0),
        b"[][]('sex',)",
    ]
    assert table_sha256(table()) == hashlib.sha256(b"".join(content)).hexdigest()


def test_sha256_ignores_how_values_are_stored():
    reference = table_sha256(table())
    stored = {"age": pd.array([60, None], dtype="Int64"), "sex": pd.Categorical(["f", None])}
    assert table_sha256(table(pd.DataFrame(stored))) == reference
    stored = {"age": np.array([60, np.nan], dtype=np.float32), "sex": np.array(["f", None])}
    assert table_sha256(table(pd.DataFrame(stored))) == reference


@pytest.mark.parametrize(
    "changed",
    [
        table(pd.DataFrame({"age": [60.0, 0.0], "sex": ["f", None]})),
        table(pd.DataFrame({"age": [60.0, np.nan], "sex": ["f", "m"]})),
        table(pd.DataFrame({"age": [60.0, np.nan], "sex": [None, "f"]})),
        table(pd.DataFrame({"Age": [60.0, np.nan], "sex": ["f", None]})),
        table(pd.DataFrame({"sex": ["f", None], "age": [60.0, np.nan]})),
        table(event=np.array([True, True])),
        table(time=np.array([1.0, np.nextafter(2.0, 3.0)])),
        table(impute={"age": 50.0}),
        table(quantile_bins={"age": 4}),
        table(label=np.array([0, 1])),
        table(subject_id=np.array([0, 1])),
    ],
)
def test_sha256_changes_with_any_content(changed):
    assert table_sha256(changed) != table_sha256(table())


def test_settings_for_an_unknown_column_are_refused():
    with pytest.raises(InputError, match=r"impute names column 'agee' .did you mean age"):
        table(impute={"agee": 1.0})
    with pytest.raises(InputError, match=r"repeated: \['a'\]"):
        RawTable(pd.DataFrame([[1, 2]], columns=["a", "a"]), np.array([True]), np.array([1.0]))


def test_csv_fields(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(
        '\ufeffid, value ,word,flag\n1,  0.1,"a, b",True\n\n2,NA,None,False\n3,1e3,,True\n',
        encoding="utf-8",
    )
    frame = read_csv(path)
    assert list(frame) == ["id", "value", "word", "flag"]
    np.testing.assert_array_equal(frame["value"], [0.1, np.nan, 1000.0])
    assert frame["word"].iloc[:2].tolist() == ["a, b", "None"]
    assert frame["word"].isna().tolist() == [False, False, True]
    assert frame["flag"].tolist() == ["True", "False", "True"]


def test_csv_numbers_are_the_nearest_doubles(tmp_path):
    values = np.random.default_rng(0).lognormal(size=2000) * 1e-3
    path = tmp_path / "numbers.csv"
    path.write_text("x\n" + "\n".join(map(repr, values.tolist())))
    np.testing.assert_array_equal(read_csv(path)["x"], values)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("a,b\n", "has a header but no rows"),
        ("a,b,a\n1,2,3\n", "repeated: a"),
        ("a,b\n1,2\n\n3\n", "line 4: 1 fields, but the header names 2"),
        ("a,b\n1,2,3\n", "line 2: 3 fields"),
        ('a,b\n1,"2\n', "line 2: "),
    ],
)
def test_bad_csv_files_are_named(tmp_path, content, message):
    path = tmp_path / "table.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=message) as error:
        read_csv(path)
    assert str(path) in str(error.value)


def test_unreadable_csv_files_are_named(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*none.csv: No such file"):
        read_csv(tmp_path / "none.csv")
    with pytest.raises(InputError, match=r"cannot read .*Is a directory"):
        read_csv(tmp_path)
    (tmp_path / "latin.csv").write_bytes(b"a\n\xe9\n")
    with pytest.raises(InputError, match=r"latin\.csv is not UTF-8 text"):
        read_csv(tmp_path / "latin.csv")
