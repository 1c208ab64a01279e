"""Commands killed at random moments and run again leave the record of one never interrupted."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.faults.commands import FULL, Forks
from tests.faults.records import NETWORK, SYNTHETIC, contents, copied, differences

pytestmark = pytest.mark.slow

TRAIN = "survkit.train"
EPOCHS = ["--epochs", "10"]
SEEDS = ["--seeds", "42", "43", "44"]
FOREST = ["--rsf_n_estimators", "20"]
BART = ["--bart_trees", "5", "--bart_tune", "5", "--bart_draws", "10", "--bart_chains", "2"]


class Scenario(NamedTuple):
    """A command, how often it is killed where all is tried, and by default."""

    argv: list[str]
    kills: int
    few: int = 0
    module: str = TRAIN


def _head(model: str, *flags: str) -> list[str]:
    return ["--model", model, *SYNTHETIC, *NETWORK, *EPOCHS, *flags]


SCENARIOS = {
    "mtlr": Scenario(_head("mtlr", "--dropout", "0.2"), 25, few=3),
    "mtlr_calibrated": Scenario(_head("mtlr", "--calibrate"), 10),
    "fixed_moe": Scenario(_head("fixed_moe"), 15),
    "adjustable_moe": Scenario(_head("adjustable_moe"), 15),
    "personalized_moe": Scenario(_head("personalized_moe"), 15),
    "seeds_of_mtlr": Scenario(_head("mtlr", "--dropout", "0.2", *SEEDS), 35, few=3),
    "seeds_of_personalized_moe": Scenario(_head("personalized_moe", *SEEDS), 20),
    "seeds_that_stop_apart": Scenario(
        _head("mtlr", *SEEDS, "--early_stopping_patience", "2", "--lr", "0.05"), 15
    ),
    "deephit": Scenario(_head("deephit"), 15),
    "deepsurv": Scenario(_head("deepsurv"), 10, few=1),
    "coxph": Scenario(["--model", "coxph", *SYNTHETIC], 15, few=1),
    "rsf": Scenario(["--model", "rsf", *FOREST, *SYNTHETIC], 15, few=1),
    "bart": Scenario(["--model", "bart", *BART, "--bart_cores", "1", *SYNTHETIC], 10),
    "bart_in_processes": Scenario(["--model", "bart", *BART, *SYNTHETIC], 5),
    "deep_weibull": Scenario(_head("deep_weibull"), 5),
    "deep_survival_machines": Scenario(_head("deep_survival_machines"), 5),
    "seeds_of_deep_cox_mixtures": Scenario(_head("deep_cox_mixtures", *SEEDS), 10, few=1),
    "kaplan_meier": Scenario(["--model", "kaplan_meier", *SYNTHETIC], 5),
    "ensemble": Scenario(
        ["--log_dir", "logs", "--group", "g", "--bootstrap", "20"],
        15,
        few=1,
        module="survkit.ensemble.__main__",
    ),
}
MEMBERS = _head("mtlr", *SEEDS)


@pytest.fixture(scope="module")
def members(commands: Forks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the runs that the ensemble is made of."""
    folder = tmp_path_factory.mktemp("members")
    ended = commands.run(TRAIN, MEMBERS, folder)
    assert not ended.problem((0,))
    return folder


@pytest.mark.parametrize("name", [n for n, each in SCENARIOS.items() if FULL or each.few])
def test_a_killed_command_ends_with_the_same_record(
    name: str, commands: Forks, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    scenario = SCENARIOS[name]
    start = request.getfixturevalue("members") if name == "ensemble" else None
    folders = _folders(start, tmp_path)
    whole = next(folders)
    ended = commands.run(scenario.module, scenario.argv, whole)
    assert not ended.problem((0,))
    expected = contents(whole / "logs")
    assert any(path.endswith("result.json") for path in expected)

    moments = random.Random(f"moments of {name}")
    wanted = scenario.kills if FULL else scenario.few
    kills, problems = 0, []
    for folder in folders:
        for _ in range(moments.randint(2, 4)):
            moment = moments.uniform(0.0, ended.seconds)
            killed = commands.run(scenario.module, scenario.argv, folder, kill_after=moment)
            kills += killed.killed
            if trouble := killed.problem((0, -9)):
                problems.append(f"killed after {moment:.3f} s: {trouble}")
        problems += _finish(commands, scenario, folder, expected)
        if kills >= wanted:
            break
    assert not problems, f"{len(problems)} after {kills} kills: " + "; ".join(problems)


def _folders(start: Path | None, tmp_path: Path) -> Iterator[Path]:
    """Yield new folders, which hold the same files if any."""
    number = 0
    while True:
        folder = tmp_path / str(number)
        if start is None:
            folder.mkdir()
        else:
            copied(start, folder)
        yield folder
        number += 1


def _finish(
    commands: Forks, scenario: Scenario, folder: Path, expected: dict[str, Any]
) -> list[str]:
    """Run a command to its end and return what is wrong with it and its records."""
    last = commands.run(scenario.module, scenario.argv, folder)
    if trouble := last.problem((0,)):
        return [f"run again: {trouble}"]
    if differing := differences(contents(folder / "logs"), expected):
        return [f"{folder.name} differs in {', '.join(differing)}"]
    return []
