"""How new subjects differ from the training rows: columns, outcomes and predictions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from survkit.datasets.assemble import Dataset
from survkit.datasets.one_hot import one_hot
from survkit.datasets.preprocessing import CategoryColumn
from survkit.datasets.tables import as_numbers, values_of
from survkit.describe.differences import of_categories, of_numbers
from survkit.describe.kaplan_meier import kaplan_meier_curve, reverse_kaplan_meier
from survkit.external_validation.new_data import NewData
from survkit.metrics.fixed_time_calibration import Interval
from survkit.report.observed_curves import aalen_johansen_curve
from survkit.runs.read import FittedRun
from survkit.types import SurvivalData, SurvivalPrediction

MOST_VALUES = 20_000_000
"""Larger matrices of one-hot features have no membership model: it would take minutes."""

FOLDS = 5

NO_DIFFERENCE = (
    "the two have no common scale: no value in both, no spread, or fewer than two values known"
)


class Pair(NamedTuple):
    """A number of the training rows and of the new data; NaN where one has none."""

    training: float
    new: float


@dataclass(frozen=True)
class ColumnShift:
    """A column in the training rows and in the new data.

    Parameters
    ----------
    name : str
        Its name.
    kind : {"number", "category"}
        What it holds.
    missing : Pair
        Shares of rows without a value.
    difference : float
        The standardised difference of the known values, at least 0; NaN where there is none.
    numbers : dict
        Of a number: "mean", "standard_deviation", "low_quartile", "median" and "high_quartile".
    shares : dict
        Of a category: the share of each value, of the rows with one.
    unseen : float
        Of a category: share of the new rows whose value no training row has.
    """

    name: str
    kind: str
    missing: Pair
    difference: float
    numbers: dict[str, Pair] = field(default_factory=dict)
    shares: dict[str, Pair] = field(default_factory=dict)
    unseen: float = 0.0


class OutcomeSummary(NamedTuple):
    """Outcomes of some rows.

    `follow_up` is the median by the reverse Kaplan-Meier curve, infinite where it was not reached.
    `risks` holds, by time and by cause ("" for any), the observed risk, NaN beyond the last time.
    """

    n: int
    subjects: int
    events: int
    censored: int
    follow_up: float
    longest: float
    risks: dict[tuple[float, str], Interval]


@dataclass(frozen=True)
class Shift:
    """All differences of the new data from the training rows.

    Parameters
    ----------
    columns : list of ColumnShift
        The columns that the model uses, in their order.
    training, new : OutcomeSummary
        Outcomes of both.
    membership : float
        Cross-validated c-statistic of a logistic regression that tells the two apart; NaN where
        there is none.
    why_no_membership : str
        Why there is none.
    risk_time : float
        The time of `risk`.
    risk : dict
        "mean" and "standard_deviation" of the predicted risk by then, and those of its
        complementary log-log, the "mean_score" and the "standard_deviation_score".
    """

    columns: list[ColumnShift]
    training: OutcomeSummary
    new: OutcomeSummary
    membership: float
    why_no_membership: str
    risk_time: float
    risk: dict[str, Pair]


def shift_between(
    run: FittedRun, dataset: Dataset, new: NewData, times: list[float], risk_time: float
) -> Shift:
    """Compare new data with the training rows of a run.

    Parameters
    ----------
    run : FittedRun
        The run.
    dataset : Dataset
        Its own data.
    new : NewData
        The new data.
    times : list of float
        Times at which observed risks are compared, increasing.
    risk_time : float
        The time at which predicted risks are compared.
    """
    train = dataset.splits.train
    raw = _raw_training(dataset, run)
    names = list(map(str, raw)) if raw is not None and new.raw is not None else []
    categories = _categories(run)
    if raw is None or new.raw is None:  # features as they are, which are numbers
        raw, other = (
            pd.DataFrame(data.features, columns=list(train.feature_names))
            for data in (train, new.data)
        )
        names, categories = list(train.feature_names), set()
    else:
        other = new.raw
    columns = [
        _categorical(name, raw[name], other[name])
        if name in categories
        else _number(name, raw[name], other[name])
        for name in names
    ]
    membership, why = _membership(train, new.data)
    return Shift(
        columns,
        _outcomes(train, times),
        _outcomes(new.data, times),
        membership,
        why,
        risk_time,
        _risks(run, train, new.data, risk_time),
    )


def _raw_training(dataset: Dataset, run: FittedRun) -> pd.DataFrame | None:
    if dataset.raw is None or dataset.rows is None or run.preprocessor is None:
        return None
    frame = dataset.raw.features[list(run.preprocessor.columns)]
    return frame.iloc[dataset.rows.train].reset_index(drop=True)


def _categories(run: FittedRun) -> set[str]:
    coded = () if run.preprocessor is None else run.preprocessor.coded
    return {column.name for column in coded if isinstance(column, CategoryColumn)}


def _number(name: str, one: pd.Series, other: pd.Series) -> ColumnShift:
    values = [as_numbers(each) for each in (one, other)]
    known = [each[~np.isnan(each)] for each in values]
    missing = Pair(*(float(np.isnan(each).mean()) for each in values))
    summaries = {
        "mean": [each.mean() if len(each) else np.nan for each in known],
        "standard_deviation": [each.std(ddof=1) if len(each) > 1 else np.nan for each in known],
    }
    quartiles = [np.quantile(e, [0.25, 0.5, 0.75]) if len(e) else np.full(3, np.nan) for e in known]
    for place, of in enumerate(("low_quartile", "median", "high_quartile")):
        summaries[of] = [each[place] for each in quartiles]
    numbers = {of: Pair(*map(float, both)) for of, both in summaries.items()}
    difference = of_numbers(known) if min(map(len, known)) > 1 else np.nan
    return ColumnShift(name, "number", missing, difference, numbers)


def _categorical(name: str, one: pd.Series, other: pd.Series) -> ColumnShift:
    both = pd.concat([one, other], ignore_index=True).astype(object)
    codes, texts = values_of(both, categorical=True)
    parts = codes[: len(one)], codes[len(one) :]
    counts = [np.bincount(part[part >= 0], minlength=len(texts)) for part in parts]
    totals = [max(int(each.sum()), 1) for each in counts]
    shares = {
        text: Pair(*(float(each[j] / total) for each, total in zip(counts, totals, strict=True)))
        for j, text in enumerate(texts)
    }
    unseen = float(counts[1][counts[0] == 0].sum() / len(other))
    missing = Pair(*(float((part < 0).mean()) for part in parts))
    known = all(each.sum() for each in counts)
    difference = of_categories(counts) if known else np.nan
    return ColumnShift(name, "category", missing, difference, shares=shares, unseen=unseen)


def _outcomes(data: SurvivalData, times: list[float]) -> OutcomeSummary:
    duration = data.time if data.entry is None else data.time - data.entry
    follow_up = reverse_kaplan_meier(duration, data.event).time_at(0.5).value
    survival = kaplan_meier_curve(data.time, data.event, data.entry)
    risks: dict[tuple[float, str], Interval] = {}
    for time in times:
        value, low, high = survival.at(time)
        risks[time, ""] = Interval(1 - value, 1 - high, 1 - low)
    for number, name in enumerate(data.cause_names, 1):
        assert data.cause is not None
        curve = aalen_johansen_curve(data.time, data.cause, number, data.entry)
        for time in times:
            step = np.searchsorted(curve.times, time, side="right") - 1
            known = not np.isnan(risks[time, ""].value)
            values = (curve.value[step], curve.low[step], curve.high[step])
            risks[time, name] = Interval(*map(float, values if known else (np.nan,) * 3))
    events = int(data.event.sum())
    longest = float(data.time.max())
    return OutcomeSummary(
        len(data), data.num_subjects, events, len(data) - events, follow_up, longest, risks
    )


def _membership(train: SurvivalData, new: SurvivalData) -> tuple[float, str]:
    """Return how well the features tell which data a row is from, or NaN and why there is none.

    Debray et al. (2015), Journal of Clinical Epidemiology 68:279: logistic regression of the
    membership. Here it knows the features alone, with a ridge penalty, and is judged on folds that
    it was not fitted on, as many columns would tell any two samples apart by chance.
    """
    matrix, _ = one_hot(
        np.concatenate([train.features, new.features]), train.categorical, train.feature_names
    )
    if matrix.size > MOST_VALUES:
        return np.nan, f"its {matrix.size:,} values are more than {MOST_VALUES:,}"
    if min(train.num_subjects, new.num_subjects) < 2 * FOLDS:
        return np.nan, f"it needs {2 * FOLDS} subjects in each of the two"
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

    is_new = np.repeat([0, 1], [len(train), len(new)])
    subject = np.concatenate([_subjects(train), _subjects(new) + int(_subjects(train).max()) + 1])
    spread = matrix.std(axis=0)
    scaled = (matrix - matrix.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    model = LogisticRegression(max_iter=1000)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    found = cross_val_predict(
        model, scaled, is_new, groups=subject, cv=folds, method="decision_function"
    )
    return float(roc_auc_score(is_new, found)), ""


def _subjects(data: SurvivalData) -> NDArray[np.int64]:
    if data.subject_id is None:
        return np.arange(len(data))
    return np.unique(data.subject_id, return_inverse=True)[1]


def _risks(run: FittedRun, train: SurvivalData, new: SurvivalData, time: float) -> dict[str, Pair]:
    """Return mean and spread of the predicted risk in both."""
    risks = [_risk(run.model.predict(data.features), time) for data in (train, new)]
    with np.errstate(divide="ignore", invalid="ignore"):  # a risk of 0 or 1 has no finite score
        scores = [np.log(-np.log1p(-risk)) for risk in risks]
        found = {
            "mean": [each.mean() for each in risks],
            "standard_deviation": [each.std() for each in risks],
            "mean_score": [each.mean() for each in scores],
            "standard_deviation_score": [each.std() for each in scores],
        }
    pairs = {name: Pair(*map(float, both)) for name, both in found.items()}
    return {n: Pair(*(v if np.isfinite(v) else np.nan for v in pair)) for n, pair in pairs.items()}


def _risk(prediction: SurvivalPrediction, time: float) -> NDArray[np.float64]:
    return np.asarray(1.0 - prediction.at(time)[:, 0])
