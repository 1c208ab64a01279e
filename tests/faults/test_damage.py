"""Damaged files of records: every command that meets one ends in a sentence, none hangs."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from tests.faults.commands import FULL, Forks, sample
from tests.faults.damages import DAMAGES
from tests.faults.records import GROUP, NETWORK, SMALL, copied

pytestmark = pytest.mark.slow

ROWS = 200
TRAIN = "survkit.train"
TABLE = [
    *("--dataset", "csv", "--csv_path", "table.csv", "--time_column", "days"),
    *("--event_column", "dead"),
]
ONE = ["--model", "mtlr", *TABLE, *SMALL, *NETWORK, "--epochs", "2"]
OTHER = ["--model", "fixed_moe", *TABLE, *SMALL, *NETWORK, "--epochs", "2"]
LONG = ["--model", "mtlr", *TABLE, *SMALL, *NETWORK, "--epochs", "200", "--seed", "7"]
OTHER_LONG = [*LONG[:-1], "8"]
SWEEP = """
common: {dataset: csv, csv_path: table.csv, time_column: days, event_column: dead,
  time_bins: 12, bootstrap: 20, hidden_dim: 8, early_stopping_patience: 1000, epochs: 2,
  device: cpu, model: [mtlr, fixed_moe]}
"""


class Records(NamedTuple):
    """A folder with finished and unfinished runs, by the names of their folders."""

    folder: Path
    run: str
    other: str
    unfinished: str
    other_unfinished: str
    predicted: bytes


FILES = {
    "config.json": "run",
    "history.jsonl": "run",
    "result.json": "run",
    "checkpoint.pt": "run",
    "predictions_validation.npz": "run",
    "predictions_test.npz": "run",
    "model_card.md": "run",
    "unfinished config.json": "unfinished",
    "unfinished history.jsonl": "unfinished",
    "last.pt": "unfinished",
}
COMMANDS = {
    "train": (TRAIN, ONE),
    "resume": (TRAIN, LONG),
    "report": ("survkit.report.__main__", ["--log_dir", "logs", "--group", GROUP]),
    "ensemble": (
        "survkit.ensemble.__main__",
        ["--log_dir", "logs", "--group", GROUP, "--bootstrap", "20"],
    ),
    "predict": (
        "survkit.predict.__main__",
        ["--run", "RUN", "--csv", "table.csv", "--times", "5", "--out", "predicted.csv"],
    ),
    "explain": (
        "survkit.explain.__main__",
        ["--run", "RUN", "--rows", "0", "--num_samples", "30", "--num_repetitions", "1"],
    ),
    "launch": (
        "survkit.grid_search",
        [
            *("--sweep", "sweep.yaml", "--log_dir", "logs", "--group", GROUP),
            *("--mode", "disabled", "--dry_run"),
        ],
    ),
}
CASES = list(product(FILES, DAMAGES, COMMANDS))


@pytest.fixture(scope="module")
def records(commands: Forks, tmp_path_factory: pytest.TempPathFactory) -> Records:
    folder = tmp_path_factory.mktemp("records")
    random = np.random.default_rng(3)
    age = random.normal(60, 9, ROWS).round(1)
    days = random.exponential(30, ROWS).round(2) + 1
    pd.DataFrame(
        {"age": age, "sex": random.choice(["f", "m"], ROWS), "days": days, "dead": days < 30}
    ).to_csv(folder / "table.csv", index=False)
    (folder / "sweep.yaml").write_text(SWEEP)
    names = [_made(commands, folder, argv) for argv in (ONE, OTHER, LONG, OTHER_LONG)]
    module, argv = COMMANDS["predict"]
    made = commands.run(module, _about(argv, names[0]), folder)
    assert not made.problem((0,))
    predicted = folder / "predicted.csv"
    content = predicted.read_bytes()
    predicted.unlink()
    return Records(folder, *names, predicted=content)


def _made(commands: Forks, folder: Path, argv: list[str]) -> str:
    """Train a run, or begin the training of a long one; return the name of its folder."""
    group = folder / "logs" / GROUP
    before = set(group.glob("*"))
    long = "200" in argv

    def begun() -> bool:
        return any((path / "last.pt").exists() for path in set(group.glob("*")) - before)

    made = commands.run(TRAIN, argv, folder, kill_when=begun if long else None)
    assert not made.problem((-9 if long else 0,))
    (run,) = set(group.glob("*")) - before
    return run.name


def _about(argv: list[str], run: str) -> list[str]:
    return [f"logs/{GROUP}/{run}" if word == "RUN" else word for word in argv]


@pytest.mark.parametrize("command", COMMANDS if FULL else ["launch", "explain"])
def test_a_command_has_no_trouble_with_whole_records(
    command: str, commands: Forks, records: Records, tmp_path: Path
) -> None:
    folder = copied(records.folder, tmp_path / "copy")
    module, argv = COMMANDS[command]
    assert not commands.run(module, _about(argv, records.run), folder).problem((0,))


@pytest.mark.parametrize(("file", "damage", "command"), sample(CASES, 14))
def test_a_command_meets_a_damaged_file(
    file: str, damage: str, command: str, commands: Forks, records: Records, tmp_path: Path
) -> None:
    folder = copied(records.folder, tmp_path / "copy")
    group, name = folder / "logs" / GROUP, file.rpartition(" ")[2]
    run = getattr(records, FILES[file])
    other = records.other if FILES[file] == "run" else records.other_unfinished
    DAMAGES[damage](group / run / name, group / other / name)
    module, argv = COMMANDS[command]
    ended = commands.run(module, _about(argv, records.run), folder)
    assert not ended.problem()
    if ended.status == 2:
        assert ": error: " in ended.output.rstrip().splitlines()[-1]
    predicted = folder / "predicted.csv"
    if predicted.exists():
        assert predicted.read_bytes() == records.predicted
