"""Reads flags from the command line and from `.args` files into config dataclasses."""

from __future__ import annotations

import argparse
import dataclasses
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from survkit.configs.earlier_flags import rewrite
from survkit.configs.parser import EXPERIMENT_ARGS, Parser, build_parser
from survkit.configs.text_file import read_text
from survkit.configs.words import by_flag, looks_like_flag
from survkit.text import cut, nearest, shown
from survkit.types import InputError

_FILE = EXPERIMENT_ARGS.removeprefix("--")


def parse_configs(
    config_classes: Sequence[type],
    argv: Sequence[str],
    *,
    prog: str,
    description: str,
    words: Mapping[str, str] | None = None,
) -> list[Any]:
    """Build one instance of each config class from command-line flags.

    Parameters and errors are those of `given_flags`.
    """
    given = given_flags(config_classes, argv, prog=prog, description=description, words=words)
    return [build_config(config_class, given.values) for config_class in config_classes]


class Given(NamedTuple):
    """The values that flags give, by field, and no defaults.

    Parameters
    ----------
    typed : dict
        Given on the command line.
    of_files : dict
        Given in args files.
    """

    typed: dict[str, Any]
    of_files: dict[str, Any]

    @property
    def values(self) -> dict[str, Any]:
        """All of them; the command line wins over files."""
        return {**self.of_files, **self.typed}


def given_flags(
    config_classes: Sequence[type],
    argv: Sequence[str],
    *,
    prog: str,
    description: str,
    words: Mapping[str, str] | None = None,
) -> Given:
    """Return the values that command-line flags and args files give.

    `--experiment_args FILE` reads more flags from a file; a flag on the command line wins over
    the file wherever it stands. Where two classes have a field of one name, the flag is the
    first one's. `words` are put into help texts in place of their names in braces. Flags of the
    earlier code are rewritten; of those that have no effect here, a line says why.

    Raises
    ------
    InputError
        For an unknown flag (with the nearest known one), a value of the wrong type or out of
        range, or a file that cannot be used.
    """
    parser = build_parser(config_classes, prog, description, words or {})
    of_files, typed = argparse.Namespace(), argparse.Namespace()
    for path in _experiment_files(argv):
        _read_into(of_files, Path(path), parser)
    _parse(parser, _without_earlier_flags(argv, parser), typed)
    vars(typed).pop(_FILE, None)
    return Given(vars(typed), vars(of_files))


def read_args_file(config_class: type, path: Path) -> dict[str, Any]:
    """Return the values that the flags of an args file give, by field, and no defaults.

    Raises
    ------
    InputError
        As `given_flags`.
    """
    arguments = argparse.Namespace()
    _read_into(arguments, path, build_parser((config_class,), prog="", description="", words={}))
    return vars(arguments)


def build_config(config_class: type, given: Mapping[str, Any]) -> Any:
    """Build a config from those of the given values that are its fields.

    Raises
    ------
    InputError
        For a value of the wrong type or out of range.
    """
    names = [field.name for field in dataclasses.fields(config_class)]
    return config_class(**{name: given[name] for name in names if name in given})


def to_arguments(config: Any, *, always: Sequence[str] = ()) -> list[str]:
    """Return the flags that make `parse_configs` build an equal config.

    Parameters
    ----------
    config : dataclass instance
        The config.
    always : sequence of str
        Fields to give in any case; others are left out where they have their default, which is
        the same on every machine.

    Raises
    ------
    InputError
        For an empty list or a list with a text that reads as a flag, which no flag can say.
    """
    words: list[str] = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if value == field.default and field.name not in always:
            continue
        if isinstance(value, tuple):
            texts = [str(item) for item in value]
            if not texts or any(map(looks_like_flag, texts)):
                raise InputError(f"--{field.name} {list(value)} cannot be given as a flag")
            words += [f"--{field.name}", *texts]
        else:
            words.append(f"--{field.name}={value}")
    return words


def _read_into(arguments: argparse.Namespace, path: Path, parser: Parser) -> None:
    _parse(parser, _read_words(path, parser), arguments, where=f"{path}: ")


def _without_earlier_flags(words: Sequence[str], parser: Parser, where: str = "") -> list[str]:
    """Rewrite the flags of the earlier code, and say which of them have no effect here."""
    try:
        rewritten = rewrite(words, parser.config_classes)
    except InputError as error:
        raise InputError(f"{where}{error}") from None
    for note in rewritten.notes:
        print(f"note: {where}{note}", file=sys.stderr)
    return rewritten.words


def _parse(
    parser: argparse.ArgumentParser, words: Sequence[str], into: argparse.Namespace, where: str = ""
) -> None:
    try:
        _, unknown = parser.parse_known_args(words, into)
    except InputError as error:
        raise InputError(f"{where}{error}") from None
    if not unknown:
        return
    name = unknown[0]
    if not name.startswith("-"):
        raise InputError(f"{where}{shown(name)} is not a flag, and no flag before it takes it")
    flag = name.partition("=")[0]
    known = list(parser._option_string_actions)  # argparse offers no public listing
    raise InputError(f"{where}unknown flag {cut(flag)}{nearest(flag, known)}")


def _experiment_files(argv: Sequence[str]) -> list[str]:
    finder = Parser(add_help=False, allow_abbrev=False)
    finder.add_argument(EXPERIMENT_ARGS, action="append", default=[])
    known, _ = finder.parse_known_args(argv)
    return list(known.experiment_args)


def _read_words(path: Path, parser: Parser) -> list[str]:
    text = read_text(path, "the args file", suffix=".args")
    words: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            words += shlex.split(line, comments=True)
        except ValueError as error:
            raise InputError(f"{path}, line {number}: {error}") from None
    if not words:
        raise InputError(f"the args file {path} holds no flags")
    words = _without_earlier_flags(words, parser, where=f"{path}: ")
    _refuse_contradictions(path, words, parser)
    return words


def _refuse_contradictions(path: Path, words: list[str], parser: argparse.ArgumentParser) -> None:
    """Refuse a file that gives one flag two different values."""
    seen: dict[str, object] = {}
    for flag_words in by_flag(words):
        if flag_words[0].partition("=")[0] == EXPERIMENT_ARGS:
            raise InputError(f"{path}: an args file cannot read another with {EXPERIMENT_ARGS}")
        alone = argparse.Namespace()
        _parse(parser, flag_words, alone, where=f"{path}: ")
        for name, value in vars(alone).items():
            if seen.setdefault(name, value) != value:
                raise InputError(
                    f"{path}: --{name} is given twice, as {shown(seen[name])} and as {shown(value)}"
                )
