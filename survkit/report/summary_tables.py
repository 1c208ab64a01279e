"""The tables of a report: what is best, means over seeds, differences, calibration."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from survkit.metrics.names import higher_is_better, split_cause
from survkit.pages.text_tables import TextTable
from survkit.report.differences import excludes_zero
from survkit.runs.metric_text import decimals, format_mean, scale_of

SHARES_NOTE = "Concordance, Brier, AUC, accuracy and calibration errors are in percent."

Marks = Mapping[str, str]
"""Model -> the marks of its footnotes, as ' [a]'."""


def best_table(
    best: pd.DataFrame,
    marks: Marks,
    test_subjects: int,
    notes: Sequence[str] = (),
    *,
    metrics: Sequence[str] = (),
) -> TextTable:
    """Return which model is best by each metric, by how much, and how surely.

    `best` is from `best_models`; `test_subjects` is the number of test subjects. A metric of
    `metrics` that it lacks has a row of "-".
    """
    rows, bold = {}, []
    known = {row["metric"]: row for row in best.to_dict("records")}
    for metric in dict.fromkeys([*metrics, *known]):
        row = known.get(metric)
        if row is None:
            rows[head(metric)] = ["-"] * 5
            bold.append([False] * 5)
            continue
        value = _with_interval(metric, row["value"], row["low"], row["high"])
        low, high = row["difference_low"], row["difference_high"]
        difference = _with_interval(metric, row["difference"], low, high, "+")
        sure = excludes_zero(low, high)
        best_name, second = (row[n] + marks.get(row[n], "") for n in ("best", "second"))
        level = ", ".join(row["level"]) or "none"
        rows[head(metric)] = [best_name, value, second, difference, level]
        bold.append([sure, False, False, sure, False])
    columns = [
        "best",
        "value (95 %)",
        "second",
        "difference (95 %)",
        "not distinguishable from the best",
    ]
    text = pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("metric")
    return TextTable(
        "Best model by each metric",
        text,
        pd.DataFrame(bold, text.index, text.columns),
        (
            "Each model's predictions are averaged over its seeds. Difference: the best minus the "
            "second. A model is not distinguishable from the best where the 95 % interval of their "
            "difference includes zero. Bold: the interval for the second excludes zero. Intervals "
            f"are from a paired bootstrap of the {test_subjects} test subjects. They hold the "
            "fitted models fixed, are not adjusted for the number of comparisons, and ignore that "
            "the best model was chosen on the same subjects.",
            SHARES_NOTE,
            *notes,
        ),
        words=("best", "second", columns[-1]),
    )


def by_cause(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Part rows by the cause that their `metric` is of, "" first, with plain names of metrics."""
    causes = rows["metric"].map(lambda metric: split_cause(metric)[0])
    plain = rows.assign(metric=rows["metric"].map(lambda metric: split_cause(metric)[1]))
    return {str(cause): own for cause, own in plain.groupby(causes, sort=False)}


def means_table(
    means: pd.DataFrame,
    seconds: pd.Series,
    marks: Marks,
    notes: Sequence[str] = (),
    *,
    cause: str = "",
) -> TextTable:
    """Return each model's metrics (from `seed_means`) as mean and standard deviation over seeds.

    `seconds` are the mean seconds of a run, by model. `cause` is the competing cause that the
    metrics are of.
    """
    rows = {}
    for model, own in means.groupby("model", sort=False):
        name, count = f"{model}{marks.get(str(model), '')}", str(own["runs"].iloc[0])
        rows[name] = {"runs": count, **mean_cells(own), "seconds": seconds[str(model)]}
    text = pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")
    first = "Mean and standard deviation over seeds (no deviation: one run, or a model that no "
    first += "seed changes). The deviation says nothing of the sampling of subjects."
    return TextTable(f"Test metrics{_of(cause)}", text, notes=(first, SHARES_NOTE, *notes))


def differences_table(
    differences: pd.DataFrame,
    reference: str,
    marks: Marks,
    notes: Sequence[str] = (),
    *,
    cause: str = "",
) -> TextTable:
    """Return each model's difference to a reference with its interval, bold where it excludes zero.

    `differences` is what `paired_differences` returned for that reference, and `cause` the
    competing cause that the metrics are of.
    """
    rows: dict[str, dict[str, str]] = {}
    bold: dict[str, dict[str, bool]] = {}
    for row in differences[differences["model"] != reference].to_dict("records"):
        name, column = f"{row['model']}{marks.get(row['model'], '')}", head(row["metric"])
        low, high = row["difference_low"], row["difference_high"]
        cell = _with_interval(row["metric"], row["difference"], low, high, "+")
        rows.setdefault(name, {})[column] = cell
        bold.setdefault(name, {})[column] = excludes_zero(low, high)
    text = pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")
    return TextTable(
        f"Difference to {reference}{_of(cause)}",
        text,
        pd.DataFrame.from_dict(bold, orient="index"),
        (
            f"Model minus {reference}, with 95 % intervals of a paired bootstrap of the test "
            "subjects; bold where the interval excludes zero. Predictions are averaged over seeds, "
            "so a difference need not be that of the means above. The intervals are not adjusted "
            "for their number.",
            *notes,
        ),
    )


def calibration_table(
    runs: pd.DataFrame, labels: pd.Series, marks: Marks, notes: Sequence[str] = ()
) -> TextTable:
    """Return each model's calibration error beside what a calibrated model would have.

    `runs` are from `load_runs`, `labels` from `variant_labels`.
    """
    rows = {}
    for label, own in runs.groupby(labels, sort=False):
        error, mean, point = (
            _numbers(own, f"test_{name}")
            for name in ("ece_equal_mass", "ece_null_mean", "ece_null_p95")
        )
        inside = int((error <= point).sum())
        rows[f"{label}{marks.get(str(label), '')}"] = {
            "calibration error": _percent(error),
            "if calibrated: mean": _percent(mean),
            "if calibrated: 95 % point": _percent(point),
            "runs within": f"{inside} of {len(own)}",
            "D-calibration p": _range(_numbers(own, "test_d_calibration_p"), 3),
            "distance from Kaplan-Meier": _range(_numbers(own, "test_km_calibration"), 4),
        }
    text = pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")
    return TextTable(
        "Calibration of single runs",
        text,
        notes=(
            "Calibration error: ece_equal_mass in percent, mean over seeds. A calibrated model has "
            "an error too, as subjects are few: 'if calibrated' tells the mean and the 95th "
            "percentile of the error for outcomes drawn from the model's own predictions. Runs "
            "within: runs with an error of at most that percentile, which is no evidence of "
            "miscalibration.",
            "D-calibration p is conservative. Distance from Kaplan-Meier: mean squared distance of "
            "the mean predicted curve over time. Both: least to largest over runs.",
            *notes,
        ),
    )


def runs_table(
    runs: pd.DataFrame, labels: pd.Series, marks: Marks, notes: Sequence[str]
) -> TextTable:
    """Return the seeds, size and cost of each model's runs."""
    columns = {
        "parameters": "num_parameters",
        "training rows": "n_train",
        "epochs": "epochs_trained",
        "best epoch": "best_epoch",
        "seconds": "timing_total_seconds",
        "memory (MiB)": "peak_memory_mb",
    }
    rows = {}
    for label, own in runs.groupby(labels, sort=False):
        rows[f"{label}{marks.get(str(label), '')}"] = {
            "seeds": ", ".join(own["seed"].dropna().astype(int).astype(str)) or "-",
            **{name: _range(_numbers(own, column), 0) for name, column in columns.items()},
        }
    text = pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")
    return TextTable("Finished runs", text, notes=tuple(notes))


def mean_cells(means: pd.DataFrame) -> dict[str, str]:
    """Return one model's means over seeds as text, by the heads of their columns."""
    return {
        head(row["metric"]): format_mean(row["metric"], row["mean"], row["standard_deviation"])
        for row in means.to_dict("records")
    }


def head(metric: str) -> str:
    """Return the head of a metric's column: its name, and which way is better."""
    return f"{metric}\u00a0{'↑' if higher_is_better(metric) else '↓'}"


def _of(cause: str) -> str:
    return f", {cause}" if cause else ""


def _numbers(runs: pd.DataFrame, column: str) -> pd.Series:
    """Return a column as numbers, NaN where runs lack it."""
    if column not in runs:
        return pd.Series(math.nan, index=runs.index)
    return runs[column].astype(float)


def _percent(values: pd.Series) -> str:
    mean = 100 * values.mean(skipna=False)
    return "-" if math.isnan(mean) else f"{mean:.2f}"


def _range(values: pd.Series, digits: int) -> str:
    """Return the least and the largest value as text."""
    if values.isna().any():
        return "-"
    texts = dict.fromkeys(f"{value:,.{digits}f}" for value in (values.min(), values.max()))
    return " to ".join(texts)


def _with_interval(metric: str, value: float, low: float, high: float, sign: str = "") -> str:
    """Return a value in the table's unit with its interval, which may be unknown."""
    if math.isnan(value):
        return "-"
    scale = scale_of(metric)
    digits = decimals(metric, value * scale)
    text = f"{value * scale:{sign}.{digits}f}"
    if math.isnan(low):
        return text
    return f"{text} ({low * scale:.{digits}f} to {high * scale:.{digits}f})"
