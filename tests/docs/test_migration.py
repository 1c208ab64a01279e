"""The page for users of the earlier code: each row against the parser and that code's flags."""

from __future__ import annotations

import dataclasses
import re
import shlex
from typing import Any, NamedTuple

import pytest

from survkit.configs.args_file import build_config, given_flags
from survkit.configs.batch_run import BatchRunConfig
from survkit.configs.earlier_flags import EACH_DIGIT, GONE, VALUES
from survkit.configs.train import TrainConfig
from survkit.configs.wandb import WandbConfig
from survkit.datasets import ALIASES as DATASET_ALIASES
from survkit.datasets import dataset_name
from survkit.models.registry import ALIASES as MODEL_ALIASES
from survkit.models.registry import model_name
from survkit.types import InputError
from tests.configs import earlier_code
from tests.docs.worked_page import ROOT, blocks

PAGE = ROOT / "docs" / "migration.md"
TEXT = PAGE.read_text("utf-8")
SECTIONS = {
    "Training": (TrainConfig, earlier_code.TRAINING),
    "Weights & Biases": (WandbConfig, earlier_code.WANDB),
    "Batch runs": (BatchRunConfig, earlier_code.BATCH_RUNS),
}
_RENAMED = re.compile(r"`([^`]+)` is `([^`]+)`")
_REFUSED = re.compile(r"`([^`]+)` is refused")
NEEDED = {BatchRunConfig: "--group some", TrainConfig: "", WandbConfig: ""}


class Row(NamedTuple):
    """A flag of the page: its default there and here, and what became of it."""

    kind: str
    section: str
    flag: str
    there: str
    here: str
    fate: str


def rows() -> list[Row]:
    """Return the rows of the page's tables: of flags that differ, are gone, or are the same."""
    found: list[Row] = []
    section = kind = ""
    for line in TEXT.splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        elif line.startswith("| `--"):
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            flag, there, *rest = (cells[0].strip("`-"), cells[1].replace("`", ""), *cells[2:])
            here, fate = ("-", rest[0]) if kind == "gone" else (rest[0], (*rest, "same")[1])
            found.append(Row(kind, section, flag, there, here.replace("`", ""), fate))
        elif line.startswith("| ") and not line.startswith("| ---"):
            kind = line.split(" | ")[0].removeprefix("| ")
    return found


ROWS = rows()
GONE_FLAGS = {name: flag for flags in GONE.values() for name, flag in flags.items()}
every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.flag)


def config_of(row: Row) -> type:
    return TrainConfig if row.flag == "group" else SECTIONS[row.section][0]


def parse(row: Row, words: str) -> Any:
    """Return the config that holds a row's flag, with datasets and models by their names here."""
    classes = tuple(dict.fromkeys((config_of(row), TrainConfig, WandbConfig)))
    line = f"{NEEDED[config_of(row)]} {words}"
    config = build_config(
        config_of(row), given_flags(classes, line.split(), prog="", description="").values
    )
    if isinstance(config, TrainConfig):
        names = {"dataset": dataset_name(config.dataset), "model": model_name(config.model)}
        return dataclasses.replace(config, **names)
    return config


def as_words(flag: str, value: str) -> str:
    return value if value.startswith("--") else f"--{flag} {value}"


@pytest.mark.parametrize("section", SECTIONS)
def test_the_page_has_every_flag_with_its_default_there(section: str) -> None:
    of_page = {row.flag: row.there for row in ROWS if row.section == section}
    none = {
        flag: "none" if value == "None" else value for flag, value in SECTIONS[section][1].items()
    }
    assert of_page == none


@every_row
def test_the_default_here_is_that_of_the_parser(row: Row) -> None:
    fields = {field.name: field for field in dataclasses.fields(config_of(row))}
    if row.flag in GONE_FLAGS:
        assert row.here == "-"
        return
    shown, default = fields[row.flag].metadata["shown_default"], fields[row.flag].default
    if shown is None:
        words = default if isinstance(default, tuple) else (default,)
        shown = "none" if default in (None, ()) else " ".join(map(str, words))
    assert row.here == shown


@every_row
def test_what_became_of_a_flag_is_what_the_parser_does(
    row: Row, capsys: pytest.CaptureFixture[str]
) -> None:
    renamed = _RENAMED.findall(row.fate)
    assert (row.kind == "gone") == (row.flag in GONE_FLAGS)
    assert (row.kind == "same") == (row.fate == "same")
    for there, here in renamed:
        assert parse(row, as_words(row.flag, there)) == parse(row, as_words(row.flag, here))
    for value in _REFUSED.findall(row.fate):
        with pytest.raises(InputError, match=f"--{row.flag} {value}: "):
            parse(row, f"--{row.flag} {value}")
    if row.flag in GONE_FLAGS:
        gone = GONE_FLAGS[row.flag]
        assert bool(gone.accepted) == ("is refused" in row.fate)
        assert parse(row, f"--{row.flag} {(gone.accepted or ('False',))[0]}") == parse(row, "")
        assert capsys.readouterr().err == f"note: --{row.flag} {gone.note}\n"


def test_every_value_with_another_name_is_on_the_page() -> None:
    on_page = {(row.flag, there) for row in ROWS for there, _ in _RENAMED.findall(row.fate)}
    values = {(flag, value) for flag, values in VALUES.items() for value in values}
    aliases = {("dataset", name) for name in DATASET_ALIASES}
    aliases |= {("model", name) for name in MODEL_ALIASES}
    assert on_page >= values | aliases
    assert {flag for flag, _ in on_page} == {*VALUES, *EACH_DIGIT, "dataset", "model"}


def test_its_defaults_come_back_with_the_flags_that_the_page_gives() -> None:
    """All but those of the dataset and the model, and of what the page explains in words."""
    given: dict[str, Any] = {}
    for block in blocks(PAGE):
        if block.kind == "text":
            given |= given_flags(
                (TrainConfig,), shlex.split(block.text), prog="", description=""
            ).values
    in_words = {"dataset", "model", "mixture_topk", "mnist_sample_pct", "administrative_censoring"}
    checked = 0
    for field in dataclasses.fields(TrainConfig):
        there = earlier_code.TRAINING.get(field.name)
        if there and field.metadata["identity"] and field.name not in in_words:
            words = [f"--{field.name}", *there.split()]
            earlier = given_flags((TrainConfig,), words, prog="", description="").values
            assert given.get(field.name, field.default) == earlier[field.name], field.name
            checked += 1
    assert checked > 35
