"""How sure it is which of a group's two best models is better: the numbers behind the sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from survkit.metrics.names import higher_is_better, of_cause
from survkit.metrics.outcomes import PERCENTAGES, Outcomes
from survkit.metrics.problem import survival_at_cuts
from survkit.metrics.sample_size import SampleSize, sample_size
from survkit.report.differences import (
    Resampled,
    best_models,
    excludes_zero,
    paired_differences,
    resample_metrics,
)
from survkit.report.material import Material
from survkit.report.verdict_dependence import Dependence, dependence_of
from survkit.runs.variants import evaluation_times
from survkit.types import SurvivalData, TimeGrid

DECIDING = ("integrated_brier", "concordance")
"""What decides which two models are best: the first of these that any model has."""


class MetricVerdict(NamedTuple):
    """One metric of the two best models.

    Parameters
    ----------
    metric : str
        Its name.
    best, second : float
        Its value for either model.
    ahead, low, high : float
        By how much the best model is ahead, above 0 where it is better, with its 95 % interval.
    size : SampleSize
        The test subjects that would settle it.
    """

    metric: str
    best: float
    second: float
    ahead: float
    low: float
    high: float
    size: SampleSize

    @property
    def is_settled(self) -> bool:
        """Whether the interval excludes zero."""
        return excludes_zero(self.low, self.high)


class Basis(NamedTuple):
    """The rows from which censoring is estimated, the time grid, and whether the rows are `test`.

    They are the training rows, and the test subjects themselves where those are missing.
    """

    train: SurvivalData
    grid: TimeGrid
    is_test: bool


@dataclass(frozen=True, eq=False)
class Verdict:
    """The two best models of a group, and how sure it is that the first is better.

    Parameters
    ----------
    best, second : str
        The models.
    rows : tuple of MetricVerdict
        The deciding metric first.
    subjects : int
        Test subjects.
    basis : Basis
        From what censoring is estimated.
    dependence : Dependence or str
        What dependent censoring would do to the difference, or why that is not known.
    """

    best: str
    second: str
    rows: tuple[MetricVerdict, ...]
    subjects: int
    basis: Basis
    dependence: Dependence | str

    @property
    def deciding(self) -> MetricVerdict:
        """The metric by which the two models are the best."""
        return self.rows[0]


def verdict_of(material: Material) -> Verdict | str:
    """Compare the two best models of a group, or say why there is nothing to compare.

    The integrated Brier score decides which two they are, or concordance where no model has one.
    """
    if len(material.predictions) < 2:
        return _nothing_to_compare(material)
    basis = _basis(material)
    if isinstance(basis, str):
        return basis
    outcomes = _outcomes(material, basis)
    metrics = _metrics(material)
    resampled = _resampled(material, basis, metrics)
    for deciding in DECIDING:
        ranked = best_models(_only(resampled, metrics, [deciding]), [deciding])
        if not ranked.empty:
            break
    else:
        why = outcomes.why_undefined(DECIDING[0]) or "no model has one"
        return f"No two models have an integrated Brier score or a concordance to compare: {why}."
    best, second = str(ranked["best"].iloc[0]), str(ranked["second"].iloc[0])
    pair = {name: resampled[name] for name in (best, second)}
    order = [deciding, *(metric for metric in metrics if metric != deciding)]
    rows = [_row(metric, pair, metrics, material.test.num_subjects) for metric in order]
    curves = [survival_at_cuts(material.predictions[name], basis.grid) for name in (best, second)]
    dependence = dependence_of(curves[0], curves[1], outcomes, basis.train, material.resamples)
    known = tuple(row for row in rows if not np.isnan(row.ahead))
    return Verdict(best, second, known, material.test.num_subjects, basis, dependence)


def _nothing_to_compare(material: Material) -> str:
    only = next(iter(material.predictions))
    if not material.repeats:
        return f"There is nothing to compare: {only} is the only model with finished runs."
    same = ", ".join(material.repeats)
    return f"There is nothing to compare: the predictions of {same} are those of {only}."


def _basis(material: Material) -> Basis | str:
    """Return from what censoring is estimated, or why nothing can be."""
    if material.dataset is not None:
        return Basis(material.dataset.splits.train, material.dataset.grid, is_test=False)
    times = next(iter(material.predictions.values())).times
    cuts = np.setdiff1d(times, evaluation_times(material.runs))
    ends = [prediction.times[-1] for prediction in material.predictions.values()]
    if len(cuts) < 2 or cuts[0] != 0 or min(ends) < cuts[-1]:
        return (
            "The two best models are not compared: the data are not on this machine, and the "
            "recorded predictions are at no common time grid."
        )
    return Basis(material.test, TimeGrid(cuts), is_test=True)


def _outcomes(material: Material, basis: Basis) -> Outcomes:
    return Outcomes(
        material.test,
        basis.train.time,
        basis.train.event,
        basis.grid,
        material.runs["evaluation"].iloc[0],
        material.least_at_risk,
    )


def _metrics(material: Material) -> list[str]:
    """Return the metrics of the comparison; of causes the integrated score."""
    causes = [of_cause(cause, DECIDING[0]) for cause in material.test.cause_names]
    at_times = [f"brier@{percentage}" for percentage in PERCENTAGES]
    return [DECIDING[0], *at_times, DECIDING[1], *causes]


def _resampled(material: Material, basis: Basis, metrics: Sequence[str]) -> dict[str, Resampled]:
    """Return each model's metrics and their resamples, those of the material where it has them."""
    if material.resampled and set(metrics) <= set(material.metrics):
        return _only(material.resampled, material.metrics, metrics)
    return resample_metrics(
        material.predictions,
        material.test,
        metrics,
        train=basis.train,
        grid=basis.grid,
        convention=material.runs["evaluation"].iloc[0],
        resamples=material.resamples,
        min_at_risk=material.least_at_risk,
    )


def _only(
    resampled: Mapping[str, Resampled], metrics: Sequence[str], wanted: Sequence[str]
) -> dict[str, Resampled]:
    columns = [list(metrics).index(metric) for metric in wanted]
    return {
        model: Resampled(own.estimate[columns], own.resamples[:, columns])
        for model, own in resampled.items()
    }


def _row(
    metric: str, pair: Mapping[str, Resampled], metrics: Sequence[str], subjects: int
) -> MetricVerdict:
    """Return one metric of the best model and the second, in that order in `pair`."""
    own = _only(pair, metrics, [metric])
    best, second = own
    (row,) = (
        paired_differences({best: own[best], second: own[second]}, [metric], second)
        .query("model == @best")
        .to_dict("records")
    )
    ends = row["difference"], row["difference_low"], row["difference_high"]
    if not higher_is_better(metric):
        ends = -ends[0], -ends[2], -ends[1]
    ahead, low, high = ends
    differences = own[best].resamples[:, 0] - own[second].resamples[:, 0]
    values = float(own[best].estimate[0]), float(own[second].estimate[0])
    size = sample_size(ahead, _standard_error(differences), (low, high), subjects)
    return MetricVerdict(metric, *values, ahead, low, high, size)


def _standard_error(resamples: NDArray[np.float64]) -> float:
    known = resamples[~np.isnan(resamples)]
    return float(known.std(ddof=1)) if len(known) > 1 else float("nan")
