"""What the estimators predict from survival curves: functions, tables, medians and means."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted
from sksurv.functions import StepFunction

from survkit.estimators.outcomes import TIMES_ARE_NUMBERS, as_array, as_number, as_numbers
from survkit.types import (
    BoolArray,
    Float64Array,
    FloatArray,
    InputError,
    SurvivalModel,
    SurvivalPrediction,
)

MOST_FUNCTION_TIMES = 1000
"""Event times at which functions step, at most."""


def function_times(time: FloatArray, event: BoolArray) -> Float64Array:
    """Return the event times at which functions step, in increasing order.

    They are the distinct times of the events; above `MOST_FUNCTION_TIMES`, that many of them,
    evenly spaced by rank, the first and the last included.

    Parameters
    ----------
    time, event : array, shape (n,)
        Times of event or censoring, and whether the event was seen; at least one was.
    """
    distinct = np.unique(time[event]).astype(np.float64)
    if len(distinct) <= MOST_FUNCTION_TIMES:
        return distinct
    ranks = np.linspace(0, len(distinct) - 1, MOST_FUNCTION_TIMES)
    return np.asarray(distinct[np.round(ranks).astype(np.int64)])


def _as_times(times: Sequence[float] | ArrayLike) -> tuple[NDArray[Any], FloatArray]:
    """Return times as they were given, as labels, and as numbers."""
    labels = np.atleast_1d(as_array(times))
    if labels.ndim != 1:
        raise InputError(f"times has shape {labels.shape}; it must be one sequence of numbers")
    numbers = as_numbers(labels, lambda row: f"times[{row}]", TIMES_ARE_NUMBERS)
    if np.isnan(numbers).any():
        row = int(np.argmax(np.isnan(numbers)))
        raise InputError(f"times[{row}] is missing; {TIMES_ARE_NUMBERS}")
    return labels, numbers


class CurvePredictions:
    """Predictions of an estimator that are read from its survival curves.

    Functions hold the curves at the training rows' event times. Quantiles and means read the
    curves themselves, which are linear between the cuts of the time grid (in continuous time:
    between the knots of the model).
    """

    model_: SurvivalModel
    unique_times_: Float64Array
    n_causes_: int = 1  # a pickle of an earlier version does not know it
    largest_time_: float

    @abstractmethod
    def _predict(self, X: Any, times: Float64Array | None = None) -> SurvivalPrediction:  # noqa: N803
        """Return the survival curves of the rows of X, whole or at increasing times."""

    def predict(self, X: Any) -> Float64Array:  # noqa: N803
        """Return risk scores, shape (n,), higher = riskier: minus the predicted median time.

        It is the score that the project's concordance ranks by, see
        `survkit.types.SurvivalPrediction.median`.
        """
        # A curve that never falls has no median; the lowest number ranks it the same.
        return np.maximum(self._predict(X).risk_score(), np.finfo(np.float64).min)

    def predict_survival_function(self, X: Any, return_array: bool = False) -> NDArray[Any]:  # noqa: N803
        """Return survival curves as step functions that fall at the training rows' event times.

        Parameters
        ----------
        X : DataFrame or array, shape (n, p)
            As in `fit`.
        return_array : bool
            Return the values at `unique_times_` instead of functions.

        Returns
        -------
        array, shape (n,), of sksurv.functions.StepFunction, or array, shape (n, m), float64
            Functions are defined from 0 to `largest_time_`: 1 before the first of the m
            `unique_times_`, at each of them the value of the model's curve there, and constant
            from one to the next and after the last.
        """
        return self._functions(self._survival(X, self.unique_times_), 1.0, return_array)

    def predict_cumulative_incidence(
        self,
        X: Any,  # noqa: N803
        times: Sequence[float] | ArrayLike | None = None,
    ) -> Float64Array:
        """Return cumulative incidences of competing causes, shape (n, C, number of times).

        The cumulative incidence of a cause at t is the probability of an event of that cause by t;
        with survival, all of them sum to 1.

        Parameters
        ----------
        X : DataFrame or array, shape (n, p)
            As in `fit`.
        times : sequence of float, optional
            In any order, from 0 to the largest training time; `unique_times_` by default.

        Raises
        ------
        InputError
            For an estimator that was fitted on events of one cause, or for times as in
            `predict_survival_frame`.
        """
        check_is_fitted(self)
        if self.n_causes_ == 1:
            raise InputError(
                f"{type(self).__name__} was fitted on events of one cause; its cumulative "
                "incidence is 1 - survival. With several, the events of y are 0, 1, 2, ..."
            )
        asked = self.unique_times_ if times is None else _as_times(times)[1]
        increasing, position = np.unique(self._on_curve("times", asked), return_inverse=True)
        incidence = self._predict(X, increasing).cumulative_incidence
        assert incidence is not None  # of several causes
        return np.asarray(incidence[:, :, position])

    def predict_cumulative_hazard_function(
        self,
        X: Any,  # noqa: N803
        return_array: bool = False,
    ) -> NDArray[Any]:
        """Return cumulative hazards, minus the logarithm of survival.

        Parameters, shapes and the times of functions are those of `predict_survival_function`;
        functions are 0 before the first of these times. A survival below the smallest double,
        2e-308, counts as that: a hazard of 708 at most.
        """
        survival = np.maximum(self._survival(X, self.unique_times_), np.finfo(np.float64).tiny)
        return self._functions(np.abs(np.log(survival)), 0.0, return_array)  # abs: no minus zero

    def predict_median(self, X: Any) -> Float64Array:  # noqa: N803
        """Return predicted median times, shape (n,): where the curve reaches 1/2.

        A curve that stays above 1/2 up to the largest training time has an infinite median.
        """
        return self.predict_quantile(X, 0.5)

    def predict_quantile(self, X: Any, q: float) -> Float64Array:  # noqa: N803
        """Return the time by which the event has happened with probability q, shape (n,).

        Parameters
        ----------
        X : DataFrame or array, shape (n, p)
            As in `fit`.
        q : float
            In (0, 1]; the median is 0.5. A curve that stays above 1 - q up to the largest training
            time gives infinity.

        Raises
        ------
        InputError
            For another q.
        """
        return self._predict(X).quantile(as_number("q", q, "it must be a number"))

    def predict_rmst(self, X: Any, t: float) -> Float64Array:  # noqa: N803
        """Return restricted means: the expected time without the event up to t, shape (n,).

        Parameters
        ----------
        X : DataFrame or array, shape (n, p)
            As in `fit`.
        t : float
            Above 0, and at most the largest training time.

        Raises
        ------
        InputError
            For another t.
        """
        until = as_number("t", t, TIMES_ARE_NUMBERS)
        return self._predict(X).restricted_mean(float(self._on_curve("t", np.array([until]))[0]))

    def predict_survival_frame(self, X: Any, times: Sequence[float] | ArrayLike) -> pd.DataFrame:  # noqa: N803
        """Return survival at any times, one row for each row of X and one column for each time.

        Parameters
        ----------
        X : DataFrame or array, shape (n, p)
            As in `fit`; the index of a DataFrame is kept.
        times : sequence of float
            In any order, from 0 to the largest training time. They name the columns.

        Raises
        ------
        InputError
            For times that are negative, NaN, not numbers, or beyond the largest training time.
        """
        labels, numbers = _as_times(times)
        index = X.index if isinstance(X, pd.DataFrame) else None
        return pd.DataFrame(self._survival(X, numbers), index=index, columns=pd.Index(labels))

    def _survival(self, X: Any, times: FloatArray) -> Float64Array:  # noqa: N803
        """Return the model's curves at times, in any order, shape (n, len(times))."""
        increasing, position = np.unique(self._on_curve("times", times), return_inverse=True)
        return self._predict(X, increasing).survival[:, position]

    def _on_curve(self, name: str, times: FloatArray) -> Float64Array:
        """Return times where the model's curves have them, refusing those beyond the last one.

        Times of single precision are read at the cuts that they equal, and at the horizon if their
        rounding takes them beyond it.
        """
        grid = self.model_.grid
        beyond = times > max(self.largest_time_, grid.horizon)
        if beyond.any():
            raise InputError(
                f"{name} asks for {times[beyond][0]}, beyond the largest training time "
                f"{self.largest_time_}; survival is not known there"
            )
        return np.minimum(grid.snap(times), grid.horizon)

    def _functions(self, values: Float64Array, start: float, return_array: bool) -> NDArray[Any]:
        """Return the values, or functions of them from 0 (where they are `start`) to the end."""
        if return_array:
            return values
        times = self.unique_times_
        # scikit-survival's functions know nothing outside the times that they hold.
        if times[0] > 0:
            times = np.concatenate([[0.0], times])
            values = np.column_stack([np.full(len(values), start), values])
        if times[-1] < self.largest_time_:
            times = np.append(times, self.largest_time_)
            values = np.column_stack([values, values[:, -1]])
        functions = np.empty(len(values), dtype=object)
        functions[:] = [StepFunction(times, row) for row in values]
        return functions
