"""How each column of the person-period data may be split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from survkit.text import nearest
from survkit.types import CategoricalColumn, InputError

Rule = Literal["continuous", "one_hot", "subset"]
"""At or below a threshold; one value against all others; a set of values against all others."""

TIME = "time"
"""Name of the first column, which is always split as a continuous one."""


def resolve_rules(
    names: Sequence[str],
    categorical: Sequence[CategoricalColumn],
    split_rules: Mapping[str, str] | Sequence[str] | None,
) -> tuple[Rule, ...]:
    """Return the rule of each of p columns: one_hot for categorical ones, continuous for others.

    `split_rules` names the columns that differ, or gives all p rules in order. Raises an InputError
    for an unknown rule or column, another number of rules, or a feature with the name of the time.
    """
    if TIME in names:
        raise InputError(
            f"a feature is called '{TIME}', as BART calls the time of each row; rename the feature"
        )
    coded = {c.column for c in categorical}
    rules = ["one_hot" if j in coded else "continuous" for j in range(len(names))]
    if isinstance(split_rules, Mapping):
        for name, rule in split_rules.items():
            rules[column_index(name, names)] = rule
    elif split_rules is not None:
        if isinstance(split_rules, str) or len(split_rules) != len(names):
            raise InputError(
                f"split_rules must name one rule for each of the {len(names)} columns "
                f"{', '.join(names)} (time has its own), not {split_rules!r}"
            )
        rules = list(split_rules)
    for name, rule in zip(names, rules, strict=True):
        if rule not in get_args(Rule):
            raise InputError(
                f"split rule of '{name}' is {rule!r}; rules are {', '.join(get_args(Rule))}"
            )
    return tuple(rules)  # type: ignore[arg-type]


def resolve_prior(
    names: Sequence[str], split_prior: Mapping[str, float] | Sequence[float] | None
) -> NDArray[np.float64]:
    """Return the prior weight of splitting by time and by each of p columns, shape (1 + p,).

    `split_prior` gives weights by name, 1 for the others, or all in order. Raises an InputError for
    an unknown column, another number of weights, or a weight that is not positive.
    """
    with_time = (TIME, *names)
    prior = np.ones(len(with_time))
    if isinstance(split_prior, Mapping):
        for name, weight in split_prior.items():
            prior[column_index(name, with_time)] = weight
    elif split_prior is not None:
        if len(split_prior) != len(with_time):
            raise InputError(
                f"split_prior has {len(split_prior)} weights; it needs {len(with_time)}: "
                f"{', '.join(with_time)}"
            )
        prior = np.array(split_prior, dtype=np.float64)
    bad = ~(np.isfinite(prior) & (prior > 0))
    if bad.any():
        column = int(np.argmax(bad))
        raise InputError(
            f"split_prior of '{with_time[column]}' is {prior[column]}; it must be positive"
        )
    return prior


def column_index(name: str, names: Sequence[str]) -> int:
    """Return the position of a column; an InputError names the nearest to an unknown one."""
    if name not in names:
        raise InputError(
            f"there is no column '{name}'{nearest(name, names)}; columns are {', '.join(names)}"
        )
    return list(names).index(name)
