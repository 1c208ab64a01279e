"""A launcher killed at random moments and started again leaves the records of one never killed."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from tests.faults.commands import FULL, Ended, Forks
from tests.faults.records import GROUP, contents, differences

pytestmark = pytest.mark.slow

KILLS = 12
SWEEP = """
common: {dataset: synthetic, synthetic_rows: 300, time_bins: 12, bootstrap: 20, hidden_dim: 8,
  epochs: 20, early_stopping_patience: 1000, device: cpu, model: [mtlr, deephit],
  seed: [42, 43]}
"""
LAUNCH = [
    *("--sweep", "sweep.yaml", "--log_dir", "logs", "--group", GROUP),
    *("--mode", "disabled", "--runner", "process", "--max_subprocesses", "2"),
]


@pytest.mark.skipif(not FULL, reason="takes minutes; SURVKIT_FAULTS=full runs it")
@pytest.mark.timeout(1500)
def test_a_killed_launcher_ends_with_the_same_records(commands: Forks, tmp_path: Path) -> None:
    folder = tmp_path / "sweep"  # the same for all, as the records name it
    ended = _launch(commands, folder)
    assert not ended.problem((0,))
    expected = contents(folder / "logs")

    moments = random.Random("moments of a launcher")
    kills, problems = 0, []
    while kills < KILLS:
        shutil.rmtree(folder)
        for _ in range(moments.randint(1, 3)):
            moment = moments.uniform(0.0, ended.seconds)
            killed = _launch(commands, folder, kill_after=moment)
            kills += killed.killed
            if trouble := killed.problem((0, -9)):
                problems.append(f"killed after {moment:.2f} s: {trouble}")
        last = _launch(commands, folder)
        if trouble := last.problem((0,)):
            problems.append(f"run again: {trouble}")
        elif differing := differences(contents(folder / "logs"), expected):
            problems.append(f"differs in {', '.join(differing)}")
    assert not problems, f"{len(problems)} after {kills} kills: " + "; ".join(problems)


def _launch(commands: Forks, folder: Path, kill_after: float | None = None) -> Ended:
    """Start the launcher; the trainings of a killed one may run on, and are the next one's."""
    folder.mkdir(exist_ok=True)
    (folder / "sweep.yaml").write_text(SWEEP)
    return commands.run(
        "survkit.grid_search", LAUNCH, folder, kill_after=kill_after, check_left=kill_after is None
    )
