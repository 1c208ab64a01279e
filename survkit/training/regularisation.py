"""What is added to the likelihood, so that a mixture uses its experts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from survkit.heads.routing import HeadOutput
from survkit.training.losses import cosine_annealed, instance_entropy, load_balance


def group_lambda_at(epochs_done: int, parameters: Mapping[str, Any]) -> float:
    """Return the weight of the group regulariser after so many epochs."""
    if "group_ent_lambda" not in parameters:  # not a mixture
        return 0.0
    value: float = parameters["group_ent_lambda"]
    if not parameters["cosine_anneal_group_ent_lambda"]:
        return value
    return value * cosine_annealed(
        epochs_done,
        parameters["cosine_anneal_hold_epochs"],
        parameters["cosine_anneal_epochs"],
        parameters["cosine_anneal_min_lambda_multiplier"],
    )


def regularisation(
    output: HeadOutput, group_lambda: Tensor | None, parameters: Mapping[str, Any]
) -> Tensor | None:
    """Return what is added to the loss of each network, shape (S,), if anything is."""
    if output.log_gates.shape[-1] == 1:  # one expert leaves the router nothing to choose
        return None
    terms = []
    if group_lambda is not None:
        balance = load_balance(
            output.log_gates, output.router_log_probs, parameters["mixture_topk"]
        )
        terms.append(group_lambda * balance)
    if parameters["instance_ent_lambda"] > 0:
        terms.append(parameters["instance_ent_lambda"] * instance_entropy(output.log_gates))
    return sum(terms[1:], terms[0]) if terms else None
