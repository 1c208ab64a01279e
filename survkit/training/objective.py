"""What a network learns: its labels, its loss, and how its outputs become survival."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from survkit.heads import HEADS, build_head
from survkit.heads.routing import HeadOutput
from survkit.training.batch import EVALUATION_ROWS, Batch
from survkit.training.losses import (
    cosine_annealed,
    instance_entropy,
    load_balance,
    negative_log_likelihood,
)
from survkit.training.parameters import head_parameters
from survkit.types import BoolArray, SurvivalData, TimeGrid

Labels = tuple[NDArray[np.int64] | NDArray[np.float32], BoolArray]
Survival = tuple[NDArray[np.float64], NDArray[np.float64] | None]


def _no_penalty(output: Any, epochs_done: int, parameters: Mapping[str, Any]) -> Tensor | None:
    return None


@dataclass(frozen=True)
class Objective:
    """What sets one kind of network apart; everything else of a training is common to all.

    Parameters
    ----------
    build_head : callable
        (hidden_dim, num_classes, parameters) -> the module that follows the backbone.
    labels : callable
        (data, grid) -> label (n,), int64 or float32, and event (n,), bool: what the loss compares
        with.
    loss : callable
        (output, label, event) -> mean loss, shape (...), of what the network makes of subjects
        whose outcomes have shape (..., n). Networks that train together add a leading dimension.
    survival : callable
        (output) -> survival at the cuts (n, m), float64, and the weights of the experts (n, E),
        or None for a network without experts. None where outputs alone do not tell survival.
    parameters : tuple of str
        Names of the parameters, besides those of the backbone and the training loop.
    penalty : callable
        (output, epochs_done, parameters) -> what training adds to the loss, shape (S,), or None.
    mean_over_events : bool
        Whether the loss is a mean over the events of a batch. A batch without events then does
        not change the network.
    evaluation_rows : int, optional
        Subjects whose validation loss is computed together; all of them where None.
    training_loss : callable, optional
        (output, label, event, parameters) -> what training minimises in place of `loss`, shape
        (S,). The history and the validation rows keep `loss`.
    """

    build_head: Callable[[int, int, Mapping[str, Any]], nn.Module]
    labels: Callable[[SurvivalData, TimeGrid], Labels]
    loss: Callable[[Any, Tensor, Tensor], Tensor]
    survival: Callable[[Any], Survival] | None = None
    parameters: tuple[str, ...] = ()
    penalty: Callable[[Any, int, Mapping[str, Any]], Tensor | None] = _no_penalty
    mean_over_events: bool = False
    evaluation_rows: int | None = EVALUATION_ROWS
    training_loss: Callable[[Any, Tensor, Tensor, Mapping[str, Any]], Tensor] | None = None

    def minimised(
        self,
        loss: Tensor,
        output: Any,
        batch: Batch,
        epochs_done: int,
        parameters: Mapping[str, Any],
    ) -> Tensor:
        """Return what a step minimises, shape (S,), of batches whose `loss` is known."""
        if self.training_loss is not None:
            loss = self.training_loss(output, batch.label, batch.event, parameters)
        penalty = self.penalty(output, epochs_done, parameters)
        return loss if penalty is None else loss + penalty


def class_labels(data: SurvivalData, grid: TimeGrid) -> Labels:
    """Label each time by its class on the grid."""
    return grid.classify(data.time), data.event


def class_loss(output: HeadOutput, event_class: Tensor, event: Tensor) -> Tensor:
    """Return the mean negative log-likelihood under a head's mixture."""
    return negative_log_likelihood(output.class_scores, output.log_gates, event_class, event)


def class_survival(output: HeadOutput) -> Survival:
    """Return survival under a head without experts."""
    # Normalised again in double, so that the mass sums to 1 to rounding.
    probabilities = output.log_probs.double().softmax(-1)
    return survival_from_class_probabilities(probabilities.cpu().numpy()), None


def mixture_survival(output: HeadOutput) -> Survival:
    """Return survival under a mixture, and the router's weights."""
    weights = output.log_gates.double().softmax(-1)
    return class_survival(output)[0], weights.cpu().numpy()


def mixture_penalty(
    output: HeadOutput, epochs_done: int, parameters: Mapping[str, Any]
) -> Tensor | None:
    """Return what makes a mixture use its experts, shape (S,), where there is any such term."""
    if output.log_gates.shape[-1] == 1:  # with one expert the router has no choice
        return None
    terms = []
    group_lambda = group_lambda_at(epochs_done, parameters)
    if group_lambda:
        balance = load_balance(
            output.log_gates, output.router_log_probs, parameters["mixture_topk"]
        )
        terms.append(group_lambda * balance)
    if parameters["instance_ent_lambda"] > 0:
        terms.append(parameters["instance_ent_lambda"] * instance_entropy(output.log_gates))
    return sum(terms[1:], terms[0]) if terms else None


def group_lambda_at(epochs_done: int, parameters: Mapping[str, Any]) -> float:
    """Return the weight of the group regulariser after some epochs."""
    value: float = parameters["group_ent_lambda"]
    if not parameters["cosine_anneal_group_ent_lambda"]:
        return value
    return value * cosine_annealed(
        epochs_done,
        parameters["cosine_anneal_hold_epochs"],
        parameters["cosine_anneal_epochs"],
        parameters["cosine_anneal_min_lambda_multiplier"],
    )


def survival_from_class_probabilities(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return S(cuts[k]) = sum_{j > k} p_j, shape (n, m), of class probabilities (n, m + 1)."""
    tails = np.cumsum(probabilities[:, ::-1], axis=1)[:, ::-1]
    return np.minimum(tails[:, 1:], 1.0)  # the sum of all but rounding


def _of_head(name: str) -> Objective:
    likelihood = partial(
        Objective, build_head=partial(build_head, name), labels=class_labels, loss=class_loss
    )
    parameters = head_parameters(name)
    if not HEADS[name].is_mixture:
        return likelihood(survival=class_survival, parameters=parameters)
    return likelihood(survival=mixture_survival, parameters=parameters, penalty=mixture_penalty)


HEAD_OBJECTIVES = {name: _of_head(name) for name in HEADS}
"""Maximum likelihood of the classes, for each head."""
