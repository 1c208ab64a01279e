"""The model of a trained run with the data that it was trained on, ready to be explained."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from survkit.datasets import load_configured
from survkit.datasets.assemble import Dataset
from survkit.datasets.causes import cause_number
from survkit.explain.cause_view import CauseView
from survkit.explain.units import Unit, units_of
from survkit.runs.read import FittedRun, load_fitted
from survkit.types import InputError, SurvivalModel


class LoadedRun(NamedTuple):
    """A run's model, and the data that it was trained on.

    Parameters
    ----------
    model : SurvivalModel or CauseView
        What is explained: survival, or 1 minus the cumulative incidence of a cause.
    dataset : Dataset
        The run's data.
    fitted : FittedRun
        The run's own model, preprocessing and configuration.
    cause : str
        The competing cause that is explained; "" for survival without any event.
    cause_number : int
        Its number, from 1; 0 for survival.
    """

    model: SurvivalModel | CauseView
    dataset: Dataset
    fitted: FittedRun
    cause: str = ""
    cause_number: int = 0

    @property
    def units(self) -> tuple[Unit, ...]:
        """How the columns of the model's input read."""
        return units_of(self.dataset.splits.train.feature_names, self.fitted.preprocessor)


def load_run(
    run: Path | str, *, data_dir: Path | str | None = None, cause: str | None = None
) -> LoadedRun:
    """Load a run from its folder, and its data.

    `data_dir` is the folder of the data files, where it is not the one that the run was made with.
    With competing causes `cause` is the name of the one whose cumulative incidence is explained;
    where it is not given, survival without any event is.

    Raises
    ------
    InputError
        For a run or data that cannot be used, or a cause that the run does not have.
    """
    fitted = load_fitted(run)
    number = 0
    if cause is not None:
        if not fitted.cause_names:
            raise InputError(f"--cause is '{cause}', but {run} has no competing causes")
        number = cause_number(cause, fitted.cause_names, flag="--cause")
    configuration = dict(fitted.config)
    if data_dir is not None:
        configuration["data_dir"] = str(data_dir)
    dataset = load_configured(configuration)
    if dataset.sha256 != configuration.get("data_sha256"):
        raise InputError(
            f"the data in {configuration['data_dir']} are not those that {run} was trained on; "
            "--data_dir names another folder"
        )
    model = CauseView(fitted.model, number) if number else fitted.model
    return LoadedRun(model, dataset, fitted, cause or "", number)
