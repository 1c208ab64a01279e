"""CSV files for spreadsheets: no cell is a formula, numbers are numbers, nothing else changes."""

import csv
import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from survkit.pages.csv_tables import spreadsheet_csv

FORMULAS = [
    "=1+1",
    "+A1",
    "-A1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    " =1",
    "\uff1d1",
    "=",
    "-",
    "--1",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_text(text: str) -> None:
    rows = read(spreadsheet_csv(pd.DataFrame({text: [text]})))
    assert rows == [[f"'{text}"], [f"'{text}"]]


@pytest.mark.parametrize("text", ["-5", "+3.2", "-.5", "-1e-5", "5", "a=1", "é", "'=1"])
def test_numbers_and_other_texts_stay_as_they_are(text: str) -> None:
    assert read(spreadsheet_csv(pd.DataFrame({"name": [text]})))[1] == [text]


def test_numbers_truth_values_and_missing_ones() -> None:
    table = pd.DataFrame(
        {
            "number": [-1.5, float("nan")],
            "count": pd.Series([-1, None], dtype="Int64"),
            "truth": [True, False],
            "text": ["a", None],
            "category": pd.Categorical(["=a", "b"]),
        }
    )
    assert spreadsheet_csv(table).decode() == (
        "number,count,truth,text,category\n-1.5,-1,True,a,'=a\n,,False,,b\n"
    )


def test_columns_of_one_name_stay_apart() -> None:
    table = pd.DataFrame([["=a", 1.0]], columns=["same", "same"])
    assert spreadsheet_csv(table).decode() == "same,same\n'=a,1.0\n"


def test_a_table_without_rows_has_its_head() -> None:
    assert spreadsheet_csv(pd.DataFrame({"a": [], "=b": []})).decode() == "a,'=b\n"


@pytest.mark.parametrize("separator", [";", "\t", "|", "\r"])
def test_a_spreadsheet_that_separates_elsewhere_sees_no_formula_either(separator: str) -> None:
    written = spreadsheet_csv(pd.DataFrame({"name": [f"a{separator}=1+1"], "value": [-1.5]}))
    assert written.decode().split("\n")[1] == f'"a{separator}=1+1",-1.5'


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=1))
def test_every_text_comes_back_but_for_the_apostrophe(texts: list[str]) -> None:
    rows = read(spreadsheet_csv(pd.DataFrame({"name": texts, "row": range(len(texts))})))
    for text, (cell, _) in zip(texts, rows[1:], strict=True):
        assert cell in (text, f"'{text}")
        assert cell.lstrip()[:1] not in ("=", "+", "-", "@") or float(cell) is not None


def read(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline="")))
