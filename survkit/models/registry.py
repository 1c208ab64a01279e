"""Every model by name, and how each is built and rebuilt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from survkit.bart.baseline import BartBaseline
from survkit.bart.chains import SamplerSettings
from survkit.baselines.coxph import CoxPH
from survkit.baselines.pycox_models import PycoxModel
from survkit.baselines.random_survival_forest import RandomSurvivalForest
from survkit.text import nearest
from survkit.training.neural_model import NeuralSurvivalModel
from survkit.types import InputError, SurvivalModel, TimeGrid


class ModelEntry(NamedTuple):
    """How a model is built and rebuilt, and how its runs are treated.

    Parameters
    ----------
    build : callable
        Takes the keywords grid, parameters, seed, device and validation_metrics.
    from_state : callable
        Rebuilds a fitted model from its state.
    is_baseline : bool
        Whether the published evaluation fits it on four fifths of the training rows and
        renormalises what it predicts beyond the horizon.
    is_deterministic : bool
        Whether the same rows give the same model for every seed.
    """

    build: Callable[..., SurvivalModel]
    from_state: Callable[[Mapping[str, Any]], SurvivalModel]
    is_baseline: bool = False
    is_deterministic: bool = False


def _coxph(*, grid: TimeGrid, parameters: Mapping[str, Any], **_: Any) -> SurvivalModel:
    return CoxPH(grid=grid, alpha=parameters["cox_alpha"], l1_ratio=parameters["cox_l1_ratio"])


def _rsf(*, grid: TimeGrid, parameters: Mapping[str, Any], seed: int, **_: Any) -> SurvivalModel:
    return RandomSurvivalForest(
        grid=grid,
        n_estimators=parameters["rsf_n_estimators"],
        min_samples_split=parameters["rsf_min_samples_split"],
        max_features=parameters["rsf_max_features"],
        max_memory_gb=parameters["max_memory_gb"],
        seed=seed,
    )


def _bart(*, grid: TimeGrid, parameters: Mapping[str, Any], seed: int, **_: Any) -> SurvivalModel:
    settings = SamplerSettings(
        backend=parameters["bart_backend"],
        trees=parameters["bart_trees"],
        tune=parameters["bart_tune"],
        draws=parameters["bart_draws"],
        sweeps=parameters["bart_sweeps"],
        regrow=parameters["bart_regrow"],
        chains=parameters["bart_chains"],
        seed=seed,
    )
    return BartBaseline(
        grid=grid,
        settings=settings,
        max_rows=parameters["bart_max_rows"],
        subsample=parameters["bart_subsample"],
        cores=parameters["bart_cores"],
    )


MODELS: dict[str, ModelEntry] = {
    "mtlr": ModelEntry(partial(NeuralSurvivalModel, "mtlr"), NeuralSurvivalModel.from_state),
    "fixed_moe": ModelEntry(
        partial(NeuralSurvivalModel, "fixed_moe"), NeuralSurvivalModel.from_state
    ),
    "adjustable_moe": ModelEntry(
        partial(NeuralSurvivalModel, "adjustable_moe"), NeuralSurvivalModel.from_state
    ),
    "personalized_moe": ModelEntry(
        partial(NeuralSurvivalModel, "personalized_moe"), NeuralSurvivalModel.from_state
    ),
    "coxph": ModelEntry(_coxph, CoxPH.from_state, is_baseline=True, is_deterministic=True),
    "rsf": ModelEntry(_rsf, RandomSurvivalForest.from_state, is_baseline=True),
    "deepsurv": ModelEntry(
        partial(PycoxModel, "deepsurv"), PycoxModel.from_state, is_baseline=True
    ),
    "deephit": ModelEntry(partial(PycoxModel, "deephit"), PycoxModel.from_state, is_baseline=True),
    "logistic_hazard": ModelEntry(
        partial(PycoxModel, "logistic_hazard"), PycoxModel.from_state, is_baseline=True
    ),
    "bart": ModelEntry(_bart, BartBaseline.from_state),
}

ALIASES = {
    "FFNet": "mtlr",
    "FFNetMixture": "fixed_moe",
    "FFNetTimeWarpMoE": "adjustable_moe",
    "FFNetMixtureMTLR": "personalized_moe",
    "SKSurvCox": "coxph",
    "SKSurvRF": "rsf",
}


def model_name(name: str) -> str:
    """Return a model's name in `MODELS`, given that name or an alias.

    Raises
    ------
    InputError
        For an unknown name, with the nearest known one.
    """
    name = ALIASES.get(name, name)
    if name not in MODELS:
        known = [*MODELS, *ALIASES]
        raise InputError(
            f"unknown model '{name}'{nearest(name, known)}; models are {', '.join(MODELS)}"
        )
    return name
