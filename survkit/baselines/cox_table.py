"""Hazard ratios of a fitted Cox regression, as its readers know them: a row for each effect."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from survkit.baselines.column_problems import (
    listed,
    ordering_columns,
    redundant_columns,
    varying_columns,
)
from survkit.baselines.coxph import CoxPH
from survkit.baselines.effects import Effect, effects_of
from survkit.baselines.partial_likelihood import ChiSquared, Maximum, PartialLikelihood
from survkit.datasets.preprocessing import Preprocessor
from survkit.types import SurvivalData

NORMAL_QUANTILE = 1.959963984540054
MOST_COLUMNS = 300
MOST_CELLS = 10_000_000
"""Rows times columns from which the unpenalised fit would take minutes."""

MOST_ROWS_SHOWN = 200


class HazardRatios(NamedTuple):
    """What a record says of a Cox regression's effects.

    Parameters
    ----------
    rows : list of dict
        `feature`, `level` and `reference` (None for a number), `coefficient`, `standard_error`,
        `hazard_ratio`, `low`, `high` and `p` of the unpenalised fit (None where there is none),
        `model_coefficient` and `model_hazard_ratio` of the model that was trained. Numbers are for
        one unit of the source.
    notes : list of str
        What a reader must know of them.
    proportional_hazards : list of dict
        `feature` (None for all together), `statistic`, `degrees_of_freedom` and `p`.
    """

    rows: list[dict[str, Any]]
    notes: list[str]
    proportional_hazards: list[dict[str, Any]]

    def record(self) -> dict[str, Any]:
        """Return the parts by their names in `result.json`."""
        return {
            "hazard_ratios": self.rows,
            "hazard_ratio_notes": self.notes,
            "proportional_hazards": self.proportional_hazards,
        }


def hazard_ratios(
    model: CoxPH, train: SurvivalData, preprocessor: Preprocessor | None
) -> HazardRatios:
    """Return the effects of a fitted model beside those of a fit without a penalty.

    It never fails: what cannot be said becomes a note.

    Parameters
    ----------
    model : CoxPH
        A fitted model.
    train : SurvivalData
        The rows it was fitted on.
    preprocessor : Preprocessor, optional
        Gives units and categories of the source; without it features stay as they are.
    """
    try:
        with np.errstate(over="ignore"):
            return _hazard_ratios(model, train, preprocessor)
    except Exception as error:  # a finished fit must not be lost for a table
        return HazardRatios([], [f"There is no table of hazard ratios: {error!r}."], [])


class Unpenalised(NamedTuple):
    """The fit without a penalty: coefficients and errors by number of effect, tests, notes."""

    estimates: dict[int, tuple[float, float]]
    tests: list[dict[str, Any]]
    notes: list[str]


def _hazard_ratios(
    model: CoxPH, train: SurvivalData, preprocessor: Preprocessor | None
) -> HazardRatios:
    effects = effects_of(train, preprocessor)
    fit = _unpenalised(effects, train)
    rows = []
    for number, effect in enumerate(effects):
        estimate = fit.estimates.get(number)
        own = effect.in_source_units(effect.of_one_hot(model.coefficients))
        rows.append(
            {
                "feature": effect.feature,
                "level": effect.level,
                "reference": effect.reference,
                **_estimated(effect, estimate),
                "model_coefficient": own,
                "model_hazard_ratio": _number(np.exp(own)),
            }
        )
    notes = [*_about(bool(fit.estimates), train, preprocessor), *fit.notes, _about_model(model)]
    if len(rows) > MOST_ROWS_SHOWN:
        kept = [row for row in rows if row["model_coefficient"] or row["p"] is not None]
        if len(kept) < len(rows):
            notes.append(f"{len(rows) - len(kept)} effects that the model sets to 0 are left out.")
        rows = kept
    return HazardRatios(rows, notes, fit.tests)


def _estimated(effect: Effect, estimate: tuple[float, float] | None) -> dict[str, float | None]:
    names = ("coefficient", "standard_error", "hazard_ratio", "low", "high", "p")
    if estimate is None:
        return dict.fromkeys(names)
    coefficient, error = map(effect.in_source_units, estimate)
    margin = NORMAL_QUANTILE * error
    ratios = np.exp([coefficient, coefficient - margin, coefficient + margin])
    p = math.erfc(abs(coefficient) / error / math.sqrt(2))
    values = (coefficient, error, *ratios.tolist(), p)
    return dict(zip(names, map(_number, values), strict=True))


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _unpenalised(effects: list[Effect], train: SurvivalData) -> Unpenalised:
    """Fit without a penalty, or say why there is no such fit."""
    events = int(train.event.sum())
    reason = _too_large(len(effects), len(train), events)
    if reason:
        return Unpenalised({}, [], [f"There is no unpenalised fit: {reason}."])
    matrix = np.column_stack([effect.column for effect in effects])
    kept = varying_columns(matrix)
    notes = []
    if len(kept) < len(effects):
        constant = sorted(set(range(len(effects))) - set(kept.tolist()))
        notes.append(f"Constant in the training rows: {_listed(effects, constant)}.")
    redundant = redundant_columns(matrix[:, kept])
    for column, others in redundant.items():
        notes.append(
            f"'{effects[kept[column]]}' has no hazard ratio of its own: it is collinear with "
            f"{_listed(effects, kept[list(others)])}. The unpenalised fit leaves it out."
        )
    kept = np.delete(kept, list(redundant))
    if not kept.size:
        return Unpenalised({}, [], [*notes, "There is no unpenalised fit: no column varies."])
    return _fitted(effects, matrix, kept, train, notes)


def _too_large(columns: int, rows: int, events: int) -> str:
    if columns > events:
        return f"{columns} columns are more than the {events} events of the training rows"
    if columns > MOST_COLUMNS or columns * rows > MOST_CELLS:
        return (
            f"it is made for at most {MOST_COLUMNS} columns and {MOST_CELLS:,} values, and there "
            f"are {columns} columns with {columns * rows:,} values"
        )
    return ""


def _fitted(
    effects: list[Effect],
    matrix: NDArray[np.float64],
    kept: NDArray[np.int64],
    train: SurvivalData,
    notes: list[str],
) -> Unpenalised:
    ordering = ordering_columns(matrix[:, kept], train.event, train.time)
    if ordering.size:
        why = (
            f"{_listed(effects, kept[ordering])} would have an infinite effect, as at every event "
            "it is highest (or lowest) among all still at risk. A category without events is such "
            "a column, and so is a copy of the time"
        )
        return Unpenalised({}, [], [*notes, f"There is no unpenalised fit: {why}."])
    scale = matrix[:, kept].std(axis=0)
    columns = matrix[:, kept] / scale
    likelihood = PartialLikelihood.of(columns, train.event, train.time, train.entry)
    maximum = likelihood.maximum()
    if maximum.unbounded:
        columns = kept[list(maximum.unbounded)]
        why = (
            f"together {_listed(effects, columns)} separate those with an event from those still "
            "at risk, so that effects are infinite"
        )
        return Unpenalised({}, [], [*notes, f"There is no unpenalised fit: {why}."])
    errors = np.sqrt(np.diag(maximum.covariance))
    pairs = zip(maximum.coefficients / scale, errors / scale, strict=True)
    estimates = {int(j): (float(b), float(e)) for j, (b, e) in zip(kept, pairs, strict=True)}
    features = [effects[j].feature for j in kept]
    return Unpenalised(estimates, _tests(likelihood, maximum, features), notes)


def _tests(
    likelihood: PartialLikelihood, maximum: Maximum, features: list[str]
) -> list[dict[str, Any]]:
    """Return the test of proportional hazards of each feature, and of all."""
    names = list(dict.fromkeys(features))
    groups = [[j for j, own in enumerate(features) if own == name] for name in names]
    tests, overall = likelihood.proportional_hazards(maximum, groups)

    def row(feature: str | None, test: ChiSquared) -> dict[str, Any]:
        return {"feature": feature, **test._asdict()}

    return [*map(row, names, tests), row(None, overall)]


def _listed(effects: list[Effect], columns: Any) -> str:
    return listed([str(effects[j]) for j in columns])


def _about(fitted: bool, train: SurvivalData, preprocessor: Preprocessor | None) -> list[str]:
    """Say what the table rests on."""
    unit = "one unit of the source" if preprocessor else "one unit of the features as they are"
    notes = [
        f"Hazard ratios are for {unit}, or against the reference, with all other features equal."
    ]
    if not fitted:
        return notes
    notes.append(
        f"The fit without a penalty rests on the {len(train):,} training rows "
        f"({int(train.event.sum()):,} events); ties by Efron, 95 % intervals and p values by Wald."
    )
    if preprocessor and preprocessor.indicators:
        notes.append("Missing numbers have one value filled in; the intervals take it as observed.")
    if train.subject_id is not None and len(np.unique(train.subject_id)) < len(train):
        notes.append(
            "Subjects have several rows, which count as independent: the intervals are too narrow."
        )
    notes.append(
        "Proportional hazards are tested by scaled Schoenfeld residuals (Grambsch and Therneau "
        "1994), against 1 minus the Kaplan-Meier curve: a small p value shows an effect that "
        "changes over time."
    )
    return notes


def _about_model(model: CoxPH) -> str:
    if model.alpha == 0:
        return "The model that was trained has no penalty either, and ties by Breslow."
    return (
        f"The model that was trained is penalised ({model.alpha_words} {model.alpha:g}, "
        f"{model.l1_ratio_words} {model.l1_ratio:g}): its hazard ratios are drawn towards 1, and "
        "have no intervals or p values."
    )
