"""Names of a hostile table stay text in every file that people open."""

from __future__ import annotations

import csv
import subprocess
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt

from survkit.predict.__main__ import main as predict
from survkit.report.__main__ import main as report
from survkit.runs.model_card import model_card
from survkit.train import main as train
from tests.runs.test_model_card import content

pytestmark = pytest.mark.slow

ROWS = 80
NUMBERS = [
    *("<script>alert(1)</script>", "a|b\n# c `d`", "=1+1", "[x](javascript:alert(3))", "$\\frac{$"),
    *("![](http://example.org/x.png)", "\n\n<img src=x onerror=alert(4)>", "&lt;b&gt;"),
]
CATEGORIES = ["<img src=x onerror=alert(2)>", "=cmd|' /C calc'!A0", "[x]: javascript:y", "| --- |"]
PATIENTS = ["=1+1", "+2", "-3", "@SUM(A1)", "\t=1", "a;=1+1", "<b>"]
TAGS_OF_A_CARD = {
    *("h1", "h2", "h3", "p", "ul", "li", "table", "thead", "tbody", "tr", "th", "td"),
    *("code", "pre", "strong"),
}
FORBIDDEN_TAGS = {"img", "iframe", "object", "embed", "form", "input", "base", "b"}


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two runs on a hostile table, their report and predictions."""
    folder = tmp_path_factory.mktemp("hostile")
    random = np.random.default_rng(0)
    frame = pd.DataFrame({name: random.normal(60, 10, ROWS).round(1) for name in NUMBERS})
    frame["<h1>kind</h1>"] = random.choice(CATEGORIES, ROWS)
    frame["days"], frame["dead"] = random.integers(1, 90, ROWS), random.integers(0, 2, ROWS)
    frame.to_csv(folder / "<svg onload=alert(5)>.csv", index=False)
    flags = ["--dataset", "csv", "--csv_path", str(folder / "<svg onload=alert(5)>.csv")]
    flags += ["--time_column", "days", "--event_column", "dead", "--time_unit", "days <i>since</i>"]
    flags += ["--log_dir", str(folder / "logs"), "--group", "g", "--bootstrap", "20"]
    flags += ["--mode", "disabled", "--time_bins", "10"]
    assert train([*flags, "--model", "coxph"]) == 0
    assert train([*flags, "--model", "fixed_moe", "--epochs", "2", "--hidden_dim", "4"]) == 0
    assert report(["--log_dir", str(folder / "logs"), "--group", "g"]) == 0
    frame.assign(who=random.choice(PATIENTS, ROWS)).to_csv(folder / "new.csv", index=False)
    new = ["--csv", str(folder / "new.csv"), "--id_column", "who", "--times", "30"]
    (run,) = (path.parent for path in folder.rglob("model_card.md") if "fixed" in path.read_text())
    assert predict(["--run", str(run), *new]) == 0
    return folder


@pytest.mark.parametrize("name", ["model_card.md", "tripod_ai.md"])
def test_model_cards_and_drafts_of_tripod(name: str, group: Path) -> None:
    markdown = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    cards = list(group.rglob(name))
    assert len(cards) == 2
    for card in cards:
        page = Page(markdown.render(card.read_text("utf-8")))
        assert set(page.tags) <= TAGS_OF_A_CARD
        assert page.tags["h1"] == 1
        assert page.attributes <= {"class", "style"}
        assert "<script>alert(1)</script>" in page.text
        assert "[x](javascript:alert(3))" in page.text
        assert "![](http://example.org/x.png)" in page.text
        assert "&lt;b&gt;" in page.text


def test_the_tables_and_the_page_of_a_report(group: Path) -> None:
    folder = group / "logs" / "g"
    markdown = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tables = Page(markdown.render((folder / "comparison.md").read_text("utf-8")))
    assert set(tables.tags) <= TAGS_OF_A_CARD
    page = Page((folder / "report.html").read_text("utf-8"))
    assert page.tags["script"] == page.tags["h1"] == 1
    assert not FORBIDDEN_TAGS & set(page.tags)
    assert not any(name.startswith("on") for name in page.attributes)
    assert page.links
    assert all(link.startswith(("#", "data:,")) for link in page.links)
    assert "<script>alert(1)</script>" in page.text


def test_csv_files(group: Path) -> None:
    files = [*group.glob("*_predictions.csv"), *(group / "logs" / "g").glob("*.csv")]
    assert {path.name for path in files} == {
        *("new_predictions.csv", "comparison.csv", "profiles.csv"),
    }
    for path in files:
        with path.open(encoding="utf-8", newline="") as file:
            for cell in (cell for row in csv.reader(file) for cell in row):
                assert not cell.lstrip().startswith(("=", "+", "@")) or is_number(cell)
                assert not cell.startswith("-") or is_number(cell)
    written = pd.read_csv(group / "new_predictions.csv", dtype=str)
    assert {"'=1+1", "+2", "-3", "'@SUM(A1)"} <= set(written["who"])


@pytest.mark.parametrize(
    "name",
    [
        *(
            "plain",
            "two words",
            "$(touch x)",
            "`id`",
            "a'b\"c",
            "-rf",
            "a;b",
            "a\nb",
            "x\n```\n# y",
        ),
        *("é", "\x1b[31m", "\r", "caf\udce9", "~", "#", "--", "!!", "*"),
    ],
)
def test_the_command_of_a_card_runs_with_exactly_that_folder(name: str, group: Path) -> None:
    run = next(group.rglob("model_card.md")).parent
    card = model_card(*content(run), folder=Path(name))
    tokens = MarkdownIt("commonmark").parse(card)
    (block,) = (token for token in tokens if token.type == "fence")
    assert sum(token.type == "heading_open" and token.tag == "h1" for token in tokens) == 1
    script = b"python() { printf '%s\\0' \"$@\"; }\n" + block.content.encode()
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=True)
    words = done.stdout.split(b"\0")
    assert words[:3] == [b"-m", b"survkit.predict", b"--run"]
    assert words[3].removeprefix(b"./") == name.encode(errors="surrogateescape")
    assert not words[3].startswith(b"-")


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


class Page(HTMLParser):
    """What a browser makes of a page: its tags, attributes, links and text."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.text = ""
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.text += data
