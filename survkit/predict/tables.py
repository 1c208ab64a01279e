"""Predictions for new patients as tables: one for a file, a short one for the screen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from survkit.metrics.clustering import chosen_expert
from survkit.models.conformal import ConformalModel
from survkit.predict.similar import SimilarPatients
from survkit.runs.conformal_text import percent
from survkit.runs.patients import Patients
from survkit.types import InputError, SurvivalModel, SurvivalPrediction

SHOWN_PATIENTS = 10

CURVES_AT_ONCE = 10_000

ENDS = ("low", "high")

LOWER_BOUND = "lower_bound_"
"""What precedes the level in the name of a column of lower bounds."""


@runtime_checkable
class WithInterval(Protocol):
    """A model that knows an interval of each predicted survival, such as BART."""

    def interval(
        self, features: NDArray[np.float32], times: ArrayLike | None = None, level: float = 0.95
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the ends of the interval of survival at increasing times, (n, t) each."""


def prediction_table(
    patients: Patients,
    model: SurvivalModel,
    times: Sequence[float],
    similar: SimilarPatients | None,
    cause_names: Sequence[str] = (),
) -> pd.DataFrame:
    """Return one row per patient, for times within the horizon.

    All numbers are read from the model's whole curves, so that they agree.

    The columns are the patient's identifier; `survival_T` for each time T, followed by
    `survival_T_low` and `survival_T_high`, the 95 % interval, where the model has one; with
    competing causes `cif_CAUSE_T`, the cumulative incidence of each by T; `median`, empty where
    survival stays above 1/2 up to the horizon; for a mixture `expert`, the one with the
    largest weight, counted from 1 as in reports, and `expert_E_weight`; with a conformal
    calibration `lower_bound_90`, the lower bound of the survival time at this level in percent; of
    each similar patient `similar_K_row` (or what names it), `_time`, `_event` (1 or 0), with
    competing causes `_cause`, and `_distance`, empty where there is none.
    """
    parts = [
        _curve_columns(
            model.predict(features, model.knots.times),
            times,
            _ends(model, features, times),
            cause_names,
        ).assign(**_lower_bound(model, features))
        for features in _chunks(patients.features)
    ]
    curves = pd.concat(parts, ignore_index=True)
    columns: dict[str, object] = {str(name): curves[name] for name in curves}
    if similar is not None:
        columns |= _similar_columns(similar)
    if patients.identifier in columns:
        raise InputError(
            f"--id_column '{patients.identifier}' is also a column of the predictions; rename it"
        )
    return pd.DataFrame({patients.identifier: patients.names, **columns})


def _chunks(features: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Yield the patients in parts, as whole curves of all of them may be too much for memory."""
    for start in range(0, max(len(features), 1), CURVES_AT_ONCE):
        yield features[start : start + CURVES_AT_ONCE]


def _ends(
    model: SurvivalModel, features: NDArray[np.float32], times: Sequence[float]
) -> list[NDArray[np.float64]]:
    """Return both ends of the interval at each time, (n, number of times); none for most models."""
    if not isinstance(model, WithInterval):
        return []
    increasing, order = np.unique(np.array(times, np.float64), return_inverse=True)
    return [end[:, order] for end in model.interval(features, increasing)]


def _curve_columns(
    prediction: SurvivalPrediction,
    times: Sequence[float],
    ends: Sequence[NDArray[np.float64]],
    cause_names: Sequence[str],
) -> pd.DataFrame:
    survival = prediction.at(np.array(times))
    columns: dict[str, object] = {}
    for j, time in enumerate(times):
        name = f"survival_{number_text(time)}"
        columns[name] = survival[:, j]
        if ends:
            columns |= {f"{name}_{which}": end[:, j] for which, end in zip(ENDS, ends, strict=True)}
    if cause_names:
        incidence = prediction.cumulative_incidence_at(np.array(times))
        columns |= {
            f"cif_{name}_{number_text(time)}": incidence[:, c, j]
            for c, name in enumerate(cause_names)
            for j, time in enumerate(times)
        }
    median = prediction.quantile(0.5)
    columns["median"] = np.where(np.isfinite(median), median, np.nan)
    if prediction.expert_weights is not None:
        columns["expert"] = chosen_expert(prediction.expert_weights) + 1
        for expert, weights in enumerate(prediction.expert_weights.T, 1):
            columns[f"expert_{expert}_weight"] = weights
    return pd.DataFrame(columns)


def _lower_bound(
    model: SurvivalModel, features: NDArray[np.float32]
) -> dict[str, NDArray[np.float64]]:
    """Return the lower bounds of a conformal model by the name of their column, else nothing."""
    if not isinstance(model, ConformalModel):
        return {}
    return {f"{LOWER_BOUND}{percent(model.level)}": model.lower_bound(features)}


def _similar_columns(similar: SimilarPatients) -> dict[str, object]:
    columns: dict[str, object] = {}
    pairs = zip(similar.positions.T, similar.distances.T, strict=True)
    for rank, (position, distance) in enumerate(pairs, 1):
        found = position >= 0
        outcome = {
            similar.identifier: pd.Series(similar.names[position], dtype="Int64"),
            "time": pd.Series(similar.time[position]),
            "event": pd.Series(similar.event[position].astype(np.int64), dtype="Int64"),
        }
        if similar.cause is not None:
            outcome["cause"] = pd.Series(similar.cause[position])
        columns |= {f"similar_{rank}_{name}": each.where(found) for name, each in outcome.items()}
        columns[f"similar_{rank}_distance"] = distance
    return columns


def screen_table(table: pd.DataFrame, *, horizon: float) -> str:
    """Return the main columns of the first patients of a `prediction_table` as text."""
    names = [str(name) for name in table]
    top = table.head(SHOWN_PATIENTS).to_dict("records")
    shown = pd.DataFrame([_shown(row, names, horizon) for row in top])
    more = len(table) - len(top)
    return shown.to_string(index=False) + (f"\n... and {more} more" if more else "")


def _shown(row: Mapping[Any, Any], names: list[str], horizon: float) -> dict[str, Any]:
    survival = [
        name
        for name in names
        if name.startswith(("survival_", "cif_")) and not name.endswith(("_low", "_high"))
    ]
    median = row["median"]
    shown = {names[0]: row[names[0]], **{name: _survival_text(row, name) for name in survival}}
    shown["median"] = f"> {horizon:.4g}" if pd.isna(median) else f"{median:.4g}"
    for name in bounds_in(names):
        shown[name] = f"{row[name]:.4g}" if row[name] > 0 else "0 (says nothing)"
    if "expert" in row:
        expert = row["expert"]
        shown["expert"] = f"{expert} ({row[f'expert_{expert}_weight']:.2f})"
    similar = [row[name] for name in names if re.fullmatch(r"similar_\d+_(row|subject)", name)]
    if similar:
        shown["similar"] = ", ".join(str(each) for each in similar if not pd.isna(each))
    return shown


def bounds_in(names: Iterable[str]) -> list[str]:
    """Return the columns of lower bounds."""
    return [name for name in names if name.startswith(LOWER_BOUND)]


def _survival_text(row: Mapping[Any, Any], name: str) -> str:
    if f"{name}_low" not in row:
        return f"{row[name]:.3f}"
    low, high = (row[f"{name}_{end}"] for end in ENDS)
    return f"{row[name]:.2f} ({low:.2f} to {high:.2f})"


def number_text(value: float) -> str:
    """Return a number as in a column's name: 30, not 30.0."""
    return f"{value:.15g}"
