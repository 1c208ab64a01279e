"""The subgroups of a report: which are asked for, and each model's scores in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from survkit.metrics import Outcomes
from survkit.metrics.subgroups import SubgroupScores
from survkit.pages.document import Section
from survkit.report.material import Material
from survkit.report.subgroup_sections import TITLE, subgroups_section
from survkit.runs.read import read_predictions
from survkit.runs.subgroups import SUBGROUPS, check_subgroups, score_requested
from survkit.runs.variants import evaluation_times


class ReportedSubgroups(NamedTuple):
    """The part of a page on subgroups, and each model's scores in them."""

    section: Section
    scored: dict[str, list[SubgroupScores]]


def asked_subgroups(runs: pd.DataFrame, specs: Sequence[str] = ()) -> list[str]:
    """Return the subgroups to report: those asked for, else those of any of the runs' records."""
    if specs or SUBGROUPS not in runs:
        return list(specs)
    recorded = [own for own in runs[SUBGROUPS] if isinstance(own, list)]
    return list(dict.fromkeys(str(each["spec"]) for own in recorded for each in own))


def reported_subgroups(
    material: Material, specs: Sequence[str], *, bootstrap: int = 1000
) -> ReportedSubgroups | None:
    """Score the predictions of a group's models, averaged over seeds, in subgroups.

    Parameters
    ----------
    material : Material
        The group.
    specs : sequence of str
        From `asked_subgroups`.
    bootstrap : int
        Number of resamples.

    Returns
    -------
    ReportedSubgroups or None
        None where no subgroups are asked for; without scores where the data are not there.

    Raises
    ------
    InputError
        As `check_subgroups`.
    """
    if not specs:
        return None
    dataset = material.dataset
    if dataset is None:
        why = (
            f"Subgroups by {', '.join(specs)} need the raw columns of the data, which are not on "
            f"this machine ({material.why_not})."
        )
        return ReportedSubgroups(Section(TITLE, (why,)), {})
    check_subgroups(dataset, specs)
    train, runs = dataset.splits.train, material.runs
    outcomes = Outcomes(
        material.test,
        train.time,
        train.event,
        dataset.grid,
        runs["evaluation"].iloc[0],
        material.least_at_risk,
        tuple(evaluation_times(runs)),
    )
    scored = {}
    for model, prediction in material.predictions.items():
        first = read_predictions(Path(material.runs_of(model)["path"].iloc[0]), "test")[0]
        scored[model] = score_requested(
            prediction,
            outcomes,
            dataset,
            specs,
            bootstrap=bootstrap,
            expert_weights=first.expert_weights,
        )
    section = subgroups_section(
        material.predictions, outcomes, scored, time_unit=material.time_unit, notes=_notes(material)
    )
    return ReportedSubgroups(section, scored)


def _notes(material: Material) -> list[str]:
    notes = [
        "Each model's predictions are averaged over its seeds; subgroups by expert are those of "
        "its first seed."
    ]
    if material.repeats:
        same = ", ".join(f"{model} as {known}" for model, known in material.repeats.items())
        notes.append(f"Not scored, as they predict the same: {same}.")
    return notes
