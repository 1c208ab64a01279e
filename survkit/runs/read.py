"""Reads run folders: the fitted model, the recorded predictions and the configuration."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import survkit
from survkit.datasets.preprocessing import Preprocessor
from survkit.datasets.schema import Schema
from survkit.models.calibrated import rebuild
from survkit.training.checkpoint import load_checkpoint
from survkit.types import InputError, SurvivalData, SurvivalModel, SurvivalPrediction


class FittedRun(NamedTuple):
    """A run's fitted model, how its features are made from raw columns, and its configuration.

    `survkit_version` is the version that made it. `schema` says how the columns of a table of the
    user's own are read; None for other data, and for runs of versions that kept none.
    """

    model: SurvivalModel
    preprocessor: Preprocessor | None
    config: dict[str, Any]
    survkit_version: str
    schema: Schema | None = None


def load_fitted(run: str | Path) -> FittedRun:
    """Load the fitted model of a run from its folder alone, onto the CPU.

    Raises
    ------
    InputError
        Where its checkpoint is missing, damaged, or of a version that this one cannot read.
    """
    checkpoint = load_checkpoint(Path(run) / "checkpoint.pt")
    try:
        preprocessor, schema = checkpoint["preprocessor"], checkpoint.get("schema")
        return FittedRun(
            rebuild(checkpoint),
            None if preprocessor is None else Preprocessor.from_state(preprocessor),
            checkpoint["config"],
            checkpoint["survkit_version"],
            None if schema is None else Schema.from_state(schema),
        )
    except (KeyError, TypeError, RuntimeError) as error:  # RuntimeError: torch, of other weights
        version = checkpoint.get("survkit_version", "of an unknown version")
        made = f"survkit {version}, and this version ({survkit.__version__})"
        if version == survkit.__version__:  # between two releases
            made = f"another state of survkit {version}, and this one"
        raise InputError(
            f"the checkpoint in {run} was made by {made} cannot read it: {error!r}; train again"
        ) from error


def read_predictions(run: Path, split: str) -> tuple[SurvivalPrediction, SurvivalData]:
    """Return the predictions that a run recorded for a split, and the outcomes (no features).

    Raises
    ------
    InputError
        Where the file is missing or damaged.
    """
    path = run / f"predictions_{split}.npz"
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = dict(archive)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"cannot read {path}: {error}") from None
    return (
        SurvivalPrediction(arrays["times"], arrays["survival"], arrays.get("expert_weights")),
        SurvivalData(
            np.empty((len(arrays["time"]), 0), np.float32),
            arrays["event"],
            arrays["time"],
            label=arrays.get("label"),
            true_time=arrays.get("true_time"),
            subject_id=arrays.get("subject_id"),
        ),
    )


def read_config(folder: Path) -> dict[str, Any] | None:
    """Return the configuration of a run's folder, finished or not; None where it has none."""
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return config if isinstance(config, dict) else None
