"""Dataclass fields that describe themselves: topic, help, choices and range.

One description serves the command line, its help, and the check of values that come from
elsewhere (a sweep, a record, a notebook).
"""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import fields
from operator import ge, gt, le, lt
from typing import Any, Literal

from survkit.text import shown
from survkit.types import LARGEST, SMALLEST, InputError

MAX_NAME = 255
"""Bytes of the longest name of a file."""

_DEFAULT = object()


def option(
    default: object,
    help: str,
    *,
    topic: str,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
    identity: bool = True,
    neutral: object = _DEFAULT,
    shown_default: str | None = None,
    is_path: bool = False,
) -> Any:
    """Return a dataclass field with what the command line and `validate` need.

    Parameters
    ----------
    default : object
        The default, or a function of no arguments that makes it.
    help : str
        What it does, with its unit; range and default are added from the other arguments.
    topic : str
        The heading it stands under in `--help`.
    at_least, above, at_most, below : float, optional
        The allowed range of a number, or of every number of a list.
    identity : bool
        Whether runs that differ in it are different runs (False: device, logging and paths).
    neutral : object, optional
        The value at which the option does not count towards a run's identity: its default unless
        given. Whoever changes a default gives the old one here, so that the identifiers of runs
        made before stay those of the same numbers.
    shown_default : str, optional
        How `--help` describes a default that depends on the circumstances.
    is_path : bool
        Whether it is the path of a file or folder, or a part of one.
    """
    bounds = {"at least": at_least, "above": above, "at most": at_most, "below": below}
    metadata = {
        "topic": topic,
        "help": help,
        "bounds": {word: bound for word, bound in bounds.items() if bound is not None},
        "identity": identity,
        "neutral": default if neutral is _DEFAULT else neutral,
        "shown_default": shown_default,
        "is_path": is_path,
    }
    if callable(default):
        return dataclasses.field(default_factory=default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


_INSIDE = {"at least": ge, "above": gt, "at most": le, "below": lt}


class OptionType(typing.NamedTuple):
    """An option's declared type, taken apart."""

    scalar: type
    choices: tuple[str, ...]
    several: bool
    optional: bool
    one_alone: bool = False  # of several, whether a single value is stored as itself

    def __str__(self) -> str:
        if self.choices:
            return "one of " + ", ".join(self.choices)
        names = {int: "a whole number", float: "a number", bool: "True or False"}
        text = names.get(self.scalar, "text")
        return f"one or more values, each {text}" if self.several else text


_type_hints = functools.cache(typing.get_type_hints)


@functools.cache
def option_type(config_class: type, name: str) -> OptionType:
    """Return the type of a field.

    It is declared as T, T | None, tuple[T, ...], T | tuple[T, ...] or Literal[...].
    """
    hint = _type_hints(config_class)[name]
    parts = [hint]
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        parts = list(typing.get_args(hint))
    optional = types.NoneType in parts
    *alone, hint = [part for part in parts if part is not types.NoneType]
    several = typing.get_origin(hint) is tuple
    if several:
        hint = typing.get_args(hint)[0]
    choices = typing.get_args(hint) if typing.get_origin(hint) is Literal else ()
    return OptionType(str if choices else hint, choices, several, optional, bool(alone))


def validate(config: Any) -> None:
    """Check every field of a config against its type, choices and range.

    Raises
    ------
    InputError
        Naming the flag, its value and what would be right.
    """
    validate_values(type(config), {f.name: getattr(config, f.name) for f in fields(config)})


def validate_values(config_class: type, values: Mapping[str, Any]) -> None:
    """Check those of some values that are fields of a config, each by itself, as `validate`."""
    for field in fields(config_class):
        if field.name not in values:
            continue
        declared = option_type(config_class, field.name)
        value = values[field.name]
        if value is None and declared.optional:
            continue
        is_list = isinstance(value, tuple | list)
        if declared.several and not (is_list or declared.one_alone):
            raise InputError(f"--{field.name} is {shown(value)}; it must be {declared}")
        for single in value if declared.several and is_list else (value,):
            _check_value(field, declared, single)


def _check_value(field: dataclasses.Field[Any], declared: OptionType, value: Any) -> None:
    accepted = (int, float) if declared.scalar is float else declared.scalar
    right_type = isinstance(value, accepted) and isinstance(value, bool) is (accepted is bool)
    if not right_type or (declared.choices and value not in declared.choices):
        raise InputError(f"--{field.name} is {shown(value)}; it must be {declared}")
    if isinstance(value, str):
        _check_text(field, value)
        return
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"--{field.name} is {value}; it must be finite")
    if value and abs(value) < SMALLEST:
        raise InputError(f"--{field.name} is {value}; it must be at least {SMALLEST:g}")
    for word, bound in {"at most": LARGEST, **field.metadata["bounds"]}.items():
        if not _INSIDE[word](value, bound):
            limit = f"{bound:g}" if isinstance(bound, float) else bound
            raise InputError(f"--{field.name} is {shown(value)}; it must be {word} {limit}")


def _check_text(field: dataclasses.Field[Any], text: str) -> None:
    """Refuse what no file can be named and no record can hold."""
    name = field.name
    if "\0" in text:
        raise InputError(f"--{name} is {shown(text)}; it must be text without NUL characters")
    try:
        parts = text.encode().split(b"/")
    except UnicodeEncodeError:
        raise InputError(
            f"--{name} is {shown(text)}, which is not UTF-8; rename it with letters of UTF-8"
        ) from None
    if field.metadata["is_path"] and max(map(len, parts)) > MAX_NAME:
        raise InputError(
            f"--{name} is {shown(text)}; each part of a path has at most {MAX_NAME} bytes"
        )
