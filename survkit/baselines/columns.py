"""The feature columns that a fitted baseline expects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from survkit.datasets.one_hot import one_hot
from survkit.types import CategoricalColumn, InputError, SurvivalData, check_features


class FeatureColumns(NamedTuple):
    """Names of the training features, and which of them hold the codes of categories."""

    names: tuple[str, ...]
    categorical: tuple[CategoricalColumn, ...]

    @classmethod
    def of(cls, data: SurvivalData, *, takes_entry: bool = False) -> Self:
        """Return the columns of the rows that a model is fitted on.

        Raises
        ------
        InputError
            For subjects who come under observation late, unless the model corrects for it.
        """
        if not takes_entry:
            data.check_observed_from_start()
        return cls(data.feature_names, data.categorical)

    def check(self, features: NDArray[np.float32]) -> None:
        """Refuse features of another shape, with values that are not finite or unknown codes.

        Raises
        ------
        InputError
            Where the features are not of shape (n, p), p the number of training columns, or
            naming the column and the first bad row.
        """
        if features.ndim != 2 or features.shape[1] != len(self.names):
            raise InputError(
                f"features must have shape (n, {len(self.names)}), not {features.shape}"
            )
        check_features(features, self.categorical, self.names)

    def one_hot(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return features (n, p) with 0/1 columns in place of codes, (n, q)."""
        self.check(features)
        return one_hot(features, self.categorical, self.names)[0]

    @property
    def one_hot_names(self) -> tuple[str, ...]:
        """Names of the columns that `one_hot` returns."""
        empty = np.empty((0, len(self.names)), np.float32)
        return one_hot(empty, self.categorical, self.names)[1]

    def state(self) -> dict[str, Any]:
        """Return the columns as plain values."""
        return {"names": list(self.names), "categorical": [list(c) for c in self.categorical]}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild what `state` returned."""
        categorical = tuple(CategoricalColumn(*column) for column in state["categorical"])
        return cls(tuple(state["names"]), categorical)


def require_events(data: SurvivalData, least: int, model: str) -> None:
    """Refuse training rows with fewer events than a model needs.

    Raises
    ------
    InputError
        Naming the model, the events there are and the events it needs.
    """
    events = int(data.event.sum())
    if events < least:
        raise InputError(
            f"{model} needs at least {least} {'event' if least == 1 else 'events'} among the "
            f"training rows; event is True in {events} of {len(data)}"
        )


def require_events_of_causes(data: SurvivalData, model: str) -> None:
    """Refuse training rows without an event, or without one of each competing cause.

    Raises
    ------
    InputError
        Naming the model, and the causes that have none.
    """
    require_events(data, 1, model)
    if data.cause is None:
        return
    seen = np.bincount(data.cause, minlength=1 + data.num_causes)[1:]
    without = [name for name, events in zip(data.cause_names, seen, strict=True) if not events]
    if without:
        raise InputError(
            f"{model} needs an event of each cause among the training rows; none of {len(data)} "
            f"has one of {', '.join(without)}"
        )


def columns_tried(flag: str, max_features: str, num_columns: int) -> str | int | None:
    """Return a flag's number of columns tried at each split, as scikit-learn's trees take it.

    Parameters
    ----------
    flag : str
        For the message.
    max_features : str
        "sqrt", "log2", "all" or a whole number.
    num_columns : int
        Columns that there are.

    Raises
    ------
    InputError
        For more columns than there are.
    """
    if not max_features.isdecimal():
        return None if max_features == "all" else max_features
    tried = int(max_features)
    if tried > num_columns:
        raise InputError(
            f"{flag} is {tried}, and there are {num_columns} columns, categories counted as one "
            "each; 'all' tries all of them"
        )
    return tried
