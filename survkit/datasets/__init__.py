"""Datasets by name, each split, preprocessed and described by its card."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from survkit.datasets.assemble import Dataset, GridParameters
from survkit.datasets.bundled import load_bundled
from survkit.datasets.card import Card
from survkit.datasets.csv import load_csv
from survkit.datasets.mnist import load_digits, load_mnist
from survkit.datasets.one_hot import one_hot
from survkit.datasets.preprocessing import Preprocessor
from survkit.datasets.sepsis import load_sepsis
from survkit.datasets.support2 import load_support2
from survkit.datasets.synthetic import load_synthetic
from survkit.datasets.udca import load_udca
from survkit.text import nearest
from survkit.types import InputError

__all__ = [
    "ALIASES",
    "DATASETS",
    "Card",
    "Dataset",
    "DatasetEntry",
    "Preprocessor",
    "dataset_name",
    "load_configured",
    "load_dataset",
    "load_parameters",
    "one_hot",
]


class DatasetEntry(NamedTuple):
    """How a dataset is loaded.

    `parameters` are those it takes beyond those of the time grid; `downloads` tells whether its
    loader downloads files that are not there, unless it is told not to (`download=False`).
    """

    load: Callable[..., Dataset]
    parameters: tuple[str, ...] = ()
    downloads: bool = False


_MNIST = ("mnist_means", "mnist_stds", "mnist_censoring_percentage", "mnist_sample_pct")

DATASETS = {
    "support2": DatasetEntry(
        load_support2,
        ("data_dir", "support2_features", "support2_start_day", "support2_censor_day"),
        downloads=True,
    ),
    "mnist": DatasetEntry(load_mnist, ("data_dir", *_MNIST), downloads=True),
    "digits": DatasetEntry(load_digits, _MNIST),
    "sepsis": DatasetEntry(
        load_sepsis,
        (
            "data_dir",
            "single_record",
            "num_hours",
            "landmark_hours",
            "administrative_censoring",
            "skip_bad_files",
        ),
    ),
    "flchain": DatasetEntry(partial(load_bundled, "flchain")),
    "gbsg2": DatasetEntry(partial(load_bundled, "gbsg2")),
    "whas500": DatasetEntry(partial(load_bundled, "whas500")),
    "veteran": DatasetEntry(partial(load_bundled, "veteran")),
    "rossi": DatasetEntry(partial(load_bundled, "rossi")),
    "lung": DatasetEntry(partial(load_bundled, "lung")),
    "udca": DatasetEntry(load_udca, ("data_dir",)),
    "csv": DatasetEntry(
        load_csv, ("csv_path", "time_column", "event_column", "categorical_columns")
    ),
    "synthetic": DatasetEntry(load_synthetic, ("synthetic_rows", "synthetic_process")),
}

ALIASES = {"SUPPORT2": "support2", "MNIST": "mnist", "Sepsis": "sepsis"}


def dataset_name(name: str) -> str:
    """Return the name of a dataset for its name or alias.

    Raises
    ------
    InputError
        For an unknown name; the message has the nearest one.
    """
    found = ALIASES.get(name, name)
    if found not in DATASETS:
        raise InputError(
            f"unknown dataset '{name}'{nearest(name, [*DATASETS, *ALIASES])}; "
            f"the datasets are {', '.join(DATASETS)}"
        )
    return found


def load_parameters(name: str) -> tuple[str, ...]:
    """Return the names of all parameters of `load_dataset` that matter for a dataset.

    They are also the names of the flags that set them.

    Raises
    ------
    InputError
        For an unknown dataset.
    """
    parameters = DATASETS[dataset_name(name)].parameters
    return tuple(dict.fromkeys(("data_dir", *GridParameters.__annotations__, *parameters)))


def load_dataset(
    name: str,
    *,
    data_dir: Path | str,
    time_bins: int | None = None,
    quantile_event_times: bool = False,
    labeling_floor_mode: bool = False,
    download: bool = True,
    **parameters: Any,
) -> Dataset:
    """Load a dataset by name.

    Parameters
    ----------
    name : str
        A key of `DATASETS` or `ALIASES`.
    data_dir : Path
        Folder of data files, for the datasets that have any.
    time_bins, quantile_event_times, labeling_floor_mode
        The time grid, as in `survkit.datasets.assemble.time_grid`.
    download : bool
        Whether to download data files that are not there.
    **parameters
        What the dataset's entry in `DATASETS` lists; its loader describes them.

    Raises
    ------
    InputError
        For an unknown dataset or parameter, or data that cannot be used.
    """
    entry = DATASETS[dataset_name(name)]
    for parameter in parameters:
        if parameter not in entry.parameters:
            raise InputError(
                f"dataset {name} takes no parameter '{parameter}'; "
                f"it takes {', '.join(entry.parameters) or 'none'}"
            )
    if "data_dir" in entry.parameters:
        parameters["data_dir"] = data_dir
    if entry.downloads:
        parameters["download"] = download
    return entry.load(
        time_bins=time_bins,
        quantile_event_times=quantile_event_times,
        labeling_floor_mode=labeling_floor_mode,
        **parameters,
    )


def load_configured(configuration: Mapping[str, Any], *, download: bool = True) -> Dataset:
    """Load the dataset that a run's configuration describes.

    Parameters
    ----------
    configuration : mapping
        Has "dataset", its name, and what `load_parameters` lists for it; the rest is not read.
    download : bool
        As in `load_dataset`.

    Raises
    ------
    InputError
        For an unknown dataset, or data that cannot be used.
    """
    name = configuration["dataset"]
    parameters = {key: configuration[key] for key in load_parameters(name)}
    return load_dataset(name, download=download, **parameters)
