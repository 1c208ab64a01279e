"""The estimator of any model of the registry, also of one that a user has added."""

from __future__ import annotations

from dataclasses import MISSING, fields, make_dataclass
from functools import cache

from survkit.configs.train import TrainConfig
from survkit.estimators import baselines, networks
from survkit.estimators.base import SurvivalEstimator
from survkit.heads import HEADS
from survkit.models.entry import ModelEntry
from survkit.models.registry import MODELS, model_name

_DEFAULTS = {
    field.name: field.default for field in fields(TrainConfig) if field.default is not MISSING
}


def estimator_class(model: str) -> type[SurvivalEstimator]:
    """Return the estimator of a model.

    One of a model that was added to the registry is made from its entry: its parameters are the
    flags that the model reads, with their defaults.

    Parameters
    ----------
    model : str
        A key of `MODELS`, or an alias.

    Raises
    ------
    InputError
        For an unknown model.
    """
    name = model_name(model)
    for module in (baselines, networks):
        for found in vars(module).values():
            if getattr(found, "model_name", None) == name:
                known: type[SurvivalEstimator] = found
                return known
    return _made(name)


def class_name(model: str) -> str:
    """Return what the estimator of an added model is called: my_head becomes MyHeadSurvival."""
    return "".join(word.capitalize() for word in model.split("_")) + "Survival"


@cache  # one class for a name, as a pickle expects
def _made(name: str) -> type[SurvivalEstimator]:
    entry = MODELS[name]
    base = _base(name, entry)
    inherited = {field.name for field in fields(base)}
    own = [
        (keyword, object, _DEFAULTS[flag])
        for flag, keyword in entry.parameters.items()
        if keyword not in inherited and flag not in OF_COMMAND
    ]
    text = f"The model {name} of the registry.\n\nParameters are the flags that it reads."
    return make_dataclass(
        class_name(name),
        own,
        bases=(base,),
        namespace={"model_name": name, "__doc__": text, "__module__": "survkit.estimators"},
        kw_only=True,
        eq=False,
        repr=False,
    )


OF_COMMAND = ("initial_curve", "minimize_val_metric", "monitored_val_metric")
"""Flags of networks that estimators leave at their defaults."""


def _base(name: str, entry: ModelEntry) -> type[SurvivalEstimator]:
    if not entry.network:
        return SurvivalEstimator if entry.is_deterministic else baselines.SeededSurvival
    head = HEADS.get(name)
    return networks.MixtureSurvival if head and head.is_mixture else networks.NeuralSurvival
