"""Search spaces: read from a file, and checked against the flags of the model."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from survkit.configs.options import OptionType, option_type, validate_values
from survkit.configs.train import TrainConfig
from survkit.experiments.sweep_file import read_yaml
from survkit.models.registry import MODELS
from survkit.models.search_spaces import Choices, Range, Space
from survkit.text import cut, nearest, shown
from survkit.types import InputError

_FIELDS = {field.name: field for field in fields(TrainConfig)}
_KEYS = Range._fields


def read_space(path: str) -> dict[Any, Any]:
    """Return what a YAML file of a search space says, unchecked.

    Raises
    ------
    InputError
        For a file that cannot be read, or without flags.
    """
    given = read_yaml(Path(path), "the search space")
    if not isinstance(given, dict):
        raise InputError(
            f"the search space {path} must have flags as its keys, as 'hidden_dim: [32, 64]'"
        )
    return given


def search_space(
    model: str,
    given: Mapping[Any, Any] | None = None,
    *,
    fixed: Collection[str] = (),
    where: str | None = None,
) -> Space:
    """Return what a search of a model varies.

    Parameters
    ----------
    model : str
        A key of `MODELS`.
    given : mapping, optional
        Flags with what to try, as a YAML file has them; the model's own space where it is None.
    fixed : collection of str
        The flags that are given a value: the space must not vary them as well.
    where : str, optional
        What messages call the space.

    Raises
    ------
    InputError
        For a flag that the model does not read or that is fixed, or a range without numbers that
        the flag can have.
    """
    where = where or f"the search space of {model}"
    given = MODELS[model].search_space if given is None else given
    if not given:
        raise InputError(f"{where} is empty; name flags of {model} to vary")
    space = {}
    for flag, values in given.items():
        try:
            _check_flag(flag, model, fixed)
            space[flag] = _domain(flag, values)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
    return space


def as_plain(space: Space) -> dict[str, Any]:
    """Return a space as a YAML or JSON file has it."""
    return {
        flag: list(domain.values) if isinstance(domain, Choices) else domain._asdict()
        for flag, domain in space.items()
    }


def contains(domain: Range | Choices, value: Any) -> bool:
    """Whether a flag's value is one that a search can try."""
    if isinstance(domain, Choices):
        return any(type(v) is type(value) and v == value for v in domain.values)
    return isinstance(value, int | float) and domain.low <= value <= domain.high


def is_whole(flag: str) -> bool:
    """Whether a flag takes whole numbers only."""
    return option_type(TrainConfig, flag).scalar is int


def _check_flag(flag: str, model: str, fixed: Collection[str]) -> None:
    known = [name for name in MODELS[model].parameters if _FIELDS[name].metadata["identity"]]
    if flag not in known:
        readers = [name for name, entry in MODELS.items() if flag in entry.parameters]
        if flag in MODELS[model].parameters:
            why = "changes no number of a run"
        elif readers:
            why = f"is read by {', '.join(readers)}, not by {model}"
        elif flag in _FIELDS:
            why = f"is no flag of a model; a search varies those of {model} alone"
        else:
            why = f"is no flag{nearest(flag, known)}"
        raise InputError(f"'{cut(flag)}' {why}")
    if flag in fixed:
        raise InputError(f"--{flag} is given a value, too; leave one of the two out")
    if option_type(TrainConfig, flag).several:
        raise InputError(f"'{flag}' takes a list of values, which a search cannot vary")


def _domain(flag: str, values: Any) -> Range | Choices:
    """Return what a space says of one flag, checked."""
    declared = option_type(TrainConfig, flag)
    if isinstance(values, Choices | list | tuple) and not isinstance(values, Range):
        listed = values.values if isinstance(values, Choices) else values
        return _choices(flag, listed, declared)
    if isinstance(values, Range):
        values = values._asdict()
    if not isinstance(values, Mapping):
        raise InputError(
            f"{flag} is {shown(values)}; it must be a list of values, or low, high and log"
        )
    if unknown := [key for key in values if key not in _KEYS]:
        raise InputError(
            f"{flag} has the key '{cut(unknown[0])}'{nearest(unknown[0], _KEYS)}; keys are "
            f"{', '.join(_KEYS)}"
        )
    return _range(flag, values, declared)


def _choices(flag: str, values: Any, declared: OptionType) -> Choices:
    typed = tuple(_typed(value, declared) for value in values)
    if len(typed) < 2:
        what = "an empty list" if not typed else f"only {shown(typed[0])}"
        raise InputError(f"{flag} has {what}; a search needs at least two values to choose from")
    for value in typed:
        validate_values(TrainConfig, {flag: value})
    keys = [(type(value), value) for value in typed]
    if len(set(keys)) < len(keys):
        raise InputError(f"{flag} has a value twice: {', '.join(map(shown, typed))}")
    return Choices(typed)


def _range(flag: str, values: Mapping[str, Any], declared: OptionType) -> Range:
    if declared.scalar not in (int, float) or declared.choices:
        raise InputError(f"{flag} must be a list of values: it is no number")
    for key in ("low", "high"):
        if key not in values:
            raise InputError(f"{flag} has no {key}; a range is low, high and, if wanted, log")
    log = values.get("log", False)
    if not isinstance(log, bool):
        raise InputError(f"{flag}: log is {shown(log)}; it must be true or false")
    low, high = (_typed(values[key], declared) for key in ("low", "high"))
    for end in (low, high):
        if end is None:
            raise InputError(f"{flag}: low and high must be numbers")
        validate_values(TrainConfig, {flag: end})
    if not low < high:
        raise InputError(f"{flag}: low is {low:g} and high {high:g}; low must be below high")
    if log and low <= 0:
        raise InputError(f"{flag}: low is {low:g}; a logarithmic range must lie above 0")
    return Range(low, high, log)


def _typed(value: Any, declared: OptionType) -> Any:
    """Bring a value to its flag's type; YAML reads 1e-4 as text, and 100.0 as no whole number."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if declared.scalar is float and (is_number or isinstance(value, str)):
        try:
            return float(value)
        except (ValueError, OverflowError):
            return value
    if declared.scalar is int and isinstance(value, float) and math.isfinite(value):
        return int(value) if value.is_integer() else value
    if declared.scalar is str and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value
