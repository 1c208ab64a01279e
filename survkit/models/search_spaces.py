"""What a search over hyperparameters varies by default, for each model.

A space is plain data: a flag of the model, and the range or the values that are tried. The ranges
are wide, and alike for models that read the same flags, so that no model has the better search.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class Range(NamedTuple):
    """Numbers from `low` to `high`, both included; whole ones where the flag takes no others.

    With `log`, as many are tried between 0.001 and 0.01 as between 0.01 and 0.1.
    """

    low: float
    high: float
    log: bool = False


class Choices(NamedTuple):
    """Values without an order."""

    values: tuple[Any, ...]


Space = Mapping[str, Range | Choices]

NONE: Space = MappingProxyType({})
"""Of a model without flags to vary."""

NETWORK: Space = {
    "lr": Range(1e-4, 1e-2, log=True),
    "hidden_dim": Choices((32, 64, 128, 256)),
    "num_hidden_layers": Range(1, 3),
    "dropout": Range(0.0, 0.5),
    "batch_size": Choices((32, 64, 128, 256)),
}

MIXTURE: Space = {
    **NETWORK,
    "mixture_components": Range(2, 20),
    "group_ent_lambda": Range(1e-4, 1.0, log=True),
}

COX: Space = {"cox_alpha": Range(1e-5, 10.0, log=True), "cox_l1_ratio": Range(0.01, 1.0)}

COXNET: Space = {"coxnet_l1_ratio": Range(0.01, 1.0)}

WEIBULL: Space = {"weibull_alpha": Range(1e-5, 10.0, log=True)}

FOREST: Space = {
    "rsf_n_estimators": Choices((100, 300)),
    "rsf_min_samples_split": Range(2, 60, log=True),
    "rsf_max_features": Choices(("sqrt", "log2", "all")),
}

GRADIENT_BOOSTING: Space = {
    "gbsa_n_estimators": Choices((50, 100, 200)),
    "gbsa_learning_rate": Range(0.01, 0.3, log=True),
    "gbsa_max_depth": Range(1, 5),
    "gbsa_min_samples_leaf": Range(1, 30, log=True),
    "gbsa_subsample": Range(0.5, 1.0),
}

XGBOOST: Space = {
    "xgb_learning_rate": Range(0.01, 0.3, log=True),
    "xgb_max_depth": Range(1, 8),
    "xgb_min_child_weight": Range(0.1, 30.0, log=True),
    "xgb_subsample": Range(0.5, 1.0),
    "xgb_colsample_bytree": Range(0.3, 1.0),
    "xgb_reg_lambda": Range(1e-3, 100.0, log=True),
}

SURVIVALBOOST: Space = {
    "survivalboost_n_iter": Choices((50, 100, 200)),
    "survivalboost_learning_rate": Range(0.01, 0.3, log=True),
    "survivalboost_max_leaf_nodes": Range(4, 63, log=True),
    "survivalboost_min_samples_leaf": Range(10, 200, log=True),
}

SURVIVAL_MACHINES: Space = {
    **NETWORK,
    "dsm_components": Range(2, 10),
    "dsm_distribution": Choices(("weibull", "lognormal")),
}

COX_MIXTURES: Space = {**NETWORK, "dcm_components": Range(2, 10)}

BART: Space = {
    "bart_trees": Choices((20, 50, 100, 200)),
    "bart_leaf_deviation": Choices(("prior", "learned")),
}
