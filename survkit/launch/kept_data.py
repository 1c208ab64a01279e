"""The datasets that a worker keeps from one job to the next."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from survkit.configs.args_file import build_config, given_flags
from survkit.configs.train import TrainConfig
from survkit.configs.wandb import WandbConfig
from survkit.datasets import load_configured, load_parameters
from survkit.runs.flags import canonical
from survkit.types import InputError

if TYPE_CHECKING:
    from survkit.datasets.assemble import Dataset

MOST_DATASETS, MOST_BYTES = 16, 10**9
"""What is kept: so many datasets of so many bytes of features together, and always the last one."""


def dataset_key(parameters: Mapping[str, Any]) -> str:
    """Return what decides which data a configuration loads, and so what can share it.

    Parameters
    ----------
    parameters : mapping
        A configuration of `survkit.train`, by flag.

    Raises
    ------
    InputError
        For an unknown dataset.
    """
    names = ("dataset", *load_parameters(parameters["dataset"]))
    values = [parameters[name] for name in names]
    path = parameters.get("csv_path")
    if path and os.path.exists(path):  # a table of the user's own may be changed at any time
        status = os.stat(path)
        values += [status.st_size, status.st_mtime_ns]
    return repr(values)


class KeptData:
    """The datasets used last, by what they were loaded with."""

    def __init__(self) -> None:
        self._datasets: OrderedDict[str, Dataset] = OrderedDict()

    @property
    def keys(self) -> list[str]:
        """What is kept, by `dataset_key`, the last used at the end."""
        return list(self._datasets)

    def prepare(self, arguments: Sequence[str]) -> None:
        """Load the data of a job; what cannot be loaded is left to the job, which says why.

        Parameters
        ----------
        arguments : sequence of str
            The arguments of `survkit.train`.
        """
        try:
            given = given_flags(
                (TrainConfig, WandbConfig),
                arguments,
                prog="survkit.train",
                description="",
                words={},
            )
            parameters = asdict(canonical(build_config(TrainConfig, given.values)))
            key = dataset_key(parameters)
            if key not in self._datasets:
                self._datasets[key] = load_configured(parameters)
        except (InputError, OSError, SystemExit):  # the job meets it again, and reports it
            return
        self._datasets.move_to_end(key)
        self._drop_oldest()

    def _drop_oldest(self) -> None:
        while len(self._datasets) > 1 and (
            len(self._datasets) > MOST_DATASETS
            or sum(map(_size, self._datasets.values())) > MOST_BYTES
        ):
            self._datasets.popitem(last=False)

    def keep_only_prepared(self) -> None:
        """Drop all datasets but the last one."""
        while len(self._datasets) > 1:
            self._datasets.popitem(last=False)

    def load(self, parameters: Mapping[str, Any]) -> Dataset:
        """Return the data of a configuration, loaded now where it is not kept."""
        try:
            kept = self._datasets.get(dataset_key(parameters))
        except (InputError, OSError):
            kept = None
        return load_configured(parameters) if kept is None else kept


def _size(dataset: Dataset) -> int:
    splits = dataset.splits
    return sum(part.features.nbytes for part in (splits.train, splits.validation, splits.test))
