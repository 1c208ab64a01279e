"""The command: what it prints and writes, and what it refuses."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from survkit.describe.__main__ import main
from survkit.pages.labels import display_width

N = 120
ROOT = Path(__file__).parents[2]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "id": [f"P{i:03d}" for i in rng.permutation(N)],
            "age": rng.normal(60, 10, N).round(1),
            "stage": rng.choice(["I", "II", "<III>"], N),
            "days": np.ceil(rng.exponential(400, N)),
            "dead": rng.integers(0, 2, N),
        }
    )
    frame.loc[:4, "stage"] = None
    path = tmp_path / "patients.csv"
    frame.to_csv(path, index=False)
    return path


def outcome(path: Path) -> list[str]:
    return ["--csv_path", str(path), "--time_column", "days", "--event_column", "dead"]


def test_a_table_alone_is_described_as_text_and_as_a_page(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = table.read_bytes()
    assert main([*outcome(table), "--by", "stage", "--time_unit", "days"]) == 0
    out = capsys.readouterr().out
    page_path = table.with_name("patients_description.html")
    assert out.endswith(f"saved {page_path}\n")
    page = page_path.read_text("utf-8")
    assert table.read_bytes() == before
    for text in (
        "column 'id' left out: 120 different values",
        "numbers: age",
        "All, and by event",
        "5 subjects without a value of stage",
        "1 of 2 columns of Table 1 has missing values",
        "median follow-up [quartiles]",
        "Log-rank test that survival is the same in the 3 groups",
        "median survival (days)",
    ):
        assert text in out
        assert text in page.replace("&#39;", "'")
    assert "&lt;III&gt;" in page
    assert "<III>" not in page
    assert not re.search(r'(?:src|href)="(?!#|data:)', page)  # it opens offline


def test_numbers_at_risk_stand_below_their_ticks(table: Path) -> None:
    assert main([*outcome(table), "--time_unit", "days"]) == 0
    page = table.with_name("patients_description.html").read_text("utf-8")
    svg = ElementTree.fromstring(re.findall(r"<svg.*?</svg>", page, re.DOTALL)[0])
    texts = [each for each in svg.iter() if each.tag.endswith("text")]
    place = {each.text: float(_x(each)) for each in texts if each.text is not None}
    days = pd.read_csv(table)["days"]
    assert place["365"] == pytest.approx(place[str((days >= 365).sum())], abs=0.5)
    assert place["0"] == pytest.approx(place[str(N)], abs=0.5)


def _x(text: ElementTree.Element) -> str:
    found = re.search(r"(?:rotate\([^)]*?|translate\()\s*([\d.]+)", text.get("transform", ""))
    return text.get("x") or (found[1] if found else "nan")


def test_a_table_of_one_column_and_no_censoring(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tiny.csv"
    frame = pd.DataFrame({"arm": ["a", "b"] * 6, "days": range(12), "dead": 1})
    frame.to_csv(path, index=False)
    assert main([*outcome(path), "--by", "arm"]) == 0
    out = capsys.readouterr().out
    assert "12 subjects: 12 with the event (100%), 0 censored (0%); time in a unit that was" in out
    assert "event: dead (1 = seen, no row is censored)" in out
    assert "By arm" not in out  # there is no other column to compare
    assert re.search(r"median follow-up \[quartiles\] +not reached", out)
    assert "in the 2 groups: chi-squared" in out


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"days": 0}, "times of 0 +120"),
        ({"dead": 0}, r"120 subjects: 0 with the event \(0%\).*no row has the event, 0 = censored"),
        ({"stage": "II"}, "column 'stage' is constant: always 'II'"),
    ],
)
def test_a_description_needs_no_split_and_no_grid(
    change: dict[str, object], text: str, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pd.read_csv(table).assign(**change).to_csv(table, index=False)
    assert main(outcome(table)) == 0
    out = capsys.readouterr().out
    assert re.search(text, out, re.DOTALL)
    assert "training row" not in out


def test_an_outcome_alone_is_described(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pd.read_csv(table)[["days", "dead"]].to_csv(table, index=False)
    assert main(outcome(table)) == 0
    out = capsys.readouterr().out
    assert "There is no Table 1: no column besides the outcome is read." in out
    assert "Numbers at risk" in out


def test_names_of_any_kind_are_drawn_as_they_stand(table: Path) -> None:
    names = ["$a$", r"$\frac{$", "_none", "病期", "two\nlines", "a very long name " * 8]
    frame = pd.read_csv(table)
    frame["stage"] = np.resize(names, N)
    frame.to_csv(table, index=False)
    assert main([*outcome(table), "--by", "stage"]) == 0  # matplotlib's warnings are errors here
    page = table.with_name("patients_description.html").read_text("utf-8")
    drawn = ElementTree.fromstring(re.findall(r"<svg.*?</svg>", page, re.DOTALL)[1])
    texts = [(each.text or "").strip("\u200b") for each in drawn.iter()]
    for name in ("$a$", r"$\frac{$", "_none", "病期", "two lines"):
        assert texts.count(name) == 2  # in the legend, and before the numbers at risk
    assert "a very long name a very long name a…" in texts


def test_tables_on_the_screen_stay_aligned(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = pd.read_csv(table).rename(columns={"age": "age\nin years"})
    frame["stage"] = np.resize(["one\r\ntwo", "病期", "x" * 200], N)
    frame.to_csv(table, index=False)
    assert main(outcome(table)) == 0
    out = capsys.readouterr().out
    lines = out.partition("All, and by event\n")[2].splitlines()[:6]
    assert [line.split("  ")[0] for line in lines[1:3]] == [
        "age in years, median [quartiles]",
        "stage, n (%)",
    ]
    assert "numbers: age in years" in out
    assert len({display_width(line) for line in lines if line.endswith(("%)", "]"))}) == 1


@pytest.mark.parametrize("name", ["digits", "synthetic"])
def test_data_without_a_table_are_described_in_words(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    assert main(["--dataset", name, "--out", str(page)]) == 0
    assert f"There is no Table 1: {name} has no table of columns" in capsys.readouterr().out
    assert page.exists()


def test_a_bundled_dataset_shows_its_card_and_original_categories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["--dataset", "gbsg2", "--by", "horTh"]) == 0
    out = capsys.readouterr().out
    # The value that R's survdiff gives for these data.
    assert "chi-squared 8.56 with 1 degree of freedom, p = 0.003" in out
    assert "source: Schumacher et al. (1994)" in out
    assert "menostat, n (%)" in out
    assert (tmp_path / "gbsg2_description.html").exists()
    example = (ROOT / "docs" / "datasets.md").read_text("utf-8").partition("describe gbsg2 -->")[2]
    shown = example.split("```")[1].removeprefix("text\n").splitlines()
    assert len(shown) > 8
    assert set(shown) <= set(out.splitlines())


def test_an_args_file_of_a_training_is_understood(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = tmp_path / "some.args"
    args.write_text("--dataset veteran --model mtlr --epochs 3 --time_bins 10\n")
    page = tmp_path / "page.html"
    assert main(["--experiment_args", str(args), "--out", str(page)]) == 0
    assert "137 subjects" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("", "name a table with --csv_path, or a dataset with --dataset"),
        ("--dataset gbsg3", r"unknown dataset 'gbsg3' \(did you mean gbsg2\?\)"),
        ("--dataset digits --by age", "digits has no table of columns to split it by"),
        ("--dataset flchain --by chapter", "'chapter', which is left out: the cause of death"),
        ("--dataset gbsg2 --csv_path some.csv", "--csv_path: not read in describing dataset gbsg2"),
        ("--dataset gbsg2 --time_bins 5", "--time_bins: not read"),
        ("--dataset gbsg2 --epochs 5", "--epochs: not read"),
        ("--dataset gbsg2 --out table.csv", "ends in .html"),
        ("--dataset gbsg2 --bye x", r"unknown flag --bye \(did you mean --by\?\)"),
    ],
)
def test_what_cannot_be_described_is_refused(
    flags: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(flags.split()) == 2
    output = capsys.readouterr()
    assert re.search(message, output.err)
    assert not output.out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("dead", "'dead', which is a column of the outcome"),
        ("id", "'id', which is left out: 120 different values"),
        ("stag", r"did you mean stage\?"),
    ],
)
def test_columns_that_cannot_split_a_table(
    by: str, message: str, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*outcome(table), "--by", by]) == 2
    assert re.search(message, capsys.readouterr().err)
    assert list(table.parent.iterdir()) == [table]


def test_help_answers_at_once() -> None:
    start = time.perf_counter()
    run = subprocess.run(
        [sys.executable, "-m", "survkit.describe", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert time.perf_counter() - start < 2
    assert "--by" in run.stdout
    assert "--csv_path" in run.stdout
    assert "--epochs" not in run.stdout


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, survkit.describe.__main__; "
        "assert not {'pandas', 'matplotlib', 'torch', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
