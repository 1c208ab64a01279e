"""Heads and networks of continuous time as estimators, in scikit-survival's convention."""

from survkit.estimators.survival import (
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
    "DeepCoxMixturesSurvival",
    "DeepSurvivalMachinesSurvival",
    "DeepWeibullSurvival",
    "FixedMoESurvival",
    "MTLRSurvival",
    "PersonalizedMoESurvival",
]
