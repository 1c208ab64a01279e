"""What a SurvSHAP(t) explanation is: a curve for each feature, and what they come to over time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from survkit.explain.explanation import Cost
from survkit.metrics.brier import integration_weights
from survkit.types import Float64Array


@dataclass(frozen=True, eq=False)
class SurvShapExplanation:
    """How each feature moves a subject's survival curve away from the background's mean.

    At every time the values sum to `prediction - baseline`.

    Parameters
    ----------
    values : array, shape (d, T)
        Shapley values at each time, as probabilities: above 0 raises survival.
    standard_error : array, shape (d, T)
        Monte-Carlo standard error of the values: 0 where all coalitions were computed. It covers
        the random orders alone, not the choice of the background.
    feature_names : tuple of str, length d
        What each belongs to.
    times : array, shape (T,)
        The times.
    prediction : array, shape (T,)
        The subject's predicted curve.
    baseline : array, shape (T,)
        Mean predicted curve of the background.
    exact : bool
        Whether all coalitions were computed.
    num_coalitions : int
        Different coalitions whose worth was computed, each from all background rows.
    cost : Cost
        Seconds and model calls.
    quantity : str
        What the curves are: "survival", or the cumulative incidence of a cause.
    """

    values: Float64Array
    standard_error: Float64Array
    feature_names: tuple[str, ...]
    times: Float64Array
    prediction: Float64Array
    baseline: Float64Array
    exact: bool
    num_coalitions: int
    cost: Cost
    quantity: str = "survival"

    @property
    def mean_absolute(self) -> Float64Array:
        """Mean of |value| over time, shape (d,): what features are ranked by.

        It is the integral of Krzyzinski et al. (2023), section 4.3, by trapezoids, divided by its
        length.
        """
        return np.asarray(np.abs(self.values) @ integration_weights(self.times))

    @property
    def mean(self) -> Float64Array:
        """Mean of the signed value over time, shape (d,).

        Times the length of the time axis, it is the feature's share in the difference of the
        restricted mean times without the event.
        """
        return np.asarray(self.values @ integration_weights(self.times))

    def of_incidence(self, cause: str) -> SurvShapExplanation:
        """Return the explanation of 1 minus the curves, the cumulative incidence of a cause."""
        return replace(
            self,
            values=-self.values,
            prediction=1.0 - self.prediction,
            baseline=1.0 - self.baseline,
            quantity=f"cumulative incidence of {cause}",
        )

    def to_frame(self) -> pd.DataFrame:
        """Return a table with one row per feature, the most important one first.

        Columns: mean_absolute, mean, and the time and value (`peak_time`, `peak`) where the
        feature moves the curve most.
        """
        peak = np.abs(self.values).argmax(axis=1)
        table = pd.DataFrame(
            {
                "mean_absolute": self.mean_absolute,
                "mean": self.mean,
                "peak_time": self.times[peak],
                "peak": self.values[np.arange(len(peak)), peak],
            },
            index=pd.Index(self.feature_names, name="feature"),
        )
        return table.sort_values("mean_absolute", ascending=False, kind="stable")

    def over_time(self) -> pd.DataFrame:
        """Return a table with one row per feature and time: time, phi (value), standard_error."""
        d, t = self.values.shape
        return pd.DataFrame(
            {
                "time": np.tile(self.times, d),
                "phi": self.values.ravel(),
                "standard_error": self.standard_error.ravel(),
            },
            index=pd.Index(np.repeat(self.feature_names, t), name="feature"),
        )
