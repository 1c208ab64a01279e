"""Models of the registry as estimators, in scikit-survival's convention."""

from survkit.estimators.baselines import (
    CoxnetSurvival,
    ExtraTreesSurvival,
    GradientBoostingSurvival,
    SurvivalBoostSurvival,
    WeibullAFTSurvival,
    XGBAFTSurvival,
    XGBCoxSurvival,
)
from survkit.estimators.networks import (
    AdjustableMoESurvival,
    DeepCoxMixturesSurvival,
    DeepSurvivalMachinesSurvival,
    DeepWeibullSurvival,
    FixedMoESurvival,
    MTLRSurvival,
    PersonalizedMoESurvival,
)

__all__ = [
    "AdjustableMoESurvival",
    "CoxnetSurvival",
    "DeepCoxMixturesSurvival",
    "DeepSurvivalMachinesSurvival",
    "DeepWeibullSurvival",
    "ExtraTreesSurvival",
    "FixedMoESurvival",
    "GradientBoostingSurvival",
    "MTLRSurvival",
    "PersonalizedMoESurvival",
    "SurvivalBoostSurvival",
    "WeibullAFTSurvival",
    "XGBAFTSurvival",
    "XGBCoxSurvival",
]
