"""The PhysioNet 2019 challenge's files: found, read at once, checked one by one, cached."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from survkit.datasets.sepsis_parsing import FEATURES, UnusableFileError, find_problems, parse
from survkit.datasets.storage import cache_folder, load_cached
from survkit.types import BoolArray, InputError

TRAINING = Path("physionet.org/files/challenge-2019/1.0.0/training")
SETS = ("training_setA", "training_setB")

_CACHE_VERSION = 1
_FILES_AT_ONCE = 4000
_SHOWN = 5


@dataclass(frozen=True, eq=False)
class SepsisRecords:
    """Hourly records of patients, the rows of a patient one after another.

    Parameters
    ----------
    values : array, shape (36, rows), float32
        One line per column of `FEATURES`; missing values are NaN.
    sepsis_label : array, shape (rows,), bool
        True from six hours before the onset on.
    patient, hours, set_index : array, shape (n,), int64
        Each patient's number, number of rows, and which of `SETS` it is in.
    sha256 : str
        Digest of all of this.
    """

    values: NDArray[np.float32]
    sepsis_label: BoolArray
    patient: NDArray[np.int64]
    hours: NDArray[np.int64]
    set_index: NDArray[np.int64]
    sha256: str


class _PatientFile(NamedTuple):
    path: str
    set_index: int
    size: int
    mtime_ns: int

    @property
    def name(self) -> str:
        return f"{SETS[self.set_index]}/{os.path.basename(self.path)}"

    @property
    def patient(self) -> int | None:
        match = re.fullmatch(r"p(\d+)\.psv", os.path.basename(self.path))
        return int(match[1]) if match else None


def read_records(
    data_dir: Path | str, *, skip_bad_files: bool = False
) -> tuple[SepsisRecords, tuple[str, ...]]:
    """Read the patients of whichever sets there are, from a cache where the files are as before.

    Returns the records, and warnings: files left out, a cache that was damaged or cannot be kept.
    A file cannot be used where a column is missing, it has no rows, a value is not a number, a line
    is cut off, or its patient has another file. `skip_bad_files` leaves such files out; otherwise
    they raise InputError, as do a directory without either set and a set without files.
    """
    files = list(_find(Path(data_dir)))

    def build() -> dict[str, NDArray[Any]]:
        arrays, bad = _read(files)
        if bad and not skip_bad_files:
            raise InputError(f"{_counted(bad)}; --skip_bad_files leaves such files out")
        arrays["sha256"] = np.array(_sha256(arrays))
        arrays["bad"] = np.array(bad, dtype=str)
        return arrays

    # A cache of what is left without bad files would hide them from a run that must not skip.
    listing = repr((_CACHE_VERSION, skip_bad_files, [tuple(file) for file in files]))
    key = hashlib.sha256(listing.encode()).hexdigest()
    arrays, warnings = load_cached(cache_folder(data_dir) / "sepsis.npz", build, key=key)
    bad = arrays.pop("bad").tolist()
    if bad:
        warnings = (*warnings, f"left out {_counted(bad)}")
    sha256 = str(arrays.pop("sha256"))
    return SepsisRecords(sha256=sha256, **arrays), warnings


def _counted(bad: Sequence[str]) -> str:
    more = f"; and {len(bad) - _SHOWN:,} more" if len(bad) > _SHOWN else ""
    files = f"{len(bad):,} file{'s' if len(bad) > 1 else ''} that cannot be used"
    return f"{files}: {'; '.join(bad[:_SHOWN])}{more}"


def _find(data_dir: Path) -> Iterator[_PatientFile]:
    """List the files of each set, in the order of their names."""
    training = (data_dir / TRAINING).absolute()
    folders = enumerate(training / name for name in SETS)
    found = [(index, folder) for index, folder in folders if folder.is_dir()]
    if not found:
        raise InputError(
            f"neither {' nor '.join(SETS)} is in {training}; get them by\n  wget -r -N -c -np "
            f"https://physionet.org/files/challenge-2019/1.0.0/ -P {data_dir}\n"
            "or name the folder that holds physionet.org with --data_dir"
        )
    for index, folder in found:
        try:
            entries = sorted(
                (entry.name, entry.path, entry.stat())
                for entry in os.scandir(folder)
                if entry.name.endswith(".psv") and not entry.name.startswith(".")
            )
        except OSError as error:
            raise InputError(f"cannot read {folder}: {error.strerror}") from error
        if not entries:
            raise InputError(
                f"{folder} holds no .psv file; fill it, or remove the folder to go without this set"
            )
        for _, path, stat in entries:
            yield _PatientFile(path, index, stat.st_size, stat.st_mtime_ns)


def _read(files: Sequence[_PatientFile]) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Return the records of all files that can be used, and what is wrong with the others."""
    named, bad = _with_own_patient(files)
    values, labels, hours, good = [], [], [], []
    for start in range(0, len(named), _FILES_AT_ONCE):
        chunk = named[start : start + _FILES_AT_ONCE]
        contents = [_content(file.path) for file in chunk]
        try:
            table, lengths = parse(contents)
        except UnusableFileError:
            problems = find_problems(contents)
            triples = list(zip(chunk, contents, problems, strict=True))
            bad += [f"{file.name}: {what}" for file, _, what in triples if what]
            chunk = [file for file, _, what in triples if not what]
            table, lengths = parse([content for _, content, what in triples if not what])
        values.append(table[:-1])
        labels.append(table[-1] == 1)
        hours.append(lengths)
        good += chunk
    if not good:
        raise InputError(f"no file can be used: {_counted(bad)}")
    arrays = {
        "values": np.concatenate(values, axis=1),
        "sepsis_label": np.concatenate(labels),
        "patient": np.array([file.patient for file in good], dtype=np.int64),
        "hours": np.concatenate(hours),
        "set_index": np.array([file.set_index for file in good], dtype=np.int64),
    }
    return arrays, bad


def _with_own_patient(files: Sequence[_PatientFile]) -> tuple[list[_PatientFile], list[str]]:
    """Return the first file of each patient, and what is wrong with the others' names."""
    first: dict[int, _PatientFile] = {}
    bad = []
    for file in files:
        if file.patient is None:
            bad.append(f"{file.name}: the name is not p<number>.psv, such as p000001.psv")
        elif file.patient in first:
            bad.append(f"{file.name}: patient already in {first[file.patient].name}")
        else:
            first[file.patient] = file
    return list(first.values()), bad


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def _sha256(arrays: dict[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256(" ".join(FEATURES).encode())
    digest.update(arrays["values"].astype("<f4").tobytes())
    for name in ("sepsis_label", "patient", "hours", "set_index"):
        digest.update(arrays[name].astype("<i8").tobytes())
    return digest.hexdigest()
