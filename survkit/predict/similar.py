"""The training patients most like a new one: same expert, nearest in the hidden space."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from survkit.datasets.assemble import Dataset
from survkit.metrics.clustering import chosen_expert
from survkit.models.calibrated import without_calibration
from survkit.runs.predictions import load_dataset_of
from survkit.runs.read import FittedRun
from survkit.training.neural_model import NeuralSurvivalModel
from survkit.types import BoolArray, Float64Array, InputError, IntArray

DEFAULT_NUMBER = 3
"""How many a network names where nothing else is asked for."""


class SimilarPatients(NamedTuple):
    """The k nearest training patients to each of n new ones, (n, k), and all patients' outcomes.

    `cause` names the cause of each event, "" where there was none; None for one cause.
    """

    positions: NDArray[np.int64]
    distances: Float64Array
    identifier: str
    names: NDArray[np.int64]
    event: BoolArray
    time: Float64Array
    cause: NDArray[np.str_] | None = None


def has_hidden_space(run: FittedRun) -> bool:
    """Return whether the model of a run maps patients to a space in which they can be compared."""
    return isinstance(without_calibration(run.model), NeuralSurvivalModel)


def similar_patients(
    run: FittedRun, features: NDArray[np.float32], number: int, data_dir: str | None
) -> SimilarPatients:
    """Find the `number` training patients that are most similar to each new one, features (n, p).

    They are those with the same chosen expert (any, for a model without experts) at the smallest
    Euclidean distance in the hidden space, which is what the model's head sees. An InputError
    says where there is no such space, or no training data (`data_dir` as in
    `load_recorded_dataset`).
    """
    model = without_calibration(run.model)
    if not isinstance(model, NeuralSurvivalModel):
        raise InputError(f"{run.config['model']} has no hidden space to compare patients in")
    dataset = load_dataset_of(run.config, data_dir)
    train = dataset.splits.train
    neighbours = nearest_neighbours(
        model.hidden_state(features),
        model.hidden_state(train.features),
        _experts(model, features),
        _experts(model, train.features),
        number,
    )
    names = training_names(dataset)
    cause = None if train.cause is None else np.array(["", *train.cause_names])[train.cause]
    return SimilarPatients(*neighbours, *names, train.event, train.time, cause)


def nearest_neighbours(
    points: NDArray[np.float32],
    others: NDArray[np.float32],
    groups: IntArray,
    other_groups: IntArray,
    number: int,
) -> tuple[NDArray[np.int64], Float64Array]:
    """Return the positions and distances (n, k) of the k nearest others (m, d) to points (n, d).

    Only others of the same group count; -1 and NaN fill the places where there are fewer than k,
    which is `number`, or m where that is fewer.
    """
    from sklearn.neighbors import NearestNeighbors

    number = min(number, len(others))
    positions = np.full((len(points), number), -1, dtype=np.int64)
    distances = np.full((len(points), number), np.nan)
    for group in np.unique(groups):
        here, there = np.flatnonzero(groups == group), np.flatnonzero(other_groups == group)
        found = min(number, len(there))
        if found:
            search = NearestNeighbors(n_neighbors=found).fit(others[there])
            distances[here, :found], nearest = search.kneighbors(points[here])
            positions[here, :found] = there[nearest]
    return positions, distances


def training_names(dataset: Dataset) -> tuple[str, NDArray[np.int64]]:
    """Return what names the training patients, and the names.

    It is the dataset's own number of each ("subject") where it has one, else the data row, from
    1, in the table that the dataset is split from ("row").
    """
    train = dataset.splits.train
    if train.subject_id is not None:
        return "subject", train.subject_id
    assert dataset.rows is not None  # a dataset with several rows for one of a split has subjects
    return "row", dataset.rows.train + 1


def _experts(model: NeuralSurvivalModel, features: NDArray[np.float32]) -> IntArray:
    weights = model.predict(features).expert_weights
    return np.zeros(len(features), np.int64) if weights is None else chosen_expert(weights)
