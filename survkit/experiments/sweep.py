"""Sweeps as plain data, and the runs that they stand for."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, NamedTuple

from survkit.configs.args_file import build_config, read_args_file
from survkit.configs.options import option_type
from survkit.configs.train import TrainConfig
from survkit.datasets import dataset_name
from survkit.experiments.choice import Axes, choose
from survkit.models.registry import model_name
from survkit.runs.flags import is_read, readers, why_unread
from survkit.text import cut, nearest
from survkit.types import InputError

FIELDS = {field.name: field for field in dataclasses.fields(TrainConfig)}
NAME, AFTER = "name", "after"
NO_FLAGS = {
    NAME: "belongs to a run, below runs",
    AFTER: "belongs to a run, below runs",
    "group": "is the sweep's own name, or what --group says",
    "seeds": "is seed with a list of values in a sweep",
}
"""What a sweep cannot give as a flag of its runs, and why."""


class Sweep(NamedTuple):
    """Runs that belong together.

    Parameters
    ----------
    common : mapping
        Flags of `survkit.train` by name, for every run. A list stands for one run with each of
        its values; several lists for every combination. (A flag that takes several values has a
        list for its value, and a list of lists to vary it.) It counts for the runs whose dataset
        or model reads it; there must be at least one such run.
    runs : sequence of mappings
        More flags, one mapping for each kind of run; they win over `common`. Two further keys:
        `name`, what to call it (default: its model), and `after`, a list of the names of kinds
        that must be done before.
    experiment_args : str, optional
        An .args file that comes before `common`.
    """

    common: Mapping[str, Any] = {}
    runs: Sequence[Mapping[str, Any]] = ({},)
    experiment_args: str | None = None


class PlannedRun(NamedTuple):
    """One run of a sweep.

    Parameters
    ----------
    name : str
        Unique in the sweep, as "mtlr seed=42".
    config : TrainConfig
        Its configuration.
    after : tuple of str
        Names of the runs that must be done before it starts.
    kind : str
        What its kind of run is called.
    """

    name: str
    config: TrainConfig
    after: tuple[str, ...] = ()
    kind: str = ""


def expand(
    sweep: Sweep,
    overrides: Mapping[str, Any] | None = None,
    *,
    optional: Collection[str] = (),
    num_runs: int | None = None,
) -> list[PlannedRun]:
    """Return all runs of a sweep, each after those that it depends on.

    Parameters
    ----------
    sweep : Sweep
        The sweep.
    overrides : mapping, optional
        Values that win over the sweep's, in every run.
    optional : collection of str
        Overrides that no run needs to read, since they come from an args file.
    num_runs : int, optional
        Return a random choice of this many runs, always the same one, with all that they depend
        on. Of more than `MAX_RUNS` combinations only the chosen ones are made, fewer where some
        are one run.

    Raises
    ------
    InputError
        For an unknown field, a value that it cannot have, a flag that no run reads, an override
        of what the sweep varies, an unknown name in `after` or a cycle of them, or more than
        `MAX_RUNS` combinations without `num_runs`.
    """
    overrides = overrides or {}
    base = read_args_file(TrainConfig, Path(sweep.experiment_args)) if sweep.experiment_args else {}
    labels = _labels(sweep)
    flags_of = [{**sweep.common, **_own(run)} for run in sweep.runs]
    axes = [_axes(label, flags) for label, flags in zip(labels, flags_of, strict=True)]
    after = {label: run.get(AFTER, ()) for label, run in zip(labels, sweep.runs, strict=True)}
    chosen = choose(dict(zip(labels, axes, strict=True)), after, num_runs)
    kinds: dict[str, list[str]] = {}
    runs: dict[str, PlannedRun] = {}
    names: set[str] = set()
    given: list[dict[str, Any]] = []
    configs: list[TrainConfig] = []
    for label, run, flags in zip(labels, sweep.runs, flags_of, strict=True):
        of_kind: dict[str, TrainConfig] = {}
        made = kinds.setdefault(label, [])
        for varied, is_chosen in chosen.combinations(label):
            values = {**base, **flags, **varied}
            config = _config(label, varied, {**values, **overrides})
            read = {field: v for field, v in varied.items() if _reads(config, field)}
            name = _run_name(label, read)
            if name in names and (name not in of_kind or read == varied):
                raise InputError(f"{name} stands twice in the sweep")
            names.add(name)
            of_kind[name] = config
            given.append(values)
            if is_chosen:
                runs[name] = PlannedRun(name, config, tuple(run.get(AFTER, ())), label)
        made.extend(name for name in of_kind if name in runs)
        _refuse_unread(label, _own(run), list(of_kind.values()))
        configs += of_kind.values()
    needed = {**sweep.common, **{k: v for k, v in overrides.items() if k not in optional}}
    data = {k: v for k, v in {**base, **overrides}.items() if readers(k)["dataset"]}
    _refuse_unread("the sweep", {**needed, **data}, configs)
    _refuse_varied(given, overrides)
    return chosen.sample(_ordered(runs, kinds))


def _own(run: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in run.items() if name not in (NAME, AFTER)}


def _reads(config: TrainConfig, flag: str) -> bool:
    return is_read(flag, dataset_name(config.dataset), model_name(config.model))


def _refuse_unread(what: str, flags: Iterable[str], configs: Sequence[TrainConfig]) -> None:
    unread = [flag for flag in flags if not any(_reads(config, flag) for config in configs)]
    if unread:
        datasets = ", ".join(dict.fromkeys(config.dataset for config in configs))
        models = ", ".join(dict.fromkeys(config.model for config in configs))
        raise InputError(f"{what}: {why_unread(unread, datasets, models)}")


def _run_name(label: str, varied: Mapping[str, Any]) -> str:
    return " ".join([label, *(f"{field}={_shown(value)}" for field, value in varied.items())])


def _labels(sweep: Sweep) -> list[str]:
    """Return what each kind of run is called: its name, or its model, numbered where not unique."""
    models = [run.get("model", sweep.common.get("model", "run")) for run in sweep.runs]
    labels = [
        str(run.get(NAME) or (model if isinstance(model, str) else "run"))
        for run, model in zip(sweep.runs, models, strict=True)
    ]
    counts, so_far = Counter(labels), Counter[str]()
    numbered = []
    for label in labels:
        so_far[label] += 1
        numbered.append(f"{label}#{so_far[label]}" if counts[label] > 1 else label)
    (twice, most), *_ = Counter(numbered).most_common(1)
    if most > 1:
        raise InputError(f"{cut(twice)} stands twice among the kinds of runs; give one a name")
    return numbered


def _axes(label: str, flags: Mapping[str, Any]) -> Axes:
    """Return the flags that are given as lists of alternatives."""
    axes: dict[str, Sequence[Any]] = {}
    for name, value in flags.items():
        if name in NO_FLAGS:
            raise InputError(f"{label}: {name} {NO_FLAGS[name]}")
        if name not in FIELDS:
            hint = nearest(name, [*FIELDS, NAME, AFTER])
            raise InputError(f"{label}: survkit.train has no flag '{cut(name)}'{hint}")
        if is_varied(name, value):
            if not value:
                raise InputError(f"{label}: {name} is an empty list, which stands for no run")
            axes[name] = value
    return axes


def is_varied(name: str, value: object) -> bool:
    """Whether a flag's value is a list of alternatives, and not one value of several items."""
    if not isinstance(value, list | tuple):
        return False
    declared = option_type(TrainConfig, name)
    is_one_value = declared.several and not declared.one_alone
    return not is_one_value or any(isinstance(item, list | tuple) for item in value)


def _shown(value: object) -> str:
    return ",".join(map(_shown, value)) if isinstance(value, list | tuple) else cut(str(value))


def _config(label: str, varied: Mapping[str, Any], values: Mapping[str, Any]) -> TrainConfig:
    try:
        config: TrainConfig = build_config(
            TrainConfig, {field: _typed(field, value) for field, value in values.items()}
        )
        dataset_name(config.dataset), model_name(config.model)  # unknown ones end here
    except InputError as error:
        raise InputError(f"{_run_name(label, varied)}: {error}") from None
    return config


def _typed(name: str, value: object) -> object:
    """Bring a value to its flag's type, so that 1 and 1.0 are one configuration, as are flags.

    YAML reads 5e-4 as text.
    """
    declared = option_type(TrainConfig, name)
    if declared.several and isinstance(value, list | tuple):
        return tuple(_scalar(declared.scalar, item) for item in value)
    return _scalar(declared.scalar, value)


def _scalar(scalar: type, value: object) -> object:
    if scalar is float and isinstance(value, int | str) and not isinstance(value, bool):
        try:
            return float(value)
        except (ValueError, OverflowError):
            return value
    if scalar is str and isinstance(value, int) and not isinstance(value, bool):
        return str(value)  # a whole number where a flag also takes words
    return value


def _refuse_varied(given: Sequence[Mapping[str, Any]], overrides: Mapping[str, Any]) -> None:
    for name in overrides:
        values = {_typed(name, run[name]) if name in run else FIELDS[name].default for run in given}
        if len(values) > 1:
            shown = ", ".join(sorted(map(str, values)))
            raise InputError(
                f"--{name} cannot be given here: the sweep varies it ({shown}); "
                "write a sweep of your own for --sweep"
            )


def _ordered(
    runs: Mapping[str, PlannedRun], kinds: Mapping[str, Sequence[str]]
) -> list[PlannedRun]:
    """Name runs, not kinds, in `after`, and put every run behind those that it depends on."""
    graph: TopologicalSorter[str] = TopologicalSorter()
    resolved: dict[str, PlannedRun] = {}
    for name, run in runs.items():
        for kind in run.after:
            if kind not in kinds:
                raise InputError(
                    f"{name} is to run after '{kind}'{nearest(kind, kinds)}, "
                    f"but the sweep has only {', '.join(kinds)}"
                )
        after = tuple(before for kind in run.after for before in kinds[kind])
        resolved[name] = run._replace(after=after)
        graph.add(name, *after)
    try:
        graph.prepare()
    except CycleError as error:
        raise InputError(f"runs wait for each other: {' -> '.join(error.args[1])}") from None
    position = {name: index for index, name in enumerate(runs)}
    ordered = []
    while graph.is_active():
        ready = sorted(graph.get_ready(), key=position.__getitem__)
        ordered += [resolved[name] for name in ready]
        graph.done(*ready)
    return ordered
