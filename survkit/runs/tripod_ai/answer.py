"""What the items of a draft are answered from, and an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from survkit.datasets.assemble import Dataset


class Run(NamedTuple):
    """A finished run: its data, its resolved configuration, its result and its folder.

    For an ensemble of one model, the configuration names that model, and all seeds as text.
    """

    dataset: Dataset
    settings: Mapping[str, Any]
    result: Mapping[str, Any]
    folder: Path


class Answer(NamedTuple):
    """What a run's record says to an item.

    Parameters
    ----------
    lines : sequence of str
        Markdown; none where the record knows nothing.
    left : str, optional
        What the authors have to write, in place of what the item says; "" for nothing.
    """

    lines: Sequence[str]
    left: str | None = None


Writer = Callable[[Run], Answer]
