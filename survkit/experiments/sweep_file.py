"""Reads a sweep from a YAML file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from survkit.configs.text_file import find_file, read_text
from survkit.experiments.sweep import AFTER, NAME, Sweep
from survkit.text import cut, nearest, one_line, shown
from survkit.types import LARGEST, InputError

MAX_DEPTH = 20
"""Most brackets and indented blocks in each other; a sweep needs five."""

MAX_NODES = 200_000
"""Most keys and values of a file once its aliases are replaced by what they stand for."""

_YAML = "tag:yaml.org,2002:"
_MERGE, _TEXT = f"{_YAML}merge", f"{_YAML}str"
_KINDS = (_MERGE, *(f"{_YAML}{kind}" for kind in ("null", "bool", "int", "float", "seq", "map")))
"""What a value may be besides text. A date, which YAML knows too, is text here."""


class _Loader(yaml.SafeLoader):
    """Reads plain values alone, and refuses what is too deep or too large before it is built."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0
        self._sizes: dict[int, int] = {}  # of each node that is complete, by its id

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "tag", None) is not None:
            raise _at(event, f"the tag {cut(event.tag)} has no place here; leave it out")
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _at(event, f"lists and mappings are nested more than {MAX_DEPTH} deep")
        node: Any = super().compose_node(parent, index)
        self._depth -= 1
        if isinstance(node, yaml.ScalarNode) and node.tag not in _KINDS:
            node.tag = _TEXT
        if not isinstance(event, yaml.AliasEvent):
            self._sizes[id(node)] = self._size(node, event)
        elif id(node) not in self._sizes:
            raise _at(
                event, f"the alias *{cut(str(event.anchor))} stands inside what it stands for"
            )
        return node

    def _size(self, node: Any, event: Any) -> int:
        """Count the keys and values of a node: aliases make few letters stand for very many."""
        parts = node.value if isinstance(node, yaml.CollectionNode) else ()
        nodes = [n for part in parts for n in (part if isinstance(part, tuple) else (part,))]
        size = 1 + sum(self._sizes[id(n)] for n in nodes)
        if size > MAX_NODES:
            raise _at(event, f"with its aliases it has more than {MAX_NODES:,} keys and values")
        return size

    def compose_mapping_node(self, anchor: Any) -> Any:
        """Refuse a key that stands twice, of which YAML's own loader would keep the last."""
        node: Any = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag not in (_TEXT, _MERGE):
                raise yaml.MarkedYAMLError(
                    problem="a key must be text", problem_mark=key.start_mark
                )
            if key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"'{cut(key.value)}' stands twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return node

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            value: Any = super().construct_object(node, deep=deep)
        except (ValueError, OverflowError, KeyError):
            problem = f"'{cut(node.value)}' is no value that can be read; put text in quotes"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from None
        if isinstance(value, int) and abs(value) > LARGEST:
            problem = f"'{cut(node.value)}' is too large; numbers go to {LARGEST:g}"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
        return value


def _at(event: Any, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)


def read_yaml(path: Path, what: str) -> Any:
    """Return what a YAML file holds: text, numbers, booleans, lists and mappings alone.

    `what` is what messages call the file, such as "the sweep".

    Raises
    ------
    InputError
        For a file that cannot be read, or is not YAML; the message says the line.
    """
    text = read_text(path, what, suffix=".yaml")
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise InputError(f"{what} {path} cannot be read: {_problem(error)}") from None


def read_sweep(path: str | Path) -> Sweep:
    """Read a sweep from a YAML file with the keys of `Sweep`.

    A relative `experiment_args` starts from the file's folder.

    Raises
    ------
    InputError
        For a file that cannot be read, is not YAML or has other keys; the message says the line.
    """
    path = find_file(Path(path), ".yaml")
    content = read_mapping(path, "the sweep", Sweep._fields)
    _check_parts(path, content)
    if content.get("experiment_args") is not None:
        content["experiment_args"] = str(path.parent / content["experiment_args"])
    return Sweep(**content)


def read_mapping(path: Path, what: str, keys: Sequence[str]) -> dict[str, Any]:
    """Read a YAML file of plain values whose keys are among those given.

    Raises
    ------
    InputError
        For a file that cannot be read, is not YAML or has other keys; the message names the file
        as `what` and says the line.
    """
    content = read_yaml(path, what)
    if not isinstance(content, dict):
        raise InputError(f"{what} {path} must have keys: {', '.join(keys)}")
    for key in content:
        if key not in keys:
            raise InputError(
                f"{what} {path} has the key '{cut(key)}'{nearest(key, keys)}; "
                f"keys are {', '.join(keys)}"
            )
    return content


def _problem(error: yaml.YAMLError) -> str:
    """Return what is wrong with the text, and where, on one line."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return f"it is not YAML: {' '.join(str(error).split())}"
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    words = ", ".join(filter(None, (error.context, error.problem)))
    return f"{where}{' '.join(words.split())}"


def _check_parts(path: Path, content: dict[str, Any]) -> None:
    runs = content.get("runs", [{}])
    if not isinstance(file := content.get("experiment_args"), str | None):
        raise InputError(f"{path}: experiment_args must be a file, not {shown(file)}")
    if not isinstance(content.get("common", {}), dict):
        raise InputError(f"{path}: common must be flags with their values, as 'lr: 0.001'")
    if not (isinstance(runs, list) and runs and all(isinstance(run, dict) for run in runs)):
        raise InputError(f"{path}: runs must be a list, each item flags with their values")
    for run in runs:
        name, after = run.get(NAME), run.get(AFTER, [])
        if isinstance(name, dict | list):
            raise InputError(f"{path}: name must be text, not {shown(name)}")
        if isinstance(name, str) and one_line(name) != name:
            raise InputError(f"{path}: name must be text on one line, not {shown(name)}")
        if not (isinstance(after, list) and all(isinstance(name, str) for name in after)):
            raise InputError(f"{path}: after must be a list of names, not {shown(after)}")
