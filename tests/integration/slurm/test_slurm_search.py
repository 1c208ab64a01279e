"""Searches whose trials are jobs of a real SLURM."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from survkit.benchmark.__main__ import main as benchmark
from survkit.search.__main__ import main as search

pytestmark = pytest.mark.cluster


def test_trials_are_jobs_and_the_choice_is_tested(tmp_path: Path) -> None:
    space = tmp_path / "space.yaml"
    space.write_text("mixture_components: [2, 4]")
    flags = (
        "--dataset veteran --model fixed_moe --mixture_topk 3 --epochs 2 --hidden_dim 4 "
        "--bootstrap 0 --mode disabled --trials 3 --final_seeds 2 --runner slurm --cpu 1 "
        "--memory 100M --time 10 --array_limit 2 --group found"
    )
    paths = ["--space", str(space), "--log_dir", str(tmp_path / "logs")]
    assert search([*flags.split(), *paths]) == 0
    folder = tmp_path / "logs" / "found"
    content = json.loads((folder / "search.json").read_text())
    ended = {trial["ended"] for trial in content["tried"]}
    assert ended <= {"complete", "failed"}
    assert len(content["tried"]) == 3
    assert len(list(folder.glob("*/result.json"))) == 2
    assert not list(folder.glob("trials/*/predictions_test.npz"))


def test_a_benchmarks_searches_take_turns_there(tmp_path: Path) -> None:
    file = tmp_path / "tiny.yaml"
    file.write_text("datasets: [veteran]\nmodels: [coxph]\nsplits: 2\nsearch: {trials: 2}")
    flags = "--runner slurm --cpu 1 --memory 100M --time 10 --array_limit 3 --device cpu"
    paths = ["--config", str(file), "--log_dir", str(tmp_path / "logs")]
    assert benchmark([*flags.split(), *paths]) == 0
    folder = tmp_path / "logs" / "tiny"
    assert len(list(folder.glob("*/result.json"))) == 2
    assert len(list(folder.glob("searches/*/trials/*/result.json"))) == 4
