"""What the registry says of one model, and how it is built from that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pkgutil import resolve_name
from typing import Any, Literal, NamedTuple

from survkit.heads import HEADS, HeadEntry
from survkit.models import search_spaces
from survkit.system import MemoryNeed
from survkit.types import Splits, SurvivalData, SurvivalModel, SurvivalPrediction, TimeGrid


class ModelEntry(NamedTuple):
    """How a model is built and rebuilt, and how its runs are treated.

    Parameters
    ----------
    path : str
        Where its class is, as "module:class".
    parameters : mapping of str to str
        The flags that it reads, each with the keyword that its class takes it by.
    network : str
        For a network, which one; "" for any other model. Networks that differ in their seeds
        only are trained as one stack.
    is_baseline : bool
        Whether the published evaluation fits it on four fifths of the training rows and
        renormalises what it predicts beyond the horizon.
    is_deterministic : bool
        Whether the same rows give the same model for every seed.
    data_defaults : str
        Where a function is, as "module:function", that fills in keywords left at None by the size
        of the training data; "" where no default depends on it.
    memory : str
        Where a function is, as "module:function", that estimates the memory of a fit from the
        keywords, the training rows and the time grid; "" for a network, and where it is little.
    search_space : mapping
        What `survkit.search` varies by default; empty for a model that it cannot search.
    causes : {"own", "each", ""}
        What it does with several competing causes: it predicts their cumulative incidences itself;
        it is fitted for each cause with the others censored, and they follow from the hazards of
        all causes (see `CauseSpecificModel`); or it is refused.
    takes_entry : bool
        Whether it corrects for subjects who come under observation late (`SurvivalData.entry`);
        others are refused where there are any.
    packages : tuple of str
        Packages of an extra (see `survkit.extras`) that it needs.
    """

    path: str
    parameters: Mapping[str, str]
    network: str = ""
    is_baseline: bool = False
    is_deterministic: bool = False
    data_defaults: str = ""
    memory: str = ""
    search_space: search_spaces.Space = search_spaces.NONE
    causes: Literal["own", "each", ""] = ""
    takes_entry: bool = False
    packages: tuple[str, ...] = ()

    def resolve(
        self, parameters: Mapping[str, Any], train: SurvivalData, grid: TimeGrid
    ) -> dict[str, Any]:
        """Return the flags whose defaults depend on the training data, each with its value."""
        if not self.data_defaults:
            return {}
        given = {keyword: parameters[flag] for flag, keyword in self.parameters.items()}
        known = resolve_name(self.data_defaults)(given, train, grid)
        flags = {keyword: flag for flag, keyword in self.parameters.items()}
        return {flags[keyword]: value for keyword, value in known.items()}

    def memory_need(
        self,
        parameters: Mapping[str, Any],
        splits: Splits,
        grid: TimeGrid,
        *,
        seeds: int = 1,
    ) -> MemoryNeed | None:
        """Estimate the memory of a fit from its flags; None where it is little.

        `seeds` networks are trained as one stack; other models are fitted one by one.
        """
        if self.network:
            objective = resolve_name(self.path).objectives[self.network]
            from survkit.training.size import network_need  # with torch

            values = HEADS.get(self.network, HeadEntry("")).values_a_class
            how = {"values_a_class": values, "seeds": seeds}
            return network_need(objective, parameters, splits, grid, **how)
        if not self.memory:
            return None
        given = {keyword: parameters[flag] for flag, keyword in self.parameters.items()}
        need: MemoryNeed = resolve_name(self.memory)(given, splits.train, grid)
        return need

    def build(
        self,
        *,
        grid: TimeGrid,
        parameters: Mapping[str, Any],
        seed: int,
        device: str = "cpu",
        validation_metrics: Callable[[SurvivalPrediction], Mapping[str, float]] | None = None,
    ) -> SurvivalModel:
        """Build the model, not fitted yet.

        Parameters
        ----------
        grid : TimeGrid
            The cuts at which it predicts.
        parameters : mapping
            Values for all flags in `ModelEntry.parameters`; others are not read.
        seed : int
            Seed of everything random in the fit.
        device : str
            The torch device that a network is trained on.
        validation_metrics : callable, optional
            What a network computes of its validation predictions after every epoch.

        Raises
        ------
        InputError
            For parameters that do not fit together, or an unknown device.
        """
        values = {keyword: parameters[flag] for flag, keyword in self.parameters.items()}
        model_class = resolve_name(self.path)
        model: SurvivalModel
        if self.network:
            own = {"device": device, "validation_metrics": validation_metrics}
            model = model_class(self.network, grid=grid, parameters=values, seed=seed, **own)
        else:
            seeded = {} if self.is_deterministic else {"seed": seed}
            model = model_class(grid=grid, **values, **seeded)
        return model

    def from_state(self, state: Mapping[str, Any]) -> SurvivalModel:
        """Rebuild a fitted model from what its `state` returned."""
        model: SurvivalModel = resolve_name(self.path).from_state(state)
        return model
