"""What a record says of a conformal calibration, and of the coverage that it reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from survkit.metrics import Outcomes
from survkit.metrics.bound_coverage import Coverage, censored_coverage, true_coverage
from survkit.metrics.conformal_bounds import subjects_needed
from survkit.models.conformal import POOLED, ConformalModel
from survkit.models.conformal_group import fewest_rows
from survkit.runs.rows import FitRows
from survkit.types import SurvivalData, SurvivalModel

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Quantiles of the bounds in a record."""


def conformal_record(
    model: SurvivalModel,
    rows: FitRows,
    test: Outcomes | None,
    settings: Mapping[str, Any],
    *,
    dependent_censoring: bool,
) -> dict[str, Any]:
    """Return the part `conformal` of a result; nothing for a model without such a calibration.

    Parameters
    ----------
    model : SurvivalModel
        The fitted model.
    rows : FitRows
        The rows that it was fitted and calibrated on.
    test : Outcomes, optional
        Those of the test rows; without them nothing is said of coverage.
    settings : mapping
        The resolved configuration, by flag.
    dependent_censoring : bool
        Whether censoring is known to depend on the event time.
    """
    if not isinstance(model, ConformalModel) or rows.calibration is None:
        return {}
    held_out, level = rows.calibration, model.level
    assert model.censoring is not None
    record: dict[str, Any] = {
        "method": model.method,
        "level": level,
        "by_expert": model.by_expert,
        "censoring": settings["conformal_censoring"],
        "censoring_problem": model.censoring.problem,
        "dependent_censoring": dependent_censoring,
        "n_fit": len(rows.fit),
        "n_calibration": len(held_out),
        "subjects": held_out.num_subjects,
        "events": int(held_out.event.sum()),
        "subjects_needed": subjects_needed(level),
        "reached": model.groups[POOLED].bounds.reaches(level),
        "calibration_groups": _calibration_groups(model, held_out),
    }
    if test is not None:
        record["test"] = _test_record(model, test.data, settings["bootstrap"])
    return {"conformal": record}


def _calibration_groups(model: ConformalModel, rows: SurvivalData) -> list[dict[str, Any]]:
    """Return the calibration rows of each expert, and whether they are enough."""
    if not model.by_expert:
        return []
    experts = model.group_of(rows.features)
    return [
        {
            "expert": int(expert) + 1,
            "rows": int((experts == expert).sum()),
            "events": int(rows.event[experts == expert].sum()),
            "needed": fewest_rows(model.level),
            "own": int(expert) in model.groups,
        }
        for expert in np.unique(experts)
    ]


def _test_record(model: ConformalModel, data: SurvivalData, resamples: int) -> list[dict[str, Any]]:
    """Return the coverage and the bounds of all test rows, then of each expert's."""
    bound = model.lower_bound(data.features)
    before = model.censoring_before(data.features, data.time, bound)
    everybody = np.ones(len(data), dtype=np.bool_)
    groups: dict[int | None, NDArray[np.bool_]] = {None: everybody}
    if model.by_expert:
        experts = model.group_of(data.features)
        groups |= {int(expert) + 1: experts == expert for expert in np.unique(experts)}
    return [
        {
            "expert": expert,
            "rows": int(rows.sum()),
            "events": int(data.event[rows].sum()),
            **_coverage(data.subset(rows), bound[rows], [b[rows] for b in before], resamples),
            **_bounds(bound[rows]),
        }
        for expert, rows in groups.items()
    ]


def _coverage(
    data: SurvivalData,
    bound: NDArray[np.float64],
    before: list[NDArray[np.float64]],
    resamples: int,
) -> dict[str, Any]:
    estimate = censored_coverage(
        bound,
        data.time,
        data.event,
        before_time=before[0],
        before_bound=before[1],
        resamples=resamples,
        subject_id=data.subject_id,
    )
    found = {"coverage": _plain(estimate)}
    if data.true_time is not None:
        truth = true_coverage(
            bound, data.true_time, resamples=resamples, subject_id=data.subject_id
        )
        found["true_coverage"] = _plain(truth)
    return found


def _plain(coverage: Coverage) -> dict[str, Any]:
    interval = coverage.interval and list(coverage.interval)
    return {**coverage._asdict(), "interval": interval}


def _bounds(bound: NDArray[np.float64]) -> dict[str, Any]:
    return {
        "mean_bound": float(bound.mean()),
        "median_bound": float(np.median(bound)),
        "vacuous": int((bound == 0).sum()),
        "bound_quantiles": [float(q) for q in np.quantile(bound, QUANTILES)],
    }
