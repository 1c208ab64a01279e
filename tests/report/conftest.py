"""Small runs that the tests of the report share."""

from __future__ import annotations

from pathlib import Path

import pytest

from survkit.train import main as train


@pytest.fixture(scope="package")
def small_flags() -> list[str]:
    """Flags of a run that takes less than a second."""
    data = "--dataset synthetic --synthetic_rows 300 --time_bins 12 --group some"
    return f"{data} --hidden_dim 20 --epochs 2 --bootstrap 20 --mode disabled".split()


@pytest.fixture(scope="package")
def log_dir(tmp_path_factory: pytest.TempPathFactory, small_flags: list[str]) -> Path:
    """Three small runs of two models."""
    folder = tmp_path_factory.mktemp("logs")
    for model, seed in (("personalized_moe", "43"), ("personalized_moe", "42"), ("mtlr", "42")):
        flags = ["--model", model, "--seed", seed, "--log_dir", str(folder)]
        assert train([*small_flags, *flags]) == 0
    return folder
