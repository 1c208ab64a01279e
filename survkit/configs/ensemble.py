"""Configuration of ensembles of finished runs."""

from __future__ import annotations

from dataclasses import dataclass

from survkit.configs.options import option, validate
from survkit.types import InputError

MEMBERS = "Members"
CHOICES = "Choices on the validation split"
RECORD = "Record"


@dataclass(frozen=True)
class EnsembleConfig:
    """Which runs are combined, and how."""

    log_dir: str = option("./logs", topic=MEMBERS, help="folder of all records")
    group: str | None = option(None, topic=MEMBERS, help="group of runs, a subfolder of log_dir")
    models: tuple[str, ...] = option(
        (), topic=MEMBERS, help="models to combine the runs of", shown_default="all of the group"
    )
    data_dir: str | None = option(
        None, topic=MEMBERS, help="folder of the data files", shown_default="that of the runs"
    )

    select: bool = option(
        False,
        topic=CHOICES,
        help="make one ensemble over the models, weighed to lower integrated_brier together, "
        "instead of one over the seeds of each model",
    )
    calibrate: bool = option(
        False, topic=CHOICES, help="map the ensemble's probabilities as the validation rows suggest"
    )

    bootstrap: int = option(
        1000, topic=RECORD, at_least=0, help="bootstrap samples for the test intervals"
    )
    overwrite: bool = option(
        False, topic=RECORD, help="make an ensemble again though there is a complete record"
    )

    def __post_init__(self) -> None:
        validate(self)
        if not self.group:
            raise InputError("--group is needed: the group of runs, a subfolder of --log_dir")
        if len(set(self.models)) < len(self.models):
            raise InputError(f"--models names a model twice: {' '.join(self.models)}")
