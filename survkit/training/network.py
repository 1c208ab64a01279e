"""The network: a backbone and a head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from survkit.heads import build_head
from survkit.heads.backbone import Backbone
from survkit.heads.routing import HeadOutput
from survkit.training.parameters import BACKBONE_PARAMETERS
from survkit.types import CategoricalColumn


class SurvivalNetwork(nn.Module):
    """A backbone that turns features into a hidden state, and a head that reads it.

    Parameters
    ----------
    head : str
        A key of `survkit.heads.HEADS`.
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
        head: str,
        *,
        num_features: int,
        categorical: Sequence[CategoricalColumn],
        num_classes: int,
        parameters: Mapping[str, Any],
    ) -> None:
        super().__init__()
        backbone = {name: parameters[name] for name in BACKBONE_PARAMETERS}
        self.backbone = Backbone(num_features=num_features, categorical=categorical, **backbone)
        self.head = build_head(head, self.backbone.output_dim, num_classes, parameters)

    def forward(self, features: Tensor, dropout_masks: Sequence[Tensor] = ()) -> HeadOutput:
        """Map features (B, p) to the distributions over the time classes.

        `dropout_masks` are those of `survkit.heads.backbone.Backbone.forward`.
        """
        output: HeadOutput = self.head(self.backbone(features, dropout_masks))
        return output
