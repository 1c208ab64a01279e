"""Fixtures that several test modules share."""

from __future__ import annotations

import os
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import torch
from hypothesis import settings

from survkit.train import main as train
from survkit.types import SurvivalData

mpl.use("Agg")
torch.set_num_threads(1)
settings.register_profile("survkit", deadline=None)  # a busy machine makes no test fail
settings.load_profile("survkit")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests on real data, and keep each file in one worker, for what its tests share.

    The tests of a folder that start a cluster share it, and stay together as well.
    """
    for item in items:
        if "real_data_dir" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.real_data)
        together = item.path.parent if item.get_closest_marker("cluster") else item.path
        item.add_marker(pytest.mark.xdist_group(together.as_posix()))


@pytest.fixture(scope="session")
def real_data_dir() -> Path:
    """Folder of the real data; where it is not given, the test is skipped."""
    folder = os.environ.get("SURVKIT_DATA_DIR")
    if not folder:
        pytest.skip("needs real data: SURVKIT_DATA_DIR is not set")
    return Path(folder)


@pytest.fixture
def small_data() -> SurvivalData:
    """120 subjects with 4 numeric features and one category; the first feature is the risk."""
    return make_data(120, seed=0)


def make_data(n: int, seed: int) -> SurvivalData:
    """Exponential times with log hazard 1.5 x0, censored uniformly on (0, 3)."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 5)).astype(np.float32)
    features[:, 4] = rng.integers(0, 3, n)
    event_time = rng.exponential(np.exp(-1.5 * features[:, 0]))
    censoring_time = rng.uniform(0, 3, n)
    return SurvivalData(
        features,
        event_time <= censoring_time,
        np.minimum(event_time, censoring_time),
        categorical=((4, 3),),
    )


@pytest.fixture(scope="session")
def small_flags() -> list[str]:
    """Flags of a run that takes less than a second."""
    data = "--dataset synthetic --synthetic_rows 300 --time_bins 12 --group some"
    return f"{data} --hidden_dim 20 --epochs 2 --bootstrap 20 --mode disabled".split()


@pytest.fixture(scope="session")
def log_dir(tmp_path_factory: pytest.TempPathFactory, small_flags: list[str]) -> Path:
    """Three small runs of two models."""
    folder = tmp_path_factory.mktemp("logs")
    for model, seed in (("personalized_moe", "43"), ("personalized_moe", "42"), ("mtlr", "42")):
        flags = ["--model", model, "--seed", seed, "--log_dir", str(folder)]
        assert train([*small_flags, *flags]) == 0
    return folder
