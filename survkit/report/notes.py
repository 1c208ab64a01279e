"""What is said below the tables of a report: footnotes of models, times of metrics, warnings."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from survkit.datasets.assemble import Dataset
from survkit.metrics import Outcomes
from survkit.report.material import Material, State
from survkit.report.missing import missing_notes
from survkit.report.tables import no_seed_changes, time_notes
from survkit.runs.metric_text import time_text
from survkit.runs.variants import min_at_risk

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Footnotes(NamedTuple):
    """Marks of models, as ' [a]', and what they stand for."""

    marks: dict[str, str]
    notes: tuple[str, ...]


def footnotes(material: Material, state: State) -> Footnotes:
    """Return a footnote for each model with runs that did not converge or lack a metric.

    What all models lack is said below the tables, see `below_all`.
    """
    _, missing = missing_notes(material.runs, material.labels, material.metrics)
    marks: dict[str, str] = {}
    notes: list[str] = []
    for model in material.models:
        problems = state.not_converged.get(model, [])
        said = [f"did not converge: {'; '.join(problems)}"] if problems else []
        said += missing.get(model, [])
        if said:
            mark = _LETTERS[len(notes) % len(_LETTERS)] * (1 + len(notes) // len(_LETTERS))
            marks[model] = f" [{mark}]"
            notes.append(f"[{mark}] {model} {'; '.join(said)}.")
    return Footnotes(marks, tuple(notes))


def below_all(material: Material) -> tuple[str, ...]:
    """Return what is said below every table: the times of metrics, and which all models lack."""
    runs = material.runs
    common, _ = missing_notes(runs, material.labels, material.metrics)
    times = time_notes(runs, material.metrics, material.test.num_subjects)
    return (*times, *common, *later_cuts(material))


def later_cuts(material: Material) -> tuple[str, ...]:
    """Warn of means over cuts that records from before `--min_at_risk` took too far."""
    runs, dataset = material.runs, material.dataset
    recorded = min_at_risk(runs)
    if dataset is None or recorded or not (runs["evaluation"] == "standard").all():
        return ()
    far = last_usable_cut(material, dataset, recorded)
    near = last_usable_cut(material, dataset, material.least_at_risk)
    if far == near:
        return ()
    at_risk = int(material.test.at_risk(far)[0])
    unit, least = material.time_unit, material.least_at_risk
    are = "test subject is" if at_risk == 1 else "test subjects are"
    recorded_up_to = (
        f"The recorded metrics over several cuts use cuts up to {time_text(far, unit)}, when "
        f"{at_risk} {are} still at risk."
    )
    if near == 0:
        return (
            f"{recorded_up_to} Fewer than {least} are at every cut, so no comparison rests on "
            "these metrics.",
        )
    return (
        f"{recorded_up_to} The best models and the differences use cuts up to "
        f"{time_text(near, unit)}, when at least {least} are.",
    )


def without_data(material: Material) -> tuple[str, ...]:
    """Say why there are no intervals."""
    if material.dataset is not None:
        return ()
    return (
        "No intervals of differences: the censoring distribution comes from the training rows, "
        f"which are not on this machine ({material.why_not}).",
    )


def ensembles(material: Material) -> tuple[str, ...]:
    """Say what the seconds of ensembles are."""
    runs = material.runs
    if "members" not in runs or runs["members"].isna().all():
        return ()
    return ("The seconds of an ensemble leave out the training of its members.",)


def unequal_seeds(material: Material) -> tuple[str, ...]:
    """Warn where averaging helps some models more than others."""
    runs = {model: material.runs_of(model) for model in material.predictions}
    counts = {model: _averaged(own) for model, own in runs.items() if not no_seed_changes(own)}
    if len(set(counts.values())) <= 1:
        return ()
    numbers = ", ".join(f"{model} {count}" for model, count in counts.items())
    return (
        f"The models have different numbers of runs ({numbers}); averaging over more of them "
        "favours a model.",
    )


def _averaged(runs: pd.DataFrame) -> int:
    """Return over how many fits the predictions of a model's runs are averaged."""
    members = runs["members"].dropna() if "members" in runs else pd.Series(dtype=object)
    return len(runs) - len(members) + sum(map(len, members))


def repeats(material: Material) -> tuple[str, ...]:
    """Say which models the comparison leaves out, as their predictions are another's."""
    said = [f"{model} those of {known}" for model, known in material.repeats.items()]
    if not said:
        return ()
    return (f"The same predictions, so not compared: {', '.join(said)} averaged over its seeds.",)


def last_usable_cut(material: Material, dataset: Dataset, least_at_risk: int) -> float:
    """Return the last cut with that many subjects at risk: the end of metrics over the cuts."""
    train, grid = dataset.splits.train, dataset.grid
    outcomes = Outcomes(material.test, train.time, train.event, grid, min_at_risk=least_at_risk)
    return float(grid.cuts[outcomes.weights.last_cut])
