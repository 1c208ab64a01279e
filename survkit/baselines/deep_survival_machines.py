"""Deep Survival Machines: a mixture of Weibull or log-normal times for each subject.

Nagpal, Li, Dubrawski (2021), "Deep Survival Machines", IEEE J. Biomed. Health Inform. 25(8):3163.
The network gives each subject the weights of K distributions, and moves each of them from a
location and a spread that all subjects share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from survkit.baselines.deep_weibull import LARGEST_LOG_SHAPE, log_time_labels
from survkit.baselines.log_times import smooth_knots
from survkit.baselines.survival_distributions import DISTRIBUTIONS, Distribution
from survkit.training.neural_model import NeuralSurvivalModel
from survkit.training.objective import Objective
from survkit.training.unfinished import Training
from survkit.types import (
    FitMonitor,
    Float64Array,
    Knots,
    SurvivalData,
    SurvivalPrediction,
    as_times,
)

LOG_OF_ZERO = -1e30
"""Finite, so that differences from it are."""


class MachinesOutput(NamedTuple):
    """What the head makes of B subjects; networks that train together add a leading dimension.

    Attributes
    ----------
    log_weights : Tensor, shape (B, K)
        Logarithms of the weights of the distributions.
    location, spread : Tensor, shape (B, K)
        As in `survkit.baselines.survival_distributions`, of times as shares of the horizon.
    departure : Tensor, shape ()
        Squared distance of what all subjects share from the distribution that fits them together,
        summed over the K distributions.
    """

    log_weights: Tensor
    location: Tensor
    spread: Tensor
    departure: Tensor


class SurvivalMachinesHead(nn.Module):
    """K distributions, each with a shared location and spread and a linear layer that moves both.

    Parameters
    ----------
    hidden_dim : int
        Width of the hidden state.
    components : int
        Number of distributions K.
    distribution : Distribution
        Their family.
    """

    prior: Tensor

    def __init__(self, hidden_dim: int, components: int, distribution: Distribution) -> None:
        super().__init__()
        self.activation = distribution.activation
        self.weights = nn.Linear(hidden_dim, components)
        self.location = nn.Linear(hidden_dim, components)
        self.spread = nn.Linear(hidden_dim, components)
        self.shared = nn.Parameter(torch.zeros(2, components))
        self.register_buffer("prior", torch.zeros(2, 1))

    def forward(self, hidden: Tensor) -> MachinesOutput:
        """Map hidden states (B, hidden_dim) to weights and distributions."""
        location, spread = self.shared.unbind(0)
        # The published activations act on the logarithm of the rate, which is minus the location.
        location = location - self.activation(self.location(hidden))
        spread = spread + self.activation(self.spread(hidden))
        return MachinesOutput(
            self.weights(hidden).log_softmax(-1),
            location,
            LARGEST_LOG_SHAPE * torch.tanh(spread / LARGEST_LOG_SHAPE),
            (self.shared - self.prior).square().sum(),
        )

    def start_from(self, location: float, spread: float) -> None:
        """Let all subjects share this distribution, in equal parts, but for the random layers."""
        free = LARGEST_LOG_SHAPE * np.arctanh(spread / LARGEST_LOG_SHAPE)
        with torch.no_grad():
            self.prior.copy_(torch.tensor([[location], [free]]))
            self.shared.copy_(self.prior.expand_as(self.shared))
            self.weights.weight.zero_()
            self.weights.bias.zero_()


def component_log_likelihoods(
    output: MachinesOutput, log_time: Tensor, event: Tensor, distribution: Distribution
) -> Tensor:
    """Return the log-likelihood of each outcome under each distribution.

    Parameters
    ----------
    output : MachinesOutput, shapes (..., B, K)
    log_time : Tensor, shape (..., B)
        Logarithms of the times as shares of the horizon.
    event : Tensor, shape (..., B), bool
    distribution : Distribution

    Returns
    -------
    Tensor, shape (..., B, K)
        log f(t) of an event at t, log S(t) of a subject censored at t.
    """
    values = log_time.unsqueeze(-1), output.location, output.spread
    density, survival = distribution.log_density(*values), distribution.log_survival(*values)
    return torch.where(event.unsqueeze(-1), density, survival)


def mixture_loss(
    output: MachinesOutput, log_time: Tensor, event: Tensor, *, distribution: Distribution
) -> Tensor:
    """Negative log-likelihood of the mixture, the mean over subjects, shape (...)."""
    of_each = component_log_likelihoods(output, log_time, event, distribution)
    return -(output.log_weights + of_each).logsumexp(-1).mean(-1)


def machines_training_loss(
    output: MachinesOutput,
    log_time: Tensor,
    event: Tensor,
    parameters: Mapping[str, Any],
    *,
    distribution: Distribution,
) -> Tensor:
    """Return what training minimises: the evidence lower bound, the discount and the prior.

    Parameters
    ----------
    output, log_time, event, distribution
        As in `component_log_likelihoods`.
    parameters : mapping
        `dsm_loss`: "elbo" for sum_k w_k log L_k in place of log sum_k w_k L_k, of which it is a
        lower bound (Nagpal et al. 2021, section III); `dsm_discount`, the weight of censored
        subjects; `dsm_prior`, the weight of `departure`.

    Returns
    -------
    Tensor, shape (...)
    """
    of_each = component_log_likelihoods(output, log_time, event, distribution)
    if parameters["dsm_loss"] == "elbo":
        likelihood = (output.log_weights.exp() * of_each).sum(-1)
    else:
        likelihood = (output.log_weights + of_each).logsumexp(-1)
    discounted = torch.where(event, likelihood, parameters["dsm_discount"] * likelihood)
    prior: Tensor = parameters["dsm_prior"] * output.departure
    return prior - discounted.mean(-1)


def _machines_head(hidden_dim: int, num_classes: int, parameters: Mapping[str, Any]) -> nn.Module:
    distribution = DISTRIBUTIONS[parameters["dsm_distribution"]]
    return SurvivalMachinesHead(hidden_dim, parameters["dsm_components"], distribution)


_PARAMETERS = ("dsm_components", "dsm_distribution", "dsm_loss", "dsm_discount", "dsm_prior")


def _objective(distribution: Distribution) -> Objective:
    return Objective(
        build_head=_machines_head,
        labels=log_time_labels,
        loss=partial(mixture_loss, distribution=distribution),
        training_loss=partial(machines_training_loss, distribution=distribution),
        parameters=_PARAMETERS,
    )


class DeepSurvivalMachines(NeuralSurvivalModel):
    """A backbone and a head that mixes K distributions of the time for each subject.

    Training starts from the one distribution that fits all training rows, which is also the centre
    of the prior. The validation loss is the likelihood of the mixture, whatever training minimises.
    The grid gives the horizon, which is the unit of time inside, and the times of predictions; it
    makes no classes. The parameters are those of `NeuralSurvivalModel`.
    """

    objectives: ClassVar[Mapping[str, Objective]] = {
        "deep_survival_machines": _objective(DISTRIBUTIONS["weibull"])
    }

    def __init__(self, head: str, *, parameters: Mapping[str, Any], **more: Any) -> None:
        super().__init__(head, parameters=parameters, **more)
        self.distribution = DISTRIBUTIONS[parameters["dsm_distribution"]]
        losses = _objective(self.distribution)
        self.objective = replace(
            self.objective, loss=losses.loss, training_loss=losses.training_loss
        )

    def _new_training(
        self, train: SurvivalData, validation: SurvivalData, monitor: FitMonitor | None
    ) -> Training:
        training = super()._new_training(train, validation, monitor)
        head = training.network.head
        assert isinstance(head, SurvivalMachinesHead)
        log_time, event = log_time_labels(train, self.grid)
        head.start_from(*self.distribution.marginal(log_time.astype(np.float64), event))
        return training

    @property
    def knots(self) -> Knots:
        """The cuts of the grid, and times so close that the curve is linear between them."""
        return smooth_knots(self.grid)

    def components_of(
        self, features: NDArray[np.float32]
    ) -> tuple[Float64Array, Float64Array, Float64Array]:
        """Return each subject's weights, locations and spreads, each of shape (n, K).

        A Weibull distribution has the location log scale and the spread log shape, a log-normal one
        the mean and the log standard deviation of the log time, in the data's unit of time.
        Parameters and errors are those of `NeuralSurvivalModel.predict`.
        """
        weights, location, spread = (torch.cat(part).numpy() for part in self._components(features))
        return weights, location + np.log(self.grid.horizon), spread

    def _components(self, features: NDArray[np.float32]) -> tuple[list[Tensor], ...]:
        """Return weights, locations and spreads of every chunk, in double precision."""
        weights, locations, spreads, _ = zip(*self._outputs(features), strict=True)
        return (
            [part.double().softmax(-1).cpu() for part in weights],
            [part.double().cpu() for part in locations],
            [part.double().cpu() for part in spreads],
        )

    def predict(
        self, features: NDArray[np.float32], times: ArrayLike | None = None
    ) -> SurvivalPrediction:
        """Predict survival at the cuts or at any times, exactly, with the mixture's weights.

        Parameters and errors are those of `NeuralSurvivalModel.predict`.
        """
        asked = self.grid.cuts if times is None else as_times(times, self.grid.horizon)
        weights, location, spread = map(torch.cat, self._components(features))
        log_time = torch.as_tensor(asked / self.grid.horizon).log().clamp(min=LOG_OF_ZERO)
        survival = torch.zeros(len(weights), len(asked), dtype=torch.float64)
        for weight, own_location, own_spread in zip(weights.T, location.T, spread.T, strict=True):
            log_survival = self.distribution.log_survival(
                log_time, own_location.unsqueeze(-1), own_spread.unsqueeze(-1)
            )
            survival += weight.unsqueeze(-1) * log_survival.exp()
        # The weights sum to 1 but for rounding.
        return SurvivalPrediction(asked, survival.clamp(max=1).numpy(), weights.numpy())
