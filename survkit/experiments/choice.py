"""Which of a sweep's combinations become runs; of very many, none is made before it is chosen."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from survkit.text import cut
from survkit.types import InputError

if TYPE_CHECKING:  # it imports this module
    from survkit.experiments.sweep import PlannedRun

MAX_RUNS = 10_000
"""Most combinations that are all made."""

SAMPLING_SEED = 0
DECIDES_FLAGS = ("dataset", "model")
"""What decides which of the other flags a run reads."""

Axes = dict[str, Sequence[Any]]
"""Flags that a kind of run varies, each with its alternatives."""


@dataclass(frozen=True)
class Choice:
    """The combinations of each kind of run that are made.

    Parameters
    ----------
    axes : mapping of str to Axes
        By the label of the kind.
    chosen, checked : mapping of str to collection of int
        Places of the combinations that become runs, and of those that are only checked.
    num_runs : int or None
        How many of the runs are to be drawn.
    """

    axes: Mapping[str, Axes]
    chosen: Mapping[str, Collection[int]]
    checked: Mapping[str, Collection[int]]
    num_runs: int | None

    def combinations(self, label: str) -> Iterator[tuple[dict[str, Any], bool]]:
        """Yield the combinations of a kind in order, and whether each becomes a run."""
        chosen = self.chosen[label]
        for place in sorted({*chosen, *self.checked[label]}):
            yield _combination(self.axes[label], place), place in chosen

    def sample(self, runs: Sequence[PlannedRun]) -> list[PlannedRun]:
        """Draw runs, always the same ones, with all that they depend on."""
        if self.num_runs is None or self.num_runs >= len(runs):
            return list(runs)
        names = {run.name for run in random.Random(SAMPLING_SEED).sample(list(runs), self.num_runs)}
        for run in reversed(runs):  # a run stands behind those that it depends on
            if run.name in names:
                names.update(run.after)
        return [run for run in runs if run.name in names]


def choose(
    axes: Mapping[str, Axes], after: Mapping[str, Sequence[str]], num_runs: int | None
) -> Choice:
    """Choose the combinations to make: all, or of more than `MAX_RUNS` a random choice.

    Parameters
    ----------
    axes : mapping of str to Axes
        What each kind of run varies.
    after : mapping of str to sequence of str
        The kinds that come before each kind.
    num_runs : int, optional
        How many runs are asked for.

    Raises
    ------
    InputError
        For more than `MAX_RUNS` runs to make; the message says how many there are.
    """
    sizes = {label: _size(of_kind) for label, of_kind in axes.items()}
    total = sum(sizes.values())
    if total <= MAX_RUNS:
        everything = {label: range(size) for label, size in sizes.items()}
        return Choice(axes, everything, dict.fromkeys(axes, ()), num_runs)
    if num_runs is None or num_runs > MAX_RUNS:
        raise InputError(
            f"the lists of the sweep stand for {total:,} runs, and at most {MAX_RUNS:,} can be "
            "planned at a time; --num_runs 100 makes a random choice of 100, or shorten the lists"
        )
    if sum(map(_num_checked, axes.values())) > MAX_RUNS:
        raise InputError(
            f"the lists of the sweep have more than {MAX_RUNS:,} values, which is more than can be "
            "checked; shorten them"
        )
    chosen: dict[str, set[int]] = {label: set() for label in axes}
    starts = dict(zip(axes, itertools.accumulate(sizes.values(), initial=0), strict=False))
    generator = random.Random(SAMPLING_SEED)
    while sum(map(len, chosen.values())) < num_runs:
        drawn = generator.randrange(total)
        label = next(name for name in reversed(starts) if starts[name] <= drawn)
        chosen[label].add(drawn - starts[label])
    _add_those_before(chosen, after, sizes)
    checked = {label: set(_one_at_a_time(of_kind)) for label, of_kind in axes.items()}
    return Choice(axes, chosen, checked, None)


def _add_those_before(
    chosen: dict[str, set[int]], after: Mapping[str, Sequence[str]], sizes: Mapping[str, int]
) -> None:
    """Choose all combinations of the kinds that chosen ones depend on, near or far."""
    waiting = [(label, before) for label in chosen if chosen[label] for before in after[label]]
    complete: set[str] = set()
    while waiting:
        label, before = waiting.pop()
        if before in complete or before not in sizes:  # an unknown one is refused later
            continue
        if sizes[before] > MAX_RUNS:
            raise InputError(
                f"{cut(label)} comes after {cut(before)}, which stands for {sizes[before]:,} runs; "
                f"at most {MAX_RUNS:,} can be planned at a time"
            )
        complete.add(before)
        chosen[before].update(range(sizes[before]))
        waiting += [(before, earlier) for earlier in after[before]]


def _size(axes: Axes) -> int:
    return math.prod(map(len, axes.values()))


def _combination(axes: Axes, place: int) -> dict[str, Any]:
    """Return the combination at a place of the product, whose last axis changes first."""
    values: dict[str, Any] = {}
    for name in reversed(axes):
        place, index = divmod(place, len(axes[name]))
        values[name] = axes[name][index]
    return dict(reversed(values.items()))


def _num_checked(axes: Axes) -> int:
    decisive = math.prod(len(values) for name, values in axes.items() if name in DECIDES_FLAGS)
    return decisive * (1 + sum(len(v) for name, v in axes.items() if name not in DECIDES_FLAGS))


def _one_at_a_time(axes: Axes) -> Iterator[int]:
    """Yield combinations with every value of every axis, for each dataset and model.

    The other axes stay at their first value.
    """
    steps: dict[str, int] = {}
    step = 1
    for name in reversed(axes):
        steps[name] = step
        step *= len(axes[name])
    decisive = [name for name in axes if name in DECIDES_FLAGS]
    for start in itertools.product(*(range(len(axes[name])) for name in decisive)):
        base = sum(index * steps[name] for index, name in zip(start, decisive, strict=True))
        yield base
        for name in axes:
            if name not in decisive:
                yield from (base + index * steps[name] for index in range(len(axes[name])))
