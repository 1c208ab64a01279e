"""How much memory a network needs, known before any of it is taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from survkit.heads.backbone import count_weights, layer_widths
from survkit.heads.causes import num_masses
from survkit.system import MemoryNeed
from survkit.training.batch import EVALUATION_ROWS
from survkit.training.objective import Objective
from survkit.types import Splits, TimeGrid

COPIES_OF_WEIGHTS = 7
"""Weights, gradients, two moments of the optimiser and their copies, and the best weights."""

COPIES_WHILE_SAVING = 5
"""Of the network of one seed: what `last.pt` holds, as tensors and as bytes."""

VALUES_A_UNIT = 2
"""Numbers that training keeps for each unit of a subject: before and after the ReLU."""

BYTES = 4


def network_need(
    objective: Objective,
    parameters: Mapping[str, Any],
    splits: Splits,
    grid: TimeGrid,
    *,
    values_a_class: int,
    seeds: int = 1,
) -> MemoryNeed:
    """Estimate what the training of networks that differ only in their seeds needs.

    The head is built on torch's meta device, where weights take no memory.

    Parameters
    ----------
    objective : Objective
        What is learned; it builds the head.
    parameters : mapping
        The flags of the model.
    splits : Splits
        The rows.
    grid : TimeGrid
        The time grid.
    values_a_class : int
        As in `survkit.heads.HeadEntry`.
    seeds : int
        Networks that are trained together.
    """
    train = splits.train
    names = ("hidden_dim", "num_hidden_layers", "embedding_dimension", "one_hot_embed")
    shape = {name: parameters[name] for name in names}
    widths = layer_widths(train.features.shape[1], train.categorical, **shape)
    embedding = {name: shape[name] for name in names[2:]}
    weights = count_weights(widths, train.categorical, **embedding)
    causes = 1
    if objective.for_causes is not None:
        causes = train.num_causes
        objective = objective.for_causes(causes)
    with torch.device("meta"):
        head = objective.build_head(widths[-1], grid.num_classes, parameters)
    weights += sum(weight.numel() for weight in head.parameters())
    copies = COPIES_OF_WEIGHTS * seeds + COPIES_WHILE_SAVING
    mixture = "mixture_components" in objective.parameters
    experts = parameters["mixture_components"] if mixture else 1
    units, classes = sum(widths), experts * num_masses(grid.num_classes, causes)
    batch = min(parameters["batch_size"], len(train))
    together = max(seeds * batch, min(EVALUATION_ROWS, max(map(len, splits[1:]))))
    values = together * (VALUES_A_UNIT * units + values_a_class * classes)
    networks = "a network" if seeds == 1 else f"each of {seeds} networks"
    of_causes = "" if causes == 1 else f" of {causes} causes"
    flags = ["hidden_dim", "num_hidden_layers", "embedding_dimension", "batch_size", "time_bins"]
    flags += ["mixture_components"] if mixture else []
    flags += ["seeds"] if seeds > 1 else []
    return MemoryNeed(
        BYTES * (weights * copies + values) / 1e9,
        f"weights, gradients and batches of {networks} ({weights:,} weights, batches of "
        f"{batch:,} rows, {grid.num_classes:,} time classes{of_causes})",
        f"lower {', '.join(f'--{flag}' for flag in flags[:-1])} or --{flags[-1]}",
    )
