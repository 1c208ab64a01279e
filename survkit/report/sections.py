"""The parts that a report's page is made of, and those on which model is best."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import pandas as pd

from survkit.report.differences import best_models, leaves_out_0, paired_differences
from survkit.report.figures import brier_over_time, calibration_over_time, survival_curves
from survkit.report.material import Material, State
from survkit.report.summary_tables import (
    best_table,
    calibration_table,
    differences_table,
    means_table,
)
from survkit.report.svg import draw_svg, height_with_legend
from survkit.report.tables import mean_seconds, no_seed_changes
from survkit.report.text_tables import TextTable

QUARTILES = (0.25, 0.5, 0.75)
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Picture(NamedTuple):
    """A figure as SVG, and the sentence below it."""

    svg: str
    caption: str
    wide: bool = False


@dataclass(frozen=True)
class Section:
    """A part of the page: sentences, tables, figures, then parts of its own that fold."""

    title: str
    paragraphs: tuple[str, ...] = ()
    tables: tuple[TextTable, ...] = ()
    pictures: tuple[Picture, ...] = ()
    parts: tuple[Section, ...] = ()


class Footnotes(NamedTuple):
    """Marks of models, as ' [a]', and what they stand for."""

    marks: dict[str, str]
    notes: tuple[str, ...]


def footnotes(material: Material, state: State) -> Footnotes:
    """Return a footnote for each model with runs that did not converge or metrics undefined."""
    marks: dict[str, str] = {}
    notes: list[str] = []
    for model in material.models:
        problems = state.not_converged.get(model, [])
        said = [f"did not converge: {'; '.join(problems)}"] if problems else []
        said += _undefined(material, model)
        if said:
            mark = _LETTERS[len(notes) % len(_LETTERS)] * (1 + len(notes) // len(_LETTERS))
            marks[model] = f" [{mark}]"
            notes.append(f"[{mark}] {model} {'; '.join(said)}.")
    return Footnotes(marks, tuple(notes))


def _undefined(material: Material, model: str) -> list[str]:
    runs = material.runs_of(model)
    sentences = []
    for metric in material.metrics:
        column = f"test_details_{metric}_reason"
        reasons = list(dict.fromkeys(runs[column].dropna())) if column in runs else []
        if reasons:
            sentences.append(f"{metric} is undefined: {'; '.join(map(str, reasons))}")
    return sentences


def comparison_tables(material: Material, notes: Footnotes) -> list[TextTable]:
    """Return the tables that compare models: the best, means, and differences where known."""
    means = means_table(
        material.means,
        mean_seconds(material.runs),
        notes.marks,
        (*_without_data(material), *_ensembles(material), *notes.notes),
    )
    if len(material.resampled) < 2:
        return [means]
    metrics = material.metrics
    best = best_models(material.resampled, metrics)
    differences = paired_differences(material.resampled, metrics, material.reference)
    return [
        best_table(best, notes.marks, len(material.test), _repeats(material)),
        means,
        differences_table(
            differences, material.reference, notes.marks, (*_unequal_seeds(material), *notes.notes)
        ),
    ]


def _without_data(material: Material) -> tuple[str, ...]:
    if material.dataset is not None:
        return ()
    return (
        "No intervals of differences: the censoring distribution comes from the training rows, "
        f"which are not on this machine ({material.why_not}).",
    )


def _ensembles(material: Material) -> tuple[str, ...]:
    runs = material.runs
    if "members" not in runs or runs["members"].isna().all():
        return ()
    return ("The seconds of an ensemble leave out the training of its members.",)


def _unequal_seeds(material: Material) -> tuple[str, ...]:
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


def _repeats(material: Material) -> tuple[str, ...]:
    """Say which models the comparison leaves out, as their predictions are another's."""
    said = [f"{model} those of {known}" for model, known in material.repeats.items()]
    if not said:
        return ()
    return (f"The same predictions, so not compared: {', '.join(said)} averaged over its seeds.",)


def comparison_section(material: Material, tables: list[TextTable]) -> Section:
    """Return the part on which model is best, by how much and how surely."""
    return Section("Which model is best", _answer(material), tuple(tables))


def _answer(material: Material) -> tuple[str, ...]:
    """Return in a sentence which model is best most often (or models), and how often surely."""
    best = best_models(material.resampled, material.metrics)
    if best.empty:
        return ()
    counts = best["best"].value_counts(sort=False)
    sentences = []
    for model in counts.index[counts == counts.max()]:
        own = best[best["best"] == model]
        sure = sum(map(leaves_out_0, own["difference_low"], own["difference_high"]))
        sentences.append(
            f"Of {len(material.resampled)} models {model} is best by {len(own)} of {len(best)} "
            f"metrics; by {sure or 'none'} of these the 95 % interval of its difference to the "
            "second leaves out 0."
        )
    return tuple(sentences)


def calibration_section(material: Material, notes: Footnotes) -> Section:
    """Return the part on calibration: errors beside their null, and curves at three times."""
    cuts = next(iter(material.predictions.values())).times
    times = [float(cuts[int(share * len(cuts))]) for share in QUARTILES]
    test = material.test
    pictures = [
        Picture(
            draw_svg(
                partial(
                    calibration_over_time,
                    prediction,
                    test.time,
                    test.event,
                    times=times,
                    time_unit=_short(material),
                ),
                width=3.75,
                height=4.35,
                label=f"calibration of {model}",
            ),
            model,
        )
        for model, prediction in material.predictions.items()
    ]
    return Section(
        "Is it calibrated",
        (
            "Curves: observed against predicted probability of an event by three times, of the "
            "predictions averaged over seeds, in tenths of the test subjects; observed is 1 less "
            "Kaplan-Meier, with its 95 % interval; a tenth whose follow-up ends before that has no "
            "point. Points below the line: risk is overestimated.",
        ),
        (calibration_table(material.runs, material.labels, notes.marks),),
        tuple(pictures),
    )


def curves_section(material: Material) -> Section:
    """Return the part on curves over time: mean survival, and Brier scores where known."""
    test, dataset = material.test, material.dataset
    pictures = [
        Picture(
            draw_svg(
                partial(
                    survival_curves,
                    material.predictions,
                    test.time,
                    test.event,
                    time_unit=material.time_unit,
                ),
                width=4.8,
                height=height_with_legend(1 + len(material.predictions)),
                label="mean predicted survival",
            ),
            "Mean predicted survival of the test subjects, over their Kaplan-Meier curve.",
        )
    ]
    if dataset is not None:
        pictures.append(
            Picture(
                draw_svg(
                    partial(
                        brier_over_time,
                        material.predictions,
                        test,
                        train=dataset.splits.train,
                        grid=dataset.grid,
                        convention=material.runs["evaluation"].iloc[0],
                        time_unit=material.time_unit,
                    ),
                    width=4.8,
                    height=height_with_legend(1 + len(material.predictions)),
                    label="Brier score over time",
                ),
                "Brier score, weighted for censoring, up to the last cut where at least 5 % are "
                "uncensored (grey: one curve for all).",
            )
        )
    return Section("Survival over time", pictures=tuple(pictures))


def _short(material: Material) -> str:
    """Return the unit of time without what it is counted from."""
    return material.time_unit.split(" ")[0]
