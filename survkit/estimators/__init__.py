"""The heads as scikit-learn estimators, in scikit-survival's convention."""

from survkit.estimators.survival import (
    AdjustableMoESurvival,
    FixedMoESurvival,
    MTLRSurvival,
    PersonalizedMoESurvival,
)

__all__ = ["AdjustableMoESurvival", "FixedMoESurvival", "MTLRSurvival", "PersonalizedMoESurvival"]
