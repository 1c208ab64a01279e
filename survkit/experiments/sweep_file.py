"""Reads a sweep from a YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from survkit.experiments.sweep import Sweep
from survkit.text import nearest
from survkit.types import InputError

KEY_TAGS = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge")


class _UniqueKeys(yaml.SafeLoader):
    """Refuses a key that stands twice, of which YAML's own loader would keep the last."""

    def compose_mapping_node(self, anchor: Any) -> Any:
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag not in KEY_TAGS or key.value in seen:
                text = key.tag in KEY_TAGS
                problem = f"'{key.value}' stands twice" if text else "a key must be text"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add(key.value)
        return node


def read_sweep(path: str | Path) -> Sweep:
    """Read a sweep from a YAML file with the keys of `Sweep`.

    A relative `experiment_args` starts from the file's folder.

    Raises
    ------
    InputError
        For a file that cannot be read, is not YAML or has other keys.
    """
    path = Path(path)
    try:
        content = yaml.load(path.read_text("utf-8"), _UniqueKeys)
    except OSError as error:
        raise InputError(f"cannot read the sweep {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"the sweep {path} is not UTF-8 text") from None
    except yaml.YAMLError as error:
        raise InputError(f"the sweep {path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise InputError(f"the sweep {path} must have keys: {', '.join(Sweep._fields)}")
    for key in content:
        if key not in Sweep._fields:
            raise InputError(
                f"the sweep {path} has the key '{key}'{nearest(key, Sweep._fields)}; "
                f"keys are {', '.join(Sweep._fields)}"
            )
    _check_parts(path, content)
    if content.get("experiment_args") is not None:
        content["experiment_args"] = str(path.parent / content["experiment_args"])
    return Sweep(**content)


def _check_parts(path: Path, content: dict[str, Any]) -> None:
    runs = content.get("runs", [{}])
    if not isinstance(file := content.get("experiment_args"), str | None):
        raise InputError(f"{path}: experiment_args must be a file, not {file!r}")
    if not isinstance(content.get("common", {}), dict):
        raise InputError(f"{path}: common must be flags with their values, as 'lr: 0.001'")
    if not (isinstance(runs, list) and runs and all(isinstance(run, dict) for run in runs)):
        raise InputError(f"{path}: runs must be a list, each item flags with their values")
    for run in runs:
        if isinstance(run.get("name"), dict | list):
            raise InputError(f"{path}: name must be text, not {run['name']!r}")
        after = run.get("after", [])
        if not (isinstance(after, list) and all(isinstance(name, str) for name in after)):
            raise InputError(f"{path}: after must be a list of names, not {after!r}")
