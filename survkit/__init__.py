"""Survival analysis with mixture-of-experts heads.

What is listed in `survkit.__all__` is the public interface. It is imported when it is first used,
so that importing survkit costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from survkit.bart.model import Bart
    from survkit.datasets import load_dataset
    from survkit.estimators import (
        AalenJohansenSurvival,
        AdjustableMoESurvival,
        BARTSurvival,
        CoxnetSurvival,
        CoxPHSurvival,
        DeepCoxMixturesSurvival,
        DeepHitSurvival,
        DeepSurvivalMachinesSurvival,
        DeepSurvSurvival,
        DeepWeibullSurvival,
        ExtraTreesSurvival,
        FixedMoESurvival,
        GradientBoostingSurvival,
        KaplanMeierSurvival,
        LogisticHazardSurvival,
        MTLRSurvival,
        PersonalizedMoESurvival,
        RandomForestSurvival,
        SurvivalBoostSurvival,
        WeibullAFTSurvival,
        XGBAFTSurvival,
        XGBCoxSurvival,
        estimator_class,
    )
    from survkit.explain import SurvLimeExplainer, SurvShapExplainer
    from survkit.metrics import Evaluation, Outcomes, evaluate
    from survkit.runs.read import FittedRun, load_fitted
    from survkit.runs.table import load_runs
    from survkit.types import InputError, Splits, SurvivalData, SurvivalPrediction, TimeGrid

__all__ = [
    "AalenJohansenSurvival",
    "AdjustableMoESurvival",
    "BARTSurvival",
    "Bart",
    "CoxPHSurvival",
    "CoxnetSurvival",
    "DeepCoxMixturesSurvival",
    "DeepHitSurvival",
    "DeepSurvSurvival",
    "DeepSurvivalMachinesSurvival",
    "DeepWeibullSurvival",
    "Evaluation",
    "ExtraTreesSurvival",
    "FittedRun",
    "FixedMoESurvival",
    "GradientBoostingSurvival",
    "InputError",
    "KaplanMeierSurvival",
    "LogisticHazardSurvival",
    "MTLRSurvival",
    "Outcomes",
    "PersonalizedMoESurvival",
    "RandomForestSurvival",
    "Splits",
    "SurvLimeExplainer",
    "SurvShapExplainer",
    "SurvivalBoostSurvival",
    "SurvivalData",
    "SurvivalPrediction",
    "TimeGrid",
    "WeibullAFTSurvival",
    "XGBAFTSurvival",
    "XGBCoxSurvival",
    "estimator_class",
    "evaluate",
    "load_dataset",
    "load_fitted",
    "load_runs",
]

_MODULES = {
    "Bart": "survkit.bart.model",
    "Evaluation": "survkit.metrics",
    "FittedRun": "survkit.runs.read",
    "InputError": "survkit.types",
    "Outcomes": "survkit.metrics",
    "Splits": "survkit.types",
    "SurvLimeExplainer": "survkit.explain",
    "SurvShapExplainer": "survkit.explain",
    "SurvivalData": "survkit.types",
    "SurvivalPrediction": "survkit.types",
    "TimeGrid": "survkit.types",
    "evaluate": "survkit.metrics",
    "load_dataset": "survkit.datasets",
    "load_fitted": "survkit.runs.read",
    "load_runs": "survkit.runs.table",
}
"""Where a public name is, unless it is an estimator."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'survkit' has no attribute '{name}'")
    return getattr(import_module(_MODULES.get(name, "survkit.estimators")), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
