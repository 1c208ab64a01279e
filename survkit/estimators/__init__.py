"""The heads and DeepWeibull as scikit-learn estimators, in scikit-survival's convention."""

from survkit.estimators.survival import (
    AdjustableMoESurvival,
    DeepWeibullSurvival,
    FixedMoESurvival,
    MTLRSurvival,
    PersonalizedMoESurvival,
)

__all__ = [
    "AdjustableMoESurvival",
    "DeepWeibullSurvival",
    "FixedMoESurvival",
    "MTLRSurvival",
    "PersonalizedMoESurvival",
]
