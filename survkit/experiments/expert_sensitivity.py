"""How the number of experts matters: each mixture of the published table at four numbers."""

from __future__ import annotations

from survkit.experiments.sweep import Sweep
from survkit.experiments.table1 import MNIST_MIXTURE, SEPSIS_MIXTURE, SUPPORT2_MIXTURE

NUMBERS_OF_EXPERTS = {
    "fixed_moe": [2, 5, 10, 20],
    "adjustable_moe": [2, 5, 10, 20],
    "personalized_moe": [2, 4, 8, 16],
}


def _with_numbers_of_experts(sweep: Sweep) -> Sweep:
    mixtures = [run for run in sweep.runs if run["model"] in NUMBERS_OF_EXPERTS]
    return sweep._replace(
        runs=tuple(
            {**run, "mixture_components": NUMBERS_OF_EXPERTS[run["model"]]} for run in mixtures
        )
    )


SUPPORT2_EXPERT_SENSITIVITY = _with_numbers_of_experts(SUPPORT2_MIXTURE)
MNIST_EXPERT_SENSITIVITY = _with_numbers_of_experts(MNIST_MIXTURE)
SEPSIS_EXPERT_SENSITIVITY = _with_numbers_of_experts(SEPSIS_MIXTURE)
