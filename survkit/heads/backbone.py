"""The feed-forward trunk that turns features into the hidden state the heads read."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import cast

import torch
from torch import Tensor, nn

from survkit.types import CategoricalColumn, InputError

EMBEDDING_STD = 0.3
"""Standard deviation of the embeddings at the start."""


class Backbone(nn.Module):
    """Embed the categorical columns, join them to the continuous ones, apply a ReLU network.

    Each hidden layer is dropout (left out where 0), a linear map and ReLU, so that ReLU also
    follows the last layer. All categorical columns share one embedding table, each with its own
    rows.

    Parameters
    ----------
    num_features : int
        Columns p of the features.
    categorical : sequence of CategoricalColumn
        The columns that hold codes 0 .. cardinality - 1; all others are continuous.
    hidden_dim : int
        Width of every hidden layer.
    num_hidden_layers : int
        0 or more; with 0 the hidden state is the embedded input itself.
    dropout : float
        Share of units set to zero before each hidden layer while training, in [0, 1).
    embedding_dimension : int
        Width of a category's embedding.
    one_hot_embed : bool
        Use one-hot vectors in place of learned embeddings.

    Attributes
    ----------
    widths : list of int
        Width of the embedded input, then of each hidden layer.
    output_dim : int
        Width of the hidden state, the last of them.

    Raises
    ------
    InputError
        For a categorical column that is not a feature or is given twice, sizes below 1, a negative
        number of layers, or dropout outside [0, 1).
    """

    def __init__(
        self,
        *,
        num_features: int,
        categorical: Sequence[CategoricalColumn],
        hidden_dim: int,
        num_hidden_layers: int,
        dropout: float,
        embedding_dimension: int = 4,
        one_hot_embed: bool = False,
    ) -> None:
        super().__init__()
        sizes = {"hidden_dim": hidden_dim, "embedding_dimension": embedding_dimension}
        _check_at_least(1, num_features=num_features, **sizes)
        _check_at_least(0, num_hidden_layers=num_hidden_layers)
        if not 0 <= dropout < 1:
            raise InputError(f"dropout is {dropout}; it must be at least 0 and below 1")
        _check_categorical(num_features, categorical)
        self.widths = layer_widths(
            num_features,
            categorical,
            hidden_dim=hidden_dim,
            num_hidden_layers=num_hidden_layers,
            embedding_dimension=embedding_dimension,
            one_hot_embed=one_hot_embed,
        )
        columns = [column for column, _ in categorical]
        cardinalities = [cardinality for _, cardinality in categorical]
        continuous = [column for column in range(num_features) if column not in set(columns)]
        self.num_categories = sum(cardinalities)
        offsets = [0, *accumulate(cardinalities)][:-1]
        indices = {"continuous": continuous, "categorical": columns, "offsets": offsets}
        for name, index in indices.items():
            self.register_buffer(name, torch.tensor(index, dtype=torch.int64), persistent=False)

        self.embedding = (
            nn.Embedding(self.num_categories, embedding_dimension)
            if columns and not one_hot_embed
            else None
        )
        if self.embedding is not None:
            # torch's standard deviation of 1 lets a few categories outweigh the scaled numbers.
            nn.init.normal_(self.embedding.weight, std=EMBEDDING_STD)
        self.has_categorical = bool(columns)
        self.dropout = dropout
        layers: list[nn.Module] = []
        for width_in, width_out in pairwise(self.widths):
            # Dropout with p = 0 would still draw random numbers, which torch.vmap refuses.
            layers += [nn.Dropout(dropout)] if dropout > 0 else []
            layers += [nn.Linear(width_in, width_out), nn.ReLU()]
        self.layers = nn.Sequential(*layers)
        self.output_dim = self.widths[-1]

    def forward(self, features: Tensor, dropout_masks: Sequence[Tensor] = ()) -> Tensor:
        """Return the hidden state (B, output_dim) of features (B, p).

        Codes arrive as whole numbers in the features' dtype and must lie within their column's
        cardinality, which `SurvivalData` checks.

        Parameters
        ----------
        features : Tensor, shape (B, p)
        dropout_masks : sequence of Tensor, shape (B, width)
            What the units before each hidden layer are multiplied by, from `draw_dropout_masks`;
            where not given, dropout draws its own while training.
        """
        hidden = self.embed(features)
        if not dropout_masks:
            return cast(Tensor, self.layers(hidden))
        masks = iter(dropout_masks)
        for layer in self.layers:
            hidden = hidden * next(masks) if isinstance(layer, nn.Dropout) else layer(hidden)
        return hidden

    def draw_dropout_masks(self, rows: int, generator: torch.Generator) -> list[Tensor]:
        """Draw a mask (rows, width) for each dropout: 0, or 1 / (1 - dropout)."""
        if self.dropout == 0:
            return []
        kept = 1 - self.dropout
        masks = [torch.empty(rows, width, device=generator.device) for width in self.widths[:-1]]
        return [mask.bernoulli_(kept, generator=generator).div_(kept) for mask in masks]

    def embed(self, features: Tensor) -> Tensor:
        """Return the continuous columns followed by the embedded categorical ones."""
        if not self.has_categorical:
            return features
        continuous = features.index_select(1, cast(Tensor, self.continuous))
        codes = features.index_select(1, cast(Tensor, self.categorical)).long()
        rows = codes + cast(Tensor, self.offsets)  # (B, C), rows of the shared table
        if self.embedding is None:
            table = torch.arange(self.num_categories, device=rows.device)
            embedded = (rows.unsqueeze(-1) == table).any(1).to(features.dtype)
        else:
            embedded = self.embedding(rows).flatten(1)
        return torch.cat([continuous, embedded], dim=1)


def layer_widths(
    num_features: int,
    categorical: Sequence[CategoricalColumn],
    *,
    hidden_dim: int,
    num_hidden_layers: int,
    embedding_dimension: int,
    one_hot_embed: bool,
) -> list[int]:
    """Return the widths of a `Backbone`: of the embedded input, then of each hidden layer."""
    each = [c.cardinality if one_hot_embed else embedding_dimension for c in categorical]
    embedded = num_features - len(categorical) + sum(each)
    return [embedded, *[hidden_dim] * num_hidden_layers]


def count_weights(
    widths: Sequence[int],
    categorical: Sequence[CategoricalColumn],
    *,
    embedding_dimension: int,
    one_hot_embed: bool,
) -> int:
    """Return the number of weights of a `Backbone` with these widths, without building it."""
    categories = 0 if one_hot_embed else sum(column.cardinality for column in categorical)
    return categories * embedding_dimension + sum((n + 1) * m for n, m in pairwise(widths))


def _check_at_least(least: int, **sizes: int) -> None:
    for name, value in sizes.items():
        if value < least:
            raise InputError(f"{name} is {value}; it must be at least {least}")


def _check_categorical(num_features: int, categorical: Sequence[CategoricalColumn]) -> None:
    seen: set[int] = set()
    for column, cardinality in categorical:
        if not 0 <= column < num_features:
            raise InputError(
                f"categorical column {column} is not one of the {num_features} features "
                f"(0 to {num_features - 1})"
            )
        if column in seen:
            raise InputError(f"categorical column {column} is given twice")
        if cardinality < 1:
            raise InputError(
                f"categorical column {column} has cardinality {cardinality}; it must be at least 1"
            )
        seen.add(column)
