"""Configuration of a search over hyperparameters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

from survkit.configs.launch import LaunchConfig
from survkit.configs.options import option
from survkit.types import InputError

_search = partial(option, topic="Search")


@dataclass(frozen=True)
class SearchConfig(LaunchConfig):
    """How long a search lasts, what it compares by, and where its trials run."""

    trials: int = _search(50, "configurations to try", at_least=1, at_most=100_000)
    metric: Literal[
        "integrated_brier", "brier", "loss", "concordance_td", "concordance", "concordance_ipcw"
    ] = _search("integrated_brier", "metric of the validation rows that chooses")
    space: str | None = _search(
        None,
        "YAML file of flags with what to try, as 'lr: {low: 1e-4, high: 0.01, log: true}' or "
        "'hidden_dim: [32, 64]'",
        is_path=True,
        shown_default="the model's own space",
    )
    pruning: bool = _search(True, "end the training of a network that is far behind the others")
    final_seeds: int = _search(
        5,
        "seeds with which the chosen configuration is trained and tested, from --seed on",
        at_least=1,
        at_most=10_000,
    )
    final: bool = _search(
        True, "train and test the chosen configuration; without it the search can still grow"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.check_wandb:
            raise InputError("--check_wandb is for a sweep; a search needs its own records")
        if self.array:
            raise InputError("--array is for a sweep; a search submits its trials one by one")
