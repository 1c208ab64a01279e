"""Adds subgroups to a complete record, from its predictions, without training again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from survkit.datasets.assemble import Dataset
from survkit.metrics import Outcomes
from survkit.runs.digests import FILES, OWN
from survkit.runs.documents import run_documents
from survkit.runs.folder import RunFolder
from survkit.runs.predictions import with_features
from survkit.runs.read import read_predictions
from survkit.runs.record_files import read_config
from survkit.runs.record_schema import is_tested
from survkit.runs.subgroups import SUBGROUPS, score_requested, subgroups_record


def add_subgroups(
    folder: RunFolder,
    result: dict[str, Any],
    dataset: Dataset,
    settings: Mapping[str, Any],
    outcomes: Mapping[str, Outcomes],
    specs: Sequence[str],
) -> dict[str, Any]:
    """Score the subgroups that a complete record lacks; write its result and documents again.

    Those that it has stay; no other number changes.

    Parameters
    ----------
    folder : RunFolder
        The run's folder, locked.
    result : dict
        Its result.
    dataset : Dataset
        The data of the run.
    settings : mapping
        The resolved configuration, by flag.
    outcomes : mapping
        From `evaluated_outcomes`.
    specs : sequence of str
        As in `score_requested`.

    Returns
    -------
    dict
        The result as it is now; as it was where it lacks nothing or has no test metrics.

    Raises
    ------
    InputError
        Where the recorded predictions cannot be read, or are of other subjects.
    """
    known = {own["spec"] for own in result.get(SUBGROUPS, ())}
    missing = [spec for spec in specs if spec not in known]
    if not missing or not is_tested(result):
        return result
    prediction, data = read_predictions(folder.path, "test")
    with_features(data, dataset)  # refuses other subjects
    scores = score_requested(
        prediction, outcomes["test"], dataset, missing, bootstrap=settings["bootstrap"]
    )
    added = {key: value for key, value in result.items() if key not in (FILES, OWN)}
    added[SUBGROUPS] = [*result.get(SUBGROUPS, ()), *subgroups_record(scores)]
    for message in result.get("warnings", ()):
        folder.warn(message)
    # The configuration of the record has the versions that it was made with.
    made_with = {**(read_config(folder.path) or {}), **settings}
    known_of_it = {"notes": [], "warnings": [], **added}
    for name, text in run_documents(dataset, made_with, known_of_it, folder=folder.path).items():
        folder.write(name, text.encode())
    return folder.write_result(added)
