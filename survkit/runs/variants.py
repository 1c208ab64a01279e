"""Which runs may stand in one table, and what each line of it is called."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pandas as pd

from survkit.configs.train import TrainConfig
from survkit.text import nearest
from survkit.types import InputError

CONVENTIONS = (
    "dataset",
    "data_sha256",
    "evaluation",
    "config_time_bins",
    "config_quantile_event_times",
    "config_labeling_floor_mode",
)
"""Columns in which runs must agree: on other data or another grid a metric means something else."""

LATER_CONVENTIONS = (
    "config_min_at_risk",
    "config_evaluation_times",
    "config_stratified_split",
    *("config_split", "config_split_seed", "config_folds", "config_fold"),
    *("config_inner_folds", "config_inner_fold"),
)
"""Further columns in which runs must agree; earlier records lack them, and so have their neutral
values."""

DEFAULT_REFERENCE = "mtlr"

_FIELDS = dataclasses.fields(TrainConfig)
_NO_IDENTITY = {field.name for field in _FIELDS if not field.metadata["identity"]}
_NEUTRAL = {field.name: field.metadata["neutral"] for field in _FIELDS}
_DEFAULTS = {field.name: field.default for field in _FIELDS}


def check_comparable(runs: pd.DataFrame) -> None:
    """Refuse runs that no table can compare.

    Raises
    ------
    InputError
        Naming the first of `CONVENTIONS` or `LATER_CONVENTIONS` in which the runs differ, with its
        values.
    """
    found_in = {
        column: sorted(map(str, runs[column].dropna().unique()))
        for column in CONVENTIONS
        if column in runs
    }
    found_in["min_at_risk"] = list(map(str, sorted(_numbers_at_risk(runs))))
    found_in["stratified_split"] = _values(runs, "stratified_split")
    for flag in ("split", "split_seed", "folds", "fold", "inner_folds", "inner_fold"):
        found_in[flag] = _values(runs, flag)
    found_in["evaluation_times"] = [
        " ".join(f"{time:.10g}" for time in times) or "none" for times in sorted(_times(runs))
    ]
    for column, found in found_in.items():
        if len(found) > 1:
            raise InputError(
                f"the runs differ in {column.removeprefix('config_')} ({', '.join(found)}); "
                "a table compares models on the same data under one convention"
            )


def min_at_risk(runs: pd.DataFrame) -> int:
    """Return how many subjects the metrics of comparable runs need at risk; 0 if not recorded."""
    return max(_numbers_at_risk(runs), default=0)


def evaluation_times(runs: pd.DataFrame) -> tuple[float, ...]:
    """Return the further times at which comparable runs have metrics."""
    return max(_times(runs), default=())


def _numbers_at_risk(runs: pd.DataFrame) -> set[int]:
    values = _column(runs, "config_min_at_risk")
    return {0 if _is_absent(value) else int(value) for value in values}


def _times(runs: pd.DataFrame) -> set[tuple[float, ...]]:
    values = _column(runs, "config_evaluation_times")
    return {() if _is_absent(v) else tuple(sorted(set(map(float, v)))) for v in values}


def _values(runs: pd.DataFrame, flag: str) -> list[str]:
    """Return the values of a flag as text; a record from before the flag has its neutral one."""
    neutral = _NEUTRAL[flag]
    values = {
        neutral if _is_absent(value) else type(neutral)(value)
        for value in _column(runs, f"config_{flag}")
    }
    return [str(value) for value in sorted(values)]


def _column(runs: pd.DataFrame, name: str) -> list[Any]:
    return list(runs[name]) if name in runs else [None] * len(runs)


def variant_labels(runs: pd.DataFrame) -> pd.Series:
    """Return what each run's line of a table is called: its model, and the flags that vary in it.

    Runs that differ in nothing but the seed share a label. Where a model's runs differ in more,
    the label says in what: "fixed_moe mixture_components=5". It ends in "(not converged)" where
    any of its runs did not converge. Models trained in epochs have no such mark: the weights of
    their best epoch are a choice rather than an optimum.

    Parameters
    ----------
    runs : DataFrame
        From `load_runs`.

    Returns
    -------
    Series of str
        With the index of `runs`.

    Raises
    ------
    InputError
        Where runs of one model differ in more than the seed and no config.json tells in what.
    """
    labels: dict[Any, str] = {}
    for model, group in runs.groupby("model", sort=False):
        flags = _flag_columns(group)
        texts = pd.DataFrame({flag: _texts(group[flag], flag) for flag in flags}, group.index)
        varied = [flag for flag in flags if texts[flag].nunique() > 1]
        for index, row in texts.iterrows():
            settings = [f"{_name(flag)}={row[flag]}" for flag in varied]
            labels[index] = " ".join([str(model), *settings])
        if group["configuration"].nunique() > 1 and not flags:
            raise InputError(
                f"the runs of {model} differ in more than their seed, so they have no common mean, "
                f"and no config.json in {', '.join(map(str, group['path']))} tells in what"
            )
    named = pd.Series(labels, dtype=str).loc[runs.index]
    unsure = named[_is_marked(runs)]
    return named.where(~named.isin(unsure), named + " (not converged)")


def _is_marked(runs: pd.DataFrame) -> pd.Series:
    if "converged" not in runs:
        return pd.Series(False, index=runs.index)
    failed = runs["converged"].eq(False)
    return failed & runs["epochs_trained"].isna() if "epochs_trained" in runs else failed


def choose_reference(labels: pd.Series, reference: str | None = None) -> str:
    """Return the label that the others are compared with: as asked, else MTLR, else the first.

    Raises
    ------
    InputError
        For a reference that no run has, with the nearest one.
    """
    known = list(dict.fromkeys(labels))
    if reference is None:
        return DEFAULT_REFERENCE if DEFAULT_REFERENCE in known else str(known[0])
    if reference not in known:
        raise InputError(
            f"--reference is '{reference}'{nearest(reference, known)}; "
            f"the runs are of {', '.join(known)}"
        )
    return reference


def _flag_columns(runs: pd.DataFrame) -> list[str]:
    """Return the columns of flags that are part of what identifies a run."""
    columns = [str(column) for column in runs if str(column).startswith("config_")]
    known = [column for column in columns if not runs[column].isna().all()]
    return [c for c in known if c not in LATER_CONVENTIONS and _name(c) not in _NO_IDENTITY]


def _texts(values: pd.Series, flag: str) -> list[str]:
    """Return a flag's values as text; a record from before the flag has what is its default now."""
    default = _DEFAULTS.get(_name(flag))
    return [_text(default if _is_absent(value) else value) for value in values]


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a column with a gap holds whole numbers as floats
    if isinstance(value, list | tuple):
        return "none" if len(value) == 0 else ",".join(map(_text, value))
    return "none" if _is_absent(value) else str(value)


def _is_absent(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _name(column: str) -> str:
    return column.removeprefix("config_")
