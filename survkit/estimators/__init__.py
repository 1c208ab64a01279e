"""Models of the registry as estimators, in scikit-survival's convention."""

from typing import Any

from survkit.estimators.baselines import (
    AalenJohansenSurvival,
    BARTSurvival,
    CoxnetSurvival,
    CoxPHSurvival,
    ExtraTreesSurvival,
    GradientBoostingSurvival,
    KaplanMeierSurvival,
    RandomForestSurvival,
    SurvivalBoostSurvival,
    WeibullAFTSurvival,
    XGBAFTSurvival,
    XGBCoxSurvival,
)
from survkit.estimators.networks import (
    AdjustableMoESurvival,
    DeepCoxMixturesSurvival,
    DeepHitSurvival,
    DeepSurvivalMachinesSurvival,
    DeepSurvSurvival,
    DeepWeibullSurvival,
    FixedMoESurvival,
    LogisticHazardSurvival,
    MTLRSurvival,
    PersonalizedMoESurvival,
)
from survkit.estimators.of_models import class_name, estimator_class
from survkit.models.registry import MODELS

__all__ = [
    "AalenJohansenSurvival",
    "AdjustableMoESurvival",
    "BARTSurvival",
    "CoxPHSurvival",
    "CoxnetSurvival",
    "DeepCoxMixturesSurvival",
    "DeepHitSurvival",
    "DeepSurvSurvival",
    "DeepSurvivalMachinesSurvival",
    "DeepWeibullSurvival",
    "ExtraTreesSurvival",
    "FixedMoESurvival",
    "GradientBoostingSurvival",
    "KaplanMeierSurvival",
    "LogisticHazardSurvival",
    "MTLRSurvival",
    "PersonalizedMoESurvival",
    "RandomForestSurvival",
    "SurvivalBoostSurvival",
    "WeibullAFTSurvival",
    "XGBAFTSurvival",
    "XGBCoxSurvival",
    "estimator_class",
]


def __getattr__(name: str) -> Any:
    """Return the estimator of an added model by its name, as a pickle of one asks for it."""
    for model in MODELS:
        if class_name(model) == name:
            return estimator_class(model)
    raise AttributeError(f"module 'survkit.estimators' has no attribute '{name}'")
