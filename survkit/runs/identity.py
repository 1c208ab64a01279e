"""What identifies a run, and how its folder is found again.

The identifier is a hash of what decides a run's numbers and of nothing else: the data, the flags
that the dataset and the model read, the time grid, the seed and the evaluation. A flag at the
value that changes nothing (its default, unless the flag says otherwise) is left out, so that a
flag which a later version adds leaves every identifier as it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from survkit.configs.args_file import build_config
from survkit.configs.options import option_type
from survkit.configs.train import TrainConfig
from survkit.runs.flags import canonical, is_read
from survkit.runs.record_files import read_unchecked_config
from survkit.types import InputError

if TYPE_CHECKING:  # it needs pandas
    from survkit.datasets.assemble import Dataset


EARLIER: dict[str, Any] = {
    field.name: field.metadata["neutral"]
    for field in fields(TrainConfig)
    if field.metadata["identity"]
}
"""The values of flags in records from before there were such flags."""


def run_id(config: TrainConfig, data_sha256: str, *, without: Sequence[str] = ()) -> str:
    """Return the identifier of a run, 16 hex digits.

    Parameters
    ----------
    config : TrainConfig
        The resolved configuration: names as in the registries, see `resolved`.
    data_sha256 : str
        Digest of the loaded data.
    without : sequence of str
        Flags that do not count either: without "seed", runs that differ in nothing else agree.
    """
    flags = {}
    for field in fields(config):
        value = _plain(getattr(config, field.name), type(config), field.name)
        if (
            field.metadata["identity"]
            and field.name not in without
            and value != _plain(field.metadata["neutral"], type(config), field.name)
            and is_read(field.name, config.dataset, config.model)
        ):
            flags[field.name] = value
    names = {"dataset": config.dataset, "model": config.model}
    return identifier([{**flags, **names}, data_sha256])


def configuration_id(config: TrainConfig, data_sha256: str) -> str:
    """Return the identifier that runs share which differ in their seeds only."""
    return run_id(config, data_sha256, without=("seed",))


def identifier(content: Any) -> str:
    """Return 16 hex digits of a hash of plain values."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def resolved(config: TrainConfig, dataset: Dataset) -> TrainConfig:
    """Fill in what the loaded dataset decides, and what identifies the run.

    Those are the flags of the split and of the time grid, flags of the model whose defaults depend
    on the size of the training data, and `min_at_risk`: 0 where enough subjects are at risk at
    every time that the other rules allow, so that it decides nothing.

    Raises
    ------
    InputError
        For an evaluation time beyond the horizon of the time grid.
    """
    from survkit.metrics.outcomes import decisive_min_at_risk
    from survkit.models.registry import MODELS
    from survkit.runs.results import evaluated_outcomes

    horizon, unit = dataset.grid.horizon, dataset.card.time_unit
    beyond = [f"{time:g}" for time in config.evaluation_times if time > horizon]
    if beyond:
        raise InputError(
            f"--evaluation_times {' '.join(beyond)}: the time grid ends at {horizon:g} ({unit}); "
            "nothing is predicted beyond it"
        )
    flags = dataset.grid_flags
    outcomes = evaluated_outcomes(dataset, asdict(config)).values()
    sized = MODELS[config.model].resolve(asdict(config), dataset.splits.train, dataset.grid)
    return replace(
        config,
        stratified_split=dataset.split.stratified,
        time_bins=flags["time_bins"],
        quantile_event_times=flags["quantile_event_times"],
        min_at_risk=decisive_min_at_risk(outcomes),
        **sized,
    )


def recorded_config(record: Mapping[str, Any]) -> TrainConfig | None:
    """Return the configuration that a `config.json` holds, None where it is not a training run's.

    Flags that the record is older than have the values that keep its numbers.
    """
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in record.items()}
    try:
        return canonical(build_config(TrainConfig, {**EARLIER, **given}))
    except (InputError, TypeError):
        return None


def recorded_run_id(record: Mapping[str, Any], *, without: Sequence[str] = ()) -> str | None:
    """Return the identifier of the run that a `config.json` describes, None where it is none."""
    config, data_sha256 = recorded_config(record), record.get("data_sha256")
    if config is None or not isinstance(data_sha256, str):
        return None
    return run_id(config, data_sha256, without=without)


class RunFinder:
    """Finds the folders of runs in a group, those that earlier versions named otherwise too.

    Parameters
    ----------
    group_folder : Path
        Holds a folder for each run; it need not exist.
    """

    def __init__(self, group_folder: Path) -> None:
        self._group_folder = group_folder
        self._earlier: dict[str, Path] | None = None

    def folder(self, run_id: str) -> Path:
        """Return the folder of a run, the one that an earlier version made if there is one."""
        named = self._group_folder / run_id
        if (named / "config.json").exists():
            return named
        if self._earlier is None:
            self._earlier = self._find_earlier()
        return self._earlier.get(run_id, named)

    def _find_earlier(self) -> dict[str, Path]:
        """Return the folders whose names are not the identifiers of what they hold."""
        found: dict[str, Path] = {}
        for path in sorted(self._group_folder.glob("*/config.json")):
            try:
                record = read_unchecked_config(path.parent) or {}
            except InputError:  # damaged: nothing is known of it
                continue
            identifier = record.get("run_id") or recorded_run_id(record)
            if identifier not in (None, path.parent.name):
                found.setdefault(str(identifier), path.parent)
        return found


def _plain(value: Any, config_class: type, name: str) -> Any:
    """Return a flag's value as JSON has it: 1 and 1.0 are one learning rate."""
    if isinstance(value, list | tuple):
        return [_plain(item, config_class, name) for item in value]
    whole = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if whole and option_type(config_class, name).scalar is float else value
