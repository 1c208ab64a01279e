"""What a network learns: its labels, its loss, and how its outputs become survival."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
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
from survkit.types import BoolArray, FitMonitor, SurvivalData, TimeGrid

Labels = tuple[NDArray[np.int64] | NDArray[np.float32], BoolArray | NDArray[np.int64]]


class Curves(NamedTuple):
    """What the outputs of a network say of n subjects at the m cuts of the grid.

    Attributes
    ----------
    survival : array, shape (n, m), float64
    expert_weights : array, shape (n, E), float64, optional
        None for a network without experts.
    cumulative_incidence : array, shape (n, C, m), float64, optional
        None for one cause.
    """

    survival: NDArray[np.float64]
    expert_weights: NDArray[np.float64] | None = None
    cumulative_incidence: NDArray[np.float64] | None = None


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
        with. Where there are several causes, the event is its cause, int64, or 0. A label may have
        several columns.
    loss : callable
        (output, label, event) -> mean loss, shape (...), of what the network makes of subjects
        whose outcomes have shape (..., n). Networks that train together add a leading dimension.
    survival : callable
        (output) -> `Curves`. None where outputs alone do not tell survival.
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
    for_causes : callable, optional
        (number of causes C) -> the objective of the same network for C competing causes. None for
        a network that knows one cause only.
    takes_entry : bool
        Whether the labels and the loss correct for subjects who come under observation late.
    """

    build_head: Callable[[int, int, Mapping[str, Any]], nn.Module]
    labels: Callable[[SurvivalData, TimeGrid], Labels]
    loss: Callable[[Any, Tensor, Tensor], Tensor]
    survival: Callable[[Any], Curves] | None = None
    parameters: tuple[str, ...] = ()
    penalty: Callable[[Any, int, Mapping[str, Any]], Tensor | None] = _no_penalty
    mean_over_events: bool = False
    evaluation_rows: int | None = EVALUATION_ROWS
    training_loss: Callable[[Any, Tensor, Tensor, Mapping[str, Any]], Tensor] | None = None
    for_causes: Callable[[int], Objective] | None = None
    takes_entry: bool = False

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
    """Label each time by its class on the grid, and each event by its cause where it has one.

    Where subjects come under observation late, labels are of shape (n, 2), with the first class in
    which each is at risk (see `TimeGrid.classify_entry`). An event before that class counts as
    censored in it, which says nothing: given that the subject is at risk there, it is certain.
    """
    event_class, event = grid.classify(data.time), data.event if data.cause is None else data.cause
    if data.entry is None:
        return event_class, event
    first_class = grid.classify_entry(data.entry)
    known = event_class >= first_class
    classes = np.stack([np.maximum(event_class, first_class), first_class], axis=1)
    return classes, event * known


def warn_of_lost_events(data: SurvivalData, grid: TimeGrid, monitor: FitMonitor | None) -> None:
    """Warn of events in the class of the subject's entry, which the likelihood cannot use."""
    if data.entry is None or monitor is None:
        return
    late = grid.classify(data.time) < grid.classify_entry(data.entry)
    lost = int(np.count_nonzero(late & data.event))
    if lost:
        monitor.warn(
            f"{lost:,} of {int(data.event.sum()):,} training events come in the interval of the "
            "time grid in which the subject comes under observation, and say nothing there; more "
            "--time_bins use more of them"
        )


def class_loss(
    output: HeadOutput, event_class: Tensor, event: Tensor, num_causes: int = 1
) -> Tensor:
    """Return the mean negative log-likelihood under a head's mixture.

    Where labels have the first class at risk too, it is conditional on no event before it.
    """
    scores, gates = output.class_scores, output.log_gates
    if event_class.ndim == event.ndim:
        return negative_log_likelihood(scores, gates, event_class, event, num_causes)
    event_class, first_class = event_class.unbind(-1)
    loss = negative_log_likelihood(scores, gates, event_class, event, num_causes)
    nobody = torch.zeros_like(event)
    return loss - negative_log_likelihood(scores, gates, first_class, nobody, num_causes)


def class_survival(output: HeadOutput, num_causes: int = 1) -> Curves:
    """Return survival, and cumulative incidences, under a head without experts."""
    # Normalised again in double, so that the mass sums to 1 to rounding.
    probabilities = output.log_probs.double().softmax(-1)
    return curves_from_class_probabilities(probabilities.cpu().numpy(), num_causes)


def mixture_survival(output: HeadOutput, num_causes: int = 1) -> Curves:
    """Return survival, and cumulative incidences, under a mixture, and the router's weights."""
    weights = output.log_gates.double().softmax(-1)
    return class_survival(output, num_causes)._replace(expert_weights=weights.cpu().numpy())


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


def curves_from_class_probabilities(
    probabilities: NDArray[np.float64], num_causes: int = 1
) -> Curves:
    """Return survival, and the cumulative incidences of C >= 2 causes, at the m cuts.

    They sum to 1 at every cut to rounding, as each is a sum of some of the same masses.

    Parameters
    ----------
    probabilities : array, shape (n, C * m + 1), float64
        Laid out as in `survkit.heads.causes`.
    num_causes : int
        Causes C.
    """
    if num_causes == 1:
        return Curves(survival_from_class_probabilities(probabilities))
    of_causes = probabilities[:, :-1].reshape(len(probabilities), num_causes, -1)
    of_any = np.hstack([of_causes.sum(axis=1), probabilities[:, -1:]])
    incidence = np.cumsum(of_causes, axis=2)
    return Curves(survival_from_class_probabilities(of_any), cumulative_incidence=incidence)


def _of_head(name: str, num_causes: int = 1) -> Objective:
    likelihood = partial(
        Objective,
        build_head=partial(build_head, name, num_causes=num_causes),
        labels=class_labels,
        loss=partial(class_loss, num_causes=num_causes),
        parameters=head_parameters(name),
        for_causes=partial(_of_head, name) if HEADS[name].has_causes else None,
        takes_entry=True,
    )
    if not HEADS[name].is_mixture:
        return likelihood(survival=partial(class_survival, num_causes=num_causes))
    survival = partial(mixture_survival, num_causes=num_causes)
    return likelihood(survival=survival, penalty=mixture_penalty)


HEAD_OBJECTIVES = {name: _of_head(name) for name in HEADS}
"""Maximum likelihood of the classes, for each head."""
