"""Configuration of the data that a command reads."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from functools import partial
from typing import Literal

from survkit.configs.options import option, validate
from survkit.types import InputError

_data = partial(option, topic="Data")
_split = partial(option, topic="Split")
_grid = partial(option, topic="Time grid")
_support2 = partial(option, topic="SUPPORT2")
_mnist = partial(option, topic="Survival MNIST (--dataset mnist or digits)")
_sepsis = partial(option, topic="Sepsis")
_csv = partial(option, topic="Your own table (--dataset csv)")
_synthetic = partial(option, topic="Synthetic data")


def default_data_dir() -> str:
    """Return the folder of data files where none is named: $SURVKIT_DATA_DIR, or ./data."""
    return os.environ.get("SURVKIT_DATA_DIR", "./data")


@dataclass(frozen=True)
class DataConfig:
    """Which data are read, and how; one field a flag."""

    dataset: str = _data("support2", "one of {datasets}")
    data_dir: str = _data(
        default_data_dir,
        "folder of the data files",
        is_path=True,
        identity=False,
        shown_default="$SURVKIT_DATA_DIR, or ./data",
    )
    cause_of_interest: str | None = _data(
        None, "of several causes of the event, the one that counts; the others count as censored"
    )
    split: Literal["holdout", "folds"] = _split(
        "holdout", "test a tenth of the subjects, or one of --folds equal parts of them"
    )
    split_seed: int = _split(
        42, "seed of the split; another one repeats it", at_least=0, at_most=2**32 - 1
    )
    folds: int = _split(5, "number of folds (--split folds)", at_least=2, at_most=10**6)
    fold: int = _split(
        0, "fold that is tested, from 0 (--split folds)", at_least=0, at_most=10**6 - 1
    )
    inner_folds: int = _split(
        0,
        "validate on one of so many equal parts of the training and validation rows; 0: as split",
        at_least=0,
        at_most=10**6,
    )
    inner_fold: int = _split(
        0, "part to validate on, from 0 (--inner_folds)", at_least=0, at_most=10**6 - 1
    )
    stratified_split: bool | None = _split(
        None,
        "give training, validation and test rows the same share of events",
        neutral=False,
        shown_default="for fewer than 2,000 rows, but not for support2, mnist and sepsis",
    )
    time_bins: int | None = _grid(
        None,
        "number of cuts of the time grid",
        at_least=2,
        at_most=1_000_000,
        shown_default="100, or 20 for fewer than 1,000 rows",
    )
    quantile_event_times: bool | None = _grid(
        None,
        "cuts at quantiles of the training event times, not evenly spaced",
        neutral=False,
        shown_default="for fewer than 1,000 rows",
    )
    labeling_floor_mode: bool = _grid(
        False, "label a time by the cut at or before it, not at or after it"
    )

    support2_features: Literal["published", "baseline"] = _support2(
        "published",
        "all 42 columns, or only those known at day 3 and not other models' predictions",
    )
    support2_start_day: float | None = _support2(
        None, "count time from this day, of patients still observed", above=0, at_most=1e6
    )
    support2_censor_day: float | None = _support2(
        None, "censor every patient at this day at the latest", above=0, at_most=1e6
    )

    mnist_means: tuple[float, ...] = _mnist(
        (1.0, 5.0, 9.0, 13.0, 17.0, 21.0, 25.0, 29.0, 33.0, 37.0),
        "mean event time of each of the 10 digits",
        above=0,
    )
    mnist_stds: tuple[float, ...] = _mnist(
        (1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 1.0, 1.0, 1.0, 1.0),
        "standard deviation of the event time of each of the 10 digits",
        above=0,
    )
    mnist_censoring_percentage: float = _mnist(
        0.15, "share of the subjects censored before their event", at_least=0, below=1
    )
    mnist_sample_pct: float | tuple[float, ...] = _mnist(
        1.0,
        "share of the training rows to keep, or one for each of the 10 digits",
        at_least=0,
        at_most=1,
    )

    single_record: bool = _sepsis(
        True, "one row a patient, averaged over hours, not one for every hour before the onset"
    )
    num_hours: int | None = _sepsis(
        None,
        "hours of a patient to read, from the first",
        at_least=1,
        at_most=1_000_000,
        shown_default="all, or those before the landmark",
    )
    landmark_hours: int | None = _sepsis(
        None,
        "predict at this hour: for patients at risk then, from the hours before it",
        at_least=1,
        at_most=1_000_000,
    )
    administrative_censoring: bool = _sepsis(
        True,
        "patients without an onset are event-free up to the horizon, not censored when they leave",
    )
    skip_bad_files: bool = _sepsis(False, "leave out and count files that cannot be used")

    csv_path: str | None = _csv(
        None,
        "path of the table: .csv, .tsv, .txt (or .gz of these), .parquet, .xlsx, .sav, .dta or "
        ".sas7bdat",
        is_path=True,
        identity=False,
    )
    time_column: str | None = _csv(None, "column of event or censoring times")
    event_column: str | None = _csv(
        None, "column of events: 1/0, true/false, yes/no or t/f, or see event_value and causes"
    )
    event_value: str | None = _csv(
        None, "value of the event column that means the event was seen, such as dead"
    )
    causes: tuple[str, ...] = _csv(
        (), "values of the event column with the names of their causes, such as 1=relapse 2=death"
    )
    censored_values: tuple[str, ...] = _csv(
        (),
        "with causes, values of the event column that mean censored, such as alive",
        shown_default="0, false, no, f and censored",
    )
    start_column: str | None = _csv(None, "column of the date that time counts from")
    end_column: str | None = _csv(None, "column of the date of event or censoring")
    entry_column: str | None = _csv(
        None,
        "column of the time, or with dates the date, from which a subject is observed, where some "
        "come under observation late",
    )
    date_format: str | None = _csv(
        None,
        "how these dates are written, such as %d/%m/%Y",
        shown_default="ISO dates, such as 2020-12-31",
    )
    time_unit: str | None = _csv(
        None,
        "unit of the times, for tables and axes, such as months; between dates one of days, "
        "weeks, months and years",
        identity=False,
        shown_default="none, or days between dates",
    )
    categorical_columns: tuple[str, ...] = _csv(
        (), "columns of categories, besides those of text", shown_default="columns of text"
    )
    numeric_columns: tuple[str, ...] = _csv(
        (),
        "columns of numbers in which <5 counts as 5, 98,099 as 98099 and 50.2% as 50.2",
        shown_default="columns that hold numbers alone",
    )
    drop_columns: tuple[str, ...] = _csv((), "columns to leave out")
    id_column: str | None = _csv(None, "column that names a row, which is no feature")
    group_column: str | None = _csv(
        None, "column that names the subject of several rows, which every split keeps together"
    )
    missing_values: tuple[str, ...] = _csv(
        (),
        "cells that mean a missing value, besides empty ones",
        shown_default="NA N/A <NA> NaN NULL None . ? #N/A -",
    )
    csv_separator: str | None = _csv(
        None,
        "comma, semicolon, tab or bar between the cells of a line",
        identity=False,
        shown_default="found",
    )
    csv_decimal: Literal["point", "comma"] | None = _csv(
        None, "decimal mark of the numbers", identity=False, shown_default="found"
    )
    csv_encoding: str | None = _csv(
        None, "encoding of the file, such as cp1252", identity=False, shown_default="found"
    )

    synthetic_rows: int = _synthetic(
        4000, "number of subjects to generate", at_least=50, at_most=10**9
    )
    synthetic_process: Literal["proportional", "nonproportional"] = _synthetic(
        "proportional", "whether hazards keep their ratio over time"
    )

    def __post_init__(self) -> None:
        validate(self)
        self._check_folds()
        if self.time_unit is not None and not self.time_unit.strip():
            raise InputError("--time_unit is empty; it names the unit of the times, such as months")

    def _check_folds(self) -> None:
        self._check_inner_folds()
        if self.split == "folds":
            if self.fold >= self.folds:
                raise InputError(
                    f"--fold is {self.fold}; with --folds {self.folds} it is one of 0 to "
                    f"{self.folds - 1}"
                )
            return
        defaults = {field.name: field.default for field in fields(DataConfig)}
        for flag in ("folds", "fold"):
            if getattr(self, flag) != defaults[flag]:
                raise InputError(f"--{flag} {getattr(self, flag)} is for --split folds")

    def _check_inner_folds(self) -> None:
        if self.inner_folds == 1:
            raise InputError("--inner_folds is 1; it must be 0, for none, or at least 2")
        if self.inner_fold >= max(self.inner_folds, 1):
            at_most = f"one of 0 to {self.inner_folds - 1}" if self.inner_folds else "not read"
            raise InputError(
                f"--inner_fold is {self.inner_fold}; with --inner_folds {self.inner_folds} it is "
                f"{at_most}"
            )
