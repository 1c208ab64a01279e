"""Small runs for the notebooks to read."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from survkit.train import main as train

SMALL = "--hidden_dim 24 --lr 5e-3 --bootstrap 20 --mode disabled"
DIGITS = "--group digits_small --dataset digits --epochs 6"
SIX_EXPERTS = f"{DIGITS} --mixture_components 6"
EXPERTS = "--group experts_small --dataset synthetic --synthetic_rows 300 --epochs 3"
ROUTING = "--group routing_small --dataset gbsg2 --epochs 5 --mixture_components 4"
RUNS = [
    (DIGITS, ("mtlr",), (42, 43)),
    (SIX_EXPERTS, ("fixed_moe", "adjustable_moe", "personalized_moe"), (42, 43)),
    (f"{EXPERTS} --mixture_components 2", ("fixed_moe", "personalized_moe"), (42, 43)),
    (f"{EXPERTS} --mixture_components 4", ("fixed_moe",), (42, 43)),
    (ROUTING, ("personalized_moe",), (42, 43, 44)),
]


@pytest.fixture(scope="package")
def log_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small runs, in three groups."""
    folder = tmp_path_factory.mktemp("logs")
    for flags, models, seeds in RUNS:
        for model, seed in product(models, seeds):
            words = f"{SMALL} {flags} --model {model} --seed {seed}".split()
            assert train([*words, "--log_dir", str(folder)]) == 0
    return folder
