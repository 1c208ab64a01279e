"""Which kind of model a saved state describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from survkit.models.cause_specific import CAUSE_SPECIFIC, CauseSpecificModel
from survkit.models.registry import MODELS
from survkit.types import SurvivalModel

_KIND = ("model", "head", "name")
"""Keys that name the kind; the networks of earlier versions used the second and the third."""


def with_kind(saved: Mapping[str, Any]) -> dict[str, Any]:
    """Return a model's state with its kind under "model", whichever version saved it.

    Parameters
    ----------
    saved : mapping
        What `state` returned; or {"model": kind, "state": state}, as earlier versions saved a
        model. Further keys beside "state", as in a checkpoint, are ignored.

    Raises
    ------
    KeyError
        Where no key names the kind.
    """
    state = saved.get("state", saved)
    for mapping in (saved, state):
        for key in _KIND:
            if key in mapping:
                return {**state, "model": mapping[key]}
    raise KeyError("model")


def rebuild_registered(saved: Mapping[str, Any]) -> SurvivalModel:
    """Rebuild a fitted model of the registry, for one cause or several.

    Parameters and errors are those of `rebuild`.
    """
    state = with_kind(saved)
    if state["model"] == CAUSE_SPECIFIC:
        return CauseSpecificModel.from_state(state)
    return MODELS[state["model"]].from_state(state)
