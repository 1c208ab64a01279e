"""What each feature of a subject does to the hazard: hazard ratios against a reference value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from survkit.explain.explanation import MonteCarloExplanation
from survkit.explain.neighbours import Neighbourhood
from survkit.explain.units import Unit, Value
from survkit.types import BoolArray, Float64Array, IntArray

LARGEST_LOG = 700.0
"""Log hazard ratios count as at most this, so that their exponentials are finite."""


FEW_NUMBERS = 20
"""Whole numbers of at most this many different values are compared with one that occurs."""


MOST_CAPPED = 0.5
"""Share of capped hazards near a subject above which no hazard ratio is given."""


def reference_values(
    training: Float64Array, neighbourhood: Neighbourhood, units: Sequence[Unit]
) -> Float64Array:
    """Return the value (p,) of each feature that subjects are compared with.

    It is the median of the training rows (n, p) for a number; the more frequent value, the smaller
    one where they are equally frequent, for a number of two values (0 and 1); and the lower median
    for few whole numbers, so that nobody is compared with half a stage. Rows that miss a number do
    not count for it where it has an indicator of missing values. For a category it is the one
    that the local model compares the others with.
    """
    reference = np.empty(training.shape[1])
    missing = {unit.indicates: training[:, j] == 1 for j, unit in enumerate(units)}
    for j, unit in enumerate(units):
        rows = training[:, j]
        if (gaps := missing.get(unit.name)) is not None and not gaps.all():
            rows = rows[~gaps]
        reference[j] = _typical(rows, unit)
    for feature in neighbourhood.categorical:
        reference[feature.column] = feature.reference
    return reference


def _typical(values: Float64Array, unit: Unit) -> float:
    different, counts = np.unique(values, return_counts=True)
    if len(different) <= 2:
        return float(different[np.argmax(counts)])
    if len(different) <= FEW_NUMBERS and all(unit.is_whole(value) for value in different):
        return float(np.quantile(values, 0.5, method="lower"))
    return float(np.median(values))


def contribution_table(
    explanation: MonteCarloExplanation,
    subject: int,
    neighbourhood: Neighbourhood,
    reference: Float64Array,
    units: Sequence[Unit],
    values: Sequence[Value],
) -> pd.DataFrame:
    """Return what the features of one subject do to its hazard, the largest contribution first.

    The contribution of a feature with coefficient b is b (x - r) for the subject's value x and
    the reference r; of a category it is the coefficient of the subject's own category, which
    compares it with the reference. Its exponential is the hazard ratio of the subject to the same
    subject with the reference value, by the local Cox model.

    Parameters
    ----------
    explanation : MonteCarloExplanation
        Of h subjects.
    subject : int
        The place of the subject among them.
    neighbourhood : Neighbourhood
        That of the explainer: what its d unknowns are.
    reference : array, shape (p,)
        What values are compared with, from `reference_values`.
    units : sequence of Unit, length p
        How features read.
    values : sequence of Value, length p
        The subject's values.

    Returns
    -------
    table : DataFrame, d rows, indexed by the name of the unknown
        `column` (the feature it belongs to), `value` and `reference` (text), `known`
        (False for a value that is missing or not in training), `hazard_ratio`,
        `low` and `high` (95 % interval of the mean over the repetitions, Student's t: the noise
        of the random neighbours alone, NaN for a single repetition), `contribution` (the log of
        the hazard ratio), `coefficient` (log hazard ratio per unit of the table) and its
        `standard_error`. Ratio, interval and contribution are NaN for categories that the
        subject does not have. They and the coefficients are NaN where more than `MOST_CAPPED` of
        the hazards near the subject are capped.
    """
    columns = neighbourhood.design_columns
    at_reference = neighbourhood.design(reference[None])[0]
    own = np.array([c.value is None for c in columns]) | (explanation.values[subject] == 1)
    factor = np.where(own, explanation.values[subject] - at_reference, np.nan)
    scale = np.array([units[c.column].scale for c in columns])
    coefficients = explanation.coefficients[subject]
    error = explanation.standard_error[subject]
    if explanation.share_capped[subject].mean() > MOST_CAPPED:
        coefficients = error = np.full(len(columns), np.nan)
    contribution = coefficients * factor + 0.0  # no -0.0
    half_width = _quantile(int(explanation.num_solved[subject])) * error * np.abs(factor)
    table = pd.DataFrame(
        {
            "column": [units[c.column].name for c in columns],
            "value": [values[c.column].text for c in columns],
            "known": [values[c.column].known for c in columns],
            "reference": [units[c.column].text(reference[c.column]) for c in columns],
            "hazard_ratio": _ratio(contribution),
            "low": _ratio(contribution - half_width),
            "high": _ratio(contribution + half_width),
            "contribution": contribution,
            "coefficient": coefficients / scale,
            "standard_error": error / scale,
        },
        index=pd.Index(explanation.feature_names, name="feature"),
    )
    return table.iloc[_order(contribution, own)]


def _order(contribution: Float64Array, own: BoolArray) -> IntArray:
    """Largest contribution first; what the subject does not have last, in the features' order."""
    size = np.nan_to_num(np.abs(contribution))
    return np.argsort(np.where(own, -size, np.inf), kind="stable")


def _ratio(log_ratio: Float64Array) -> Float64Array:
    return np.exp(np.clip(log_ratio, -LARGEST_LOG, LARGEST_LOG))


def _quantile(repetitions: int) -> float:
    """Return the 97.5 % quantile of Student's t for a mean of that many; NaN for one."""
    from scipy.stats import t

    return float(t.ppf(0.975, repetitions - 1)) if repetitions > 1 else np.nan
