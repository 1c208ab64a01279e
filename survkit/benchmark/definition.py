"""What a benchmark consists of: datasets, models and splits, read from a YAML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from survkit.configs.args_file import build_config
from survkit.configs.search import SearchConfig
from survkit.configs.train import TrainConfig
from survkit.datasets import COMMON_PARAMETERS, SPLIT_PARAMETERS
from survkit.experiments import Sweep
from survkit.experiments.sweep import AFTER, FIELDS, NAME, is_varied
from survkit.experiments.sweep_file import read_mapping
from survkit.runs.flags import readers
from survkit.text import cut, nearest, one_line, shown
from survkit.types import InputError

KEYS = ("datasets", "models", "splits", "folds", "common", "search")
SEARCH_KEYS = ("trials", "metric", "pruning", "inner_folds")
SPACE, INNER = "space", "inner_folds"
MOST_SPLITS = 1000


class SearchRules(NamedTuple):
    """What holds for every search of a benchmark; `inner_folds` is 0 for one validation split."""

    config: SearchConfig
    inner_folds: int

    def __str__(self) -> str:
        rows = f"{self.inner_folds} inner folds" if self.inner_folds else "the validation rows"
        return (
            f"Each model found its hyperparameters in each split: {self.config.trials} trials, the "
            f"choice by {self.config.metric} of {rows}."
        )


class Benchmark(NamedTuple):
    """Datasets, models and splits, each with each.

    Parameters
    ----------
    datasets, models : mapping
        What each is called, and its flags of `survkit.train`.
    splits : mapping
        Flags of the splits; a list stands for one split with each of its values.
    common : mapping
        Flags of every run.
    search : SearchRules, optional
        How each model finds its hyperparameters in each split; None where it has those given.
    spaces : mapping
        What a search of a model varies, by what the model is called; the others vary their own.
    """

    datasets: Mapping[str, Mapping[str, Any]]
    models: Mapping[str, Mapping[str, Any]]
    splits: Mapping[str, Any]
    common: Mapping[str, Any]
    search: SearchRules | None = None
    spaces: Mapping[str, Mapping[Any, Any]] = {}

    @property
    def kinds(self) -> dict[str, tuple[str, str]]:
        """The dataset and the model of each kind of run in `sweep`, by its name."""
        return {f"{d} {m}": (d, m) for d in self.datasets for m in self.models}

    @property
    def sweep(self) -> Sweep:
        """All runs: a kind for each dataset and model, in each split."""
        runs = [
            {**self.datasets[d], **self.models[m], NAME: name}
            for name, (d, m) in self.kinds.items()
        ]
        return Sweep(common={**self.common, **self.splits}, runs=runs)


def read_benchmark(path: str | Path) -> Benchmark:
    """Read a benchmark from a YAML file.

    Its keys: `datasets` and `models`, lists of names or of mappings of flags with their own
    `name`, and for a model with its own search `space`; `splits`, how many holdout splits (seeds
    0, 1, ...) or a list of their seeds, or `folds`, how many folds to test in turn; `common`,
    flags of every run; `search`, the rules of a search for each model in each split.

    Raises
    ------
    InputError
        For a file that cannot be read, or whose parts do not fit together.
    """
    path = Path(path)
    content = read_mapping(path, "the benchmark", KEYS)
    for key in ("datasets", "models"):
        if key not in content:
            raise InputError(f"{path} has no {key}: a list of names")
    common = content.get("common") or {}
    if not isinstance(common, dict):
        raise InputError(f"{path}: common must be flags with their values, as 'bootstrap: 0'")
    models = _entries(path, "models", "model", content["models"])
    spaces = {name: flags.pop(SPACE) for name, flags in models.items() if SPACE in flags}
    benchmark = Benchmark(
        datasets=_entries(path, "datasets", "dataset", content["datasets"]),
        models=models,
        splits=_splits(path, content),
        common={"bootstrap": 0, **common},
        search=_search_rules(path, content),
        spaces=spaces,
    )
    _check_axes(path, benchmark)
    _check_spaces(path, benchmark)
    return benchmark


def _search_rules(path: Path, content: Mapping[str, Any]) -> SearchRules | None:
    if content.get("search") is None:
        return None
    given = content["search"]
    if not isinstance(given, dict):
        raise InputError(f"{path}: search must be rules with their values, as 'trials: 20'")
    if unknown := [key for key in given if key not in SEARCH_KEYS]:
        raise InputError(
            f"{path}: search has the key '{cut(str(unknown[0]))}'"
            f"{nearest(str(unknown[0]), SEARCH_KEYS)}; keys are {', '.join(SEARCH_KEYS)}"
        )
    rules = dict(given)
    try:
        inner: TrainConfig = build_config(TrainConfig, {INNER: rules.pop(INNER, 0)})
        config = build_config(SearchConfig, {**rules, "final_seeds": 1})
    except InputError as error:
        raise InputError(f"{path}: search: {error}") from None
    return SearchRules(config, inner.inner_folds)


def _check_spaces(path: Path, benchmark: Benchmark) -> None:
    for name, space in benchmark.spaces.items():
        if benchmark.search is None:
            raise InputError(f"{path}: {cut(name)} has a space, but the file has no search")
        if not isinstance(space, dict):
            raise InputError(
                f"{path}: the space of {cut(name)} must have flags as its keys, as "
                "'hidden_dim: [32, 64]'"
            )


def _entries(path: Path, key: str, flag: str, items: object) -> dict[str, dict[str, Any]]:
    """Return the flags of each dataset or model, by what it is called."""
    if not isinstance(items, list) or not items:
        raise InputError(f"{path}: {key} must be a list of names, not {shown(items)}")
    entries: dict[str, dict[str, Any]] = {}
    for item in items:
        flags = dict(item) if isinstance(item, dict) else {flag: item}
        name = flags.pop(NAME, flags.get(flag))
        if not isinstance(flags.get(flag), str) or not isinstance(name, str):
            raise InputError(
                f"{path}: {cut(str(item))} in {key} is neither a name nor flags with '{flag}'"
            )
        if one_line(name) != name or not name:
            raise InputError(f"{path}: name must be text on one line, not {shown(name)}")
        if name in entries:
            raise InputError(f"{path}: {cut(name)} stands twice in {key}; give one a name")
        if AFTER in flags:
            raise InputError(f"{path}: {cut(name)}: the runs of a benchmark wait for no others")
        entries[name] = flags
    return entries


def _splits(path: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    if "splits" in content and "folds" in content:
        raise InputError(f"{path} has both splits and folds; choose one")
    if "folds" in content:
        folds = _count(path, "folds", content["folds"], least=2)
        return {"split": "folds", "folds": folds, "fold": list(range(folds))}
    seeds = content.get("splits", 5)
    if not isinstance(seeds, list):
        return {"split_seed": list(range(_count(path, "splits", seeds, least=1)))}
    if not seeds:
        raise InputError(f"{path}: splits is an empty list")
    return {"split_seed": seeds}


def _count(path: Path, key: str, value: object, *, least: int) -> int:
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if not is_whole or not least <= value <= MOST_SPLITS:  # type: ignore[operator]
        raise InputError(
            f"{path}: {key} must be a whole number from {least} to {MOST_SPLITS:,}, "
            f"not {shown(value)}"
        )
    return int(value)  # type: ignore[call-overload,no-any-return]


def _check_axes(path: Path, benchmark: Benchmark) -> None:
    """Refuse flags in a place where they would set one model's data or splits apart."""
    of_data = [f for f in FIELDS if f in COMMON_PARAMETERS or readers(f)["dataset"]]
    elsewhere = {
        **dict.fromkeys(SPLIT_PARAMETERS[1:], "is what splits, folds or search say"),
        "dataset": "belongs to datasets",
        "model": "belongs to models",
        "evaluate_test": "has no place here: models are compared on the test rows",
    }
    same_rows = "is for datasets or common: a dataset's models share its rows and times"
    of_models = {**dict.fromkeys(of_data, same_rows), **elsewhere}
    for own, refused, places in (
        ("dataset", elsewhere, benchmark.datasets),
        ("model", of_models, benchmark.models),
        ("", elsewhere, {"common": benchmark.common}),
    ):
        for name, flags in places.items():
            others = {flag: why for flag, why in refused.items() if flag != own}
            _check_flags(f"{path}: {cut(name)}", flags, others)


def _check_flags(where: str, flags: Mapping[str, Any], refused: Mapping[str, str]) -> None:
    for flag, value in flags.items():
        if flag in refused:
            raise InputError(f"{where}: {flag} {refused[flag]}")
        if flag in FIELDS and is_varied(flag, value):
            raise InputError(
                f"{where}: {flag} is a list; list each dataset or model with a name of its own"
            )


def sizes(benchmark: Benchmark) -> tuple[int, int, int]:
    """Return the numbers of datasets, models and splits."""
    varied: Sequence[Any] = next(v for v in benchmark.splits.values() if isinstance(v, list))
    return len(benchmark.datasets), len(benchmark.models), len(varied)
