"""Random small tables end with 0, or with 2 and one line."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.faults.fuzzing import check_train, num_examples

NAMES = ["age", "sex", "a\nb", "\x1b[2Jx", "=1+1", "<b>x</b>", "| x |", "x\u2028y", "id", ""]
NUMBERS = ["0", "1", "2.5", "-3", "1e38", "1e300", "1e-300", "1e18", "-1e18", "007"]
TEXTS = ["a", "b", "x\ny", "\x1b[31m", "=cmd|x", "", "NA", "<5", "1,5", "2020-01-02", "nan", "inf"]
ODD_TIMES = ["1e300", "1e-300", "1e18", "1e-18", "-1", "", "inf", "x\ny", "1e9"]
EVENTS = [["yes", "no"], ["dead", "alive\n"], ["1", "2"], ["0"], ["1", ""]]
ODDITIES = ["times", "events", "rows", "columns", "names", "file", "flags"]


def cells(random: Random, kind: list[str] | None, n: int) -> list[str]:
    """Return the cells of a column; those of no kind are numbers of any size."""
    if kind is None:
        return [repr(random.choice([-1, 1]) * 10 ** random.uniform(-19, 19)) for _ in range(n)]
    return random.choices(kind, k=n)


@st.composite
def tables(draw: st.DrawFn) -> tuple[bytes, list[str]]:
    """Draw the bytes of a table with some oddities, and flags that say what is in it."""
    odd = draw(st.sets(st.sampled_from(ODDITIES), max_size=2))
    random = Random(draw(st.integers(0, 10**6)))
    n = draw(st.sampled_from([0, 1, 2, 12, 25])) if "rows" in odd else 60
    names = draw(st.lists(st.sampled_from(NAMES) | st.text(max_size=5), max_size=3, unique=True))
    kinds = st.sampled_from([NUMBERS[:4], TEXTS[:2], NUMBERS, TEXTS, NUMBERS + TEXTS, None])
    time_name = draw(st.sampled_from(["t\nime", "None", "-t"])) if "names" in odd else "time"
    table = {"x": cells(random, NUMBERS[:4], n)}
    table |= {name: cells(random, draw(kinds), n) for name in names if "columns" in odd}
    times = [str(1 + round(random.expovariate(0.1), 1)) for _ in range(n)]
    if "times" in odd:
        times[:3] = cells(random, [draw(st.sampled_from(ODD_TIMES))], min(n, 3))
    codes = draw(st.sampled_from(EVENTS)) if "events" in odd else ["0", "1"]
    table |= {time_name: times, "event": cells(random, codes, n)}
    flags = [f"--time_column={time_name}", "--event_column=event"]
    if "flags" in odd:
        flag = draw(st.sampled_from(["drop_columns", "categorical_columns", "numeric_columns"]))
        flags += [f"--{flag}={draw(st.sampled_from([*table, 'none']))}", "--event_value=dead"]
    return _written(draw, table, damaged="file" in odd), flags


def _written(draw: st.DrawFn, table: dict[str, list[str]], *, damaged: bool) -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=draw(st.sampled_from([",", ";", "\t"])))
    writer.writerow(table)
    writer.writerows(zip(*table.values(), strict=True))
    if not damaged:
        return buffer.getvalue().encode()
    encoding = draw(st.sampled_from(["utf-8", "utf-16", "latin-1"]))
    content = buffer.getvalue().encode(encoding, "replace")
    place = draw(st.integers(0, len(content)))
    return content[:place] + draw(st.binary(max_size=6)) + content[place + 3 :]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_random_tables_end_with_a_record_or_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = ["--mode=disabled", "--epochs=1", "--bootstrap=5", "--dataset=csv"]
    run += ["--csv_path=table.csv"]
    statuses = []

    @settings(
        max_examples=num_examples(25, 300),
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=num_examples(1, 0) == 1,
    )
    @given(tables(), st.sampled_from(["kaplan_meier", "coxph", "mtlr", "fixed_moe"]))
    def check(table: tuple[bytes, list[str]], model: str) -> None:
        content, flags = table
        Path("table.csv").write_bytes(content)
        statuses.append(check_train([*run, "--model", model, *flags]))

    check()
    assert set(statuses) == {0, 2}  # else the tables are not random enough


@pytest.mark.parametrize("name", ["a\nb", "\x1b[2Jx", "x\u2028y"])
def test_names_of_columns_stay_on_the_line_of_a_message(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [[name, "time", "event"], *([str(i), "x" if i == 3 else i, i % 2] for i in range(40))]
    with Path("table.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    flags = ["--dataset", "csv", "--csv_path", "table.csv", "--event_column", "event"]
    for times in (name, "time", "tme"):
        assert check_train([*flags, f"--time_column={times}"]) in (0, 2)
    assert check_train([*flags, "--time_column", "time"]) == 2


@pytest.mark.parametrize("cell", ["1e300", "1e-300", "-1", "inf"])
def test_times_that_are_out_of_range_are_named_with_their_row(
    cell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{i % 7},{cell if i == 3 else i},{i % 2}\n" for i in range(40))
    Path("table.csv").write_text(f"x,time,event\n{rows}")
    flags = ["--dataset", "csv", "--csv_path", "table.csv", "--event_column", "event"]
    assert check_train([*flags, "--time_column", "time"]) == 2


@pytest.mark.parametrize("cell", ["1e38", "1e200", "-1e19"])
def test_numbers_that_are_out_of_range_are_named(
    cell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{cell if i == 3 else i % 7}.0,{i},{i % 2}\n" for i in range(40))
    rows = rows.replace(f"{cell}.0", cell)
    Path("table.csv").write_text(f"x,time,event\n{rows}")
    flags = ["--dataset", "csv", "--csv_path", "table.csv", "--event_column", "event"]
    assert check_train([*flags, "--time_column", "time"]) == 2
