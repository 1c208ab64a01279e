"""What the networks of pycox learn: labels, loss and survival curves of each.

The losses are those of pycox 0.3.0 for several networks at once: outcomes of shape (..., B), one
loss for each leading index.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from survkit.heads.causes import split_causes
from survkit.training.objective import (
    Curves,
    Labels,
    Objective,
    curves_from_class_probabilities,
)
from survkit.types import SurvivalData, TimeGrid

DEEPHIT_ALPHA = 0.2
"""Share of the likelihood in DeepHit's loss, the rest is the ranking loss; pycox's default."""

DEEPHIT_SIGMA = 0.1
"""Scale of DeepHit's ranking loss; pycox's default."""

PYCOX_EPSILON = 1e-7
"""What pycox adds before it takes a logarithm."""


def cut_labels(data: SurvivalData, grid: TimeGrid) -> Labels:
    """Label each time by a cut, and say which events, or of which causes, are seen on the grid.

    As in pycox's `LabTransDiscreteTime`, an event belongs to the cut that ends its interval
    and a censoring to the cut before it. An event beyond the horizon counts as survival of
    the last cut; a subject censored in class 0 as survival of cut 0, at which events come
    before censorings.
    """
    classes = grid.classify(data.time)
    event = data.event & (classes < len(grid.cuts))
    cut = np.where(event, classes, np.maximum(classes - 1, 0))
    return cut, event if data.cause is None else np.where(event, data.cause, 0)


def rank_labels(data: SurvivalData, grid: TimeGrid) -> Labels:
    """Label each time by its rank among the raw times, and say which events are on the grid."""
    rank = np.unique(data.time, return_inverse=True)[1]
    return rank, cut_labels(data, grid)[1]


def deepsurv_loss(output: Tensor, rank: Tensor, event: Tensor) -> Tensor:
    """Negative Cox partial log-likelihood within the batch (Katzman et al. 2018).

    Parameters
    ----------
    output : Tensor, shape (..., B, 1)
        Log hazard ratios.
    rank : Tensor, shape (..., B), int64
        Rank of the time.
    event : Tensor, shape (..., B), bool

    Returns
    -------
    Tensor, shape (...)
        The mean over events; 0 where there are none.
    """
    order = rank.argsort(-1, descending=True)
    log_risk, event = output.squeeze(-1).gather(-1, order), event.gather(-1, order)
    highest = log_risk.amax(-1, keepdim=True)
    at_risk = (log_risk - highest).exp().cumsum(-1).add(PYCOX_EPSILON).log() + highest
    return ((at_risk - log_risk) * event).sum(-1) / event.sum(-1).clamp(min=1)


def logistic_hazard_loss(output: Tensor, cut: Tensor, event: Tensor) -> Tensor:
    """Negative log-likelihood of discrete hazards (Kvamme and Borgan 2019, eq. 3.3).

    Parameters
    ----------
    output : Tensor, shape (..., B, m)
        Logits of the hazards at the cuts.
    cut : Tensor, shape (..., B), int64
        The cut of an event, or the last cut that a censored subject is known to survive.
    event : Tensor, shape (..., B), bool

    Returns
    -------
    Tensor, shape (...)
        The mean over subjects.
    """
    index = cut.unsqueeze(-1)
    survived = -F.logsigmoid(-output).cumsum(-1)  # -log prod_{j <= k} (1 - hazard_j)
    loss = survived.gather(-1, index) - event.unsqueeze(-1) * output.gather(-1, index)
    return loss.mean((-2, -1))


def deephit_loss(output: Tensor, cut: Tensor, event: Tensor) -> Tensor:
    """Likelihood of the event's cut plus a ranking loss over pairs (Lee et al. 2018).

    Parameters
    ----------
    output : Tensor, shape (..., B, m)
        Logits of the cuts; that of the time beyond the horizon is 0.
    cut, event
        As in `logistic_hazard_loss`.

    Returns
    -------
    Tensor, shape (...)
        The mean over subjects of the likelihood, and over pairs of the ranking loss.
    """
    logits = F.pad(output, (0, 1))
    index = cut.unsqueeze(-1)
    highest = logits.amax(-1, keepdim=True)
    cumulative = (logits - highest).exp().cumsum(-1)  # of probabilities times their total
    total = cumulative[..., -1:]
    of_event = logits.gather(-1, index) - highest
    later = (total - cumulative.gather(-1, index)).relu().add(PYCOX_EPSILON).log()
    log_total = total.add(PYCOX_EPSILON).log()
    likelihood = log_total - torch.where(event.unsqueeze(-1), of_event, later)
    ranking = _ranking_loss(cumulative / total, cut, comparable_pairs(cut, event))
    return DEEPHIT_ALPHA * likelihood.mean((-2, -1)) + (1 - DEEPHIT_ALPHA) * ranking


def deephit_loss_of_causes(output: Tensor, cut: Tensor, cause: Tensor, num_causes: int) -> Tensor:
    """`deephit_loss` of C competing causes (Lee et al. 2018, "Loss Function").

    A pair counts where the event of one came before the outcome, of any kind, of the other. The
    cumulative incidences that are compared are those of the cause of that event.

    Parameters
    ----------
    output : Tensor, shape (..., B, C * m)
        Logits of the cuts for each cause, as in `survkit.heads.causes`; that of the time beyond
        the horizon is 0.
    cut : Tensor, shape (..., B), int64
        As in `deephit_loss`.
    cause : Tensor, shape (..., B), int64
        The cause of an event, 1 to C; 0 for a censored subject.
    num_causes : int
        Causes C.

    Returns
    -------
    Tensor, shape (...)
        As in `deephit_loss`.
    """
    logits = F.pad(output, (0, 1))
    highest = logits.amax(-1, keepdim=True)
    terms = (logits - highest).exp()
    total = terms.sum(-1, keepdim=True)
    cumulative = split_causes(terms, num_causes)[0].cumsum(-1)  # (..., B, C, m)
    at_cut = cut[..., None, None].expand(*cut.shape, num_causes, 1)
    passed = cumulative.gather(-1, at_cut).sum(-2)
    event = cause > 0
    place = cut + cumulative.shape[-1] * (cause - 1).clamp(min=0)
    of_event = logits.gather(-1, place.unsqueeze(-1)) - highest
    later = (total - passed).relu().add(PYCOX_EPSILON).log()
    log_total = total.add(PYCOX_EPSILON).log()
    likelihood = log_total - torch.where(event.unsqueeze(-1), of_event, later)
    pairs = comparable_pairs(cut, event)
    ranking = _ranking_loss(cumulative.flatten(-2) / total, place, pairs)
    return DEEPHIT_ALPHA * likelihood.mean((-2, -1)) + (1 - DEEPHIT_ALPHA) * ranking


def _ranking_loss(distribution: Tensor, place: Tensor, pairs: Tensor) -> Tensor:
    """Return the mean over pairs of how little likelier the earlier event was by its own time.

    Parameters
    ----------
    distribution : Tensor, shape (..., B, K)
        What has happened to each subject by each place: a cut, or a cut of some cause.
    place : Tensor, shape (..., B), int64
        The place of each subject's own outcome.
    pairs : Tensor, shape (..., B, B), bool
        As from `comparable_pairs`.
    """
    places = place.unsqueeze(-2).expand(*place.shape, place.shape[-1])
    by_then = distribution.gather(-1, places)  # row i, column j: of subject i by the place of j
    lead = by_then.diagonal(dim1=-2, dim2=-1).unsqueeze(-2) - by_then
    return (pairs.mT * (-lead / DEEPHIT_SIGMA).exp()).mean((-2, -1))


def comparable_pairs(cut: Tensor, event: Tensor) -> Tensor:
    """Return (..., B, B), bool: whether the row's event came before the column's outcome."""
    row, column = cut.unsqueeze(-1), cut.unsqueeze(-2)
    survived = (row == column) & ~event.unsqueeze(-2)
    return ((row < column) | survived) & event.unsqueeze(-1)


def _class_survival(output: Tensor, num_causes: int) -> Curves:
    probabilities = F.pad(output.double(), (0, 1)).softmax(1)  # beyond the horizon: logit 0
    return curves_from_class_probabilities(probabilities.cpu().numpy(), num_causes)


def _discrete_hazard_survival(output: Tensor) -> Curves:
    # S(cut k) = prod_{j <= k} (1 - hazard_j), on the log scale
    return Curves(F.logsigmoid(-output.double()).cumsum(1).exp().cpu().numpy())


def _log_hazard_ratio(hidden_dim: int, num_classes: int, _: Mapping[str, Any]) -> nn.Module:
    # A hazard ratio has no intercept: it would be part of the baseline hazard.
    return nn.Linear(hidden_dim, 1, bias=False)


def _one_output_per_cut(
    hidden_dim: int, num_classes: int, _: Mapping[str, Any], num_causes: int = 1
) -> nn.Module:
    return nn.Linear(hidden_dim, num_causes * (num_classes - 1))


def _deephit(num_causes: int = 1) -> Objective:
    of_causes = partial(deephit_loss_of_causes, num_causes=num_causes)
    return Objective(
        build_head=partial(_one_output_per_cut, num_causes=num_causes),
        labels=cut_labels,
        loss=deephit_loss if num_causes == 1 else of_causes,
        survival=partial(_class_survival, num_causes=num_causes),
        evaluation_rows=1024,
        for_causes=_deephit,
    )


OBJECTIVES = {
    "deepsurv": Objective(
        build_head=_log_hazard_ratio,
        labels=rank_labels,
        loss=deepsurv_loss,
        mean_over_events=True,
        evaluation_rows=None,  # a risk set is of the whole sample
    ),
    "deephit": _deephit(),
    "logistic_hazard": Objective(
        build_head=_one_output_per_cut,
        labels=cut_labels,
        loss=logistic_hazard_loss,
        survival=_discrete_hazard_survival,
    ),
}
