"""The network: a backbone and a head."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn

from survkit.heads import build_head
from survkit.heads.backbone import Backbone
from survkit.training.parameters import BACKBONE_PARAMETERS
from survkit.types import CategoricalColumn


class SurvivalNetwork(nn.Module):
    """A backbone that turns features into a hidden state, and a head that reads it.

    Parameters
    ----------
    head : str or callable
        A key of `survkit.heads.HEADS`, or what builds the head from the width of the hidden state,
        `num_classes` and `parameters`.
    num_features : int
        Number of feature columns p.
    categorical : sequence of CategoricalColumn
        The columns that hold codes.
    num_classes : int
        Number of time classes m + 1.
    parameters : mapping
        Values for `BACKBONE_PARAMETERS` and the head's own parameters.

    Raises
    ------
    InputError
        For values that the backbone or the head refuses.
    """

    def __init__(
        self,
        head: str | Callable[[int, int, Mapping[str, Any]], nn.Module],
        *,
        num_features: int,
        categorical: Sequence[CategoricalColumn],
        num_classes: int,
        parameters: Mapping[str, Any],
    ) -> None:
        super().__init__()
        backbone = {name: parameters[name] for name in BACKBONE_PARAMETERS}
        self.backbone = Backbone(num_features=num_features, categorical=categorical, **backbone)
        new_head = partial(build_head, head) if isinstance(head, str) else head
        self.head = new_head(self.backbone.output_dim, num_classes, parameters)

    def forward(self, features: Tensor, dropout_masks: Sequence[Tensor] = ()) -> Any:
        """Map features (B, p) to what the head returns, a tensor or a named tuple of tensors.

        `dropout_masks` are those of `survkit.heads.backbone.Backbone.forward`.
        """
        return self.head(self.backbone(features, dropout_masks))
