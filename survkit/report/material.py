"""What a report is made of: the runs of a group, their predictions, and the data if present."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from survkit.datasets.assemble import Dataset
from survkit.models.size import check_bootstrap
from survkit.report.differences import Resampled, resample_metrics
from survkit.report.missing import least_at_risk, metric_times, without_unreliable
from survkit.report.tables import seed_means
from survkit.runs.metric_text import MetricTime
from survkit.runs.predictions import (
    NotAtHandError,
    average_predictions,
    load_recorded_dataset,
    with_features,
)
from survkit.runs.state import (
    OpenRun,
    missing_seeds,
    missing_seeds_text,
    open_runs,
    why_not_converged,
)
from survkit.runs.table import seed_text
from survkit.runs.variants import choose_reference, evaluation_times, variant_labels
from survkit.system import MemoryNeed, check_memory
from survkit.types import SurvivalData, SurvivalPrediction, TimeGrid


@dataclass(frozen=True, eq=False)
class Material:
    """A group of comparable finished runs.

    `runs` are from `load_runs` through `without_unreliable`, `labels` from `variant_labels` and
    `means` from `seed_means`.
    `predictions` has each model's test predictions, averaged over its seeds; a model that repeats
    another's, such as an ensemble of all its runs, is in `repeats` with that other instead. Where
    the dataset is missing (`why_not` says why), `test` has no features and `resampled` is empty.
    `resamples` is the number of bootstrap samples asked for.
    """

    runs: pd.DataFrame
    labels: pd.Series
    metrics: tuple[str, ...]
    means: pd.DataFrame
    predictions: dict[str, SurvivalPrediction]
    repeats: dict[str, str]
    test: SurvivalData
    dataset: Dataset | None
    why_not: str
    reference: str
    resampled: dict[str, Resampled]
    resamples: int = 0

    @property
    def time_unit(self) -> str:
        """Unit of all times."""
        return str(self.runs["time_unit"].iloc[0])

    @property
    def models(self) -> list[str]:
        """The models, in the order of the tables."""
        return list(dict.fromkeys(self.labels))

    @property
    def least_at_risk(self) -> int:
        """How many test subjects must be at risk at a time for a metric to stand there."""
        return least_at_risk(self.runs)

    @property
    def times(self) -> list[MetricTime]:
        """The times of its metrics at one time."""
        return metric_times(self.runs, self.metrics)

    def runs_of(self, model: str) -> pd.DataFrame:
        """Return the runs of a model."""
        return self.runs[self.labels == model]


@dataclass(frozen=True)
class State:
    """Unfinished runs of a group, and sentences on missing seeds and, by model, convergence."""

    open: list[OpenRun]
    missing: list[str]
    not_converged: dict[str, list[str]]

    def __str__(self) -> str:
        statuses = pd.Series([run.status for run in self.open], dtype=str).value_counts()
        counts = [f"{count} {status}" for status, count in statuses.items()]
        troubled = sum(len(problems) for problems in self.not_converged.values())
        if troubled:
            counts.append(f"{troubled} not converged")
        if self.missing:
            counts.append("seeds missing")
        return ", ".join(counts)


def gather(
    runs: pd.DataFrame,
    *,
    metrics: Sequence[str],
    reference: str | None = None,
    data_dir: str | None = None,
    resamples: int = 1000,
) -> Material:
    """Average the predictions of a group's runs over seeds, and resample their metrics.

    Parameters
    ----------
    runs, metrics
        As in `comparison_table`.
    reference : str, optional
        As in `choose_reference`.
    data_dir : str, optional
        As in `load_recorded_dataset`.
    resamples : int
        Bootstrap resamples; 0 for no intervals.

    Raises
    ------
    InputError
        Where the runs are not comparable, or a metric or the reference is unknown.
    """
    means = seed_means(runs, metrics)  # refuses what cannot stand in one table
    runs, labels = _in_order(without_unreliable(runs))
    chosen = choose_reference(labels, reference)
    dataset, why_not = _dataset(runs, data_dir)
    predictions, test = average_predictions(runs, labels, _all_times(runs, dataset))
    predictions, repeats = _without_repeats(predictions, chosen)
    resampled: dict[str, Resampled] = {}
    if dataset:
        test = with_features(test, dataset)
    if dataset and resamples:
        check_bootstrap(resamples, len(test), models=len(predictions))
        check_memory(_resamples_need(resamples, len(test), len(predictions) * len(metrics)))
        resampled = resample_metrics(
            predictions,
            test,
            metrics,
            train=dataset.splits.train,
            grid=dataset.grid,
            convention=runs["evaluation"].iloc[0],
            resamples=resamples,
            min_at_risk=least_at_risk(runs),
            evaluation_times=evaluation_times(runs),
        )
    return Material(
        runs,
        labels,
        tuple(metrics),
        means,
        predictions,
        repeats,
        test,
        dataset,
        why_not,
        chosen,
        resampled,
        resamples,
    )


def _resamples_need(resamples: int, rows: int, values: int) -> MemoryNeed:
    return MemoryNeed(
        resamples * (4 * rows + 16 * values) / 1e9,
        f"{resamples:,} bootstrap samples of {rows:,} test rows",
        "a lower --bootstrap needs less; 1000 is enough for intervals",
    )


def _all_times(runs: pd.DataFrame, dataset: Dataset | None) -> TimeGrid | None:
    """Return the times of predictions: the cuts, and evaluation times up to the horizon."""
    if dataset is None:
        return None
    own = [time for time in evaluation_times(runs) if time <= dataset.grid.horizon]
    return TimeGrid(np.union1d(dataset.grid.cuts, own)) if own else dataset.grid


def _without_repeats(
    predictions: dict[str, SurvivalPrediction], reference: str
) -> tuple[dict[str, SurvivalPrediction], dict[str, str]]:
    """Part the predictions that differ from those that repeat another model's."""
    own: dict[str, SurvivalPrediction] = {}
    repeats: dict[str, str] = {}
    for model in sorted(predictions, key=lambda model: model != reference):
        same = [known for known, p in own.items() if _same_curves(p, predictions[model])]
        if same:
            repeats[model] = same[0]
        else:
            own[model] = predictions[model]
    return {model: p for model, p in predictions.items() if model in own}, repeats


def _same_curves(one: SurvivalPrediction, other: SurvivalPrediction) -> bool:
    """Whether two predictions of the same subjects are equal up to rounding."""
    if not np.array_equal(one.times, other.times) or one.num_causes != other.num_causes:
        return False
    pairs = [(one.survival, other.survival)]
    if one.cumulative_incidence is not None and other.cumulative_incidence is not None:
        pairs.append((one.cumulative_incidence, other.cumulative_incidence))
    return all(np.allclose(*pair, rtol=0, atol=1e-5) for pair in pairs)


def group_state(
    group_folder: Path, runs: pd.DataFrame | None = None, damaged: Sequence[OpenRun] = ()
) -> State:
    """Return how complete a group is.

    Parameters
    ----------
    group_folder : Path
        The group's folder.
    runs : DataFrame, optional
        Its finished runs, if any.
    damaged : sequence of OpenRun
        Runs with a result whose other files are damaged.

    Raises
    ------
    InputError
        As `variant_labels`.
    """
    begun = [*open_runs(group_folder), *damaged]
    if runs is None:
        return State(begun, [], {})
    labels = variant_labels(runs)
    problems: dict[str, list[str]] = {}
    for label, run in zip(labels, runs.to_dict("records"), strict=True):
        why = why_not_converged(run)
        if why is not None:
            problems.setdefault(label, []).append(f"seed {seed_text(run['seed'])}: {why}")
    missing = missing_seeds(runs, labels, begun).items()
    return State(begun, [missing_seeds_text(label, seeds) for label, seeds in missing], problems)


def _in_order(runs: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Return runs with those of one label together, by seed, and their labels."""
    labels = variant_labels(runs)
    keys = pd.DataFrame({"place": pd.factorize(labels)[0], "seed": runs["seed"]})
    order = keys.sort_values(["place", "seed"], kind="stable").index
    return runs.loc[order].reset_index(drop=True), labels.loc[order].reset_index(drop=True)


def _dataset(runs: pd.DataFrame, data_dir: str | None) -> tuple[Dataset | None, str]:
    try:
        return load_recorded_dataset(str(runs["path"].iloc[0]), data_dir), ""
    except NotAtHandError as error:
        return None, str(error)
