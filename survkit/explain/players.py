"""Which columns of a model's input belong together: the players of an explanation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

import numpy as np

from survkit.explain.inputs import as_column
from survkit.explain.units import Unit
from survkit.types import BoolArray, InputError, IntArray


class Players(NamedTuple):
    """The d features that an explanation tells apart, each of one or more of p columns.

    Parameters
    ----------
    names : tuple of str, length d
        Their names, in the order of their first columns.
    of_column : array, shape (p,), int
        The player that each column belongs to.
    """

    names: tuple[str, ...]
    of_column: IntArray

    @classmethod
    def of_labels(cls, labels: Sequence[str]) -> Self:
        """Return one player for each different label; `labels` has one for each column."""
        names = tuple(dict.fromkeys(labels))
        place = {name: player for player, name in enumerate(names)}
        return cls(names, np.array([place[label] for label in labels], dtype=np.int64))

    @classmethod
    def of_groups(
        cls, feature_names: Sequence[str], groups: Mapping[str, Sequence[int | str]]
    ) -> Self:
        """Return the groups as players, and every other column as one by itself.

        Parameters
        ----------
        feature_names : sequence of str, length p
            The columns.
        groups : mapping of str to sequence of int or str
            The columns of each group, by place or name.

        Raises
        ------
        InputError
            For an unknown column, a column in two groups, an empty group, or a group with the
            name of a column that is not in it.
        """
        labels = list(feature_names)
        grouped: dict[int, str] = {}
        for name, members in groups.items():
            if isinstance(members, str) or not len(members):
                raise InputError(f"group '{name}' is {members!r}; it must be a list of columns")
            for member in members:
                column = as_column(member, feature_names)
                if column in grouped:
                    raise InputError(
                        f"column '{feature_names[column]}' is in the groups '{grouped[column]}' "
                        f"and '{name}'; a column belongs to one"
                    )
                grouped[column] = labels[column] = name
        for column, label in enumerate(labels):
            if column not in grouped and label in groups:
                raise InputError(
                    f"group '{label}' has the name of a column that is not in it; rename it"
                )
        return cls.of_labels(labels)

    @classmethod
    def of_units(cls, units: Sequence[Unit]) -> Self:
        """Return the columns of a run's table: a number and its missing-indicator are one."""
        return cls.of_labels([unit.indicates or unit.name for unit in units])

    def any_of(self, columns: BoolArray) -> BoolArray:
        """Whether any column of each player is True, shape (n, d), for columns (n, p)."""
        found = np.zeros((len(columns), len(self.names)), dtype=np.bool_)
        for column, player in enumerate(self.of_column):
            found[:, player] |= columns[:, column]
        return found
