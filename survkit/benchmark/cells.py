"""The runs of a benchmark as a table: a row for each dataset, model and split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from survkit.configs.train import TrainConfig
from survkit.datasets.assemble import Dataset
from survkit.launch.jobs import Job, Outcome
from survkit.launch.plan import Refused
from survkit.runs.record_files import read_result
from survkit.types import InputError

CALIBRATION = "d_calibration_p"
METRICS = ("concordance_td", "integrated_brier")
"""What models are compared by."""


class DatasetFacts(NamedTuple):
    """What is known of a dataset before any model, from its first split that can be loaded."""

    subjects: int
    events: int
    features: int
    n_train: int
    n_test: int
    time_unit: str
    known_leaks: tuple[str, ...]

    @property
    def censored(self) -> float:
        """Share of the subjects whose event was not seen."""
        return 1 - self.events / self.subjects


def facts_of(dataset: Dataset) -> DatasetFacts:
    """Return what is known of a dataset."""
    splits = dataset.splits
    return DatasetFacts(
        subjects=sum(map(len, splits)),
        events=sum(int(part.event.sum()) for part in splits),
        features=splits.train.features.shape[1],
        n_train=len(splits.train),
        n_test=len(splits.test),
        time_unit=dataset.card.time_unit,
        known_leaks=tuple(dataset.card.known_leaks),
    )


def split_label(config: TrainConfig) -> str:
    """Return what a run's split is called."""
    return f"fold {config.fold}" if config.split == "folds" else f"seed {config.split_seed}"


def read_cells(
    jobs: Iterable[Job],
    outcomes: Iterable[Outcome],
    refused: Iterable[Refused],
    kinds: Mapping[str, tuple[str, str]],
) -> pd.DataFrame:
    """Return one row for each run of a benchmark.

    Parameters
    ----------
    jobs : iterable of Job
        All runs that could be planned.
    outcomes : iterable of Outcome
        How those ended that were run now, for the reason where one has no record.
    refused : iterable of Refused
        The runs that could not be planned.
    kinds : mapping
        The dataset and the model of each kind of run.

    Returns
    -------
    DataFrame
        Columns dataset, model, split, the metrics of the test rows (NaN where undefined), seconds
        (of the fit), converged, proportional (whether the record of a Cox model finds hazards
        proportional; None where it does not say), and why (what kept the run from its record).
    """
    notes = {outcome.job.name: outcome.note or str(outcome.status) for outcome in outcomes}
    rows = [_row(job, kinds, notes.get(job.name, "not run yet")) for job in jobs]
    rows += [_empty(run.config, kinds[run.kind], why) for run, why in refused]
    places = {kind: place for place, kind in enumerate(kinds.values())}
    rows.sort(key=lambda row: (places[row["dataset"], row["model"]], row["order"]))
    return pd.DataFrame(rows)


def _row(job: Job, kinds: Mapping[str, tuple[str, str]], note: str) -> dict[str, Any]:
    own = _empty(job.config, kinds[job.kind], note)
    try:
        result = read_result(job.folder)
    except InputError as error:  # damaged
        return {**own, "why": str(error)}
    if result is None:
        return own
    values = {name: result["test"].get(name) for name in (*METRICS, CALIBRATION)}
    tests = result.get("proportional_hazards")
    return {
        **own,
        **{name: float("nan") if value is None else value for name, value in values.items()},
        "seconds": result["timing"]["fit_seconds"],
        "converged": result["converged"],
        "proportional": _is_proportional(tests),
        "why": "",
    }


def _empty(config: TrainConfig, kind: tuple[str, str], why: str) -> dict[str, Any]:
    nothing = dict.fromkeys((*METRICS, CALIBRATION, "seconds"), float("nan"))
    number = config.fold if config.split == "folds" else config.split_seed
    return {
        "dataset": kind[0],
        "model": kind[1],
        "split": split_label(config),
        "order": number,
        **nothing,
        "converged": None,
        "proportional": None,
        "why": why,
    }


def _is_proportional(tests: Sequence[Mapping[str, Any]] | None) -> bool | None:
    """Whether no feature's test of proportional hazards is significant after Bonferroni."""
    p = [test["p"] for test in tests or () if test.get("p") is not None]
    return min(p) * len(p) >= 0.05 if p else None


def failures(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the runs without a record: dataset, model, split and why."""
    return cells.loc[cells["why"] != "", ["dataset", "model", "split", "why"]]
