"""Survival MNIST: images of digits, with event times drawn by digit."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Unpack

import numpy as np
from numpy.typing import NDArray

from survkit.datasets.assemble import (
    CommonParameters,
    Dataset,
    GridParameters,
    check_events,
    evenly_spaced,
    grid_flags,
    separated,
    time_grid,
)
from survkit.datasets.card import Card
from survkit.datasets.holdout import random_split
from survkit.datasets.mnist_files import read_mnist
from survkit.datasets.splitting import SplitRows, split_rows
from survkit.types import (
    LARGEST,
    SMALLEST,
    BoolArray,
    InputError,
    Splits,
    SurvivalData,
    TimeGrid,
)

NUM_DIGITS = 10
PUBLISHED_MEANS = (1.0, 5.0, 9.0, 13.0, 17.0, 21.0, 25.0, 29.0, 33.0, 37.0)
PUBLISHED_STDS = (1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 1.0, 1.0, 1.0, 1.0)
PUBLISHED_CENSORING = 0.15
VALIDATION_ROWS = 5000

_SEED = 20_001
_VERSION = 1
_NOTES = (
    "Event times are generated: log-normal, with mean and standard deviation by digit.",
    "Censoring is uniform before the event time and so depends on it: IPCW is not valid here. "
    "The event time is kept as true_time; read the metrics against it.",
)


MNIST_CARD = Card(
    name="mnist",
    n=70_000,
    events=0,
    time_unit="arbitrary units",
    source="LeCun, Cortes, Burges: the MNIST database of handwritten digits",
    licence="copyright LeCun and Cortes; commonly given as CC BY-SA 3.0",
    notes=_NOTES,
    dependent_censoring=True,
)

DIGITS_CARD = Card(
    name="digits",
    n=1797,
    events=0,
    time_unit="arbitrary units",
    source="Alpaydin, Kaynak (1998): UCI optical recognition of handwritten digits, test part, "
    "by way of scikit-learn",
    licence="CC BY 4.0",
    notes=_NOTES,
    dependent_censoring=True,
)


class SurvivalTimes(NamedTuple):
    """Generated outcomes, each of shape (n,)."""

    event: BoolArray
    time: NDArray[np.float64]
    true_time: NDArray[np.float64]


class Process(NamedTuple):
    """The parameters that event times are drawn with, checked by `process_of`."""

    means: tuple[float, ...]
    stds: tuple[float, ...]
    censoring: float

    @property
    def horizon(self) -> float:
        """The last cut of the time grid: the largest mean and three largest deviations."""
        return max(self.means) + 3 * max(self.stds)


def process_of(means: Sequence[float], stds: Sequence[float], censoring: float) -> Process:
    """Return the parameters of the event times; InputError where one is out of range."""
    for name, values in (("mnist_means", means), ("mnist_stds", stds)):
        if len(values) != NUM_DIGITS:
            raise InputError(
                f"--{name} has {len(values)} numbers; it needs {NUM_DIGITS}, one for each digit"
            )
        for digit, value in enumerate(values):
            if not SMALLEST <= value <= LARGEST:
                raise InputError(
                    f"--{name} is {value:g} for digit {digit}; it must be {SMALLEST:g} to "
                    f"{LARGEST:g}"
                )
    if not 0 <= censoring < 1:
        raise InputError(
            f"--mnist_censoring_percentage is {censoring:g}; it is a share, at least 0 and below 1"
        )
    return Process(tuple(map(float, means)), tuple(map(float, stds)), float(censoring))


def draw_times(label: NDArray[np.int64], process: Process) -> SurvivalTimes:
    """Draw event and censoring times for digits.

    The event time is log-normal with mean M and standard deviation s of its digit: its logarithm
    is normal with mean log(M^2 / sqrt(M^2 + s^2)) and variance log(1 + s^2 / M^2). A subject is
    censored with the given probability, uniformly between 0 and its event time. The times are the
    same for the same arguments: the seed is the dataset's own.
    """
    mean_squared, variance = np.square(process.means), np.square(process.stds)
    location = np.log(mean_squared / np.sqrt(mean_squared + variance))
    scale = np.sqrt(np.log1p(variance / mean_squared))
    random = np.random.RandomState(_SEED)  # numpy promises to keep this stream
    normal, censored, share = random.randn(len(label)), *random.rand(2, len(label))
    log_time = location[label] + scale[label] * normal
    if log_time.min() < np.log(SMALLEST) or log_time.max() > np.log(LARGEST):
        digit = int(label[np.argmax(np.abs(log_time))])
        raise InputError(
            f"--mnist_means and --mnist_stds give digit {digit} times outside {SMALLEST:g} to "
            f"{LARGEST:g}; choose less extreme numbers"
        )
    true_time = np.exp(log_time)
    event = censored >= process.censoring
    return SurvivalTimes(event, np.where(event, true_time, share * true_time), true_time)


def load_mnist(
    *,
    data_dir: Path | str,
    mnist_means: Sequence[float] = PUBLISHED_MEANS,
    mnist_stds: Sequence[float] = PUBLISHED_STDS,
    mnist_censoring_percentage: float = PUBLISHED_CENSORING,
    mnist_sample_pct: float | Sequence[float] = 1.0,
    download: bool = True,
    **common: Unpack[CommonParameters],
) -> Dataset:
    """Load Survival MNIST on the images in `MNIST/raw`, downloaded where they are not there.

    The test rows are MNIST's own; of its training rows a random 5,000 are for validation. Pixels
    are divided by 255 and nothing else.

    Parameters
    ----------
    data_dir : Path
        Folder that holds `MNIST/raw`.
    mnist_means, mnist_stds : sequence of float, length 10
        Mean and standard deviation of the event time of each digit.
    mnist_censoring_percentage : float
        Share of subjects censored before their event, in [0, 1).
    mnist_sample_pct : float, or sequence of float of length 10
        Share of the training rows to keep, in (0, 1], or one share for each digit, in [0, 1].
    download : bool
        Whether to download images that are not there.
    **common
        As in `time_grid`; the cuts go to the largest mean and three largest deviations. The split
        cannot be another one.

    Raises
    ------
    InputError
        For files that are damaged, not there or cannot be downloaded, or a parameter out of range.
    """
    grid, asked = separated(common)
    asked.refuse_other_flags("mnist", "its test rows are its own")
    process = process_of(mnist_means, mnist_stds, mnist_censoring_percentage)
    pixels, label, num_train = read_mnist(data_dir, download=download)
    train, validation = random_split(np.arange(num_train), VALIDATION_ROWS)
    rows = SplitRows(train, validation, np.arange(num_train, len(label)))
    dataset = _dataset(MNIST_CARD, pixels, 255, label, rows, process, mnist_sample_pct, grid)
    return replace(dataset, own_test_rows=True)


def load_digits(
    *,
    mnist_means: Sequence[float] = PUBLISHED_MEANS,
    mnist_stds: Sequence[float] = PUBLISHED_STDS,
    mnist_censoring_percentage: float = PUBLISHED_CENSORING,
    mnist_sample_pct: float | Sequence[float] = 1.0,
    **common: Unpack[CommonParameters],
) -> Dataset:
    """Load a small substitute for Survival MNIST: scikit-learn's 1,797 digits of 8x8 pixels.

    Parameters and errors are those of `load_mnist`; pixels are divided by 16. Rows are split
    80/10/10, stratified by the event unless asked otherwise.
    """
    from sklearn import datasets

    process = process_of(mnist_means, mnist_stds, mnist_censoring_percentage)
    pixels, label = datasets.load_digits(return_X_y=True)
    pixels, label = pixels.astype(np.uint8), label.astype(np.int64)
    grid, asked = separated(common)
    split = asked.resolved(len(label))
    rows = split_rows(len(label), event=draw_times(label, process).event, split=split)
    dataset = _dataset(DIGITS_CARD, pixels, 16, label, rows, process, mnist_sample_pct, grid)
    return replace(dataset, split=split)


def _dataset(
    card: Card,
    pixels: NDArray[np.uint8],
    white: int,
    label: NDArray[np.int64],
    rows: SplitRows,
    process: Process,
    sample_pct: float | Sequence[float],
    grid: GridParameters,
) -> Dataset:
    """Build the dataset of images, pixels (n, p) from 0 to `white` of the digits `label` (n,)."""
    times = draw_times(label, process)
    if isinstance(sample_pct, Sequence):
        sample_pct = tuple(map(float, sample_pct))
        rows = rows._replace(train=_sample_each_digit(rows.train, label, sample_pct))
    else:
        rows = rows._replace(train=_sample(rows.train, sample_pct))
    grid = evenly_spaced(grid)  # as published, however few are kept
    splits = Splits(
        *(
            SurvivalData(
                features=pixels[part].astype(np.float32) / np.float32(white),
                label=label[part],
                **{name: values[part] for name, values in times._asdict().items()},
            )
            for part in rows
        )
    )
    check_events(splits.train.event, "the training split")
    n = sum(map(len, splits))
    digest = hashlib.sha256(pixels.tobytes())
    digest.update(label.astype("<i8").tobytes())
    # The parameters stand for the times, whose last digit can differ between machines.
    digest.update(f"{card.name} {_VERSION} {process} {sample_pct}".encode())
    return Dataset(
        name=card.name,
        splits=splits,
        grid=_grid(splits.train, process.horizon, n, grid),
        preprocessor=None,
        card=replace(card, n=n, events=int(sum(part.event.sum() for part in splits))),
        sha256=digest.hexdigest(),
        grid_flags=grid_flags(n, grid),
        rows=rows,
    )


def _sample(rows: NDArray[np.int64], share: float) -> NDArray[np.int64]:
    """Return the first rows of a random order, so that a larger share contains a smaller one."""
    if not 0 < share <= 1:
        raise InputError(f"--mnist_sample_pct is {share:g}; it is a share, above 0 and at most 1")
    return rows[: max(1, round(share * len(rows)))]


def _sample_each_digit(
    rows: NDArray[np.int64], label: NDArray[np.int64], shares: Sequence[float]
) -> NDArray[np.int64]:
    """Return the first rows of each digit, in the order of all of them."""
    if len(shares) != NUM_DIGITS:
        raise InputError(
            f"--mnist_sample_pct has {len(shares)} numbers; it needs one, or {NUM_DIGITS}, one for "
            "each digit"
        )
    kept = np.zeros(len(rows), bool)
    for digit, share in enumerate(shares):
        if not 0 <= share <= 1:
            raise InputError(
                f"--mnist_sample_pct is {share:g} for digit {digit}; it is a share, from 0 to 1"
            )
        of_digit = np.flatnonzero(label[rows] == digit)
        kept[of_digit[: round(share * len(of_digit))]] = True
    if not kept.any():
        raise InputError(
            "--mnist_sample_pct leaves no training rows; at least one share must be above 0"
        )
    return rows[kept]


def _grid(train: SurvivalData, horizon: float, n: int, grid: GridParameters) -> TimeGrid:
    # A subject censored at the horizon ends the grid there, wherever the drawn times end.
    within = train.time <= horizon
    time = np.append(train.time[within], horizon)
    return time_grid(time, np.append(train.event[within], False), n=n, **grid)
