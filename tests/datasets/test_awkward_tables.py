"""Tables as hospitals and programs write them: each is understood, or refused in words."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyreadstat
import pytest

from survkit.datasets import load_dataset
from survkit.datasets.assemble import Dataset
from survkit.describe.__main__ import main as describe
from survkit.describe.cohort import cohort_of
from survkit.describe.page import screen
from survkit.describe.sections import sections
from survkit.predict.__main__ import main as predict
from survkit.runs.read import load_fitted
from survkit.train import main as train
from survkit.types import InputError

N = 60
ROWS = range(N)
RANDOM = np.random.default_rng(3)
AGE = [f"{x:.1f}" for x in RANDOM.normal(60, 10, N)]
SEX = list(RANDOM.choice(["f", "m"], N))
DAYS = [str(x) for x in RANDOM.integers(1, 400, N)]
DEAD = [str(i % 2) for i in ROWS]
NUMBERS = [f"{x:.2f}" for x in RANDOM.lognormal(0, 1, N)]

Columns = dict[str, list[str]]


def columns(**changes: Any) -> Columns:
    """The plain table with columns added, replaced, or (None) left out; first, then the others."""
    plain = {"age": AGE, "sex": SEX, "days": DAYS, "dead": DEAD}
    merged = {**plain, **changes}
    return {name: list(map(str, cells)) for name, cells in merged.items() if cells is not None}


def text(table: Columns, separator: str = ",", end: str = "\n", header: bool = True) -> str:
    def quoted(cell: str) -> str:
        return f'"{cell}"' if separator in cell or '"' in cell or "\n" in cell else cell

    lines = [table, *zip(*table.values(), strict=True)] if header else zip(*table.values())  # noqa: B905
    return "".join(separator.join(map(quoted, line)) + end for line in lines)


def with_cells(cells: list[str], *changed: tuple[int, str]) -> list[str]:
    """Cells with some changed, by data row from 1."""
    copy = list(cells)
    for row, cell in changed:
        copy[row - 1] = cell
    return copy


def first(table: Columns, **added: list[Any]) -> Columns:
    """A table with a column put in front; `unnamed` has no name in the file."""
    renamed = {
        "" if name == "unnamed" else name: list(map(str, cells)) for name, cells in added.items()
    }
    return {**renamed, **table}


@dataclass(frozen=True)
class Case:
    """A table, its flags, and what is right: kinds of columns, warnings, or a refusal."""

    name: str
    content: Columns | str | bytes
    flags: dict[str, Any] = field(default_factory=dict)
    numbers: str = "age"
    categories: str = "sex"
    left_out: str = ""
    warning: str | None = None
    error: str | None = None
    file: str = "table.csv"
    check: Callable[[Dataset], Any] | None = None


def categories_of(dataset: Dataset, name: str) -> tuple[str, ...]:
    assert dataset.schema is not None
    (column,) = [each for each in dataset.schema.columns if each.name == name]
    return column.categories


def has_categories(name: str, *values: str) -> Callable[[Dataset], bool]:
    return lambda dataset: categories_of(dataset, name) == values


def raw(dataset: Dataset) -> float:
    """The mean age of the training rows, by which a wrong decimal mark would show."""
    assert dataset.preprocessor is not None
    return dict((column.name, column.mean) for column in dataset.preprocessor.numeric)["age"]


def plain_age(dataset: Dataset) -> bool:
    return 50 < raw(dataset) < 70


def times_are(*expected: float) -> Callable[[Dataset], bool]:
    def check(dataset: Dataset) -> bool:
        found = np.sort(np.concatenate([part.time for part in dataset.splits]))
        np.testing.assert_allclose(found, np.sort(np.array(expected)), rtol=1e-12)
        return True

    return check


def events_are(dead: list[str], value: str) -> Callable[[Dataset], bool]:
    return lambda dataset: dataset.card.events == sum(cell == value for cell in dead)


LINES = text(columns()).splitlines(keepends=True)
TIMES = times_are(*map(float, DAYS))
COMMA_AGE = [cell.replace(".", ",") for cell in AGE]
START = [date(2020, 1, 1) + timedelta(days=i % 40) for i in ROWS]
END = [start + timedelta(days=int(days)) for start, days in zip(START, DAYS, strict=True)]
GERMAN_DATES = [[f"{day:%d.%m.%Y}" for day in days] for days in (START, END)]
DATED = columns(days=None, start=START, end=END)
DATES = {"start_column": "start", "end_column": "end", "time_column": None}
STATUS = ["dead" if cell == "1" else "alive" for cell in DEAD]
ICD = [("250.00", "01", "1", "1e1", "10", "V27.1")[i % 6] for i in ROWS]
PATIENT = [str(4000 + 7 * (i * 37 % N)) for i in ROWS]
NAMED = [f"P{i * 37 % N:03d}" for i in ROWS]
LAB = with_cells(NUMBERS, (3, "<5"), (9, "<5"), (12, ">90"))
THOUSANDS = [f"{98 + i},{100 + i}" for i in ROWS]
PERCENT = [f"{10 + i / 7:.1f}%" for i in ROWS]
GERMAN = text(columns(age=COMMA_AGE), ";")
VISITS = [str(i // 2) for i in ROWS]
MÜLLER = columns(ward=[("Süd", "Nord")[i % 2] for i in ROWS])

UNDERSTOOD = [
    Case("comma", columns()),
    Case(
        "events as numpy writes them",
        columns(dead=[f"{float(cell):.18e}" for cell in DEAD]),
        check=events_are(DEAD, "1"),
    ),
    Case(
        "events with decimals",
        columns(dead=[f"{cell}.00" for cell in DEAD]),
        check=events_are(DEAD, "1"),
    ),
    Case(
        "events with a decimal comma",
        text(columns(age=COMMA_AGE, dead=[f"{cell},0" for cell in DEAD]), ";"),
        check=events_are(DEAD, "1"),
    ),
    Case("semicolon", text(columns(), ";")),
    Case("tab", text(columns(), "\t"), file="table.tsv"),
    Case("tab in txt", text(columns(), "\t"), file="table.txt"),
    Case("bar", text(columns(), "|")),
    Case("separator given", text(columns(), "|"), {"csv_separator": "bar"}),
    Case("separator given as a mark", text(columns(), ";"), {"csv_separator": ";"}),
    Case("tab given as two marks", text(columns(), "\t"), {"csv_separator": r"\t"}),
    Case("Excel names its separator", "sep=;\r\n" + text(columns(), ";", "\r\n")),
    Case(
        "separators in quotes",
        columns(note=[("a;b;c;d", "e|f|g|h")[i % 2] for i in ROWS]),
        categories="sex note",
    ),
    Case(
        "commas in the text of a table with semicolons",
        text(columns(note=[("a, b, c, d", "e, f, g")[i % 2] for i in ROWS]), ";"),
        categories="sex note",
    ),
    Case("decimal comma", GERMAN, check=plain_age),
    Case("decimal comma given", GERMAN, {"csv_decimal": "comma"}, check=plain_age),
    Case("decimal comma and tabs", text(columns(age=COMMA_AGE), "\t"), check=plain_age),
    Case(
        "decimal comma beside codes with points",
        text(columns(age=COMMA_AGE, icd=ICD), ";"),
        {"categorical_columns": ("icd",)},
        categories="sex icd",
        check=has_categories("icd", "01", "1", "10", "1e1", "250.00", "V27.1"),
    ),
    Case("Windows line ends", text(columns(), end="\r\n")),
    Case("old Mac line ends", text(columns(), end="\r")),
    Case("UTF-8", text(MÜLLER).encode(), categories="sex ward"),
    Case("UTF-8 with a mark", text(MÜLLER).encode("utf-8-sig"), categories="sex ward"),
    Case("UTF-16", text(MÜLLER).encode("utf-16"), categories="sex ward"),
    Case(
        "UTF-16, big end first",
        b"\xfe\xff" + text(MÜLLER).encode("utf-16-be"),
        categories="sex ward",
        check=has_categories("ward", "Nord", "Süd"),
    ),
    Case(
        "Latin-1 is a guess",
        text(MÜLLER).encode("latin-1"),
        categories="sex ward",
        warning=r"not UTF-8 .* read as cp1252, which is a guess \(as in 'Süd'\); --csv_encoding",
        check=has_categories("ward", "Nord", "Süd"),
    ),
    Case(
        "Latin-1 given",
        text(MÜLLER).encode("latin-1"),
        {"csv_encoding": "latin-1"},
        categories="sex ward",
        check=has_categories("ward", "Nord", "Süd"),
    ),
    Case("gzip", gzip.compress(text(columns()).encode()), file="table.csv.gz"),
    Case("comments first", "# from the registry, 2020\n#\n\n" + text(columns())),
    Case("empty lines", text(columns()).replace("\n", "\n\n")),
    Case("Excel's empty rows at the end", text(columns()) + ",,,\n" * 20),
    Case("Excel's empty columns", text(columns()).replace("\n", ",,\n")),
    Case("a separator ends all lines but the first", LINES[0]
         + "".join(LINES[1:]).replace("\n", ",\n")),
    Case(
        "an empty row between",
        "".join([*LINES[:2], ",,,\n", LINES[2], ",,,\n", *LINES[3:]]),
        warning=r"no column has a value in 2 rows \(data rows 2, 4\)",
    ),
    Case(
        "R's row names",
        first(columns(), unnamed=list(range(1, N + 1))),
        left_out="unnamed_1",
        warning="'unnamed_1' left out: it numbers the rows",
    ),
    Case(
        "pandas' row numbers",
        first(columns(), unnamed=list(ROWS)),
        left_out="unnamed_1",
        warning="'unnamed_1' left out: it numbers the rows",
    ),
    Case(
        "pandas' row numbers, saved twice",
        first(columns(), unnamed=list(ROWS), **{"Unnamed: 0": list(ROWS)}),
        left_out="unnamed_1 unnamed_2",
    ),
    Case(
        "R's write.table has no name for the row names",
        LINES[0]
        + text(first(columns(), unnamed=list(range(1, N + 1))), header=False),
        left_out="unnamed_1",
    ),
    Case(
        "row numbers with a name",
        first(columns(), nr=list(range(1, N + 1))),
        left_out="nr",
        warning="'nr' left out: it numbers the rows",
    ),
    Case(
        "names of rows without a name",
        first(columns(), unnamed=[f"r{i % 4}" for i in ROWS]),
        left_out="unnamed_1",
        warning="'unnamed_1' left out: it has no name",
    ),
    Case("markers of missing values", columns(age=with_cells(AGE, *[
        (i, marker) for i, marker in enumerate(
            ("", "NA", "n/a", "<NA>", "nan", "NULL", "None", ".", "?", "#N/A", "-"), 1)
    ])), check=plain_age),
    Case(
        "a marker of one's own",
        columns(age=with_cells(AGE, (1, "-9"), (5, "-9"), (7, "unknown"))),
        {"missing_values": ("-9", "unknown")},
        check=plain_age,
    ),
    Case(
        "None may be a category",
        columns(drug=[("None", "A")[i % 2] for i in ROWS]),
        {"missing_values": ("NA",)},
        categories="sex drug",
        check=has_categories("drug", "A", "None"),
    ),
    Case(
        "None counts as missing, and that is said",
        columns(drug=[("None", "A", "B")[i % 3] for i in ROWS]),
        categories="sex drug",
        warning=r"'drug': 'None' counts as missing \(20 rows\); --missing_values",
        check=has_categories("drug", "A", "B"),
    ),
    Case(
        "none is a category",
        columns(drug=[("none", "A")[i % 2] for i in ROWS]),
        categories="sex drug",
        check=has_categories("drug", "A", "none"),
    ),
    Case("spaces around cells", text(columns()).replace(",", " ,  ")),
    Case(
        "codes as text",
        columns(icd=ICD),
        {"categorical_columns": ("icd",)},
        categories="sex icd",
        check=has_categories("icd", "01", "1", "10", "1e1", "250.00", "V27.1"),
    ),
    Case(
        "whole numbers as categories",
        columns(stage=[str(i % 3) for i in ROWS]),
        {"categorical_columns": ("stage",)},
        categories="sex stage",
        check=has_categories("stage", "0", "1", "2"),
    ),
    Case("whole numbers", columns(stage=[str(i % 3) for i in ROWS]), numbers="age stage"),
    Case(
        "numbers that begin with 0",
        columns(clinic=[f"0{i % 7}" for i in ROWS]),
        numbers="age clinic",
        warning="'clinic' is read as numbers, although 00 begins with 0",
    ),
    Case(
        "truth values",
        columns(smoker=[("True", "False")[i % 3 // 2] for i in ROWS]),
        categories="sex smoker",
        check=has_categories("smoker", "False", "True"),
    ),
    Case(
        "an identifier of numbers",
        columns(patient=PATIENT),
        left_out="patient",
        warning=r"'patient' left out: 60 different .* --id_column .* --numeric_columns or",
    ),
    Case("an identifier of text", columns(patient=NAMED), left_out="patient", warning="identifier"),
    Case("an identifier named", columns(patient=NAMED), {"id_column": "patient"},
         left_out="patient", check=lambda dataset: dataset.warnings == ()),
    Case(
        "an identifier that repeats",
        columns(patient=with_cells(NAMED, (1, "P007"), (2, "P007"))),
        {"id_column": "patient"},
        left_out="patient",
        warning=r"'patient' has the same value in .* --group_column",
    ),
    Case("whole numbers that are used", columns(cost=PATIENT), {"numeric_columns": ("cost",)},
         numbers="age cost"),
    Case("measured numbers are no identifier", columns(bili=NUMBERS), numbers="age bili"),
    Case("an identifier of subjects with two rows", columns(patient=[f"S{i // 2}" for i in ROWS]),
         left_out="patient", warning="30 different values in 60 rows, so it looks like"),
    Case("free text", columns(note=[f"note {i} of the ward" for i in ROWS]), left_out="note"),
    Case(
        "a date",
        columns(seen=START),
        left_out="seen",
        warning="'seen' left out: it holds dates; --start_column and --end_column",
    ),
    Case("dates of other kinds", columns(
        a=[f"{i % 28 + 1}.03.2020" for i in ROWS],
        b=[f"03/{i % 28 + 1}/20" for i in ROWS],
        c=[f"{i % 28 + 1:02d}MAR2020" for i in ROWS],
        d=[f"2020-03-{i % 28 + 1:02d} 10:20:00" for i in ROWS],
    ), left_out="a b c d"),
    Case("a column to drop", columns(lab=LAB), {"drop_columns": ("lab",)}, left_out="lab"),
    Case(
        "a constant",
        columns(site=["3"] * N),
        numbers="age site",
        warning="'site' dropped: it is 3.0 in every training row",
    ),
    Case("an empty column", columns(empty=[""] * N), numbers="age empty",
         warning="'empty' dropped: no training row has it"),
    Case("numbers with bounds, forced", columns(lab=LAB), {"numeric_columns": ("lab",)},
         numbers="age lab", warning=r"'lab': 3 of 60 .* <5 becomes 5 \(2 rows\), >90 becomes 90"),
    Case("thousands, forced", columns(count=THOUSANDS), {"numeric_columns": ("count",)},
         numbers="age count", warning="98,100 becomes 98100"),
    Case("percentages, forced", columns(share=PERCENT), {"numeric_columns": ("share",)},
         numbers="age share", warning="10.0% becomes 10 "),
    Case("bands of age", columns(band=[("<65", ">=65")[i % 2] for i in ROWS]),
         categories="sex band", check=has_categories("band", "<65", ">=65")),
    Case(
        "spellings of one category",
        columns(sex=[("M", "m", "F", "f ")[i % 4] for i in ROWS]),
        warning=r"'sex': 'M' \(15 rows\), 'm' \(15 rows\) differ only in case or spaces",
        check=has_categories("sex", "F", "M", "f", "m"),
    ),
    Case(
        "spaces inside a category",
        columns(stage=[("stage I", "stage  I", "stage II")[i % 3] for i in ROWS]),
        categories="sex stage",
        warning=r"'stage I' \(20 rows\), 'stage  I' \(20 rows\) differ only",
    ),
    Case("events as words", columns(dead=STATUS), {"event_value": "dead"},
         check=events_are(STATUS, "dead")),
    Case("events 1 and 2", columns(dead=[str(int(d) + 1) for d in DEAD]), {"event_value": "2"},
         check=events_are(DEAD, "1")),
    Case("events 2.0 by 2", columns(dead=[f"{int(d) + 1}.0" for d in DEAD]), {"event_value": "2"},
         check=events_are(DEAD, "1")),
    Case("Yes and No", columns(dead=[("No", "Yes")[int(d)] for d in DEAD]),
         check=events_are(DEAD, "1")),
    Case("T and F", columns(dead=["FT"[int(d)] for d in DEAD]), check=events_are(DEAD, "1")),
    Case("TRUE and FALSE", columns(dead=[("FALSE", "TRUE")[int(d)] for d in DEAD])),
    Case(
        "several values of censoring",
        columns(dead=with_cells(STATUS, (1, "lost"))),
        {"event_value": "dead"},
        warning=r"'alive' \(29 rows\), 'lost' \(1 row\) count as censored, as --event_value",
    ),
    Case("times between dates", DATED, DATES, check=TIMES),
    Case(
        "times between dates, in months",
        DATED,
        {**DATES, "time_unit": "months"},
        check=times_are(*(int(days) / 365.25 * 12 for days in DAYS)),
    ),
    Case(
        "times between dates as Germans write them",
        columns(days=None, start=GERMAN_DATES[0], end=GERMAN_DATES[1]),
        {**DATES, "date_format": "%d.%m.%Y"},
        check=TIMES,
    ),
    Case(
        "times between dates with hours",
        columns(days=None, start=[f"{d} 12:00" for d in START], end=[f"{d}T12:00:00" for d in END]),
        DATES,
        check=TIMES,
    ),
    Case("subjects with several rows", columns(subject=VISITS), {"group_column": "subject"},
         left_out="subject"),
    Case("a quoted header with a comma", columns(**{"age, at diagnosis": AGE, "age": None}),
         numbers="age, at diagnosis".replace(" ", "_")),
    Case("a line end in a cell", columns(ward=[("a\nb", "c")[i % 2] for i in ROWS]),
         categories="sex ward"),
    Case("time and event first", {"dead": DEAD, "days": DAYS, "age": AGE, "sex": SEX}),
    Case(
        "rows twice",
        text({name: cells[:50] for name, cells in columns().items()}) + "".join(LINES[1:11]),
        warning=r"an earlier row is repeated exactly in 10 rows \(data rows 51, 52, 53",
    ),
    Case("spaces and apostrophes in thousands, forced",
         columns(count=[f"{i + 1} {i + 100}" for i in ROWS], cost=[f"{i + 1}'000" for i in ROWS]),
         {"numeric_columns": ("count", "cost")}, numbers="age count cost",
         warning="1 100 becomes 1100 "),
    Case("times 0", columns(days=with_cells(DAYS, (1, "0")))),
    Case("ways to write numbers",
         columns(age=with_cells(AGE, (1, "6e1"), (2, "+61"), (3, "61.")))),
]  # fmt: skip

REFUSED = [
    Case("<5 among numbers", columns(lab=LAB),
         error=r"'lab' is numbers in 57 rows, but '<5', '>90' in 3 rows \(data rows 3, 9, 12\); "
         r"name it in --numeric_columns .*\(<5 becomes 5\).*--categorical_columns.*--drop_columns"),
    Case("thousands", columns(count=THOUSANDS),
         error=r"'count' has '98,100', .* in 60 rows .* are not plain numbers; "),
    Case("percentages", columns(share=PERCENT), error=r"'share' has '10\.0%', "),
    Case("words among numbers", columns(age=with_cells(AGE, (4, "hemolysed"))),
         error="'age' is numbers in 59 rows, but 'hemolysed' in data row 4; .*--missing_values"),
    Case("measured in some rows", columns(lab=[f"{i}.5" if i < 25 else "not done" for i in ROWS]),
         error=r"'lab' is numbers in 25 rows, but 'not done' in 35 rows"),
    Case("words among numbers, forced", columns(age=with_cells(AGE, (4, "hemolysed"))),
         {"numeric_columns": ("age",)}, error="'hemolysed' in data row 4, which no rule reads"),
    Case("codes, some of them numbers", columns(icd=ICD), error="'icd' .*--categorical_columns"),
    Case("decimal commas in quotes", columns(age=COMMA_AGE), error="'age' .* --numeric_columns"),
    Case("comma or thousands", text(columns(age=THOUSANDS), ";"),
         error="98,100 may have a decimal comma or a separator of thousands; .*--csv_decimal"),
    Case("German thousands", text(columns(age=COMMA_AGE,
         count=with_cells(COMMA_AGE, (2, "1.250,5"))), ";"),
         error=r"'count' .* '1\.250,5' in data row 2; .*\(1\.250,5 becomes 1250\.5\)"),
    Case("commas and points", text(columns(age=COMMA_AGE, bili=NUMBERS), ";"),
         error=r"decimal comma \(.*\) and some a decimal point .*--csv_decimal"),
    Case("spaces in thousands", columns(count=[f"{i + 1} {i + 100}" for i in ROWS]),
         error="'count' has '1 100', .*--numeric_columns"),
    Case("Excel's errors", columns(age=with_cells(AGE, (3, "#DIV/0!"))), error="#DIV/0!.* row 3"),
    Case("censored ones have no event", columns(dead=["1" if d == "1" else "" for d in DEAD]),
         error=r"'dead' has no value in 30 rows"),
    Case("times with their unit", columns(days=[f"{d} days" for d in DAYS]),
         error="'days' has .* times are numbers"),
    Case("a line in quotes", '"' + '"\n"'.join(text(columns()).splitlines()) + '"\n',
         error="--time_column names 'days'"),
    Case("an infinite number", columns(age=with_cells(AGE, (2, "inf"))),
         error="'age' has 'inf' in data row 2, which is infinite"),
    Case("events as words", columns(dead=STATUS),
         error=r"'dead' has the values 'alive' \(30 rows\), 'dead' \(30 rows\); .*--event_value"),
    Case("events 1 and 2", columns(dead=[str(int(d) + 1) for d in DEAD]), error="--event_value"),
    Case("competing events", columns(dead=[str(i % 3) for i in ROWS]),
         error=r"'2' \(20 rows\); events are 1"),
    Case("mixed codes of events", columns(dead=with_cells(DEAD, (2, "yes"))), error="'yes'"),
    Case("an event value that is not there", columns(dead=STATUS), {"event_value": "Dead"},
         error=r"--event_value is 'Dead' \(did you mean dead\?\), but column 'dead' has"),
    Case("missing events", columns(dead=with_cells(DEAD, (5, ""), (8, "NA"))),
         error=r"'dead' has no value in 2 rows \(data rows 5, 8\); every row needs an outcome"),
    Case("missing times", columns(days=with_cells(DAYS, (5, "?"))),
         error="'days' has no value in data row 5"),
    Case("negative times", columns(days=with_cells(DAYS, (5, "-3"), (6, "-1"))),
         error=r"'days' is -3 in 2 rows \(data rows 5, 6\); times are at least 0"),
    Case("times that are dates", columns(days=END), error="--start_column and --end_column"),
    Case("ambiguous dates", columns(days=None, start=["03/04/2020"] * N, end=["05/06/2021"] * N),
         DATES, error="'start' has '03/04/2020' .* the order of day and month .*--date_format"),
    Case("other dates", columns(days=None, start=["13.04.2020"] * N, end=END), DATES,
         error=r"'start' has '13\.04\.2020' .* --date_format says"),
    Case("dates of another format", DATED, {**DATES, "date_format": "%d/%m/%Y"},
         error="--date_format is %d/%m/%Y"),
    Case("an impossible date", columns(days=None, start=with_cells(list(map(str, START)),
         (2, "2020-02-30")), end=END), DATES, error="'start' has '2020-02-30' in data row 2"),
    Case("the end before the start", columns(days=None, start=START, end=with_cells(
         list(map(str, END)), (7, "2019-01-01"))), DATES,
         error=r"'end' \(2019-01-01\) is before column 'start' .* in data row 7"),
    Case("a unit that dates do not have", DATED, {**DATES, "time_unit": "month"},
         error=r"--time_unit is 'month' \(did you mean months\?\)"),
    Case("times given twice", DATED, {**DATES, "time_column": "age"}, error="one or the other"),
    Case("a start without an end", DATED, {**DATES, "end_column": None},
         error="needs --end_column"),
    Case("a date format without dates", columns(), {"date_format": "%Y"}, error="--date_format"),
    Case("a column for two uses", columns(), {"drop_columns": ("age",), "id_column": "age"},
         error="--id_column and --drop_columns both name 'age'"),
    Case("an outcome to drop", columns(), {"drop_columns": ("days",)},
         error="--drop_columns names the outcome column 'days'"),
    Case("a group without a subject", columns(subject=with_cells(VISITS, (3, ""))),
         {"group_column": "subject"}, error="'subject' has no value in data row 3"),
    Case("no feature left", {"patient": NAMED, "days": DAYS, "dead": DEAD},
         error="no feature is left: column 'patient' left out: 60 different values"),
    Case("a wrong separator", columns(), {"csv_separator": "semicolon"}, error="--time_column"),
    Case("an unknown separator", columns(), {"csv_separator": "space"},
         error="must be one of comma, semicolon, tab, bar"),
    Case("a table with spaces", text(columns(), " "), error="--time_column names 'days'"),
    Case("an unknown encoding", columns(), {"csv_encoding": "utf-99"}, error="'utf-99', which is"),
    Case("another encoding", b"\xff" + text(columns()).encode(), {"csv_encoding": "utf-8"},
         error="is not utf-8 text"),
    Case("UTF-16 without a mark", text(columns()).encode("utf-16-le"),
         error="--csv_encoding utf-16-le"),
    Case("a workbook by another name", b"PK\x03\x04abc", error="Excel workbook or a zip file"),
    Case("a damaged gzip file", b"abc", file="table.csv.gz", error="cannot read"),
    Case("an empty file", "", error="is empty"),
    Case("comments alone", "# nothing\n", error="is empty"),
    Case("a header alone", "age,sex,days,dead\n", error="no rows"),
    Case("a repeated name", text(columns()).replace("sex", "age", 1), error="repeated: age"),
    Case("a short line", text(columns()) + "61,f\n", error="line 62: 2 fields, .* 4 columns"),
    Case("an open quote", text(columns()) + '"61,f,1,0\n', error="line 62"),
    Case("no outcome", columns(days=None), error="--time_column names 'days'"),
    Case("a damaged parquet file", b"abc", file="table.parquet", error="cannot read"),
]  # fmt: skip


def path_of(case: Case, folder: Path) -> Path:
    path = folder / case.file
    content = text(case.content) if isinstance(case.content, dict) else case.content
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def all_flags(case: Case) -> dict[str, Any]:
    return {"time_column": "days", "event_column": "dead", **case.flags}


def load(case: Case, folder: Path) -> Dataset:
    return load_dataset("csv", data_dir=folder, csv_path=path_of(case, folder), **all_flags(case))


def words(flags: dict[str, Any]) -> list[str]:
    given = {name: value for name, value in flags.items() if value is not None}
    return [
        word
        for name, value in given.items()
        for word in (f"--{name}", *(value if isinstance(value, tuple) else (str(value),)))
    ]


def named(case: Case) -> Any:
    return case.name


def test_there_are_enough() -> None:
    assert len(UNDERSTOOD) + len(REFUSED) >= 60
    assert len({(case.name, case.error) for case in UNDERSTOOD + REFUSED}) == len(
        UNDERSTOOD + REFUSED
    )


@pytest.mark.parametrize("case", UNDERSTOOD, ids=named)
def test_understood(case: Case, tmp_path: Path) -> None:
    dataset = load(case, tmp_path)
    assert dataset.schema is not None
    assert dataset.card.n == N
    found: dict[str, set[str]] = {"number": set(), "category": set(), "left out": set()}
    for column in dataset.schema.columns:
        found["left out" if column.left_out else column.kind].add(column.name.replace(" ", "_"))
    assert found == {
        "number": set(case.numbers.split()),
        "category": set(case.categories.split()),
        "left out": set(case.left_out.split()),
    }
    if case.warning is not None:
        assert re.search(case.warning, "\n".join(dataset.warnings))
    assert case.check is None or case.check(dataset)
    assert type(dataset.schema).from_state(dataset.schema.state()) == dataset.schema


@pytest.mark.parametrize("case", REFUSED, ids=named)
def test_refused(case: Case, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=str(case.error)):
        load(case, tmp_path)


def run(path: Path, case: Case, *more: str) -> tuple[int, Path]:
    logs = path.parent / "logs"
    flags = [*words(all_flags(case)), "--csv_path", str(path), "--log_dir", str(logs), *more]
    return train(["--dataset", "csv", *flags, "--bootstrap", "0", "--mode", "disabled"]), logs


@pytest.mark.slow
@pytest.mark.parametrize("case", UNDERSTOOD, ids=named)
def test_a_model_is_trained_and_predicts_for_the_same_file(
    case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = path_of(case, tmp_path)
    status, logs = run(path, case, "--model", "coxph")
    assert status == 0, capsys.readouterr().err
    (folder,) = logs.glob("*/*")
    fitted = load_fitted(folder)
    assert fitted.schema is not None
    out = tmp_path / "out.csv"
    given = ["--run", str(folder), "--csv", str(path), "--times", "5", "--out", str(out)]
    assert predict([*given, "--similar", "0"]) == 0, capsys.readouterr().err
    assert len(pd.read_csv(out)) == N


@pytest.mark.parametrize("case", REFUSED[::4], ids=named)
def test_nothing_is_written_of_a_refused_table(
    case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, logs = run(path_of(case, tmp_path), case, "--model", "coxph")
    assert status == 2
    assert re.search(str(case.error), capsys.readouterr().err)
    assert not logs.exists()


def described(path: Path, case: Case) -> tuple[int, Path]:
    page = path.parent / "page.html"
    flags = [*words(all_flags(case)), "--csv_path", str(path), "--out", str(page)]
    return describe(flags), page


@pytest.mark.parametrize("case", UNDERSTOOD, ids=named)
def test_every_understood_table_is_described(case: Case, tmp_path: Path) -> None:
    cohort = cohort_of(load(case, tmp_path))
    text = screen(cohort, sections(cohort, pictures=False))  # figures take most of the time
    assert re.match(rf"{N} (subjects|rows of \d+ subjects): ", text)
    table = text.partition("All, and by event")[2].replace(" ", "_")
    for column in (*case.numbers.split(), *case.categories.split()):
        assert re.search(rf"^{re.escape(column)},_(median|n)_", table, re.MULTILINE)
    assert case.warning is None or re.search(case.warning, text)


@pytest.mark.slow
@pytest.mark.parametrize("case", UNDERSTOOD[::8], ids=named)
def test_the_page_of_an_understood_table_is_written(
    case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, page = described(path_of(case, tmp_path), case)
    assert status == 0, capsys.readouterr().err
    assert page.read_text("utf-8").count("<svg") == 1


NO_MODEL_NEEDED = ("no feature left",)


@pytest.mark.parametrize("case", [c for c in REFUSED if c.name not in NO_MODEL_NEEDED], ids=named)
def test_every_refused_table_is_refused_in_describing_it(
    case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, page = described(path_of(case, tmp_path), case)
    output = capsys.readouterr()
    assert status == 2
    assert re.search(str(case.error), output.err)
    assert not output.out
    assert not page.exists()


def test_all_problems_are_in_one_message(tmp_path: Path) -> None:
    broken = columns(
        age=with_cells(AGE, (2, "old")),
        lab=LAB,
        days=with_cells(DAYS, (3, "-1"), (4, "")),
        dead=with_cells(STATUS, (5, "")),
    )
    with pytest.raises(InputError) as error:
        load(Case("broken", broken, {"id_column": "patient"}), tmp_path)
    message = str(error.value)
    assert "table.csv has 7 problems: (1) --id_column" in message
    assert "; (7) column" in message
    assert "\n" not in message
    for part in (
        "--id_column names 'patient', but the columns are",
        "column 'dead' has no value in data row 5",
        "column 'dead' has the values",
        "column 'days' has no value in data row 4",
        "column 'days' is -1 in data row 3",
        "column 'age' is numbers in 59 rows, but 'old' in data row 2",
        "column 'lab' is numbers in 57 rows",
    ):
        assert part in message


def test_subjects_stay_together(tmp_path: Path) -> None:
    case = Case("visits", columns(subject=VISITS), {"group_column": "subject"})
    parts = [set(part.subject_id) for part in load(case, tmp_path).splits if len(part)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == N // 2


WRITERS: dict[str, Callable[[pd.DataFrame, Path], Any]] = {
    ".parquet": lambda frame, path: frame.to_parquet(path),
    ".dta": lambda frame, path: frame.to_stata(path, write_index=False),
    ".xlsx": lambda frame, path: frame.to_excel(path, index=False),
    ".sav": pyreadstat.write_sav,
}


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("ending", WRITERS)
def test_other_formats_are_the_same_table(ending: str, missing: bool, tmp_path: Path) -> None:
    plain = columns(stage=[str(i % 3) for i in ROWS])
    if missing:
        plain |= {name: with_cells(plain[name], (3, "")) for name in ("age", "sex", "stage")}
    numbers = dict.fromkeys(("age", "days", "dead", "stage"), "Float64" if missing else float)
    frame = pd.DataFrame(plain).replace({"": None}).astype(numbers)
    if not missing:
        frame = frame.astype(dict.fromkeys(("days", "dead", "stage"), int))
    path = tmp_path / f"table{ending}"
    WRITERS[ending](frame, path)
    flags = {"time_column": "days", "event_column": "dead", "categorical_columns": ("stage",)}
    found = load_dataset("csv", data_dir=tmp_path, csv_path=path, **flags)
    assert found.sha256 == load(Case("same", plain, flags), tmp_path).sha256


@pytest.mark.parametrize(("ending", "library"), [(".sav", "pyreadstat"), (".xlsx", "openpyxl")])
def test_a_missing_library_is_named(
    ending: str, library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("survkit.datasets.cells.find_spec", lambda name: None)
    path = tmp_path / f"table{ending}"
    path.write_bytes(b"")
    flags = {"time_column": "days", "event_column": "dead"}
    with pytest.raises(InputError, match=f"pip install {library}"):
        load_dataset("csv", data_dir=tmp_path, csv_path=path, **flags)
