"""The flags that networks read, each as a parameter of the same name."""

from __future__ import annotations

from survkit.heads import HEADS

BACKBONE_PARAMETERS = (
    "hidden_dim",
    "num_hidden_layers",
    "dropout",
    "embedding_dimension",
    "one_hot_embed",
)

INPUT_PARAMETERS = ("numeric_inputs",)

OPTIMISATION_PARAMETERS = (
    "epochs",
    "lr",
    "batch_size",
    "optimizer",
    "early_stopping_patience",
    "monitored_val_metric",
    "minimize_val_metric",
)

REGULARISER_PARAMETERS = (
    "group_ent_lambda",
    "instance_ent_lambda",
    "cosine_anneal_group_ent_lambda",
    "cosine_anneal_hold_epochs",
    "cosine_anneal_epochs",
    "cosine_anneal_min_lambda_multiplier",
)
"""Of a mixture's router."""


def head_parameters(head: str) -> tuple[str, ...]:
    """Return the names of the parameters that a head, its start and its penalty read."""
    entry = HEADS[head]
    start = ("initial_curve",) if entry.has_start else ()
    return (*start, *entry.parameters, *(REGULARISER_PARAMETERS if entry.is_mixture else ()))
