"""Every model on every committed setting of the published datasets, in short runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import survkit
from survkit.models.registry import MODELS
from survkit.train import main

pytestmark = pytest.mark.slow

ROOT = Path(survkit.__file__).parent.parent
SHORT = [
    *("--epochs", "1", "--bootstrap", "0", "--mode", "disabled", "--mnist_sample_pct", "0.02"),
    *("--hidden_dim", "16", "--mixture_components", "4", "--rsf_n_estimators", "2"),
    *("--bart_chains", "1", "--bart_tune", "1", "--bart_draws", "4", "--bart_trees", "5"),
]


def train(name: str, model: str, data_dir: str, log_dir: Path) -> None:
    flags = ["--experiment_args", str(ROOT / "args" / f"{name}.args"), "--model", model]
    assert main([*flags, *SHORT, "--data_dir", data_dir, "--log_dir", str(log_dir)]) == 0
    (path,) = log_dir.glob("*/*/result.json")
    record = json.loads(path.read_text())
    assert record["model"] == model
    assert 0 < record["test"]["concordance"] < 1
    assert 0 < record["test"]["integrated_brier"] < 1


@pytest.mark.parametrize("model", MODELS)
def test_digits(model: str, tmp_path: Path) -> None:
    train("digits", model, str(tmp_path), tmp_path / "logs")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", ["mnist", "sepsis", "sepsis_landmark"])
def test_real_data(name: str, model: str, real_data_dir: Path, tmp_path: Path) -> None:
    train(name, model, str(real_data_dir), tmp_path / "logs")
