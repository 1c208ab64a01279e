"""The parser of the flags that config dataclasses declare."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from survkit.configs.options import OptionType, option_type
from survkit.text import nearest, shown
from survkit.types import InputError

EXPERIMENT_ARGS = "--experiment_args"


class Parser(argparse.ArgumentParser):
    """A parser whose errors are input errors, and which knows the configs that it is for."""

    config_classes: Sequence[type] = ()

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print before it ends the process."""
        raise InputError(message.removeprefix("argument "))


def build_parser(
    config_classes: Sequence[type], prog: str, description: str, words: Mapping[str, str]
) -> Parser:
    """Return a parser with a flag for each field; where two configs share one, the first's."""
    parser = Parser(
        prog=prog,
        description=description,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
        formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=30, width=100),
        usage=f"python -m {prog} [{EXPERIMENT_ARGS} FILE] [--flag value ...]",
    )
    parser.add_argument(
        EXPERIMENT_ARGS,
        metavar="FILE",
        help="file of flags, as on a command line, with # comments; flags given here win over it",
    )
    parser.config_classes = config_classes
    groups: dict[str, Any] = {}
    added: set[str] = set()
    for config_class in config_classes:
        for field in dataclasses.fields(config_class):
            if field.name in added:
                continue
            added.add(field.name)
            topic = field.metadata["topic"]
            group = groups.setdefault(topic, parser.add_argument_group(topic))
            declared = option_type(config_class, field.name)
            _add_flag(group, field, declared, _help_text(field, words))
    return parser


def _add_flag(group: Any, field: dataclasses.Field[Any], declared: OptionType, text: str) -> None:
    flag = f"--{field.name}"
    if declared.scalar is bool:
        group.add_argument(
            flag, nargs="?", const=True, type=_boolean, metavar="True|False", help=text
        )
        group.add_argument(
            f"--no_{field.name}",
            dest=field.name,
            action="store_false",
            default=argparse.SUPPRESS,
            help=argparse.SUPPRESS,
        )
        return
    metavar = "{" + ",".join(declared.choices) + "}" if declared.choices else None
    action = _StoreTupleOrOne if declared.one_alone else _StoreTuple
    group.add_argument(
        flag,
        type=_converter(declared),
        nargs="+" if declared.several else None,
        action=action if declared.several else "store",
        metavar=metavar or declared.scalar.__name__.upper(),
        help=text,
    )


class _StoreTuple(argparse.Action):
    """Stores several values as a tuple, so that configs stay hashable and comparable."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        setattr(namespace, self.dest, self.stored(values))

    def stored(self, values: list[Any]) -> Any:
        """Return what is stored for the values of one flag."""
        return tuple(values)


class _StoreTupleOrOne(_StoreTuple):
    """Stores a single value as itself, and several as a tuple."""

    def stored(self, values: list[Any]) -> Any:
        return values[0] if len(values) == 1 else tuple(values)


def _help_text(field: dataclasses.Field[Any], words: Mapping[str, str]) -> str:
    bounds = ", ".join(f"{word} {bound:g}" for word, bound in field.metadata["bounds"].items())
    default = field.metadata["shown_default"]
    if default is None:
        default = "none" if field.default in (None, ()) else field.default
    text = f"{field.metadata['help']} ({bounds + '; ' if bounds else ''}default: {default})"
    for word, stands_for in words.items():
        text = text.replace(f"{{{word}}}", stands_for)
    return text.replace("%", "%%")


def _boolean(text: str) -> bool:
    values = {"true": True, "false": False}
    if text.casefold() not in values:
        raise argparse.ArgumentTypeError(f"{shown(text)} is neither True nor False")
    return values[text.casefold()]


def _converter(declared: OptionType) -> Callable[[str], object]:
    def convert(text: str) -> object:
        if declared.optional and text == "None":
            return None
        if declared.choices and text not in declared.choices:
            hint = nearest(text, declared.choices)
            raise argparse.ArgumentTypeError(f"{shown(text)} is not {declared}{hint}")
        try:
            return declared.scalar(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{shown(text)} is not {declared}") from None

    return convert
