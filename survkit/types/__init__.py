"""The types every part of survkit shares: survival data, time grids, predictions, models.

Nothing but numpy is needed here, so that any module can use these types at no cost.
"""

from survkit.types.arrays import BoolArray, Float64Array, FloatArray, IntArray
from survkit.types.data import (
    CategoricalColumn,
    Splits,
    SurvivalData,
    check_features,
)
from survkit.types.errors import InputError, NotFiniteError
from survkit.types.grid import Knots, TimeGrid
from survkit.types.model import FitMonitor, FitSummary, SurvivalModel
from survkit.types.prediction import SURVIVAL_TOLERANCE, SurvivalPrediction
from survkit.types.times import LARGEST, SMALLEST, as_times, holds_steps

__all__ = [
    "LARGEST",
    "SMALLEST",
    "SURVIVAL_TOLERANCE",
    "BoolArray",
    "CategoricalColumn",
    "FitMonitor",
    "FitSummary",
    "Float64Array",
    "FloatArray",
    "InputError",
    "IntArray",
    "Knots",
    "NotFiniteError",
    "Splits",
    "SurvivalData",
    "SurvivalModel",
    "SurvivalPrediction",
    "TimeGrid",
    "as_times",
    "check_features",
    "holds_steps",
]
