"""Tables of a benchmark, as text: means on each dataset, pairs of models, differences."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from survkit.benchmark.cells import DatasetFacts
from survkit.benchmark.comparisons import Comparison, sign
from survkit.metrics.model_comparison import LEVEL, MeanDifference, least_p
from survkit.pages.text_tables import TextTable
from survkit.runs.metric_text import scale_of
from survkit.text import count_text

MEAN_RANK = "mean rank"


def means_table(comparison: Comparison) -> TextTable:
    """Return the mean over splits on each dataset, the best in bold, and the mean ranks."""
    scale = scale_of(comparison.metric)
    means = comparison.means
    text = means.map(lambda value: "-" if math.isnan(value) else f"{scale * value:.1f}")
    better = sign(comparison.metric) * means
    bold = better.eq(better.max(axis=1), axis=0)
    ranks = comparison.mean_ranks
    text.loc[MEAN_RANK] = [_number(rank) for rank in ranks]
    bold.loc[MEAN_RANK] = ranks.eq(ranks.min())
    text.index.name = "dataset"
    notes = [f"Shares in percent, means over {_splits(comparison)}; the best in bold."]
    if left_out := [str(name) for name in means.index if name not in comparison.ranked]:
        notes.append(
            f"Mean ranks are over the {count_text(len(comparison.ranked), 'dataset')} on which "
            "every model was "
            f"evaluated, without {', '.join(left_out)}."
        )
    return TextTable(f"{comparison.metric}: means over splits", text, bold, tuple(notes))


def _splits(comparison: Comparison) -> str:
    counts = sorted(set(comparison.splits))
    if len(counts) == 1:
        return f"{counts[0]} split{'s' if counts[0] > 1 else ''}"
    return f"{counts[0]} to {counts[-1]} splits, those in which the metric is defined"


def pairs_table(comparison: Comparison) -> TextTable:
    """Return each pair of models: wins, ties and losses over datasets, and the signed-rank test."""
    rows: dict[str, list[str]] = {}
    bold: list[list[bool]] = []
    order = comparison.order
    for place, first in enumerate(order):
        for second in order[place + 1 :]:
            test, counts = comparison.test(first, second), comparison.wins(first, second)
            rows[f"{first} / {second}"] = [
                f"{counts.wins} / {counts.ties} / {counts.losses}",
                str(test.datasets),
                p_text(test.p),
                p_text(test.adjusted),
            ]
            bold.append([False, False, False, test.adjusted < 1 - LEVEL])
    columns = ["wins / ties / losses", "datasets", "p", "p (Holm)"]
    text = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    text.index.name = "pair"
    margin = scale_of(comparison.metric) * comparison.margin
    notes = [
        f"Wilcoxon signed-rank tests over datasets, adjusted for their number by Holm's method. A "
        f"tie is a difference of at most {margin:g} points."
    ]
    least = least_p(len(comparison.means), len(order))
    if least >= 1 - LEVEL:
        notes.append(
            f"With {count_text(len(comparison.means), 'dataset')} and {len(order)} models no pair "
            "can have an "
            f"adjusted p below {least:.2g}: compare fewer models, or on more datasets."
        )
    return TextTable(
        f"{comparison.metric}: pairs of models over datasets",
        text,
        pd.DataFrame(bold, text.index, columns),
        tuple(notes),
    )


def p_text(p: float) -> str:
    """Return a p value as text."""
    if math.isnan(p):
        return "-"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def differences_table(comparison: Comparison, dataset: str) -> TextTable:
    """Return the matrix of mean differences on one dataset, row less column, with intervals."""
    found, models = comparison.differences[dataset], comparison.models
    scale = scale_of(comparison.metric)
    cells, bold = [], []
    for first in models:
        own = [found.get((first, second)) for second in models]
        cells.append([_difference(value, scale) for value in own])
        bold.append([value is not None and _differs(value) for value in own])
    text = pd.DataFrame(cells, models, models)
    text.index.name = "row less column"
    notes = (
        "In points, with 95 % intervals that allow for the overlap of the splits' training rows "
        "(Nadeau and Bengio 2003); in bold where the interval excludes zero.",
    )
    return TextTable(
        f"{dataset}: differences in {comparison.metric}",
        text,
        pd.DataFrame(bold, models, models),
        notes,
    )


def _differs(value: MeanDifference) -> bool:
    return value.low > 0 or value.high < 0


def _difference(value: MeanDifference | None, scale: float) -> str:
    if value is None or value.splits == 0:
        return "-"
    mean, low, high = (f"{scale * number:z.1f}" for number in value[:3])
    return mean if math.isnan(value.low) else f"{mean} ({low} to {high})"


def datasets_table(
    facts: Mapping[str, DatasetFacts], proportional: Mapping[str, bool]
) -> TextTable:
    """Return what is known of each dataset."""
    words = {True: "yes", False: "no", None: "-"}
    rows = {
        name: [
            f"{own.subjects:,}",
            f"{own.events:,}",
            f"{own.censored:.0%}",
            f"{own.features:,}",
            words[proportional.get(name)],
        ]
        for name, own in facts.items()
    }
    columns = ["rows", "events", "censored", "features", "proportional hazards"]
    text = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    text.index.name = "dataset"
    notes: tuple[str, ...] = ()
    if proportional:
        notes = (
            "Hazards count as not proportional where a test of a Cox model's features is "
            "significant after Bonferroni's correction in at least half of the splits.",
        )
    return TextTable("The datasets", text, notes=notes)


def kinds_table(kinds: pd.DataFrame, metric: str) -> TextTable:
    """Return mean ranks among datasets of one kind, the best in bold."""
    models = kinds.columns.drop("datasets")
    text = kinds[models].map(_number)
    text.insert(0, "datasets", [f"{count:.0f}" for count in kinds["datasets"]])
    bold = kinds[models].eq(kinds[models].min(axis=1), axis=0)
    bold.insert(0, "datasets", False)
    text.index.name = "datasets with"
    return TextTable(f"{metric}: mean ranks by the kind of dataset", text, bold)


def runs_table(cells: pd.DataFrame, calibrated: pd.DataFrame) -> TextTable:
    """Return each model's runs, their time, convergence and calibration."""
    rows = {}
    for model, own in cells.groupby("model", sort=False):
        done = own[own["why"] == ""]
        share, runs = map(float, calibrated.loc[str(model)])
        rows[model] = [
            f"{len(done)} of {len(own)}",
            _number(done["seconds"].median()),
            _number(done["seconds"].max()),
            str(int(done["converged"].eq(False).sum())),
            "-" if math.isnan(share) else f"{share:.0%} of {runs:.0f}",
        ]
    columns = ["runs", "seconds (median)", "seconds (most)", "not converged", "D-calibrated"]
    text = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    text.index.name = "model"
    notes = (
        "Seconds of the fit alone. D-calibrated: runs whose test of D-calibration has p of at "
        "least 0.05, among those in which it is defined.",
    )
    return TextTable("The runs", text, notes=notes)


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"
