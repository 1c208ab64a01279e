"""The parts of a report on how models were trained, and on what is not finished."""

from __future__ import annotations

from functools import partial

import pandas as pd

from survkit.pages.document import Picture, Section
from survkit.pages.svg import draw_svg
from survkit.pages.text_tables import TextTable
from survkit.report.material import Material, State
from survkit.report.notes import Footnotes
from survkit.report.summary_tables import runs_table
from survkit.report.tables import time_notes
from survkit.report.training_figures import (
    learning_curves,
    loss_against_experts,
    read_history,
)
from survkit.runs.state import OpenRun
from survkit.runs.table import seed_text
from survkit.types import InputError


def experts_section(material: Material) -> Section | None:
    """Return the part on the number of experts, where it is what varies in the group."""
    column = "config_mixture_components"
    varied = [
        model
        for model, runs in material.runs.groupby("model", sort=False)
        if column in runs and runs[column].nunique() > 1
    ]
    if not varied:
        return None
    runs = material.runs[material.runs["model"].isin(varied)]
    known = [m for m in material.metrics if f"test_{m}" in runs and runs[f"test_{m}"].notna().any()]
    pictures = tuple(
        Picture(
            draw_svg(
                partial(loss_against_experts, runs, metric),
                width=3.75,
                height=3.9,
                label=f"{metric} against the number of experts",
            ),
            " ".join(
                [
                    f"Test {metric}: runs, and their mean over seeds.",
                    *time_notes(runs, [metric], material.test.num_subjects),
                ]
            ),
        )
        for metric in known
    )
    return Section("How many experts", pictures=pictures)


def training_section(material: Material) -> Section | None:
    """Return the part on learning curves, where any model was trained in epochs."""
    pictures, damaged = [], []
    for model in material.models:
        runs = material.runs_of(model)
        histories, best = {}, {}
        for path, seed, epoch in zip(runs["path"], runs["seed"], runs["best_epoch"], strict=True):
            try:
                history = read_history(path)
            except InputError as error:
                damaged.append(f"The curve of {model} seed {seed_text(seed)} is left out: {error}.")
                continue
            if {"train_loss", "validation_loss"} <= set(history):
                name = f"seed {seed_text(seed)}"
                histories[name], best[name] = history, epoch
        if histories:
            svg = draw_svg(
                partial(learning_curves, histories, best_epochs=best),
                width=3.75,
                height=3.3 + 0.19 * (len(histories) // 3),
                label=f"learning curves of {model}",
            )
            pictures.append(Picture(svg, model))
    if not pictures and not damaged:
        return None
    sentence = "Solid: validation loss; dotted: training loss; the dot: the epoch that was kept."
    return Section("Training", (sentence, *damaged), pictures=tuple(pictures))


def runs_section(material: Material | None, state: State, notes: Footnotes) -> Section:
    """Return the part on finished and unfinished runs."""
    tables = []
    if material is not None:
        tables.append(runs_table(material.runs, material.labels, notes.marks, notes.notes))
    if state.open:
        tables.append(_open_table(state.open))
    paragraphs = [*state.missing]
    if material is not None:
        paragraphs += _versions(material.runs)
    if not state.open:
        paragraphs.append("Every run that was begun has a finished record.")
    return Section("Runs", tuple(paragraphs), tuple(tables))


def _open_table(runs: list[OpenRun]) -> TextTable:
    text = pd.DataFrame(
        [[run.name or "-", run.status, run.note] for run in runs],
        index=pd.Index([run.run_id for run in runs], name="run"),
        columns=["model and seed", "status", "how far, or the last line of its log"],
    )
    return TextTable("Runs without a finished record", text, words=tuple(text.columns))


def _versions(runs: pd.DataFrame) -> list[str]:
    versions = sorted(map(str, runs["survkit_version"].unique()))
    if len(versions) < 2:
        return []
    return [f"The records were made by different versions of survkit: {', '.join(versions)}."]
