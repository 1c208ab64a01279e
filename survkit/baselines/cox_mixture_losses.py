"""What Deep Cox Mixtures learn: the likelihood of the mixture, and one step of its EM algorithm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from survkit.baselines.deep_weibull import tangent_exp
from survkit.training.losses import NEGLIGIBLE
from survkit.training.objective import Labels
from survkit.types import SurvivalData, TimeGrid


class CoxMixtureOutput(NamedTuple):
    """What the head makes of B subjects; networks that train together add a leading dimension.

    Attributes
    ----------
    log_weights : Tensor, shape (B, K)
        Logarithms of the weights of the components.
    log_risk : Tensor, shape (B, K)
        Log hazard ratio under each component.
    log_hazard : Tensor, shape (K, J)
        Logarithm of each component's baseline hazard in J intervals; the last has no end.
    ends : Tensor, shape (J + 1,)
        Where the intervals end, from 0 on, as shares of the horizon.
    """

    log_weights: Tensor
    log_risk: Tensor
    log_hazard: Tensor
    ends: Tensor


def shares_of_horizon(data: SurvivalData, grid: TimeGrid) -> NDArray[np.float32]:
    """Return the time of each subject as a share of the horizon, shape (n,)."""
    return (data.time / grid.horizon).astype(np.float32)


def time_labels(data: SurvivalData, grid: TimeGrid) -> Labels:
    """Label each subject by its time as a share of the horizon."""
    return shares_of_horizon(data, grid), data.event


def joint_log_likelihoods(output: CoxMixtureOutput, time: Tensor, event: Tensor) -> Tensor:
    """Return the logarithm of each component's weight times the likelihood of the outcome.

    Parameters
    ----------
    output : CoxMixtureOutput, shapes (..., B, K), (..., K, J) and (..., J + 1)
    time : Tensor, shape (..., B)
        Shares of the horizon.
    event : Tensor, shape (..., B), bool

    Returns
    -------
    Tensor, shape (..., B, K)
        Its softmax are the responsibilities of the components.
    """
    log_hazard, log_cumulative = _baselines(output, time)
    cumulative = tangent_exp((log_cumulative + output.log_risk).clamp(min=NEGLIGIBLE))
    log_density = (log_hazard + output.log_risk) * event.unsqueeze(-1)
    return output.log_weights + log_density - cumulative


def _baselines(output: CoxMixtureOutput, time: Tensor) -> tuple[Tensor, Tensor]:
    """Return logarithms of the baseline hazards and of their integrals at times, (..., B, K)."""
    starts, ends = output.ends[..., :-1].contiguous(), output.ends[..., 1:].contiguous()
    interval = torch.searchsorted(ends, time.contiguous()).clamp(max=ends.shape[-1] - 1)
    by_end = (output.log_hazard + (ends - starts).log().unsqueeze(-2)).logcumsumexp(-1)
    by_start = F.pad(by_end[..., :-1], (1, 0), value=-torch.inf)
    passed = (time - starts.gather(-1, interval)).clamp(min=0).log().unsqueeze(-1)
    index = interval.unsqueeze(-2).expand(*output.log_hazard.shape[:-1], -1)
    log_hazard, before = (table.gather(-1, index).mT for table in (output.log_hazard, by_start))
    return log_hazard, torch.logaddexp(before, log_hazard + passed)


def cox_mixture_loss(output: CoxMixtureOutput, time: Tensor, event: Tensor) -> Tensor:
    """Negative log-likelihood of the mixture, the mean over subjects, shape (...).

    Parameters are those of `joint_log_likelihoods`.
    """
    return -joint_log_likelihoods(output, time, event).logsumexp(-1).mean(-1)


def cox_mixture_training_loss(
    output: CoxMixtureOutput, time: Tensor, event: Tensor, parameters: Mapping[str, Any]
) -> Tensor:
    """Return what an M step minimises, given the responsibilities of an E step.

    It is the sum over components of the negative log partial likelihood, in which subjects weigh as
    much as the component is responsible for them (Breslow's for ties), plus the cross entropy
    between responsibilities and weights (Nagpal et al. 2021, section 3.2). With one component it is
    the partial likelihood of all subjects.

    Parameters
    ----------
    output, time, event
        As in `joint_log_likelihoods`.
    parameters : mapping
        Not read.

    Returns
    -------
    Tensor, shape (...)
        Divided by the number of subjects.
    """
    with torch.no_grad():
        log_share = joint_log_likelihoods(output, time, event).log_softmax(-1)
    share = log_share.exp()
    earliest_last, order = time.sort(-1, descending=True)
    index = order.unsqueeze(-1).expand_as(share)
    reversed_time = -earliest_last
    # The last of those who are at risk at each time: subjects of the same time are all at risk.
    last = torch.searchsorted(reversed_time, reversed_time, right=True) - 1
    at_risk = (log_share + output.log_risk).gather(-2, index).logcumsumexp(-2)
    at_risk = at_risk.gather(-2, last.unsqueeze(-1).expand_as(share))
    risk, weight = output.log_risk.gather(-2, index), share.gather(-2, index)
    of_events = weight * event.gather(-1, order).unsqueeze(-1) * (at_risk - risk)
    return (of_events - share * output.log_weights).sum(-1).mean(-1)
