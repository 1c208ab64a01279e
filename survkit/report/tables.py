"""Tables of runs: fractions in the records become percentages here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from survkit.configs.options import nearest
from survkit.model_registry import MODELS
from survkit.types import InputError

COMPARISON = (
    "concordance",
    "brier@25",
    "brier@50",
    "brier@75",
    "integrated_brier",
    "ece",
)

SUMMARY = (
    "loss",
    "concordance",
    "concordance_ipcw",
    "concordance_td",
    "brier@25",
    "brier@50",
    "brier@75",
    "integrated_brier",
    "ece",
    "ece_equal_mass",
)

SHARES = ("concordance", "brier", "integrated_brier", "auc", "accuracy", "ece", "purity")
"""First words of the metrics that are fractions, shown in percent; all others are as they are."""


def comparison_table(runs: pd.DataFrame, metrics: Sequence[str] = COMPARISON) -> pd.DataFrame:
    """Compare models: one row a model, test metrics in percent as mean and deviation over seeds.

    Parameters
    ----------
    runs : DataFrame
        From `load_runs`, of one dataset.
    metrics : sequence of str
        Names of test metrics, or of other columns of `runs` that hold numbers.

    Returns
    -------
    DataFrame of text
        Indexed by model, in the order of `runs`, with a column a metric, and `seconds`, the mean
        from command to record. A model that no seed can change has no deviation.

    Raises
    ------
    InputError
        For an unknown metric, with the nearest known one, and for runs of one model that differ
        in more than the seed.
    """
    columns = {metric: _column(runs, metric) for metric in metrics}
    rows: dict[str, dict[str, str]] = {}
    for model, group in runs.groupby("model", sort=False):
        if group["configuration"].nunique() > 1:
            raise InputError(
                f"the runs of {model} differ in more than their seed, so they have no common "
                f"mean; config.json in {', '.join(group['path'])} tells in what"
            )
        spread = len(group) > 1 and not _same_for_every_seed(str(model), group)
        cells = {m: _cell(group[column] * scale, spread) for m, (column, scale) in columns.items()}
        rows[str(model)] = {**cells, "seconds": f"{group['timing_total_seconds'].mean():.1f}"}
    return pd.DataFrame.from_dict(rows, orient="index")


def _same_for_every_seed(model: str, runs: pd.DataFrame) -> bool:
    """Whether the runs differ in nothing but the seed of a model that uses none.

    Under the published conventions the seed chooses a baseline's training rows.
    """
    deterministic = model in MODELS and MODELS[model].is_deterministic
    return deterministic and bool((runs["evaluation"] == "standard").all())


def _column(runs: pd.DataFrame, metric: str) -> tuple[str, float]:
    """Return the column of a metric, and what turns its values into those of a table."""
    numbers = [str(name) for name in runs if _holds_numbers(runs[name])]
    if f"test_{metric}" in numbers:
        return f"test_{metric}", _scale(metric)
    if metric in numbers:
        return metric, 1.0
    known = [n.removeprefix("test_") for n in numbers if n.startswith("test_")]
    raise InputError(f"unknown metric '{metric}'{nearest(metric, known)}")


def _holds_numbers(column: pd.Series) -> bool:
    return bool(column.map(lambda value: value is None or isinstance(value, int | float)).all())


def _cell(values: pd.Series, spread: bool) -> str:
    numbers = values.astype(float)
    if numbers.isna().any():
        return "-"
    mean = f"{numbers.mean():.2f}"
    return f"{mean} ± {numbers.std():.2f}" if spread else mean


def _scale(metric: str) -> float:
    return 100.0 if metric.startswith(SHARES) else 1.0


def result_summary(result: dict[str, Any], metrics: Sequence[str] = SUMMARY) -> str:
    """Return the main test metrics of one record as text, with their 95 % intervals."""
    lines = [f"{'test metric':<18}{'value':>8}   95 % interval"]
    for metric in metrics:
        value, scale = result["test"].get(metric), _scale(metric)
        unit = " %" if scale > 1 else ""
        if value is None:
            reason = result["test_details"].get(metric, {}).get("reason", "")
            lines.append(f"{metric:<18}{'-':>8}   {reason}")
            continue
        interval = result["test_interval"].get(metric)
        bounds = f"{interval[0] * scale:.2f} to {interval[1] * scale:.2f}" if interval else ""
        lines.append(f"{metric:<18}{value * scale:>8.2f}{unit or '  '} {bounds}")
    return "\n".join(lines)
