"""From a raw table to a dataset: split, preprocess on the training rows, lay the time grid."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from survkit.datasets.card import Card
from survkit.datasets.causes import cause_counts, check_each_cause, of_interest
from survkit.datasets.preprocessing import Preprocessor
from survkit.datasets.schema import Schema
from survkit.datasets.splitting import DEFAULT_SPLIT, RANDOM_SPLIT, Split, SplitRows, split_rows
from survkit.datasets.tables import RawTable, table_sha256
from survkit.types import BoolArray, InputError, Splits, SurvivalData, TimeGrid

SMALL_DATASET = 1000
MIN_EVENTS = 2


class GridParameters(TypedDict, total=False):
    """The parameters of `time_grid` that every dataset takes."""

    time_bins: int | None
    quantile_event_times: bool | None
    labeling_floor_mode: bool


class CommonParameters(GridParameters, total=False):
    """The parameters that every dataset takes: those of the time grid and of the split."""

    stratified_split: bool | None
    split_seed: int
    split: Literal["holdout", "folds"]
    folds: int
    fold: int
    inner_folds: int
    inner_fold: int


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
    split : Split
        How the rows were split.
    rows : SplitRows or None
        The rows of the source in each split; None where it has several for one of a split.
    own_test_rows : bool
        Whether the source itself says which rows are for testing; `split` is not used then.
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
    split: Split = RANDOM_SPLIT
    rows: SplitRows | None = None
    own_test_rows: bool = False


def grid_flags(n: int, given: GridParameters) -> GridParameters:
    """Fill in the flags of the time grid whose defaults depend on the rows n of a dataset."""
    small = n < SMALL_DATASET
    time_bins, quantiles = given.get("time_bins"), given.get("quantile_event_times")
    return {
        **given,
        "time_bins": (20 if small else 100) if time_bins is None else time_bins,
        "quantile_event_times": small if quantiles is None else quantiles,
    }


def separated(given: CommonParameters) -> tuple[GridParameters, Split]:
    """Return the flags of the time grid, and how to split the rows."""
    grid: CommonParameters = {**given}
    split = Split(
        stratified=grid.pop("stratified_split", None),
        seed=grid.pop("split_seed", DEFAULT_SPLIT.seed),
        kind=grid.pop("split", DEFAULT_SPLIT.kind),
        folds=grid.pop("folds", DEFAULT_SPLIT.folds),
        fold=grid.pop("fold", DEFAULT_SPLIT.fold),
        inner_folds=grid.pop("inner_folds", 0),
        inner_fold=grid.pop("inner_fold", 0),
    )
    return grid, split


def evenly_spaced(given: GridParameters) -> GridParameters:
    """Return the flags of the time grid, for a dataset whose cuts are even unless asked."""
    return {**given, "quantile_event_times": bool(given.get("quantile_event_times"))}


def as_published(given: CommonParameters) -> CommonParameters:
    """Return the flags for a dataset with even cuts and a random split unless asked."""
    even: CommonParameters = {**given, "stratified_split": bool(given.get("stratified_split"))}
    return {**even, "quantile_event_times": bool(given.get("quantile_event_times"))}


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


def build_dataset(
    table: RawTable,
    card: Card,
    *,
    cause_of_interest: str | None = None,
    **common: Unpack[CommonParameters],
) -> Dataset:
    """Split a raw table, preprocess it by its training rows and lay the time grid.

    Parameters
    ----------
    table : RawTable
        All rows of the dataset, n of them.
    card : Card
        What is known of it.
    cause_of_interest : str, optional
        Of several causes, the one whose events count; those of the others are censored. The split
        is that of the table with all causes, so that the same rows are tested.
    **common
        The split, as in `load_dataset`, and the others as in `time_grid`.

    Raises
    ------
    InputError
        For too few rows or events to split, features that cannot be used, or a cause of interest
        that is none of the table's.
    """
    strata = table.event if table.cause is None else table.cause
    noted: tuple[str, ...] = ()
    if cause_of_interest is not None:
        table, card, warning = of_interest(table, card, cause_of_interest)
        noted = (warning,)
    check_events(table.event, "the table")
    check_each_cause(cause_counts(table), "the table", at_least=MIN_EVENTS)
    grid, asked = separated(common)
    split = asked.resolved(len(table))
    rows = split_rows(len(table), table.subject_id, event=strata, split=split)
    check_events(table.event[rows.train], "the training split")
    splits, preprocessor, warnings = preprocess(table, rows)
    check_each_cause(cause_counts(splits.train), "the training split", at_least=1)
    return Dataset(
        name=card.name,
        splits=splits,
        grid=time_grid(splits.train.time, splits.train.event, n=len(table), **grid),
        preprocessor=preprocessor,
        card=card,
        sha256=table_sha256(table),
        warnings=(*noted, *warnings),
        grid_flags=grid_flags(len(table), grid),
        raw=table,
        split=split,
        rows=rows,
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
    optional = ("label", "true_time", "subject_id", "cause", "entry")
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
                cause_names=table.cause_names,
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
