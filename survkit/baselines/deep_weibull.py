"""A Weibull distribution for each subject, from a network: survival in continuous time.

S(t | x) = exp(-(t / scale(x)) ** shape(x)), where the backbone and one linear layer give the
logarithms of scale and shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from survkit.baselines.log_times import EARLIEST as EARLIEST
from survkit.baselines.log_times import log_shares, smooth_knots
from survkit.training.neural_model import NeuralSurvivalModel
from survkit.training.objective import Objective
from survkit.training.unfinished import Training
from survkit.types import (
    BoolArray,
    FitMonitor,
    Float64Array,
    Knots,
    SurvivalData,
    SurvivalPrediction,
    TimeGrid,
    as_times,
)

LARGEST_LOG_SHAPE = 5.0
"""Bound of the logarithm of the shape in both directions: shapes from 0.007 to 148."""

STEEPEST = 15.0
"""Log cumulative hazard from which the loss follows its tangent; survival is exp(-3e6) there."""


class WeibullHead(nn.Module):
    """One linear layer to the logarithms of scale and shape.

    Parameters
    ----------
    hidden_dim : int
        Width of the hidden state.
    """

    def __init__(self, hidden_dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(hidden_dim, 2)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map hidden states (B, hidden_dim) to log scales and log shapes (B, 2)."""
        log_scale, log_shape = self.linear(hidden).unbind(-1)
        bounded = LARGEST_LOG_SHAPE * torch.tanh(log_shape / LARGEST_LOG_SHAPE)
        return torch.stack([log_scale, bounded], -1)

    def start_from(self, log_scale: float, log_shape: float) -> None:
        """Give every subject this distribution."""
        free = LARGEST_LOG_SHAPE * np.arctanh(log_shape / LARGEST_LOG_SHAPE)
        with torch.no_grad():
            self.linear.weight.zero_()
            self.linear.bias.copy_(torch.tensor([log_scale, free]))


def weibull_loss(output: Tensor, log_time: Tensor, event: Tensor) -> Tensor:
    """Negative log-likelihood of right-censored Weibull times.

    An event at t costs -log h(t) + H(t), a subject censored at t costs H(t), with
    log H(t) = shape (log t - log scale) and log h(t) = log shape + log H(t) - log t.

    Parameters
    ----------
    output : Tensor, shape (..., B, 2)
        Logarithms of scale and shape.
    log_time : Tensor, shape (..., B)
        Logarithms of the times, in the unit of the scale.
    event : Tensor, shape (..., B), bool

    Returns
    -------
    Tensor, shape (...)
        The mean over subjects.
    """
    log_scale, log_shape = output.unbind(-1)
    log_hazard = log_shape.exp() * (log_time - log_scale)  # cumulative
    cumulative = tangent_exp(log_hazard)
    return (cumulative - event * (log_shape + log_hazard - log_time)).mean(-1)


def tangent_exp(log_hazard: Tensor) -> Tensor:
    """Return exp(log_hazard), continued by its tangent beyond `STEEPEST`."""
    within = log_hazard.clamp(max=STEEPEST)
    return within.exp() * (1 + log_hazard - within)


def log_time_labels(data: SurvivalData, grid: TimeGrid) -> tuple[NDArray[np.float32], BoolArray]:
    """Label each subject by the logarithm of its time as a share of the horizon.

    Shares of the horizon do not depend on the unit of time.
    """
    return log_shares(data.time, grid).astype(np.float32), data.event


def marginal_weibull(log_time: Float64Array, event: BoolArray) -> tuple[float, float]:
    """Fit one Weibull distribution to all subjects by maximum likelihood.

    Parameters
    ----------
    log_time : array, shape (n,)
        Logarithms of the times.
    event : array, shape (n,), bool

    Returns
    -------
    tuple of float
        Logarithms of scale and shape; both 0 where nobody has the event. The log shape is bounded
        by 4 in both directions, as it has no maximum where all events are at the last time.
    """
    if not event.any():
        return 0.0, 0.0
    latest, mean_of_events = log_time.max(), log_time[event].mean()

    def slope(log_shape: float) -> float:
        """Return the derivative of the log-likelihood by the shape, divided by -events."""
        shape = np.exp(log_shape)
        weights = np.exp(shape * (log_time - latest))
        return float(weights @ log_time / weights.sum() - mean_of_events - 1 / shape)

    low, high = -4.0, 4.0  # the slope rises
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if slope(middle) > 0 else (middle, high)
    shape = np.exp(low)
    total = np.exp(shape * (log_time - latest)).sum()
    return float(latest + np.log(total / event.sum()) / shape), low


def _weibull_head(hidden_dim: int, num_classes: int, _: Mapping[str, Any]) -> nn.Module:
    return WeibullHead(hidden_dim)


class DeepWeibull(NeuralSurvivalModel):
    """A backbone with two outputs, the parameters of each subject's Weibull distribution.

    Training starts from the distribution that fits all training rows together. The grid gives the
    horizon, which is the unit of time inside, and the times of predictions; it makes no classes.
    The parameters are those of `NeuralSurvivalModel`.
    """

    objectives: ClassVar[Mapping[str, Objective]] = {
        "deep_weibull": Objective(
            build_head=_weibull_head, labels=log_time_labels, loss=weibull_loss
        )
    }

    def _new_training(
        self, train: SurvivalData, validation: SurvivalData, monitor: FitMonitor | None
    ) -> Training:
        training = super()._new_training(train, validation, monitor)
        head = training.network.head
        assert isinstance(head, WeibullHead)
        log_time, event = log_time_labels(train, self.grid)
        head.start_from(*marginal_weibull(log_time.astype(np.float64), event))
        return training

    @property
    def knots(self) -> Knots:
        """The cuts of the grid, and times so close that the curve is linear between them."""
        return smooth_knots(self.grid)

    def parameters_of(self, features: NDArray[np.float32]) -> tuple[Float64Array, Float64Array]:
        """Return the scale, in the unit of the data's times, and the shape of each subject, (n,).

        Parameters and errors are those of `NeuralSurvivalModel.predict`.
        """
        log_scale, log_shape = self._log_parameters(features)
        return self.grid.horizon * np.exp(log_scale), np.exp(log_shape)

    def _log_parameters(self, features: NDArray[np.float32]) -> tuple[Float64Array, Float64Array]:
        outputs = torch.cat(list(self._outputs(features))).double().cpu().numpy()
        return outputs[:, 0], outputs[:, 1]

    def predict(
        self, features: NDArray[np.float32], times: ArrayLike | None = None
    ) -> SurvivalPrediction:
        """Predict survival at the cuts or at any times, exactly.

        Parameters and errors are those of `NeuralSurvivalModel.predict`.
        """
        asked = self.grid.cuts if times is None else as_times(times, self.grid.horizon)
        log_scale, log_shape = self._log_parameters(features)
        # An infinite hazard is a survival of 0, and time 0 one of 1.
        with np.errstate(divide="ignore", over="ignore"):
            log_time = np.log(asked / self.grid.horizon)
            log_hazard = np.exp(log_shape)[:, None] * (log_time - log_scale[:, None])
            return SurvivalPrediction(asked, np.exp(-np.exp(log_hazard)))
