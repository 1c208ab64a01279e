"""The sweeps by name. To add one, write a `Sweep` and give it a name here."""

from __future__ import annotations

from survkit.experiments.sweep import PlannedRun, Sweep, expand
from survkit.experiments.sweep_file import read_sweep
from survkit.experiments.table1 import (
    MNIST_MIXTURE,
    SEPSIS_MIXTURE,
    SUPPORT2_MIXTURE,
    with_numbers_of_experts,
)
from survkit.text import nearest
from survkit.types import InputError

__all__ = ["SWEEPS", "PlannedRun", "Sweep", "expand", "find_sweep", "read_sweep"]

SWEEPS = {
    "support2_mixture": SUPPORT2_MIXTURE,
    "mnist_mixture": MNIST_MIXTURE,
    "sepsis_mixture": SEPSIS_MIXTURE,
    "support2_expert_sensitivity": with_numbers_of_experts(SUPPORT2_MIXTURE),
    "mnist_expert_sensitivity": with_numbers_of_experts(MNIST_MIXTURE),
    "sepsis_expert_sensitivity": with_numbers_of_experts(SEPSIS_MIXTURE),
}


def find_sweep(name: str) -> Sweep:
    """Return the sweep of a name.

    Raises
    ------
    InputError
        For an unknown name; the message lists the known ones.
    """
    if name not in SWEEPS:
        raise InputError(
            f"unknown sweep '{name}'{nearest(name, SWEEPS)}; the sweeps are {', '.join(SWEEPS)}; "
            "--sweep FILE reads one of your own"
        )
    return SWEEPS[name]
