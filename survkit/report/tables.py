"""Tables of runs: fractions in the records become percentages here."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from survkit.metrics.names import split_cause
from survkit.models.registry import MODELS
from survkit.report.missing import (
    metric_times,
    missing_notes,
    recorded_metrics,
    without_unreliable,
)
from survkit.runs.metric_text import (
    at_evaluation_times,
    cause_metrics,
    format_mean,
    scale_of,
    suffix_of,
    times_note,
)
from survkit.runs.variants import check_comparable, variant_labels
from survkit.text import nearest
from survkit.types import InputError

COMPARISON = ("concordance", "brier@25", "brier@50", "brier@75", "integrated_brier", "ece")

PAGE_METRICS = ("loss", *COMPARISON, "ece_equal_mass")

TRUE_METRICS = ("brier_true@25", "brier_true@50", "brier_true@75", "ece_true", "mae_true")
"""Against the event times before censoring, which generated data have."""


def comparison_table(runs: pd.DataFrame, metrics: Sequence[str] | None = None) -> pd.DataFrame:
    """Compare models: one row a model, test metrics in percent as mean and deviation over seeds.

    A metric that a run lacks has no mean, and shows as "-"; `table_notes` tells why.

    Parameters
    ----------
    runs : DataFrame
        From `load_runs`, of one dataset.
    metrics : sequence of str, optional
        Names of test metrics, or of other columns of `runs` that hold numbers; those of
        `comparison_metrics` where not given.

    Returns
    -------
    DataFrame of text
        Indexed by model (with the flags that vary, as `variant_labels`), in the order of `runs`,
        with a column a metric, and `seconds`, the mean from command to record. A model that no
        seed can change has no deviation.

    Raises
    ------
    InputError
        For an unknown metric, with the nearest known one, and for runs that are not comparable.
    """
    metrics = comparison_metrics(runs) if metrics is None else metrics
    means = seed_means(runs, metrics)
    cells = [
        format_mean(row["metric"], row["mean"], row["standard_deviation"])
        for row in means.to_dict("records")
    ]
    text = means.assign(cell=cells).pivot(index="model", columns="metric", values="cell")
    text = text.loc[means["model"].unique(), list(metrics)].rename_axis(None)
    text.columns.name = None
    return text.assign(seconds=mean_seconds(runs))


def comparison_by_cause(
    runs: pd.DataFrame, metrics: Sequence[str] | None = None
) -> dict[str, pd.DataFrame]:
    """Part `comparison_table` by the competing cause that its metrics are of, "" for no cause.

    Parameters and errors are those of `comparison_table`. Metrics have their plain names, and the
    seconds are in the first part.
    """
    table = comparison_table(runs, metrics)
    causes = [split_cause(str(name))[0] for name in table]
    parts = {cause: table.loc[:, [own == cause for own in causes]] for cause in causes}
    return {
        cause: part.rename(columns=lambda name: split_cause(name)[1])
        for cause, part in sorted(parts.items(), key=lambda item: item[0] != "")
    }


def comparison_metrics(runs: pd.DataFrame) -> tuple[str, ...]:
    """Return `COMPARISON`, the main metrics at the runs' evaluation times, and of causes."""
    known = recorded_metrics(runs)
    return (*COMPARISON, *at_evaluation_times(known), *cause_metrics(known))


def page_metrics(runs: pd.DataFrame) -> tuple[str, ...]:
    """Return `PAGE_METRICS`, those at evaluation times, of causes, and `TRUE_METRICS` if known."""
    known = recorded_metrics(runs)
    timed = at_evaluation_times(known)
    true = [f"brier_true@{suffix_of(m)}" for m in timed if m.startswith("brier@")]
    return (
        *PAGE_METRICS,
        *timed,
        *cause_metrics(known),
        *(m for m in (*TRUE_METRICS, *true) if m in known),
    )


def table_notes(
    runs: pd.DataFrame, metrics: Sequence[str] | None = None, *, num_subjects: int | None = None
) -> list[str]:
    """Return what to say below `comparison_table`: times of metrics, and why some are missing.

    Parameters
    ----------
    runs, metrics
        As in `comparison_table`.
    num_subjects : int, optional
        Number of test subjects.
    """
    metrics = comparison_metrics(runs) if metrics is None else metrics
    runs = without_unreliable(runs)
    common, own = missing_notes(runs, variant_labels(runs), metrics)
    of_models = [f"{model}: {phrase}." for model, phrases in own.items() for phrase in phrases]
    return [*time_notes(runs, metrics, num_subjects), *common, *of_models]


def time_notes(
    runs: pd.DataFrame, metrics: Sequence[str], num_subjects: int | None = None
) -> list[str]:
    """Return a sentence on the times of metrics, none where they stand at no single time."""
    times = metric_times(runs, metrics)
    unit = str(runs["time_unit"].iloc[0]) if "time_unit" in runs else ""
    return [times_note(times, num_subjects, unit)] if times else []


def seed_means(runs: pd.DataFrame, metrics: Sequence[str] | None = None) -> pd.DataFrame:
    """Return mean and standard deviation over seeds of each model and metric.

    Parameters
    ----------
    runs, metrics
        As in `comparison_table`.

    Returns
    -------
    DataFrame
        A row for each model and metric: model, metric, runs (their number), mean,
        standard_deviation (NaN for one run, or where no seed can change it). The mean is NaN
        where any run lacks the metric, or too few subjects are at risk at its time. Shares are
        in percent.

    Raises
    ------
    InputError
        As `comparison_table`.
    """
    check_comparable(runs)
    metrics = comparison_metrics(runs) if metrics is None else metrics
    runs = without_unreliable(runs)
    columns = {metric: _column(runs, metric) for metric in dict.fromkeys(metrics)}
    rows = []
    for label, group in runs.groupby(variant_labels(runs), sort=False):
        spread = len(group) > 1 and not no_seed_changes(group)
        for metric, (column, scale) in columns.items():
            values = group[column].astype(float) * scale
            rows.append(
                {
                    "model": str(label),
                    "metric": metric,
                    "runs": len(group),
                    "mean": values.mean(skipna=False),
                    "standard_deviation": values.std(skipna=False) if spread else math.nan,
                }
            )
    return pd.DataFrame(rows)


def no_seed_changes(runs: pd.DataFrame) -> bool:
    """Whether the runs of one model differ in nothing but the seed, and it uses none.

    Under the published conventions the seed chooses a baseline's training rows.
    """
    model = str(runs["model"].iloc[0])
    deterministic = model in MODELS and MODELS[model].is_deterministic
    return deterministic and bool((runs["evaluation"] == "standard").all())


def mean_seconds(runs: pd.DataFrame) -> pd.Series:
    """Return the mean seconds of a run, by model; runs of Weights & Biases do not tell."""
    if "timing_total_seconds" not in runs:
        return pd.Series("-", index=variant_labels(runs).unique())
    means = runs["timing_total_seconds"].groupby(variant_labels(runs), sort=False).mean()
    return means.map("{:.1f}".format)


def _column(runs: pd.DataFrame, metric: str) -> tuple[str, float]:
    """Return the column of a metric, and what turns its values into those of a table."""
    numbers = [str(name) for name in runs if _holds_numbers(runs[name])]
    if f"test_{metric}" in numbers:
        return f"test_{metric}", scale_of(metric)
    if metric in numbers:
        return metric, 1.0
    known = [n.removeprefix("test_") for n in numbers if n.startswith("test_")]
    raise InputError(f"unknown metric '{metric}'{nearest(metric, known)}")


def _holds_numbers(column: pd.Series) -> bool:
    return bool(column.map(lambda value: value is None or isinstance(value, int | float)).all())
