"""Predictions of any model, checked and brought to survival at the times of an explanation."""

from __future__ import annotations

import numpy as np

from survkit.curves import curve_values
from survkit.explain.hazards import Curves, check_curves
from survkit.types import Float64Array


class SurvivalReader:
    """Turns curves into survival (n, m) at fixed times.

    Models and predictions of survkit are read as they define their curves between two times; all
    others as step functions, which scikit-survival's and lifelines' curves are.

    Parameters
    ----------
    times : array, shape (m,)
        The times, those of the columns of a prediction function's arrays too.
    """

    def __init__(self, times: Float64Array) -> None:
        self.times = times

    def read(self, curves: Curves, num_rows: int) -> Float64Array:
        """Return the survival (n, m) of curves that should be for `num_rows` subjects.

        Raises
        ------
        InputError
            As `check_curves`.
        """
        times = self.times if curves.times is None else curves.times
        check_curves(curves, times, num_rows)
        survival = curves.values
        if curves.kind == "cumulative":
            survival = np.exp(-survival)
        if np.array_equal(times, self.times):
            return survival
        step = curves.step is None or curves.step
        return curve_values(times, survival, self.times, step=step)
