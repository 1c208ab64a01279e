"""Which flags a run reads: those of its dataset, those of its model, and those of the command.

The registries say which dataset or model reads a flag; one that none of them lists is read by the
command itself (the evaluation, the seed, folders) and so by every run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from functools import cache
from typing import Any

from survkit.configs.args_file import Given
from survkit.configs.train import TrainConfig
from survkit.datasets import DATASETS, dataset_entry, dataset_name, folder_name, known_datasets
from survkit.heads import default_value_dim
from survkit.models.registry import MODELS, model_name
from survkit.types import InputError

DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(TrainConfig)}
PATHS = ("data_dir", "csv_path")
"""Where data are, which says nothing about what they are."""

OF_CONFORMAL = tuple(name for name in DEFAULTS if name.startswith("conformal_"))
"""Flags that nothing reads without `conformal`."""


def registry_names() -> dict[str, str]:
    """Return the names that help texts list, by the word that stands for them there."""
    return {"datasets": known_datasets(), "models": ", ".join(MODELS)}


def readers(flag: str) -> dict[str, list[str]]:
    """Return the datasets and the models that read a flag; none for a flag of the command."""
    return {
        "dataset": [name for name, entry in DATASETS.items() if flag in _of_dataset(name)],
        "model": [name for name, entry in MODELS.items() if flag in entry.parameters],
    }


def _of_dataset(name: str) -> list[str]:
    return [flag for flag in dataset_entry(name).parameters if flag != "data_dir"]


def dataset_and_model_flags(dataset: str, model: str) -> list[str]:
    """Return the flags that a dataset and a model read, in their registries' order."""
    of_model = MODELS[model].parameters if model in MODELS else ()  # an ensemble of several
    return [*_of_dataset(dataset), *of_model]


def is_read(flag: str, dataset: str, model: str) -> bool:
    """Whether a run on this dataset with this model reads a flag."""
    return flag in dataset_and_model_flags(dataset, model) or _is_of_command(flag)


@cache
def _is_of_command(flag: str) -> bool:
    return not any(readers(flag).values())


def canonical(config: TrainConfig) -> TrainConfig:
    """Name dataset and model as their registries do, fill in the group, reset unread flags.

    The width of the Personalized MoE's value is filled in where it is not `hidden_dim`.

    Raises
    ------
    InputError
        For an unknown dataset or model, with the nearest known name.
    """
    dataset, model = dataset_name(config.dataset), model_name(config.model)
    # An args file may hold flags for several models, and a sweep those of all its runs.
    unread = {name: value for name, value in DEFAULTS.items() if not is_read(name, dataset, model)}
    if config.conformal == "none":
        unread |= {name: DEFAULTS[name] for name in OF_CONFORMAL}
    times = tuple(sorted(config.evaluation_times))
    group = config.group or folder_name(dataset)
    config = replace(
        config, dataset=dataset, model=model, group=group, evaluation_times=times, **unread
    )
    return replace(config, moe_value_dim=_value_dim(config))


def not_filled_in(config: TrainConfig) -> TrainConfig:
    """Return a canonical configuration without what `canonical` filled in from other flags.

    So that these may change: a width for 10 experts does not split into 15 chunks.
    """
    without = replace(config, moe_value_dim=None)
    return without if _value_dim(without) == config.moe_value_dim else config


def _value_dim(config: TrainConfig) -> int | None:
    """Return `moe_value_dim`, filled in where neither it nor `hidden_dim` is the width.

    Where it is `hidden_dim`, it stays None: a run's identifier depends on the flag.
    """
    if config.moe_value_dim is not None or config.model != "personalized_moe":
        return config.moe_value_dim
    experts, chunked = config.mixture_components, config.moe_chunk_value_dim
    width = default_value_dim(config.hidden_dim, experts, chunked=chunked)
    return None if width == config.hidden_dim else width


def refuse_unread(config: TrainConfig, given: Given) -> None:
    """Refuse flags that nothing in a run reads: they would have no effect.

    A flag of the command line must be read by the run's dataset or model. An args file may serve
    several models; of its flags those of another dataset are refused, unless the file names that
    dataset and the command line another.

    Raises
    ------
    InputError
        Naming every such flag, what reads it and what the run has.
    """
    dataset, model = dataset_name(config.dataset), model_name(config.model)
    of_file = dataset_name(given.of_files.get("dataset", dataset))
    flags = [flag for flag in {**given.of_files, **given.typed} if flag in DEFAULTS]
    unread = [flag for flag in flags if flag in given.typed and not is_read(flag, dataset, model)]
    for flag in flags:
        by = readers(flag)["dataset"]
        of_data = {*_of_dataset(dataset), *_of_dataset(of_file)}
        if by and flag not in given.typed and flag not in of_data:
            unread.append(flag)
    if unread:
        raise InputError(why_unread(unread, dataset, model))


def refuse_unused(config: TrainConfig, given: Given) -> None:
    """Refuse flags on the command line that another flag leaves without effect.

    Raises
    ------
    InputError
        For flags of a conformal calibration without one.
    """
    typed = [f"--{name}" for name in OF_CONFORMAL if name in given.typed]
    if typed and config.conformal == "none":
        raise InputError(f"{', '.join(typed)}: read only with --conformal csd or cipot")


def why_unread(flags: Iterable[str], dataset: str, model: str) -> str:
    """Return what reads some flags, and what the run has instead."""
    by_reader: dict[str, list[str]] = {}
    for flag in flags:
        kinds = [
            f"--{kind} {' or '.join(names)}, and --{kind} is {has}"
            for (kind, names), has in zip(readers(flag).items(), (dataset, model), strict=True)
            if names
        ]
        by_reader.setdefault("; ".join(kinds), []).append(f"--{flag}")
    return "; ".join(
        f"{', '.join(names)}: read only with {reader}" for reader, names in by_reader.items()
    )
