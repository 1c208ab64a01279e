"""Sepsis in intensive care: the PhysioNet/CinC challenge of 2019."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Unpack

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from survkit.datasets.assemble import (
    CommonParameters,
    Dataset,
    check_events,
    evenly_spaced,
    preprocess,
    separated,
)
from survkit.datasets.card import Card
from survkit.datasets.sepsis_files import SETS, SepsisRecords, read_records
from survkit.datasets.sepsis_parsing import FEATURES, GENDER, LABEL
from survkit.datasets.splitting import Split, SplitRows, split_rows
from survkit.datasets.tables import RawTable
from survkit.types import BoolArray, InputError, Splits, SurvivalData, TimeGrid

LABEL_LEAD_HOURS = 6
"""The label turns to 1 this long before the onset."""

DEFAULT_TIME_BINS = 100

_VERSION = 1

_OUTCOME_TIME = "it would tell how long the stay was"

CARD = Card(
    name="sepsis",
    n=0,
    events=0,
    time_unit="hours since the first record",
    source="Reyna et al. (2020), Crit Care Med 48; physionet.org/content/challenge-2019/1.0.0",
    licence="CC BY 4.0",
    dropped_columns={
        LABEL: "the outcome: 1 from six hours before the onset on",
        "ICULOS": f"hours in intensive care; averaged, {_OUTCOME_TIME}",
        "HospAdmTime": "no physiology",
        "Unit1": "no physiology",
        "Unit2": "no physiology",
    },
    notes=(
        "The onset is six hours after the first label of 1; where the first row has it, the onset "
        "may have been earlier.",
        "The files do not tell death from discharge, so the onset has no competing causes here.",
    ),
)

_SEES_ITS_FUTURE = (
    "features are averaged over hours after the onset too: a prediction sees its own future (the "
    "published setting, for comparison only; --landmark_hours is the honest task)"
)


class Task(NamedTuple):
    """The settings that decide rows and outcomes."""

    single_record: bool
    num_hours: int | None
    landmark_hours: int | None
    administrative_censoring: bool
    time_bins: int

    @property
    def start(self) -> int:
        """The hour that time counts from."""
        return self.landmark_hours or 0

    @property
    def hours_read(self) -> float:
        """How many hours of a patient are read."""
        return min(filter(None, (self.num_hours, self.landmark_hours)), default=np.inf)


class _Hours(NamedTuple):
    """Each row's patient (as an index) and hour, and each patient's onset (inf: none seen)."""

    patient: NDArray[np.int64]
    hour: NDArray[np.int64]
    onset: NDArray[np.float64]


def load_sepsis(
    *,
    data_dir: Path | str,
    single_record: bool = True,
    num_hours: int | None = None,
    landmark_hours: int | None = None,
    administrative_censoring: bool = True,
    skip_bad_files: bool = False,
    **common: Unpack[CommonParameters],
) -> Dataset:
    """Load whichever of the challenge's training sets A and B are in the data directory.

    The cuts are the hours 0 to `time_bins` - 1 (100 by default). Patients are split within each
    set, the same way in every setting.

    Parameters
    ----------
    data_dir : Path
        Folder that holds `physionet.org`, as wget leaves it.
    single_record : bool
        One row per patient: numbers averaged and gender maxed over the hours read, after imputing
        and scaling by the training patients' hours. Otherwise every hour before the onset is a
        row, with the time left.
    num_hours : int, optional
        Read the first hours only.
    landmark_hours : int, optional
        Take the patients at risk at this hour only (under observation, onset later), the hours
        before it, and count time from it.
    administrative_censoring : bool
        A patient without onset is known to be event-free: censored at `time_bins`, beyond the
        horizon. Otherwise censored where the record ends.
    skip_bad_files : bool
        As in `read_records`.
    **common
        As in `time_grid`. `quantile_event_times` and `stratified_split` are refused: the cuts are
        hours, and patients are split at random, as published.

    Raises
    ------
    InputError
        For files that are missing or cannot be used, a landmark beyond the data, or settings
        that exclude each other.
    """
    grid, asked = separated(common)
    asked.refuse_other_flags(
        "sepsis", "patients are split at random", allowed=("split_seed", "split")
    )
    split = asked._replace(stratified=False)
    if grid.get("quantile_event_times"):
        raise InputError("--quantile_event_times has no meaning for sepsis: its cuts are hours")
    time_bins = grid.get("time_bins")
    if time_bins is None:
        time_bins = DEFAULT_TIME_BINS
    task = Task(single_record, num_hours, landmark_hours, administrative_censoring, time_bins)
    _check(task)
    records, warnings = read_records(data_dir, skip_bad_files=skip_bad_files)
    hours = _hours(records)
    patients = _at_risk(records, hours, task)
    kept = patients[hours.patient] & (hours.hour < task.hours_read)
    if not single_record:
        after = kept & (hours.hour >= hours.onset[hours.patient])
        kept &= ~after
        warnings = (*warnings, f"{after.sum():,} hourly rows at or after the onset are left out")
    table = _table(records, hours, task, kept)
    splits, preprocessor, notes = preprocess(table, _split(records, hours.patient[kept], split))
    if single_record:
        splits = Splits(*map(one_row_a_subject, splits))
    check_events(splits.train.event, "the training split")
    absent = set(range(len(SETS))).difference(records.set_index)
    missing = (f"{_sets(records)}; {SETS[index]} was not found" for index in sorted(absent))
    parameters = f"{_VERSION} {records.sha256} {task}"
    return Dataset(
        name="sepsis",
        splits=splits,
        grid=TimeGrid(
            np.arange(time_bins, dtype=np.float64), grid.get("labeling_floor_mode", False)
        ),
        preprocessor=preprocessor,
        card=_card(records, hours.onset[patients], task),
        sha256=hashlib.sha256(parameters.encode()).hexdigest(),
        warnings=(*warnings, *missing, *notes),
        grid_flags={**evenly_spaced(grid), "time_bins": time_bins},
        split=split,
    )


def _check(task: Task) -> None:
    for name in ("num_hours", "landmark_hours"):
        value = getattr(task, name)
        if value is not None and value < 1:
            raise InputError(f"--{name} is {value}; it must be at least 1")
    if task.landmark_hours is None:
        return
    if not task.single_record:
        raise InputError(
            "--landmark_hours makes one row per patient; it cannot go with --no_single_record"
        )
    if task.num_hours is not None and task.num_hours > task.landmark_hours:
        raise InputError(
            f"--num_hours is {task.num_hours}, beyond the landmark at hour {task.landmark_hours}; "
            "only hours before it are read"
        )


def _hours(records: SepsisRecords) -> _Hours:
    n = len(records.hours)
    patient = np.repeat(np.arange(n), records.hours)
    first_rows = np.cumsum(records.hours) - records.hours
    hour = np.arange(len(patient)) - first_rows[patient]
    onset = np.full(n, np.inf)
    septic, first = np.unique(patient[records.sepsis_label], return_index=True)
    onset[septic] = hour[records.sepsis_label][first] + LABEL_LEAD_HOURS
    return _Hours(patient, hour, onset)


def _at_risk(records: SepsisRecords, hours: _Hours, task: Task) -> BoolArray:
    """Return whether each patient is in the task, shape (n,)."""
    landmark = task.landmark_hours
    if landmark is None:
        return np.ones(len(records.patient), dtype=np.bool_)
    at_risk = (records.hours > landmark) & (hours.onset > landmark)
    if not at_risk.any():
        raise InputError(
            f"--landmark_hours is {landmark}, but nobody is at risk then: the longest record has "
            f"{records.hours.max()} hours"
        )
    return np.asarray(at_risk)


def _table(records: SepsisRecords, hours: _Hours, task: Task, kept: BoolArray) -> RawTable:
    patient, hour = hours.patient[kept], hours.hour[kept]
    start = np.full(len(hour), task.start) if task.single_record else hour
    onset = hours.onset[patient]
    last = records.hours[patient] - start
    censored = np.full(len(hour), task.time_bins) if task.administrative_censoring else last
    event = np.isfinite(onset)
    return RawTable(
        features=pd.DataFrame(records.values[:, kept].T, columns=list(FEATURES), copy=False),
        event=event,
        time=np.where(event, onset - start, censored),
        categorical=(GENDER,),
        subject_id=records.patient[patient],
    )


def _split(records: SepsisRecords, patient: NDArray[np.int64], split: Split) -> SplitRows:
    """Split the patients of each set, and return the rows (of these patients) of each part."""
    parts = []
    for index in np.unique(records.set_index):
        members = np.flatnonzero(records.set_index == index)
        parts.append([members[rows] for rows in split_rows(len(members), split=split)])
    joined = (np.concatenate(part) for part in zip(*parts, strict=True))
    rows = SplitRows(*(np.flatnonzero(np.isin(patient, part)) for part in joined))
    for name, part in zip(rows._fields, rows, strict=True):
        if not len(part):
            raise InputError(f"the {name} split has no patient; there are too few for this task")
    return rows


def one_row_a_subject(data: SurvivalData) -> SurvivalData:
    """Average the numbers and take the largest category over the rows of each subject.

    A subject's rows are one after another, all with its event and time; it gets one row.
    """
    subject = np.asarray(data.subject_id)
    first = np.flatnonzero(np.append(True, subject[1:] != subject[:-1]))
    blocks = np.split(data.features, first[1:])
    # Some times faster than one np.add.reduceat over all rows.
    features = np.stack([block.mean(axis=0, dtype=np.float64) for block in blocks])
    for column, _ in data.categorical:
        features[:, column] = np.maximum.reduceat(data.features[:, column], first)
    return replace(data.subset(first), features=features.astype(np.float32))


def _sets(records: SepsisRecords) -> str:
    counts = np.bincount(records.set_index, minlength=len(SETS))
    found = [f"{name} ({n:,} patients)" for name, n in zip(SETS, counts, strict=True) if n]
    return f"Read from {' and '.join(found)}"


def _card(records: SepsisRecords, onset: NDArray[np.float64], task: Task) -> Card:
    notes = [f"{_sets(records)}.", *CARD.notes]
    leaks = []
    if task.landmark_hours is not None:
        notes.append(
            f"Landmark at hour {task.landmark_hours}, the honest task: only the {len(onset):,} of "
            f"{len(records.patient):,} patients at risk then, only hours before it, time counted "
            "from it."
        )
    elif task.single_record:
        leaks.append(_SEES_ITS_FUTURE)
    else:
        notes.append("Every hour before the onset is a row, with the time left; no row sees more.")
    if task.administrative_censoring:
        notes.append(
            f"Who leaves without an onset, by discharge too, counts as event-free: censored at "
            f"{task.time_bins}, beyond the horizon."
        )
    else:
        notes.append("Who leaves without an onset, by discharge too, is censored at that hour.")
    unit = f"hours since hour {task.start} of the record" if task.start else CARD.time_unit
    return replace(
        CARD,
        n=len(onset),
        events=int(np.isfinite(onset).sum()),
        time_unit=unit if task.single_record else "hours since the row's hour",
        known_leaks=tuple(leaks),
        notes=tuple(notes),
    )
