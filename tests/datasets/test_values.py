import math
from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from survkit.datasets.cells import read_cells
from survkit.datasets.csv_table import read_table
from survkit.datasets.table_flags import TableFlags
from survkit.datasets.values import (
    MISSING_VALUES,
    Markers,
    find_decimal,
    forced_number,
    iso_date,
    looks_like_date,
    number,
)

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@given(NUMBERS)
def test_numbers_are_the_nearest_doubles(value):
    assert number(repr(value)) == value
    if "e" not in repr(value):
        assert number(repr(value).replace(".", ","), ",") == value
        assert forced_number(f"<{value!r}" if value >= 0 else repr(value)) == value


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("1", 1),
        ("+1.50", 1.5),
        (".5", 0.5),
        ("5.", 5),
        ("1e1", 10),
        ("-1E-2", -0.01),
        ("inf", math.inf),
        *((cell, None) for cell in ("nan", "1_000", "1,5", "<5", "", "0x1", "١", "1 2", "--1")),  # noqa: RUF001
    ],
)
def test_numbers(cell, expected):
    assert number(cell) == expected


@pytest.mark.parametrize(
    ("cell", "decimal", "expected"),
    [
        ("<5", ".", 5),
        ("> 90", ".", 90),
        (">=1.5", ".", 1.5),
        ("≤2", ".", 2),
        ("98,099", ".", 98099),
        ("1,234,567.5", ".", 1234567.5),
        ("50.2%", ".", 50.2),
        ("50.2 %", ".", 50.2),
        ("98 099", ".", 98099),
        ("1'000", ".", 1000),
        ("1.234,5", ",", 1234.5),
        ("<0,5", ",", 0.5),
        ("9,80", ".", None),
        ("high", ".", None),
        ("5 to 6", ".", None),
        ("5-6", ".", None),
        ("", ".", None),
    ],
)
def test_numbers_by_the_rule(cell, decimal, expected):
    assert forced_number(cell, decimal) == expected


def test_markers_of_missing_values():
    markers = Markers(MISSING_VALUES)
    for cell in ("", "NA", "na", "n/a", "NaN", "null", "None", ".", "?", "-", "#n/a", "<NA>"):
        assert cell in markers
    for cell in ("none", "NONE", "0", "--", "unknown", "nano"):
        assert cell not in markers
    assert "" in Markers(("-9",))
    assert "NA" not in Markers(("-9",))


def test_dates():
    assert iso_date("2020-12-31") == datetime(2020, 12, 31)
    assert iso_date("2020-12-31 06:30") == datetime(2020, 12, 31, 6, 30)
    for cell in ("2020-13-01", "20201231", "31.12.2020", "2020-W01-1", "2020"):
        assert iso_date(cell) is None
    for cell in ("31.12.2020", "12/31/20", "31DEC2020", "31-Dec-2020", "Dec 31, 2020", "2020/1/2"):
        assert looks_like_date(cell)
    for cell in ("1.5", "12-345", "V27.1", "may", "1/2", "250.00"):
        assert not looks_like_date(cell)


@pytest.mark.parametrize(
    ("columns", "decimal"),
    [
        ([["1", "2"]], "."),
        ([["1,5", "2"]], ","),
        ([["1.5", "2"]], "."),
        ([["1,5", "x"], ["1.5"]], "."),
        ([["98,100"], ["1.5"]], "."),
        ([["98,100"], ["1,5"]], ","),
        ([["0,125"]], ","),
        ([["98,100"]], None),
        ([["1,5"], ["1.5"]], None),
    ],
)
def test_decimal_marks(columns, decimal):
    found, why_not = find_decimal(columns)
    assert found == decimal
    assert ("--csv_decimal" in why_not) == (decimal is None)


def test_a_table_has_the_nearest_doubles(tmp_path):
    values = np.random.default_rng(0).lognormal(size=500) * 1e-3
    path = tmp_path / "table.csv"
    frame = pd.DataFrame({"x": values, "t": np.arange(500), "e": np.arange(500) % 2})
    frame.to_csv(path, index=False)
    flags = TableFlags(time_column="t", event_column="e")
    table, schema, warnings = read_table(read_cells(path), flags, str(path))
    np.testing.assert_array_equal(table.features["x"], values)
    np.testing.assert_array_equal(table.time, np.arange(500))
    assert schema.separator == ","
    assert warnings == ()
