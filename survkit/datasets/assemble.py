"""From a raw table to a dataset: split, preprocess on the training rows, lay the time grid."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from survkit.datasets.card import Card
from survkit.datasets.preprocessing import Preprocessor
from survkit.datasets.schema import Schema
from survkit.datasets.tables import RawTable, table_sha256
from survkit.types import BoolArray, InputError, Splits, SurvivalData, TimeGrid

SPLIT_SEED = 42
SMALL_DATASET = 1000
MIN_EVENTS = 2


class GridParameters(TypedDict, total=False):
    """The parameters of `time_grid` that every dataset takes."""

    time_bins: int | None
    quantile_event_times: bool | None
    labeling_floor_mode: bool


@dataclass(frozen=True, eq=False)
class Dataset:
    """A loaded dataset, ready to train and evaluate on.

    Parameters
    ----------
    name : str
        The dataset's name.
    splits : Splits
        Training, validation and test data.
    grid : TimeGrid
        The time grid of discrete-time models.
    preprocessor : Preprocessor or None
        What made the features from raw columns; None where raw columns are the features.
    card : Card
        Facts about the dataset.
    sha256 : str
        Digest of the raw content; equal on every machine for the same data.
    warnings : tuple of str
        What a reader of results must know: dropped columns, unseen values.
    grid_flags : mapping
        The flags of the time grid, those with defaults that depend on the data filled in.
    schema : Schema or None
        What was understood of a table of the user's own.
    raw : RawTable or None
        The rows as their source gave them, before splitting and preprocessing; None where the
        source holds no table (images, hourly records, generated data).
    """

    name: str
    splits: Splits
    grid: TimeGrid
    preprocessor: Preprocessor | None
    card: Card
    sha256: str
    warnings: tuple[str, ...] = ()
    grid_flags: GridParameters = field(default_factory=lambda: GridParameters())
    schema: Schema | None = None
    raw: RawTable | None = None


class SplitRows(NamedTuple):
    """The row numbers of each split."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def split_rows(n: int, subject_id: NDArray[np.int64] | None = None) -> SplitRows:
    """Split rows 80/10/10 by two random splits with a fixed seed, test first.

    The rows are those of two calls of scikit-learn's `train_test_split` with `random_state` 42.

    Parameters
    ----------
    n : int
        Number of rows.
    subject_id : array, shape (n,), optional
        Subjects of several rows are split whole.

    Raises
    ------
    InputError
        For fewer than three subjects.
    """
    subjects = np.arange(n) if subject_id is None else np.unique(subject_id)
    if (count := len(subjects)) < 3:
        raise InputError(f"{count} subjects cannot be split in three; at least 3 are needed")
    # Whole numbers, as 0.1 / 0.9 of a round number of rows can round to one row more.
    rest, test = random_split(subjects, -(-count // 10))
    train, validation = random_split(rest, -(-len(rest) // 9))
    if subject_id is None:
        return SplitRows(train, validation, test)
    parts = (np.flatnonzero(np.isin(subject_id, part)) for part in (train, validation, test))
    return SplitRows(*parts)


def random_split(
    rows: NDArray[np.int64], held_out: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Hold out a random part of some rows with a fixed seed.

    Parameters
    ----------
    rows : array, shape (n,), int64
        Row numbers.
    held_out : int
        How many of them to hold out.

    Returns
    -------
    tuple of array
        The other rows and those held out, each in random order.
    """
    # RandomState's stream is frozen, and importing scikit-learn takes longer than loading data.
    order = np.random.RandomState(SPLIT_SEED).permutation(len(rows))
    return rows[order[held_out:]], rows[order[:held_out]]


def grid_flags(n: int, given: GridParameters) -> GridParameters:
    """Fill in the flags of the time grid whose defaults depend on the rows n of a dataset."""
    small = n < SMALL_DATASET
    time_bins, quantiles = given.get("time_bins"), given.get("quantile_event_times")
    return {
        **given,
        "time_bins": (20 if small else 100) if time_bins is None else time_bins,
        "quantile_event_times": small if quantiles is None else quantiles,
    }


def evenly_spaced(given: GridParameters) -> GridParameters:
    """Return the flags of the time grid, for a dataset whose cuts are even unless asked."""
    return {**given, "quantile_event_times": bool(given.get("quantile_event_times"))}


def time_grid(
    time: NDArray[np.float64], event: BoolArray, *, n: int, **given: Unpack[GridParameters]
) -> TimeGrid:
    """Return the time grid of a dataset.

    Parameters
    ----------
    time, event : array, shape (n_train,)
        The training rows' outcomes.
    n : int
        Rows of the whole dataset.
    time_bins : int, optional
        Number of cuts, at least 2; 100 by default, 20 below 1,000 rows.
    quantile_event_times : bool, optional
        Cuts at quantiles of the event times, instead of evenly spaced to the largest time; by
        default below 1,000 rows.
    labeling_floor_mode : bool
        Label a time by the cut at or before it, instead of the one at or after it.

    Raises
    ------
    InputError
        For fewer than 2 time bins, or where every time is 0.
    """
    flags = grid_flags(n, given)
    time_bins, floor = flags["time_bins"] or 0, flags.get("labeling_floor_mode", False)
    if flags["quantile_event_times"] and time_bins >= 2 and time.max() > 0:
        return TimeGrid.event_quantiles(time, event, time_bins, floor=floor)
    return TimeGrid.evenly_spaced(float(time.max()), time_bins, floor=floor)


def build_dataset(table: RawTable, card: Card, **grid: Unpack[GridParameters]) -> Dataset:
    """Split a raw table, preprocess it by its training rows and lay the time grid.

    Raises
    ------
    InputError
        For too few rows or events to split, or features that cannot be used.
    """
    check_events(table.event, "the table")
    rows = split_rows(len(table), table.subject_id)
    check_events(table.event[rows.train], "the training split")
    splits, preprocessor, warnings = preprocess(table, rows)
    return Dataset(
        name=card.name,
        splits=splits,
        grid=time_grid(splits.train.time, splits.train.event, n=len(table), **grid),
        preprocessor=preprocessor,
        card=card,
        sha256=table_sha256(table),
        warnings=warnings,
        grid_flags=grid_flags(len(table), grid),
        raw=table,
    )


def preprocess(table: RawTable, rows: SplitRows) -> tuple[Splits, Preprocessor, tuple[str, ...]]:
    """Return the splits of a raw table, preprocessed by its training rows.

    Returns
    -------
    tuple
        The splits, the preprocessor, and warnings: dropped columns, unseen values.

    Raises
    ------
    InputError
        For features that cannot be used, or a split without rows.
    """
    preprocessor = Preprocessor.fit(
        table.features.iloc[rows.train],
        categorical=table.categorical,
        impute=table.impute,
        quantile_bins=table.quantile_bins,
    )
    optional = ("label", "true_time", "subject_id")
    given = {name: values for name in optional if (values := getattr(table, name)) is not None}
    parts, warnings = [], list(preprocessor.warnings)
    for part, part_rows in zip(SplitRows._fields, rows, strict=True):
        features, notes = preprocessor.transform(table.features.iloc[part_rows])
        warnings += [f"{part} rows: {note}" for note in notes]
        parts.append(
            SurvivalData(
                features=features,
                event=table.event[part_rows],
                time=table.time[part_rows],
                feature_names=preprocessor.feature_names,
                categorical=preprocessor.categorical,
                **{name: values[part_rows] for name, values in given.items()},
            )
        )
    return Splits(*parts), preprocessor, tuple(warnings)


def check_events(event: BoolArray, where: str) -> None:
    """Assert that there are events to learn from.

    Raises
    ------
    InputError
        Where fewer than two events were seen.
    """
    events = int(event.sum())
    if events == 0:
        raise InputError(f"all {len(event)} rows of {where} are censored; events are needed")
    if events < MIN_EVENTS:
        raise InputError(f"{where} has {events} event; at least {MIN_EVENTS} are needed")
