"""Every model by name: where it is, the flags that it reads, and how its runs are treated.

Nothing is imported before a model is built, so the registry is cheap to read.
"""

from __future__ import annotations

from typing import Literal

from survkit.heads import HEADS
from survkit.models import search_spaces
from survkit.models.entry import ModelEntry
from survkit.text import nearest
from survkit.training.parameters import (
    BACKBONE_PARAMETERS,
    INPUT_PARAMETERS,
    OPTIMISATION_PARAMETERS,
    head_parameters,
)
from survkit.types import InputError


def _network(*more: str) -> dict[str, str]:
    """Return the flags of a network, which are its parameters under the same names."""
    names = (*INPUT_PARAMETERS, *BACKBONE_PARAMETERS, *more, *OPTIMISATION_PARAMETERS)
    return dict(zip(names, names, strict=True))


def _head(name: str) -> ModelEntry:
    path = "survkit.training.neural_model:NeuralSurvivalModel"
    space = search_spaces.MIXTURE if HEADS[name].is_mixture else search_spaces.NETWORK
    return ModelEntry(
        path,
        _network(*head_parameters(name)),
        network=name,
        search_space=space,
        causes="own" if HEADS[name].has_causes else "",
        takes_entry=True,
    )


def _continuous(
    name: str,
    path: str,
    *parameters: str,
    search_space: search_spaces.Space = search_spaces.NETWORK,
) -> ModelEntry:
    """Return a network of continuous time."""
    return ModelEntry(
        f"survkit.baselines.{path}",
        _network(*parameters),
        network=name,
        is_baseline=True,
        search_space=search_space,
    )


def _pycox(name: str, causes: Literal["own", ""] = "") -> ModelEntry:
    path = "survkit.baselines.pycox_models:PycoxModel"
    return ModelEntry(
        path,
        _network(),
        network=name,
        is_baseline=True,
        search_space=search_spaces.NETWORK,
        causes=causes,
    )


def _prefixed(prefix: str, keywords: str) -> dict[str, str]:
    """Return the flags of keywords that have a prefix in the command."""
    return {f"{prefix}{keyword}": keyword for keyword in keywords.split()}


def _forest(name: str) -> ModelEntry:
    return ModelEntry(
        f"survkit.baselines.random_survival_forest:{name}",
        _prefixed("rsf_", "n_estimators min_samples_split max_features"),
        is_baseline=True,
        memory="survkit.baselines.random_survival_forest:memory_need",
        search_space=search_spaces.FOREST,
        causes="each",
    )


XGB_PARAMETERS = (
    "n_estimators early_stopping_rounds learning_rate max_depth min_child_weight subsample "
    "colsample_bytree reg_lambda"
)

MODELS: dict[str, ModelEntry] = {
    **{name: _head(name) for name in HEADS},
    "kaplan_meier": ModelEntry(
        "survkit.baselines.kaplan_meier:KaplanMeier",
        {},
        is_baseline=True,
        is_deterministic=True,
        takes_entry=True,
    ),
    "aalen_johansen": ModelEntry(
        "survkit.baselines.aalen_johansen:AalenJohansen",
        {},
        is_baseline=True,
        is_deterministic=True,
        causes="own",
        takes_entry=True,
    ),
    "coxph": ModelEntry(
        "survkit.baselines.coxph:CoxPH",
        {"cox_alpha": "alpha", "cox_l1_ratio": "l1_ratio"},
        is_baseline=True,
        is_deterministic=True,
        search_space=search_spaces.COX,
        causes="each",
        takes_entry=True,
    ),
    "coxnet": ModelEntry(
        "survkit.baselines.coxnet:Coxnet",
        _prefixed("coxnet_", "l1_ratio folds alphas"),
        is_baseline=True,
        search_space=search_spaces.COXNET,
        causes="each",
    ),
    "weibull_aft": ModelEntry(
        "survkit.baselines.weibull_aft:WeibullAFT",
        {"weibull_alpha": "alpha"},
        is_baseline=True,
        is_deterministic=True,
        search_space=search_spaces.WEIBULL,
        causes="each",
    ),
    "rsf": _forest("RandomSurvivalForest"),
    "extra_survival_trees": _forest("ExtraSurvivalTrees"),
    "gbsa": ModelEntry(
        "survkit.baselines.gradient_boosting:GradientBoosting",
        _prefixed(
            "gbsa_",
            "n_estimators learning_rate max_depth min_samples_leaf subsample max_features",
        ),
        is_baseline=True,
        search_space=search_spaces.GRADIENT_BOOSTING,
        causes="each",
    ),
    "xgb_cox": ModelEntry(
        "survkit.baselines.xgb_models:XGBCox",
        _prefixed("xgb_", XGB_PARAMETERS),
        is_baseline=True,
        memory="survkit.baselines.xgb_models:memory_need",
        search_space=search_spaces.XGBOOST,
        causes="each",
        packages=("xgboost",),
    ),
    "xgb_aft": ModelEntry(
        "survkit.baselines.xgb_models:XGBAft",
        _prefixed("xgb_", f"{XGB_PARAMETERS} aft_distribution aft_scale"),
        is_baseline=True,
        memory="survkit.baselines.xgb_models:memory_need",
        search_space=search_spaces.XGBOOST,
        causes="each",
        packages=("xgboost",),
    ),
    "survivalboost": ModelEntry(
        "survkit.baselines.survivalboost:SurvivalBoost",
        _prefixed(
            "survivalboost_",
            "n_iter learning_rate max_leaf_nodes min_samples_leaf horizons ipcw",
        ),
        is_baseline=True,
        memory="survkit.baselines.survivalboost:memory_need",
        search_space=search_spaces.SURVIVALBOOST,
        causes="own",
        packages=("hazardous",),
    ),
    "deepsurv": _pycox("deepsurv"),
    "deephit": _pycox("deephit", causes="own"),
    "logistic_hazard": _pycox("logistic_hazard"),
    "deep_weibull": _continuous("deep_weibull", "deep_weibull:DeepWeibull"),
    "deep_survival_machines": _continuous(
        "deep_survival_machines",
        "deep_survival_machines:DeepSurvivalMachines",
        "dsm_components",
        "dsm_distribution",
        "dsm_loss",
        "dsm_discount",
        "dsm_prior",
        search_space=search_spaces.SURVIVAL_MACHINES,
    ),
    "deep_cox_mixtures": _continuous(
        "deep_cox_mixtures",
        "deep_cox_mixtures:DeepCoxMixtures",
        "dcm_components",
        "dcm_intervals",
        search_space=search_spaces.COX_MIXTURES,
    ),
    "bart": ModelEntry(
        "survkit.bart.baseline:BartBaseline",
        {
            "bart_backend": "backend",
            "bart_leaf_deviation": "leaf_deviation",
            "bart_trees": "trees",
            "bart_tune": "tune",
            "bart_draws": "draws",
            "bart_sweeps": "sweeps",
            "bart_regrow": "regrow",
            "bart_chains": "chains",
            "bart_cores": "cores",
            "bart_max_rows": "max_rows",
            "bart_subsample": "subsample",
        },
        data_defaults="survkit.bart.defaults:data_defaults",
        memory="survkit.bart.defaults:memory_need",
        search_space=search_spaces.BART,
        packages=("stochtree", "pymc_bart"),
    ),
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


def refuse_causes(model: str, num_causes: int) -> None:
    """Refuse several competing causes for a model that predicts one.

    Parameters
    ----------
    model : str
        A key of `MODELS`.
    num_causes : int
        Causes of the data.

    Raises
    ------
    InputError
        With the models that predict several, and how one cause alone is analysed.
    """
    if num_causes == 1 or MODELS[model].causes:
        return
    able = ", ".join(name for name, entry in MODELS.items() if entry.causes)
    counterpart = "; aalen_johansen is its counterpart" if model == "kaplan_meier" else ""
    raise InputError(
        f"{model} predicts one cause, and the data have {num_causes} competing ones{counterpart}; "
        f"models of several causes are {able}; --cause_of_interest NAME analyses one cause with "
        "the others censored, which gives its cause-specific hazard and not its risk"
    )


def refuse_late_entry(model: str, *, late: bool, calibrate: bool = False) -> None:
    """Refuse subjects who come under observation late for what does not correct for it.

    Parameters
    ----------
    model : str
        A key of `MODELS`.
    late : bool
        Whether the data have entries.
    calibrate : bool
        Whether predictions are to be calibrated on the validation rows.

    Raises
    ------
    InputError
        With the models that correct for it, and what else can be done.
    """
    if not late:
        return
    if not MODELS[model].takes_entry:
        able = ", ".join(name for name, entry in MODELS.items() if entry.takes_entry)
        raise InputError(
            f"{model} does not correct for subjects who come under observation late "
            f"(--entry_column); models that do are {able}; another way is to count the time from "
            "entry, with the age or time at entry as a feature"
        )
    if calibrate:
        raise InputError(
            "--calibrate does not correct for subjects who come under observation late "
            "(--entry_column); leave it out"
        )
