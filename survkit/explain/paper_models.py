"""The five models of the SurvLIME paper's table 5, fitted as its authors fit them.

The paper prints no hyperparameters. Those of the forest, of XGBoost and of the networks are from
the authors' repository of experiments (github.com/imatge-upc/SurvLIME-experiments).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from survkit.explain.paper_datasets import PaperDataset
from survkit.extras import require
from survkit.types import Float64Array, InputError, IntArray

COX_ALPHA = 1e-4
"""Ridge penalty of the Cox model."""

NUM_TREES = 100
"""Of the forest. The authors grow 1,000 for lung and 800 for udca, too slow to explain."""

BOOSTING_ROUNDS = 100

FOREST: Mapping[str, Mapping[str, Any]] = {
    "udca": {"max_depth": 4, "min_samples_leaf": 10, "min_samples_split": 5},
    "lung": {"max_depth": 3, "min_samples_leaf": 17, "min_samples_split": 9},
    "veteran": {
        "max_depth": 5,
        "min_samples_leaf": 8,
        "min_samples_split": 15,
        "min_weight_fraction_leaf": 0.05,
    },
}

XGBOOST: Mapping[str, Mapping[str, Any]] = {
    "udca": {"alpha": 5e-4, "learning_rate": 0.01, "max_depth": 9, "min_child_weight": 2},
    "lung": {"alpha": 1e-5, "learning_rate": 0.05, "max_depth": 15, "min_child_weight": 1},
    "veteran": {"alpha": 1e-4, "learning_rate": 0.1, "max_depth": 14, "min_child_weight": 1},
}

NETWORKS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "deepsurv": {
        "udca": {"epochs": 23, "hidden_dim": 8, "dropout": 0.1, "lr": 1e-2},
        "lung": {"epochs": 27, "hidden_dim": 32, "dropout": 0.1, "lr": 1e-2},
        "veteran": {"epochs": 21, "hidden_dim": 16, "dropout": 0.2, "lr": 1e-3},
    },
    "deephit": {
        "udca": {"epochs": 25, "hidden_dim": 8, "dropout": 0.3, "lr": 1e-3},
        "lung": {"epochs": 19, "hidden_dim": 32, "dropout": 0.2, "lr": 1e-3},
        "veteran": {"epochs": 25, "hidden_dim": 16, "dropout": 0.2, "lr": 1e-3},
    },
}
"""Two hidden layers each. The authors' batch normalisation and weight decay are left out."""


def fit(kind: str, data: PaperDataset, inputs: pd.DataFrame, train: IntArray) -> Any:
    """Fit one of table 5's models.

    Parameters
    ----------
    kind : {"cox", "rsf", "xgb", "deepsurv", "deephit"}
        Which model.
    data : PaperDataset
        The outcomes, n subjects.
    inputs : DataFrame, shape (n, p*)
        What `data.encode` returned.
    train : array of int
        The rows to fit on.

    Returns
    -------
    model
        Of scikit-survival, XGBoost or survkit; the explainer takes each.

    Raises
    ------
    InputError
        For an unknown kind, and for "xgb" where XGBoost is not installed.
    """
    if kind == "xgb":
        return _xgboost(data, inputs, train)
    if kind in NETWORKS:
        return _network(kind, data, inputs, train)
    from sksurv.ensemble import RandomSurvivalForest
    from sksurv.linear_model import CoxPHSurvivalAnalysis
    from sksurv.util import Surv

    models = {
        "cox": CoxPHSurvivalAnalysis(alpha=COX_ALPHA),
        "rsf": RandomSurvivalForest(NUM_TREES, random_state=42, **FOREST[data.name]),
    }
    if kind not in models:
        raise InputError(f"unknown model '{kind}'; {', '.join([*models, 'xgb', *NETWORKS])}")
    outcome = Surv.from_arrays(data.event[train], data.time[train])
    return models[kind].fit(inputs.iloc[train], outcome)


def risk_scores(model: Any, inputs: pd.DataFrame) -> Float64Array:
    """Return what table 5 ranks by, shape (n,); higher is riskier."""
    if hasattr(model, "fit_summary"):
        risk = model.predict(inputs.to_numpy(dtype=np.float32)).risk_score()
    elif hasattr(model, "get_score"):
        import xgboost

        risk = -model.predict(xgboost.DMatrix(inputs))  # it predicts times
    else:
        risk = model.predict(inputs)
    return np.asarray(risk, dtype=np.float64)


def concordance(model: Any, data: PaperDataset, inputs: pd.DataFrame, test: IntArray) -> float:
    """Return Harrell's concordance on the rows for testing."""
    from sksurv.metrics import concordance_index_censored

    risk = risk_scores(model, inputs.iloc[test])
    return float(concordance_index_censored(data.event[test], data.time[test], risk)[0])


def _xgboost(data: PaperDataset, inputs: pd.DataFrame, train: IntArray) -> Any:
    """Fit XGBoost's accelerated failure time model with a normal error of scale 1."""
    require(("xgboost",), "the model 'xgb'")
    import xgboost

    time = np.maximum(data.time[train], 0.5)  # half a day for time 0, whose logarithm is infinite
    matrix = xgboost.DMatrix(inputs.iloc[train])
    matrix.set_float_info("label_lower_bound", time)
    matrix.set_float_info("label_upper_bound", np.where(data.event[train], time, np.inf))
    settings = {
        "objective": "survival:aft",
        "aft_loss_distribution": "normal",
        "aft_loss_distribution_scale": 1.0,
        "tree_method": "hist",
        "seed": 0,
        **XGBOOST[data.name],
    }
    return xgboost.train(settings, matrix, BOOSTING_ROUNDS)


def _network(kind: str, data: PaperDataset, inputs: pd.DataFrame, train: IntArray) -> Any:
    """Train a network for the authors' number of epochs; no rows are held out to stop it."""
    from dataclasses import asdict

    from survkit.baselines.pycox_models import PycoxModel
    from survkit.configs.train import TrainConfig
    from survkit.types import SurvivalData, TimeGrid

    features: NDArray[np.float32] = inputs.to_numpy(dtype=np.float32)
    subjects = SurvivalData(features, data.event, data.time, feature_names=tuple(map(str, inputs)))
    grid = TimeGrid.evenly_spaced(float(data.time[train].max()), 15)
    settings = asdict(TrainConfig(num_hidden_layers=2, **NETWORKS[kind][data.name]))
    model = PycoxModel(kind, grid=grid, parameters=settings)
    rows = subjects.subset(train)
    return model.fit(rows, rows)
