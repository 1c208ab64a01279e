"""Survival data with known coefficients: the simulations of the SurvLIME paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from survkit.explain.inputs import as_whole, check_positive, check_share
from survkit.types import BoolArray, Float64Array, InputError


class SurvivalSample(NamedTuple):
    """Simulated subjects: features (n, p) float64, times (n,) float64, events (n,) bool."""

    features: Float64Array
    times: Float64Array
    events: BoolArray


class RandomSurvivalData:
    """Weibull event times under proportional hazards, for features uniform in a ball.

    Times are (-ln(u) / (lambda exp(x . coefficients)))^(1/v) with u uniform on (0, 1), capped at
    `time_cap`; the event indicator is Bernoulli, independent of everything else (Pachón-García et
    al. 2024, section 4.1, expression (11), after Bender et al. 2005).

    Parameters
    ----------
    center : sequence of float, length p
        Centre of the ball.
    radius : float
        Its radius, above 0.
    coefficients : sequence of float, length p
        The log hazard ratios.
    prob_event : float
        Probability in (0, 1) that the event is seen.
    lambda_weibull, v_weibull : float
        Scale and shape of the Weibull distribution, above 0.
    time_cap : float or None
        Longer times are set to it; None leaves them.
    random_seed : int, optional
        Makes the sequence of samples reproducible.

    Raises
    ------
    InputError
        For a parameter out of range, or a centre and coefficients of different lengths.
    """

    def __init__(
        self,
        center: Sequence[float],
        radius: float,
        coefficients: Sequence[float],
        prob_event: float,
        lambda_weibull: float,
        v_weibull: float,
        time_cap: float | None = 2000,
        random_seed: int | None = None,
    ) -> None:
        self.center = _vector("center", center)
        self.coefficients = _vector("coefficients", coefficients)
        if len(self.center) != len(self.coefficients):
            p, q = len(self.center), len(self.coefficients)
            raise InputError(
                f"center has {p} values and coefficients has {q}; they must be as many"
            )
        above_0 = {"radius": radius, "lambda_weibull": lambda_weibull, "v_weibull": v_weibull}
        for name, value in {**above_0, "time_cap": time_cap}.items():
            check_positive(name, value)
        check_share("prob_event", prob_event)
        self.radius, self.prob_event, self.time_cap = radius, prob_event, time_cap
        self.lambda_weibull, self.v_weibull = lambda_weibull, v_weibull
        self._random = np.random.default_rng(random_seed)

    def random_survival_data(self, num_points: int) -> SurvivalSample:
        """Draw a sample: (features, times, events) of `num_points` subjects."""
        as_whole("num_points", num_points)
        p = len(self.center)
        direction = self._random.standard_normal((num_points, p))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        # The volume within distance r of the centre grows as r^p.
        distance = self.radius * self._random.random((num_points, 1)) ** (1 / p)
        features = self.center + distance * direction
        hazard = self.lambda_weibull * np.exp(features @ self.coefficients)
        exponential = self._random.exponential(size=num_points)  # -ln(u)
        times = (exponential / hazard) ** (1 / self.v_weibull)
        if self.time_cap is not None:
            times = np.minimum(times, self.time_cap)
        events = self._random.random(num_points) < self.prob_event
        return SurvivalSample(features, times, events)


def _vector(name: str, values: ArrayLike) -> Float64Array:
    vector = np.asarray(values, dtype=np.float64)
    if vector.ndim != 1 or len(vector) == 0 or not np.isfinite(vector).all():
        raise InputError(f"{name} is {values!r}; it must be a list of finite numbers")
    return vector
