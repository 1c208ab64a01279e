"""The recorded predictions of a group, and the dataset they were made on if it is present."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from survkit.configs.train import TrainConfig
from survkit.datasets import load_configured
from survkit.datasets.assemble import Dataset
from survkit.metrics.problem import incidence_at_cuts, survival_at_cuts
from survkit.runs.identity import EARLIER
from survkit.runs.read import read_predictions
from survkit.runs.record_files import read_config
from survkit.runs.state import OpenRun, damaged_run
from survkit.types import InputError, SurvivalData, SurvivalPrediction, TimeGrid


class NotAtHandError(InputError):
    """The data that runs were made on are not on this machine."""


def load_recorded_dataset(run: str | Path, data_dir: str | Path | None = None) -> Dataset:
    """Load the dataset that a run was made on, without downloading anything.

    Parameters
    ----------
    run : path
        A run's folder.
    data_dir : path, optional
        Folder of the data files; where not given, the run's own, then $SURVKIT_DATA_DIR.

    Raises
    ------
    NotAtHandError
        Where the data are not there, or are not those of the run.
    """
    try:
        config = read_config(Path(run))
    except InputError as error:
        raise NotAtHandError(str(error)) from None
    if config is None:
        raise NotAtHandError(f"{Path(run) / 'config.json'} is missing")
    return load_dataset_of(config, data_dir)


def load_dataset_of(config: Mapping[str, Any], data_dir: str | Path | None = None) -> Dataset:
    """Load the dataset that a run's configuration names, as `load_recorded_dataset`."""
    own = [config.get("data_dir"), os.environ.get("SURVKIT_DATA_DIR")]
    folders = [data_dir] if data_dir else own
    problems = []
    for folder in dict.fromkeys(str(folder) for folder in folders if folder):
        try:
            return _load_checked({**config, "data_dir": folder})
        except NotAtHandError as error:
            problems.append(str(error))
    raise NotAtHandError("; ".join(dict.fromkeys(problems)))


def _load_checked(config: Mapping[str, Any]) -> Dataset:
    defaults = {**asdict(TrainConfig()), **EARLIER}  # for a record from before a flag
    try:
        dataset = load_configured({**defaults, **config}, download=False)
    except InputError as error:
        raise NotAtHandError(str(error)) from None
    if dataset.sha256 != config.get("data_sha256"):
        raise NotAtHandError(f"the {dataset.name} data on this machine are not those of the run")
    return dataset


def read_test_predictions(
    paths: Sequence[str | Path],
) -> tuple[list[SurvivalPrediction], SurvivalData]:
    """Return the test predictions of runs, and the outcomes that they share.

    Parameters
    ----------
    paths : sequence of path
        The runs' folders, at least one.

    Raises
    ------
    InputError
        Where a file cannot be read, or the runs have other test subjects.
    """
    if not paths:
        raise InputError("no run to read predictions of")
    predictions, outcomes = zip(*(read_predictions(Path(p), "test") for p in paths), strict=True)
    for path, data in zip(paths, outcomes, strict=True):
        if not same_outcomes(outcomes[0], data):
            raise InputError(f"the test subjects of {path} are not those of {paths[0]}")
    return list(predictions), outcomes[0]


def without_damaged(runs: pd.DataFrame) -> tuple[pd.DataFrame, list[OpenRun]]:
    """Part runs whose test predictions can be read from those whose cannot.

    Parameters
    ----------
    runs : DataFrame
        From `load_runs`.
    """
    damaged = {}
    for index, run in runs.iterrows():
        try:
            read_predictions(Path(run["path"]), "test")
        except InputError as error:
            damaged[index] = damaged_run(run.to_dict(), str(error))
    return runs.drop(index=list(damaged)).reset_index(drop=True), list(damaged.values())


def average_prediction(
    predictions: Sequence[SurvivalPrediction], grid: TimeGrid | None = None
) -> SurvivalPrediction:
    """Return the mean of the curves predicted for the same subjects, without expert weights.

    Parameters
    ----------
    predictions : sequence of SurvivalPrediction
        At least one.
    grid : TimeGrid, optional
        Where to read the curves; the first prediction's times where not given.

    Raises
    ------
    InputError
        For a prediction that ends before the grid's horizon.
    """
    if grid is None:
        times = predictions[0].times
        predictions = [prediction.read(times) for prediction in predictions]
        curves = [prediction.survival for prediction in predictions]
        incidences = [prediction.cumulative_incidence for prediction in predictions]
    else:
        times = grid.cuts
        curves = [survival_at_cuts(prediction, grid) for prediction in predictions]
        incidences = [incidence_at_cuts(prediction, grid) for prediction in predictions]
    known = [each for each in incidences if each is not None]
    incidence = np.mean(known, axis=0) if len(known) == len(predictions) else None
    return SurvivalPrediction(times, np.mean(curves, axis=0), cumulative_incidence=incidence)


def average_predictions(
    runs: pd.DataFrame, labels: pd.Series, grid: TimeGrid | None = None
) -> tuple[dict[str, SurvivalPrediction], SurvivalData]:
    """Return each model's test predictions averaged over its seeds, and the test outcomes.

    Parameters
    ----------
    runs : DataFrame
        From `load_runs`.
    labels : Series
        The model of each run, from `variant_labels`.
    grid : TimeGrid, optional
        As in `average_prediction`.

    Raises
    ------
    InputError
        As `read_test_predictions` and `average_prediction`.
    """
    predictions, data = read_test_predictions(list(runs["path"]))
    averages = {
        label: average_prediction(
            [p for p, own in zip(predictions, labels, strict=True) if own == label], grid
        )
        for label in dict.fromkeys(labels)
    }
    return averages, data


def same_outcomes(one: SurvivalData, other: SurvivalData) -> bool:
    """Whether two sets of subjects have the same outcomes and entries, in the same order."""
    if one.cause_names != other.cause_names or (one.entry is None) != (other.entry is None):
        return False
    names = ["time", "event", *(["cause"] if one.cause_names else [])]
    names += [] if one.entry is None else ["entry"]
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


def with_features(outcomes: SurvivalData, dataset: Dataset) -> SurvivalData:
    """Return the test subjects of a dataset, after a check that they are those of a record.

    Raises
    ------
    InputError
        Where they are not: the record is damaged, or another version of survkit split the data.
    """
    test = dataset.splits.test
    if not same_outcomes(outcomes, test):
        raise InputError(
            f"the recorded test subjects are not those of the dataset {dataset.name} as this "
            "version of survkit splits it; train the runs again"
        )
    return test
