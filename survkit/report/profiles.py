"""Which features set the subjects of each expert apart from the others."""

from __future__ import annotations

from collections.abc import Hashable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from survkit.datasets.preprocessing import CategoryColumn, Preprocessor
from survkit.metrics.clustering import chosen_expert
from survkit.pages.labels import shortened_apart
from survkit.pages.palette import new_axes
from survkit.pages.text_tables import TextTable
from survkit.report.expert_figures import heatmap
from survkit.types import FloatArray, InputError, SurvivalData

LONGEST_NAME = 40
"""Characters of a feature's name in the figure."""

COLOURS_REACH = 1.5
"""Standardised difference at the ends of the colour map; larger ones have the colour of an end."""


class _Column(NamedTuple):
    """One line of a profile: values (n,) in raw units, and whether they are a share."""

    name: str
    values: NDArray[np.float64]
    is_share: bool


def cohort_profile(
    expert_weights: FloatArray, data: SurvivalData, preprocessor: Preprocessor | None = None
) -> pd.DataFrame:
    """Compare the subjects of each expert with all others, feature by feature.

    The standardised difference is the difference of the means over the root mean of the two
    variances; of a category, of the shares of each value (of one, where there are two). Numbers
    that were missing count with the value that the model saw; whether they were is a feature too.

    Parameters
    ----------
    expert_weights : array, shape (n, E)
        The router's weights; a subject belongs to the expert of the largest.
    data : SurvivalData
        The n subjects with their features.
    preprocessor : Preprocessor, optional
        What made the features: with it means are in raw units and categories have names.

    Returns
    -------
    DataFrame
        A row for each expert with subjects and each feature: expert (from 1), n, events, feature,
        is_share, mean, mean_of_others, overall_mean, overall_deviation, difference (NaN where
        neither group varies, or there are no others).

    References
    ----------
    Austin (2009), Statistics in Medicine 28:3083, equations 1 and 2.
    """
    if len(expert_weights) != len(data):
        raise InputError(f"{len(expert_weights)} rows of expert weights for {len(data)} subjects")
    chosen = chosen_expert(expert_weights)
    rows = []
    columns = _columns(data, preprocessor)
    for expert in np.unique(chosen):
        own = chosen == expert
        for column in columns:
            inside, outside = column.values[own], column.values[~own]
            rows.append(
                {
                    "expert": int(expert) + 1,
                    "n": int(own.sum()),
                    "events": int(data.event[own].sum()),
                    "feature": column.name,
                    "is_share": column.is_share,
                    "mean": inside.mean(),
                    "mean_of_others": outside.mean() if len(outside) else np.nan,
                    "overall_mean": column.values.mean(),
                    "overall_deviation": column.values.std(),
                    "difference": standardised_difference(inside, outside),
                }
            )
    return pd.DataFrame(rows)


def standardised_difference(inside: FloatArray, outside: FloatArray) -> float:
    """Difference of two groups' means over the root mean of their variances, NaN where that is 0.

    Parameters
    ----------
    inside, outside : array, shape (n,), (k,)
        The values of the two groups.
    """
    if len(inside) == 0 or len(outside) == 0:
        return np.nan
    deviation = np.sqrt((inside.var() + outside.var()) / 2)
    return float((inside.mean() - outside.mean()) / deviation) if deviation > 0 else np.nan


def profile_heatmap(profile: pd.DataFrame, *, features: int = 20, axes: Axes | None = None) -> Axes:
    """Draw the standardised differences of the features that set some expert's subjects apart most.

    Rows are labelled with the mean and standard deviation (or the share) among all subjects.

    Parameters
    ----------
    profile : DataFrame
        From `cohort_profile`.
    features : int
        How many features to draw; the title tells of how many they are.
    axes : Axes, optional
        Where to draw; new axes where not given.

    Raises
    ------
    InputError
        For a profile of a single group, which nothing sets apart.
    """
    table = profile.pivot(index="feature", columns="expert", values="difference")
    largest = table.abs().max(axis=1).dropna().sort_values(ascending=False)
    if largest.empty:
        raise InputError("all subjects belong to one expert; nothing sets it apart")
    table = table.loc[largest.index[:features]]
    overall = profile.drop_duplicates("feature").set_index("feature").loc[table.index]
    sizes = profile.drop_duplicates("expert").set_index("expert").loc[table.columns]
    names = shortened_apart(list(map(str, overall.index)), LONGEST_NAME)
    axes = new_axes(axes, 3.5 + 0.5 * table.shape[1], 1.2 + 0.27 * len(table))
    heatmap(
        axes,
        table.to_numpy(dtype=float),
        rows=[
            _overall_label(name, row)
            for name, (_, row) in zip(names, overall.iterrows(), strict=True)
        ],
        columns=[f"{expert}\n({n})" for expert, n in sizes["n"].items()],
        colours="RdBu_r",
        limits=(-COLOURS_REACH, COLOURS_REACH),
        digits=1,
    )
    axes.set(xlabel="expert (subjects)")
    axes.set_title(f"{len(table)} of {profile['feature'].nunique()} features", fontsize="medium")
    return axes


def profile_table(profile: pd.DataFrame, *, features: int = 5) -> TextTable:
    """Return what sets the subjects of each expert apart most, in the features' own units.

    Parameters
    ----------
    profile : DataFrame
        From `cohort_profile`.
    features : int
        How many features to name: those of the largest standardised differences.
    """
    rows = {}
    for expert, own in profile.groupby("expert"):
        size = own["difference"].abs().sort_values(ascending=False).dropna()
        named = own.loc[size.index[:features]].to_dict("records")
        first = own.iloc[0]
        rows[str(expert)] = {
            "subjects": f"{first['n']}",
            "events": f"{first['events']}",
            "what sets them apart (the others)": "; ".join(map(_compared, named)),
        }
    text = pd.DataFrame.from_dict(rows, orient="index").rename_axis("expert")
    return TextTable(
        "The subjects of each expert",
        text,
        notes=(
            f"The {features} features with the largest standardised differences: the mean, or the "
            "share, of the expert's subjects, and in brackets that of all others.",
        ),
        words=(text.columns[-1],),
    )


def _compared(row: dict[Hashable, Any]) -> str:
    own, others = (_value(row[name], row["is_share"]) for name in ("mean", "mean_of_others"))
    return f"{row['feature']} {own} ({others})"


def _value(value: float, is_share: bool) -> str:
    if is_share:
        return f"{value:.0%}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _overall_label(name: str, row: pd.Series) -> str:
    mean = _value(row["overall_mean"], row["is_share"])
    if row["is_share"]:
        return f"{name} ({mean})"
    return f"{name} ({mean} ± {_value(row['overall_deviation'], False)})"


def _columns(data: SurvivalData, preprocessor: Preprocessor | None) -> list[_Column]:
    codes = {column.column: column.cardinality for column in data.categorical}
    features = data.features.astype(np.float64)
    raw = {} if preprocessor is None else {c.name: c for c in preprocessor.numeric}
    columns: list[_Column] = []
    for j, name in enumerate(data.feature_names):
        values = features[:, j]
        if j in codes:
            columns += _shares(name, values, codes[j], preprocessor)
        elif name in raw:
            columns.append(_Column(name, values * raw[name].scale + raw[name].mean, False))
        else:  # an indicator, or a number that nothing scaled
            columns.append(_Column(name, values, bool(np.isin(values, (0, 1)).all())))
    return columns


def _shares(
    name: str, codes: NDArray[np.float64], cardinality: int, preprocessor: Preprocessor | None
) -> list[_Column]:
    """Return a line for each value of a category that some subject has, one if there are two."""
    names = _value_names(name, cardinality, preprocessor)
    present = np.unique(codes).astype(int)
    shown = present[1:] if len(present) == 2 else present
    return [
        _Column(f"{name} = {names[code]}", (codes == code).astype(np.float64), True)
        for code in shown
    ]


def _value_names(name: str, cardinality: int, preprocessor: Preprocessor | None) -> list[str]:
    """Names of the codes 0, 1, ... of a categorical column."""
    coded = {} if preprocessor is None else {c.name: c for c in preprocessor.coded}
    column = coded.get(name)
    if column is None:
        return ["missing", *map(str, range(1, cardinality))]
    if isinstance(column, CategoryColumn):
        return ["missing", *column.values]
    edges = [f"{edge:g}" for edge in column.edges]
    middle = [f"{low} to {high}" for low, high in pairwise(edges)]
    return ["missing", f"up to {edges[0]}", *middle, f"above {edges[-1]}"]
