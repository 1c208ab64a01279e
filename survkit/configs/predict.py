"""Configuration of predictions for new patients."""

from __future__ import annotations

from dataclasses import dataclass

from survkit.configs.options import option, validate
from survkit.types import InputError

PREDICTION = "Prediction"
SIMILAR = "Similar training patients"


@dataclass(frozen=True)
class PredictConfig:
    """Which run predicts, for whom, and what."""

    run: str | None = option(None, topic=PREDICTION, help="folder of the run, with checkpoint.pt")
    csv: str | None = option(
        None,
        topic=PREDICTION,
        help="table of the patients, with the columns that the run was trained on",
    )
    times: tuple[float, ...] = option(
        (),
        topic=PREDICTION,
        at_least=0,
        help="times at which survival is predicted, in the data's unit",
    )
    id_column: str | None = option(
        None,
        topic=PREDICTION,
        help="column of the table that names a patient and is no feature",
        shown_default="none: patients are numbered by row",
    )
    out: str | None = option(
        None,
        topic=PREDICTION,
        help="table to write",
        shown_default="PATIENTS_predictions.csv beside PATIENTS.csv",
    )

    similar: int = option(
        3, topic=SIMILAR, at_least=0, help="most similar training patients to name for each"
    )
    data_dir: str | None = option(
        None,
        topic=SIMILAR,
        help="folder of the data files that the run was trained on",
        shown_default="the run's",
    )

    def __post_init__(self) -> None:
        validate(self)
        for name, what in (
            ("run", "the folder of a run, as logs/support2/0123456789abcdef"),
            ("csv", "a table of patients"),
            ("times", "one or more times, as 30 180 365"),
        ):
            if not getattr(self, name):
                raise InputError(f"--{name} is needed: {what}")
        if len(set(self.times)) < len(self.times):
            raise InputError(
                f"--times names a time twice: {' '.join(map('{:g}'.format, self.times))}"
            )
