"""Reads run folders: the fitted model and the recorded predictions."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import survkit
from survkit.checked_files import DamagedError, parse_arrays
from survkit.datasets.preprocessing import Preprocessor
from survkit.datasets.schema import Schema
from survkit.models.calibrated import rebuild
from survkit.runs.record_files import read_record_file, read_result
from survkit.runs.record_schema import NOT_TESTED_TEXT, is_tested, wrong_in_flags, wrong_run
from survkit.training.checkpoint import parse_checkpoint
from survkit.types import InputError, SurvivalData, SurvivalModel, SurvivalPrediction

CHECKPOINT = "checkpoint.pt"

_NEEDED = ("times", "survival", "event", "time")
_DIMENSIONS = {"survival": 2, "expert_weights": 2, "cumulative_incidence": 3}
_NOT_PER_ROW = ("times", "cause_names")
_WHOLE = ("label", "subject_id", "cause")
_KINDS = "biufU"
"""Kinds of arrays in a predictions file: numbers, and the names of causes."""


class FittedRun(NamedTuple):
    """A run's fitted model, how its features are made from raw columns, and its configuration.

    `survkit_version` is the version that made it. `schema` says how the columns of a table of the
    user's own are read; None for other data, and for runs of versions that kept none.
    `cause_names` are those of competing causes; none for a run with one cause.
    """

    model: SurvivalModel
    preprocessor: Preprocessor | None
    config: dict[str, Any]
    survkit_version: str
    schema: Schema | None = None
    cause_names: tuple[str, ...] = ()


def load_fitted(run: str | Path) -> FittedRun:
    """Load the fitted model of a run from its folder alone, onto the CPU.

    Raises
    ------
    InputError
        Where its checkpoint is missing, damaged, or of a version that this one cannot read, or
        where the run left the test rows out.
    """
    path = Path(run) / CHECKPOINT
    content = read_record_file(path.parent, path.name)
    if content is None:
        raise InputError(f"there is no checkpoint {path}")
    checkpoint = parse_checkpoint(content, path)
    config = checkpoint.get("config")
    wrong = wrong_in_flags(config)
    if wrong is None and not {"dataset", "model"} <= set(config or ()):
        wrong = "its configuration names no dataset or no model"
    result = read_result(path.parent)
    if result is not None and not is_tested(result):
        raise InputError(f"{path.parent} {NOT_TESTED_TEXT}")
    if wrong is None and result is not None and config is not None:
        wrong = wrong_run(config, result)
    if wrong is not None:
        raise DamagedError(path, wrong)
    try:
        preprocessor, schema = checkpoint["preprocessor"], checkpoint.get("schema")
        return FittedRun(
            rebuild(checkpoint),
            None if preprocessor is None else Preprocessor.from_state(preprocessor),
            checkpoint["config"],
            str(checkpoint["survkit_version"]),
            None if schema is None else Schema.from_state(schema),
            tuple(checkpoint.get("cause_names", ())),
        )
    except Exception as error:  # what other values and other weights make each class raise
        version = checkpoint.get("survkit_version", "of an unknown version")
        made = f"survkit {version}, and this version ({survkit.__version__})"
        if version == survkit.__version__:  # between two releases
            made = f"another state of survkit {version}, and this one"
        said = repr(error).partition("\n")[0]
        raise InputError(
            f"the checkpoint {path} was made by {made} cannot read it: {said}; train again"
        ) from error


def read_predictions(run: Path, split: str) -> tuple[SurvivalPrediction, SurvivalData]:
    """Return the predictions that a run recorded for a split, and the outcomes (no features).

    Raises
    ------
    InputError
        Where the file is missing or damaged.
    """
    path = run / f"predictions_{split}.npz"
    content = read_record_file(run, path.name)
    if content is None:
        result = read_result(run)
        if result is not None and not is_tested(result):
            raise InputError(f"{run} {NOT_TESTED_TEXT}")
        raise InputError(f"cannot read {path}: there is no such file")
    arrays = parse_arrays(io.BytesIO(content), path, kinds=_KINDS)
    try:
        return _as_predictions(arrays)
    except InputError as error:
        raise DamagedError(path, str(error)) from None


def _as_predictions(
    arrays: Mapping[str, NDArray[Any]],
) -> tuple[SurvivalPrediction, SurvivalData]:
    missing = [name for name in _NEEDED if name not in arrays]
    if missing:
        raise InputError(f"it has no array {', '.join(missing)}")
    rows = len(np.atleast_1d(arrays["time"]))
    for name, array in arrays.items():
        if name != "cause_names" and array.dtype.kind == "U":
            raise InputError(f"its array {name} holds text, not numbers")
        if name in _NOT_PER_ROW:
            continue
        if array.ndim != _DIMENSIONS.get(name, 1) or len(array) != rows:
            raise InputError(f"its array {name} has shape {array.shape} for {rows} subjects")
        if name in _WHOLE and array.dtype.kind not in "biu":
            raise InputError(f"its array {name} holds {array.dtype}, not whole numbers")
    weights = arrays.get("expert_weights")
    if weights is not None and not np.isfinite(weights).all():
        raise InputError("its expert_weights are not finite")
    incidence, names = arrays.get("cumulative_incidence"), arrays.get("cause_names", np.empty(0))
    return (
        SurvivalPrediction(
            arrays["times"], arrays["survival"], weights, cumulative_incidence=incidence
        ),
        SurvivalData(
            np.empty((rows, 0), np.float32),
            arrays["event"],
            arrays["time"],
            label=arrays.get("label"),
            true_time=arrays.get("true_time"),
            subject_id=arrays.get("subject_id"),
            cause=arrays.get("cause"),
            cause_names=tuple(np.atleast_1d(names).tolist()),
            entry=arrays.get("entry"),
        ),
    )
