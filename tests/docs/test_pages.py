"""What the pages say of the code: tables, figures, links and command lines."""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections.abc import Iterator, Sequence
from itertools import dropwhile
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from docs import make_figures, make_tables
from survkit.configs.args_file import given_flags
from survkit.configs.batch_run import BatchRunConfig
from survkit.configs.benchmark import BenchmarkConfig
from survkit.configs.describe import DescribeConfig
from survkit.configs.evaluation import EvaluateConfig
from survkit.configs.finished_runs import EnsembleConfig, ExplainConfig, PredictConfig, ReportConfig
from survkit.configs.search import SearchConfig
from survkit.configs.train import TrainConfig
from survkit.configs.wandb import WandbConfig
from survkit.datasets import DATASETS, load_dataset
from survkit.models.registry import MODELS
from survkit.types import InputError
from tests.datasets.sepsis_fixtures import many, write_set
from tests.docs.worked_page import ROOT, named_files

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]

CONFIGS = {
    "train": (TrainConfig, WandbConfig),
    "benchmark": (BenchmarkConfig, WandbConfig, TrainConfig),
    "grid_search": (BatchRunConfig, WandbConfig, TrainConfig),
    "search": (SearchConfig, WandbConfig, TrainConfig),
    "datasets": (TrainConfig,),
    "describe": (DescribeConfig, TrainConfig),
    "ensemble": (EnsembleConfig,),
    "evaluate": (EvaluateConfig, TrainConfig),
    "explain": (ExplainConfig,),
    "predict": (PredictConfig,),
    "report": (ReportConfig,),
}
OF_OTHER_PROGRAMS = {
    "sbatch": "comment constraint cpus-per-task exclude format gres job-name kill-on-invalid-dep "
    "mem open-mode output parsable signal",
    "jupyter": "timeout",
    "pip": "no-deps",
}
"""Flags in the documentation that are no flags of survkit."""

_FLAG = re.compile(r"(?<![\w-])--[a-z][\w-]*\w")
_COMMAND = re.compile(r"(?:python -m survkit\.(\w+)(?![\w.])|\./run_\w+\.sh)(.*)")


def known_flags() -> set[str]:
    """Return the flags of all commands, of the benchmarks' scripts and of other programs."""
    of_commands = {
        field.name
        for configs in CONFIGS.values()
        for config in configs
        for field in dataclasses.fields(config)
    }
    scripts = [path.read_text("utf-8") for path in (ROOT / "benchmarks").glob("*.py")]
    of_scripts = re.findall(r'add_argument\(\s*"--([\w-]+)"', "".join(scripts))
    words = {*of_commands, *of_scripts, "help", "version", "experiment_args"}
    words |= {f"no_{name}" for name in of_commands} | {"flag", "no_flag"}
    words |= {word for flags in OF_OTHER_PROGRAMS.values() for word in flags.split()}
    return {f"--{word}" for word in words}


def test_every_flag_that_a_page_names_exists() -> None:
    pages = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
    named = {
        (flag, page.name)
        for page in pages
        if page.name != "migration.md"  # it names those of the earlier code
        for flag in _FLAG.findall(page.read_text("utf-8"))
    }
    assert {(flag, page) for flag, page in named if flag not in known_flags()} == set()


@pytest.mark.slow
def test_tables_are_those_of_the_code() -> None:
    tables = make_tables.tables()
    for page in make_tables.PAGES:
        text = page.read_text("utf-8")
        assert make_tables.filled(text, tables) == text, "run docs/make_tables.py"


def test_every_dataset_and_model_has_a_section() -> None:
    datasets, models = ((DOCS / f"{name}.md").read_text("utf-8") for name in ("datasets", "models"))
    for name in DATASETS:
        assert f"\n### {name}\n" in datasets
        assert name == "csv" or f"<!-- table: card {name} -->" in datasets
    for name in MODELS:
        assert f"\n### {name}\n" in models
        assert f"](figures/{name}.svg)" in models


@pytest.mark.slow
def test_the_leak_of_the_published_sepsis_task_is_named(tmp_path: Path) -> None:
    write_set(tmp_path, many(60))
    (leak,) = load_dataset("sepsis", data_dir=tmp_path).card.known_leaks
    assert leak.partition(" (")[0] in (DOCS / "datasets.md").read_text("utf-8")
    assert load_dataset("sepsis", data_dir=tmp_path, landmark_hours=6).card.known_leaks == ()


def test_the_card_of_support2_is_that_of_its_data(real_data_dir: Path) -> None:
    dataset = load_dataset("support2", data_dir=real_data_dir)
    assert dataset.card == make_tables.FROM_FILES["support2"]
    train, validation, test = map(len, dataset.splits)
    sizes = f"{train:,}, {validation} and {test} patients"
    assert sizes in (DOCS / "datasets.md").read_text("utf-8")


@pytest.mark.slow
def test_figures_can_be_drawn_again(tmp_path: Path) -> None:
    make_figures.main(tmp_path, rows=200, epochs=3)
    drawn = {path.name for path in tmp_path.iterdir()}
    of_benchmarks = {path.name for path in make_figures.FOLDER.glob("survset_*")}
    assert drawn == {path.name for path in make_figures.FOLDER.iterdir()} - of_benchmarks
    others = ("competing_risks", "decision_curves", "external_validation", "survshap")
    names = (*MODELS, *others, "permutation_importance", "verdict")
    assert drawn == {f"{name}.svg" for name in names}


def elements(page: Path) -> list[Token]:
    """Return the parts of a page: its blocks, and what stands in its lines of text."""
    blocks = MarkdownIt().enable("table").parse(page.read_text("utf-8"))
    return [part for block in blocks for part in (block, *(block.children or ()))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for part in elements(page):
        target = str(part.attrs.get("href", part.attrs.get("src", ""))).partition("#")[0]
        if target and not target.startswith("https://"):
            assert (page.parent / target).exists(), target


def test_the_readme_links_to_every_page() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    for page in PAGES[1:]:
        assert page.stem == "index" or f"](docs/{page.name})" in readme, page.name


def command_lines() -> Iterator[tuple[str, str, list[str]]]:
    """Yield the page, the command and the arguments of every command line in the pages."""
    for page in PAGES:
        for part in elements(page):
            if part.type in ("fence", "code_inline"):
                for found in _COMMAND.finditer(part.content.replace("\\\n", " ")):
                    line = re.split("[>|;]", found[2])[0]
                    yield page.name, found[1] or "grid_search", shlex.split(line, comments=True)


def known_words(command: str, arguments: Sequence[str]) -> list[str]:
    """Leave out what is no flag of a config: words before the flags, --help, shell variables."""
    words: list[str] = []
    for word in arguments:
        if word.startswith("$") and words and words[-1].startswith("--"):
            words.pop()
        elif not word.startswith("$") and word not in ("--help", "..."):
            words.append(word)
    return list(dropwhile(lambda word: word[0] != "-", words)) if command == "datasets" else words


def test_command_lines_parse(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "args").symlink_to(ROOT / "args")
    for page in ("own_data", "external_validation"):
        for name, text in named_files(ROOT / "docs" / f"{page}.md").items():
            (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    commands = list(command_lines())
    assert len(commands) > 40
    for page, command, arguments in commands:
        try:
            words = known_words(command, arguments)
            given_flags(CONFIGS[command], words, prog=command, description="")
        except InputError as error:
            pytest.fail(f"{page}: survkit.{command} {shlex.join(arguments)}: {error}")
