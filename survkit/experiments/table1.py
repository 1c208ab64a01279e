"""The models of the published table on its three datasets, five seeds each, as published."""

from __future__ import annotations

from survkit.experiments.sweep import Sweep

SEEDS = [42, 43, 44, 45, 46]

MTLR = {"model": "mtlr", "hidden_dim": 176}
FIXED_MOE = {"model": "fixed_moe", "hidden_dim": 208, "mixture_components": 10}
ADJUSTABLE_MOE = {
    "model": "adjustable_moe",
    "hidden_dim": 186,
    "mixture_components": 10,
    "group_ent_lambda": 0,
}
PERSONALIZED_MOE = {
    "model": "personalized_moe",
    "hidden_dim": 128,
    "num_hidden_layers": 1,
    "mixture_components": 8,
}
COXPH = {"model": "coxph", "cox_alpha": 0.01, "cox_l1_ratio": 0.01}
NUMBERS_OF_EXPERTS = {
    "fixed_moe": [2, 5, 10, 20],
    "adjustable_moe": [2, 5, 10, 20],
    "personalized_moe": [2, 4, 8, 16],
}

SUPPORT2_MIXTURE = Sweep(
    common={"dataset": "support2", "seed": SEEDS},
    runs=(
        MTLR,
        {**FIXED_MOE, "lr": 5e-3},
        {**ADJUSTABLE_MOE, "lr": 5e-3},
        PERSONALIZED_MOE,
        COXPH,
        {"model": "rsf", "rsf_n_estimators": 200, "rsf_min_samples_split": 200},
    ),
)

MNIST_MIXTURE = Sweep(
    common={"dataset": "mnist", "mnist_censoring_percentage": 0.15, "seed": SEEDS},
    runs=(
        MTLR,
        FIXED_MOE,
        ADJUSTABLE_MOE,
        {**PERSONALIZED_MOE, "hidden_dim": 160, "mixture_components": 10},
        COXPH,
        {"model": "rsf", "rsf_n_estimators": 100, "rsf_min_samples_split": 100},
    ),
)

SEPSIS_MIXTURE = Sweep(
    common={"dataset": "sepsis", "num_hours": 100, "seed": SEEDS},
    runs=(
        MTLR,
        FIXED_MOE,
        ADJUSTABLE_MOE,
        PERSONALIZED_MOE,
        COXPH,
        {"model": "rsf", "rsf_n_estimators": 50, "rsf_min_samples_split": 50},
    ),
)


def with_numbers_of_experts(sweep: Sweep) -> Sweep:
    """Return a sweep of the mixtures alone, each at four numbers of experts."""
    return sweep._replace(
        runs=tuple(
            {**run, "mixture_components": NUMBERS_OF_EXPERTS[run["model"]]}
            for run in sweep.runs
            if run["model"] in NUMBERS_OF_EXPERTS
        )
    )
