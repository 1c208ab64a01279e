"""Deep Cox Mixtures: a mixture of Cox models, each with a baseline hazard of its own.

Nagpal, Yadlowsky, Rostamzadeh, Heller (2021), "Deep Cox Mixtures for Survival Regression", MLHC,
PMLR 149:674. The network gives each subject K weights and K log hazard ratios. It is trained by
expectation maximisation: what each component has to do with each subject is computed within the
loss, the components' partial likelihoods weigh subjects by it, and after each epoch so do the
baseline hazards, by Breslow's estimator.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from survkit.baselines.cox_mixture_baselines import (
    MOST_INTERVALS,
    interval_ends,
    log_cumulative_hazard,
    start_responsibilities,
    weighted_breslow,
)
from survkit.baselines.cox_mixture_losses import (
    CoxMixtureOutput,
    cox_mixture_loss,
    cox_mixture_training_loss,
    joint_log_likelihoods,
    shares_of_horizon,
    time_labels,
)
from survkit.baselines.log_times import smooth_knots
from survkit.training.batch import as_tensor
from survkit.training.neural_model import NeuralSurvivalModel
from survkit.training.objective import Objective
from survkit.training.unfinished import Training
from survkit.types import (
    FitMonitor,
    Float64Array,
    InputError,
    Knots,
    SurvivalData,
    SurvivalPrediction,
    as_times,
)

NUM_KNOTS = 800
"""Knots besides the cuts: the curves of patients at high risk fall steeply within an interval."""

EVEN_SHARE = 0.01
"""Share of each subject that all baseline hazards have in equal parts, so that none is 0."""


class CoxMixtureHead(nn.Module):
    """Linear layers to the weights and the log hazard ratios of K Cox models, and their baselines.

    The baseline hazards, constant between the same times for all components, are buffers: they are
    estimated and not trained by gradients.

    Parameters
    ----------
    hidden_dim : int
        Width of the hidden state.
    components : int
        Number of Cox models K.
    intervals : int
        Number of intervals J of the baseline hazards.
    """

    log_hazard: Tensor
    ends: Tensor

    def __init__(self, hidden_dim: int, components: int, intervals: int) -> None:
        super().__init__()
        self.weights = nn.Linear(hidden_dim, components)
        # A hazard ratio has no intercept: it would be part of the baseline hazard.
        self.log_risk = nn.Linear(hidden_dim, components, bias=False)
        nn.init.zeros_(self.weights.weight)
        nn.init.zeros_(self.weights.bias)
        self.register_buffer("log_hazard", torch.zeros(components, intervals))
        self.register_buffer("ends", torch.linspace(0, 1, intervals + 1))

    def forward(self, hidden: Tensor) -> CoxMixtureOutput:
        """Map hidden states (B, hidden_dim) to weights and log hazard ratios."""
        log_weights = self.weights(hidden).log_softmax(-1)
        return CoxMixtureOutput(log_weights, self.log_risk(hidden), self.log_hazard, self.ends)


def _cox_mixture_head(
    hidden_dim: int, num_classes: int, parameters: Mapping[str, Any]
) -> nn.Module:
    intervals = parameters["dcm_intervals"] or MOST_INTERVALS
    return CoxMixtureHead(hidden_dim, parameters["dcm_components"], intervals)


class DeepCoxMixtures(NeuralSurvivalModel):
    """A backbone and a head that mixes K Cox models for each subject.

    The grid gives the horizon, which is the unit of time inside, and the times of predictions; it
    makes no classes. The parameters are those of `NeuralSurvivalModel`.
    """

    objectives: ClassVar[Mapping[str, Objective]] = {
        "deep_cox_mixtures": Objective(
            build_head=_cox_mixture_head,
            labels=time_labels,
            loss=cox_mixture_loss,
            training_loss=cox_mixture_training_loss,
            parameters=("dcm_components", "dcm_intervals"),
        )
    }

    def _new_training(
        self, train: SurvivalData, validation: SurvivalData, monitor: FitMonitor | None
    ) -> Training:
        if not train.event.any():
            raise InputError(
                "the partial likelihood needs an event among the training rows; all "
                f"{len(train)} of them are censored"
            )
        training = super()._new_training(train, validation, monitor)
        time = shares_of_horizon(train, self.grid)
        ends = interval_ends(time, train.event, self.parameters["dcm_intervals"])
        self._head.ends.copy_(as_tensor(ends))
        start = start_responsibilities(time, self.parameters["dcm_components"])
        self._estimate_baselines(train, np.log(start))
        training.after_epoch = partial(self._update_baselines, train)
        return training

    @property
    def _head(self) -> CoxMixtureHead:
        head = self.network.head
        assert isinstance(head, CoxMixtureHead)
        return head

    def _update_baselines(self, train: SurvivalData) -> None:
        """Estimate the baselines again by what each component has to do with each subject now."""
        labels = [as_tensor(part) for part in time_labels(train, self.grid)]
        start, log_responsibilities = 0, []
        for output in self._outputs(train.features):
            rows = slice(start, start + len(output.log_risk))
            time, event = (part[rows].to(output.log_risk.device) for part in labels)
            joint = joint_log_likelihoods(output, time, event)
            log_responsibilities.append(joint.double().log_softmax(-1).cpu().numpy())
            start = rows.stop
        self._estimate_baselines(train, np.concatenate(log_responsibilities))

    def _estimate_baselines(self, train: SurvivalData, log_responsibilities: Float64Array) -> None:
        log_risk = self._components(train.features)[1]
        if not (np.isfinite(log_risk).all() and np.isfinite(log_responsibilities).all()):
            return  # the training has diverged, which its loss shows
        components = log_risk.shape[1]
        shared = np.log(EVEN_SHARE / components)
        log_weight = np.logaddexp(np.log1p(-EVEN_SHARE) + log_responsibilities, shared)
        time, ends = shares_of_horizon(train, self.grid), self._head.ends.cpu().numpy()
        log_hazard = weighted_breslow(log_risk, log_weight, train.event, time, ends)
        self._head.log_hazard.copy_(as_tensor(log_hazard.astype(np.float32)))

    def _components(self, features: NDArray[np.float32]) -> tuple[Float64Array, Float64Array]:
        """Return the weights and the log hazard ratios of the components, each (n, K)."""
        outputs = list(self._outputs(features))
        weights = torch.cat([output.log_weights for output in outputs]).double().softmax(-1)
        log_risk = torch.cat([output.log_risk for output in outputs]).double()
        return weights.cpu().numpy(), log_risk.cpu().numpy()

    @property
    def knots(self) -> Knots:
        """The cuts, where baseline hazards change, and times so close that curves are linear."""
        smooth = smooth_knots(self.grid, NUM_KNOTS).cuts
        ends = self.grid.horizon * self._head.ends.double().cpu().numpy()
        return Knots(np.union1d(smooth, ends[ends <= self.grid.horizon]), np.empty(0))

    def predict(
        self, features: NDArray[np.float32], times: ArrayLike | None = None
    ) -> SurvivalPrediction:
        """Predict survival at the cuts or at any times, with the mixture's weights.

        Parameters and errors are those of `NeuralSurvivalModel.predict`.
        """
        asked = self.grid.cuts if times is None else as_times(times, self.grid.horizon)
        weights, log_risk = self._components(features)
        ends, log_hazard = (
            part.double().cpu().numpy() for part in (self._head.ends, self._head.log_hazard)
        )
        survival = np.zeros((len(weights), len(asked)))
        log_baselines = log_cumulative_hazard(asked / self.grid.horizon, log_hazard, ends)
        # An infinite hazard is a survival of 0.
        with np.errstate(over="ignore"):
            for weight, risk, baseline in zip(weights.T, log_risk.T, log_baselines, strict=True):
                survival += weight[:, None] * np.exp(-np.exp(risk[:, None] + baseline))
        # The weights sum to 1 but for rounding.
        return SurvivalPrediction(asked, np.minimum(survival, 1.0), weights)
