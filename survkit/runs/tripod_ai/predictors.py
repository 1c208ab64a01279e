"""The items on predictors and their missing values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import SupportsFloat

import numpy as np
from numpy.typing import NDArray

from survkit.datasets.assemble import Dataset
from survkit.datasets.preprocessing import (
    BinnedColumn,
    CategoryColumn,
    Preprocessor,
)
from survkit.datasets.tables import as_numbers
from survkit.pages.markdown import bullets, markdown_cell, markdown_code, markdown_table
from survkit.runs.model_card import left_out_columns
from survkit.runs.tripod_ai.answer import Answer, Run
from survkit.runs.tripod_ai.model_types import form_of
from survkit.types import FloatArray

SHOWN = 100
"""How many predictors a table or a list has; data of genes have thousands."""

SHOWN_VALUES = 6
"""How many values of a category a table has, the most frequent of the training rows."""

Coded = CategoryColumn | BinnedColumn


def _and_more(count: int) -> list[str]:
    more = count - SHOWN
    return ["", f"And {more:,} more."] if more > 0 else []


def choice(run: Run) -> Answer:
    """Item 9a."""
    features = run.dataset.splits.train.features.shape[1]
    if run.dataset.preprocessor is None:
        offered = f"All {features:,} columns of the source"
    else:
        offered = f"The {len(run.dataset.preprocessor.columns):,} columns of 9b"
    left_out = " Columns left out are under 7, with the reasons." * bool(
        left_out_columns(run.dataset)
    )
    return Answer(
        [
            f"{offered} were offered to the model. Before the fit, survkit selects no predictor by "
            f"its association with the outcome.{left_out}"
        ]
    )


def definitions(run: Run) -> Answer:
    """Item 9b."""
    preprocessor = run.dataset.preprocessor
    if preprocessor is None:
        names = run.dataset.splits.train.feature_names
        if names == tuple(f"x{j}" for j in range(len(names))):  # what columns without names have
            return Answer([f"{len(names):,} numbers without names."])
        listed = bullets(f"{markdown_code(name)}: number" for name in names[:SHOWN])
        return Answer([*listed, *_and_more(len(names))])
    numbers = {column.name for column in preprocessor.numeric}
    coded = {column.name: column for column in preprocessor.coded}
    listed = [
        f"{markdown_code(name)}: "
        + (_kind(coded[name]) if name in coded else _number(name in numbers))
        for name in preprocessor.columns[:SHOWN]
    ]
    return Answer([*bullets(listed), *_and_more(len(preprocessor.columns))])


def _number(has_values: bool) -> str:
    return "number" if has_values else "number, of which the model sees only whether it is missing"


def _kind(column: Coded) -> str:
    if isinstance(column, BinnedColumn):
        edges = ", ".join(f"{edge:g}" for edge in column.edges)
        return f"number in {len(column.edges) + 1} bins, cut at {edges}"
    values = ", ".join(map(markdown_cell, column.values[:SHOWN]))
    more = len(column.values) - SHOWN
    return f"category of {values}" + (f" and {more:,} more" if more > 0 else "")


def handling(run: Run) -> Answer:
    """Item 12b."""
    preprocessor, form = run.dataset.preprocessor, form_of(run.settings["model"])
    if preprocessor is None:
        lines = ["Predictors enter as the source gives them."]
    else:
        lines = [" ".join(_scaling(preprocessor))]
    if run.settings.get("numeric_inputs") == "normal_scores":
        lines += [
            "",
            "The network reads each number as the normal score of its rank among the training "
            "rows.",
        ]
    return Answer([*lines, "", form] if form else lines, None if form else _LEFT_FORM)


_LEFT_FORM = "the functional form in each model of the ensemble; their records have it."


def _scaling(preprocessor: Preprocessor) -> list[str]:
    sentences = []
    if preprocessor.numeric:
        sentences.append(
            "Numbers are scaled to mean 0 and standard deviation 1 of the training rows."
        )
    if any(isinstance(column, BinnedColumn) for column in preprocessor.coded):
        sentences.append("Numbers in bins (9b) are treated as categories.")
    if preprocessor.coded:
        sentences.append(
            "Categories are coded by the values of the training rows; a missing value and one that "
            "no training row has share one more code."
        )
    return sentences


def missing(run: Run) -> Answer:
    """Item 11."""
    dataset, preprocessor = run.dataset, run.dataset.preprocessor
    if preprocessor is None:
        return Answer(["The predictors that reach the model have no missing values."])
    rules = [
        "A missing number is replaced by the value in the table (the median of the training rows, "
        "unless the source prescribes another), and an indicator of it is one more predictor where "
        "training rows miss values. A missing category is a value of its own. survkit leaves out "
        "no row because a predictor is missing."
    ]
    columns = _columns_with_missing(dataset, preprocessor)
    if not columns:
        return Answer(["No predictor has missing values."])
    fills = {column.name: f"{column.fill:g}" for column in preprocessor.numeric}
    rows = [
        [markdown_code(name), *counts, fills.get(name, "its own code")]
        for name, counts in columns[:SHOWN]
    ]
    header = ("predictor", *_missing_header(dataset), "replaced by")
    return Answer([*rules, "", *markdown_table(header, rows), *_and_more(len(columns))])


def _missing_header(dataset: Dataset) -> Sequence[str]:
    fields = dataset.splits._fields
    return [] if dataset.raw is None else [f"missing, {name} rows" for name in fields]


def _columns_with_missing(
    dataset: Dataset, preprocessor: Preprocessor
) -> list[tuple[str, list[str]]]:
    """Return the columns with missing values, each with how many each part has, where known."""
    if dataset.raw is None or dataset.rows is None:
        return [(name, []) for name in preprocessor.indicators]
    is_missing = dataset.raw.features[list(preprocessor.columns)].isna().to_numpy()
    counts = np.stack([np.count_nonzero(is_missing[rows], axis=0) for rows in dataset.rows], axis=1)
    return [
        (
            name,
            [_share(int(count), len(rows)) for count, rows in zip(own, dataset.rows, strict=True)],
        )
        for name, own in zip(preprocessor.columns, counts, strict=True)
        if own.any()
    ]


def _share(count: int, of: int) -> str:
    return f"{count:,} ({count / of:.1%})" if count else "0"


def characteristics(run: Run) -> Answer:
    """Item 20b."""
    preprocessor = run.dataset.preprocessor
    outcome = "Numbers, events and follow-up are under 20a, missing values under 11."
    if preprocessor is None:
        return Answer([outcome])
    rows = list(_rows(run.dataset, preprocessor))
    after = "" if run.dataset.raw is not None else " after imputing, as the model sees them"
    lines = [
        f"{outcome} Of predictors: mean (standard deviation) of numbers{after}, and the share of "
        "each value of categories, among rows where it is known.",
        "",
        *markdown_table(("predictor", "training rows", "test rows"), rows),
        *_and_more(len(preprocessor.columns)),
    ]
    return Answer(lines)


def comparison(run: Run) -> Answer:
    """Item 20c."""
    if run.dataset.preprocessor is None:
        return Answer(
            ["The outcome in both is under 20a."],
            "the predictors of both; this source has no table of them.",
        )
    return Answer(
        ["20a has the outcome of the training and test rows side by side, 20b the predictors."]
    )


def _rows(dataset: Dataset, preprocessor: Preprocessor) -> Iterator[list[str]]:
    """Return the rows of a table of the predictors in the training and test rows."""
    numbers = dict(zip((c.name for c in preprocessor.numeric), _moments(dataset), strict=True))
    first = len(preprocessor.numeric) + len(preprocessor.indicators)
    coded = {column.name: j for j, column in enumerate(preprocessor.coded, first)}
    compared = (dataset.splits.train.features, dataset.splits.test.features)
    for name in preprocessor.columns[:SHOWN]:
        if name in coded:
            codes = [features[:, coded[name]] for features in compared]
            yield from _of_category(preprocessor.coded[coded[name] - first], codes)
        elif name in numbers:
            yield [markdown_code(name), *numbers[name]]


def _moments(dataset: Dataset) -> list[list[str]]:
    """Return mean and standard deviation of each number in the training and in the test rows."""
    assert dataset.preprocessor is not None
    columns = dataset.preprocessor.numeric
    if dataset.raw is not None and dataset.rows is not None:
        parts = (dataset.rows.train, dataset.rows.test)
        read = (as_numbers(dataset.raw.features[column.name]) for column in columns[:SHOWN])
        known = ([values[rows][~np.isnan(values[rows])] for rows in parts] for values in read)
        shown = [[_moment_text(*_mean_and_deviation(v)) for v in values] for values in known]
        return shown + [["", ""]] * (len(columns) - len(shown))
    compared = (dataset.splits.train.features, dataset.splits.test.features)
    scaled = [_mean_and_deviation(features[:, : len(columns)]) for features in compared]
    return [
        [_moment_text(mean[j] * c.scale + c.mean, sd[j] * c.scale) for mean, sd in scaled]
        for j, c in enumerate(columns)
    ]


def _mean_and_deviation(values: FloatArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean and the standard deviation of each column, NaN of none."""
    if not len(values):
        nothing = np.full(values.shape[1:], np.nan)
        return nothing, nothing
    mean = values.mean(axis=0, dtype=np.float64)
    return mean, values.std(axis=0, dtype=np.float64, ddof=int(len(values) > 1))


def _moment_text(mean: SupportsFloat, deviation: SupportsFloat) -> str:
    if np.isnan(float(mean)):
        return "-"
    texts = (
        f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.3g}"
        for value in (float(mean), float(deviation))
    )
    return "{} ({})".format(*texts)


def _of_category(column: Coded, codes: Sequence[NDArray[np.float32]]) -> list[list[str]]:
    """Return a row for each value, the rarest together; code 0 is a missing or unseen value."""
    counts = [np.bincount(own.astype(int), minlength=column.cardinality) for own in codes]
    labels = dict(enumerate(_labels(column), 1))
    order = sorted(labels, key=lambda code: -counts[0][code])
    shown = order if len(order) <= SHOWN_VALUES else order[: SHOWN_VALUES - 1]
    groups = [(labels[code], [code]) for code in sorted(shown)]
    if rest := [code for code in order if code not in shown]:
        groups.append((f"{len(rest):,} others", rest))
    name = markdown_code(column.name)
    return [
        [f"{name}: {label}", *(_share_of(own, members) for own in counts)]
        for label, members in groups
    ]


def _share_of(counts: NDArray[np.int64], members: Sequence[int]) -> str:
    known = int(counts[1:].sum())
    return f"{counts[members].sum() / known:.1%}" if known else "-"


def _labels(column: Coded) -> list[str]:
    if isinstance(column, CategoryColumn):
        return [markdown_cell(value) for value in column.values]
    edges = [f"{edge:g}" for edge in column.edges]
    middle = [f"above {low}, to {high}" for low, high in pairwise(edges)]
    return [f"to {edges[0]}", *middle, f"above {edges[-1]}"]
