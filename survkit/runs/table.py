"""Reads runs into one tidy frame, from their folders or from Weights & Biases."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from survkit.configs.groups import check_group
from survkit.runs.digests import FILES, OWN
from survkit.runs.identity import recorded_run_id
from survkit.runs.record_files import read_config, read_result
from survkit.runs.record_schema import NOT_TESTED_TEXT, is_tested
from survkit.text import one_line
from survkit.types import InputError

# The heavy imports stand in the functions below, so that `survkit.report --help` answers at once.
if TYPE_CHECKING:
    import pandas as pd

WANDB_SECONDS = 30
"""Longest wait for an answer of Weights & Biases."""

TRAIN_AGAIN = "train it again with --overwrite"
"""What to do about a damaged record."""

_SETTINGS_OF_THE_RESULT = ("dataset", "model", "group", "seed", "evaluation", "data_sha256")
_PROVENANCE = (
    *("run_id", "command", "git_commit", "survkit_version", "package_versions"),
    "schema",  # of the table, which its digest already tells apart
)


class NotTestedError(InputError):
    """A record is one of a search, and has no test metrics."""


def load_runs(log_dir: str | Path, group: str | None = None) -> pd.DataFrame:
    """Read every finished run below a log folder into one frame, one row a run.

    Parameters
    ----------
    log_dir : path
        Folder of all records.
    group : str, optional
        Read this group only.

    Returns
    -------
    DataFrame
        Columns as in `result.json`: run_id, dataset, model, group, seed, ..., with nested values
        joined by an underscore (test_concordance, validation_loss, timing_total_seconds);
        `config_` and the flag's name for every other flag (config_hidden_dim); and `path`, the
        run's folder. Sorted by dataset, model (as in the registry), number of experts,
        configuration and seed.

    Raises
    ------
    InputError
        Where there is no finished run, or the group is not one folder's name.
    """
    runs, damaged = find_runs(log_dir, group)
    for run, why in damaged.items():
        warnings.warn(f"left out: run {run.name}: {why}; {TRAIN_AGAIN}", stacklevel=2)
    if runs is None:
        raise InputError(f"no finished run in {Path(log_dir) / (group or '*')}")
    return runs


def find_runs(
    log_dir: str | Path, group: str | None = None
) -> tuple[pd.DataFrame | None, dict[Path, str]]:
    """Read the finished runs as `load_runs`; return why others are damaged, by their folders.

    The frame is None where no finished run can be read.

    Raises
    ------
    InputError
        For a group that is not one folder's name, or where all runs leave the test rows out.
    """
    if group is not None:
        check_group(group)
    rows, damaged, untested = [], {}, []
    for path in _results(Path(log_dir), group):
        try:
            rows.append(_row(path.parent))
        except NotTestedError as error:
            untested.append(str(error))
        except InputError as error:
            damaged[path.parent] = str(error)
    found = [row for row in rows if row is not None]
    if untested and not found:
        others = f"; so are {len(untested) - 1} others" if len(untested) > 1 else ""
        raise InputError(f"{untested[0]}{others}")
    if untested:
        runs = "1 run" if len(untested) == 1 else f"{len(untested)} runs"
        print(f"warning: left out {runs}: {one_line(untested[0])}", file=sys.stderr)
    return (_frame(found) if found else None), damaged


def _results(log_dir: Path, group: str | None) -> list[Path]:
    """Return the results in a log folder; the name of a group is no pattern."""
    try:
        folders = log_dir.glob("*") if group is None else [log_dir / group]
        return sorted(path for folder in folders for path in folder.glob("*/result.json"))
    except OSError as error:
        raise InputError(f"cannot read {log_dir}: {error.strerror}") from None


def _row(folder: Path) -> dict[str, Any] | None:
    """Return a run as a row of `load_runs`, None where its result has just been removed."""
    result, config = read_result(folder), read_config(folder) or {}
    if result is None:
        return None
    if not is_tested(result):
        raise NotTestedError(f"{folder} {NOT_TESTED_TEXT}")
    known = recorded_run_id(config, without=("seed",)) or result["run_id"]
    own = {"configuration": known, **_flags(config), "path": str(folder)}
    about_numbers = {key: value for key, value in result.items() if key not in (FILES, OWN)}
    return {"time_unit": "", **_flat(about_numbers), **own}


def load_wandb_runs(project: str, group: str | None = None, *, api: Any = None) -> pd.DataFrame:
    """Read the finished runs of a Weights & Biases project into the columns of `load_runs`.

    Weights & Biases mirrors configurations and metrics, so there are no intervals, timings,
    warnings or known leaks, and `path` is None: figures need the run folders.

    Parameters
    ----------
    project : str
        "entity/project", or "project" of the default entity.
    group : str, optional
        Read this group only.
    api : wandb.Api, optional
        A session of one's own; the default one where not given.

    Returns
    -------
    DataFrame
        As `load_runs` returns.

    Raises
    ------
    InputError
        Where Weights & Biases cannot be asked, or has no finished run of survkit there.
    """
    filters = {"state": "finished", **({} if group is None else {"group": group})}
    try:
        if api is None:
            import wandb

            api = wandb.Api(timeout=WANDB_SECONDS)
        runs = api.runs(project, filters=filters, lazy=False)  # lazily it is one request a run
        mirrored = [(run.id, dict(run.config), dict(run.summary_metrics)) for run in runs]
    except Exception as error:  # whatever wandb raises
        first_line = str(error).partition("\n")[0]
        raise InputError(f"cannot read the runs of {project}: {first_line}") from None
    rows = []
    for identifier, config, summary in mirrored:
        row = _wandb_row(identifier, config, summary)
        if row is None:
            warnings.warn(f"left out: run {identifier} is not one of survkit", stacklevel=2)
        else:
            rows.append(row)
    if not rows:
        where = project if group is None else f"{project}, group {group}"
        raise InputError(f"no finished run in {where}")
    return _frame(rows)


def distinct(runs: pd.DataFrame, column: str) -> list[str]:
    """Return the different items of a column of lists, such as known_leaks, in their order."""
    lists = [entry for entry in runs.get(column, ()) if isinstance(entry, list)]
    return list(dict.fromkeys(str(item) for entry in lists for item in entry))


def seed_text(seed: float | None) -> str:
    """Return a seed as text; '-' for a record that has none, as an ensemble's."""
    return "-" if seed is None or math.isnan(seed) else f"{seed:.0f}"


def _wandb_row(
    identifier: str, config: dict[str, Any], summary: dict[str, Any]
) -> dict[str, Any] | None:
    """Return a run as a row of `load_runs`, None where it was not survkit that logged it."""
    if any(name not in config for name in _SETTINGS_OF_THE_RESULT):
        return None
    metrics = {
        key.replace("/", "_", 1): None if value == "NaN" else value
        for key, value in summary.items()
        if key.startswith(("validation/", "test/"))
    }
    return {
        "run_id": identifier,
        "configuration": recorded_run_id(config, without=("seed",)) or identifier,
        **{name: config[name] for name in _SETTINGS_OF_THE_RESULT},
        **metrics,
        **_flags(config),
        "path": None,
    }


def _flags(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the result itself does not hold of a configuration."""
    other = (*_SETTINGS_OF_THE_RESULT, *_PROVENANCE)
    return {f"config_{name}": value for name, value in config.items() if name not in other}


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return runs as a frame in the order that `load_runs` promises."""
    import pandas as pd

    from survkit.models.registry import MODELS

    frame = pd.DataFrame(rows)
    models = pd.Categorical(frame["model"], [*MODELS, *sorted(set(frame["model"]) - set(MODELS))])
    keys = {"dataset": frame["dataset"], "model": models}
    if "config_mixture_components" in frame:
        keys["experts"] = frame["config_mixture_components"]
    keys |= {name: frame[name] for name in ("configuration", "seed")}
    return frame.loc[pd.DataFrame(keys).sort_values(list(keys)).index].reset_index(drop=True)


def _flat(result: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Join the keys of nested dicts; lists (intervals, expert loads) stay one value."""
    flat: dict[str, Any] = {}
    for key, value in result.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}_")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
