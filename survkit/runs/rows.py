"""Which rows of a dataset a run fits its model on, and which it calibrates on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from survkit.baselines.published import leave_out_fold
from survkit.datasets.assemble import Dataset
from survkit.datasets.calibration_rows import hold_out_calibration
from survkit.heads import HEADS
from survkit.models.conformal_group import refuse_unsuited
from survkit.models.registry import MODELS
from survkit.types import InputError, SurvivalData


class FitRows(NamedTuple):
    """The training rows of a run.

    Parameters
    ----------
    fit : SurvivalData
        The rows to fit on.
    calibration : SurvivalData or None
        The rows of a conformal calibration; None without one.
    """

    fit: SurvivalData
    calibration: SurvivalData | None = None


def training_rows(dataset: Dataset, settings: Mapping[str, Any]) -> FitRows:
    """Return the rows to fit on, and those held out of them.

    They are all training rows, fewer for a published baseline, and without the calibration rows
    of a conformal model.

    Parameters
    ----------
    dataset : Dataset
        The data.
    settings : mapping
        The resolved configuration, by flag.

    Raises
    ------
    InputError
        As `leave_out_fold` and `hold_out_calibration`.
    """
    train = dataset.splits.train
    if is_published_baseline(settings):
        return FitRows(leave_out_fold(train, settings["seed"]))
    if not is_conformal(settings):
        return FitRows(train)
    share, seed = settings["conformal_share"], dataset.split.seed
    return FitRows(*hold_out_calibration(train, share, seed=seed))


def is_conformal(settings: Mapping[str, Any]) -> bool:
    """Whether a run has a conformal calibration; the settings of earlier records lack the flag."""
    return str(settings.get("conformal", "none")) != "none"


def is_published_baseline(settings: Mapping[str, Any]) -> bool:
    """Whether the published evaluation fits and scores this model in its own way."""
    entry = MODELS.get(settings["model"])  # an ensemble has none
    return settings["evaluation"] == "published" and entry is not None and entry.is_baseline


def refuse_conformal(settings: Mapping[str, Any], dataset: Dataset) -> None:
    """Refuse a conformal calibration that the model or the data do not allow, before any fit.

    Raises
    ------
    InputError
        For several causes, entries, groups by expert of a model without experts, or too few rows.
    """
    if not is_conformal(settings):
        return
    refuse_unsuited(dataset.splits.train)
    head = HEADS.get(MODELS[settings["model"]].network)
    if settings["conformal_groups"] == "expert" and (head is None or not head.is_mixture):
        able = ", ".join(name for name, each in HEADS.items() if each.is_mixture)
        raise InputError(
            f"--conformal_groups expert: {settings['model']} has no experts; models with experts "
            f"are {able}"
        )
    training_rows(dataset, settings)
