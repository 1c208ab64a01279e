"""Every model on every committed setting of the published datasets, in short runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import survkit
from survkit.models.registry import MODELS
from survkit.train import main
from tests.args_files import SMALL

pytestmark = pytest.mark.slow

ROOT = Path(survkit.__file__).parent.parent


def train(name: str, model: str, data_dir: str, log_dir: Path) -> None:
    flags = ["--experiment_args", str(ROOT / "args" / f"{name}.args"), "--model", model]
    sample = ["--mnist_sample_pct", "0.02"] if name in ("mnist", "digits") else []
    flags += [*SMALL, *sample, "--bootstrap", "0"]
    assert main([*flags, "--data_dir", data_dir, "--log_dir", str(log_dir)]) == 0
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
