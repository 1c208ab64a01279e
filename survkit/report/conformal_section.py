"""The part of a report on what conformal calibrations guarantee, and what was reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from survkit.pages.document import Picture, Section
from survkit.pages.labels import label as text_of
from survkit.pages.palette import COLOURS, GREY, LEGEND_WIDTH, new_axes, time_label
from survkit.pages.svg import draw_svg
from survkit.pages.text_tables import TextTable
from survkit.report.material import Material
from survkit.runs.conformal_text import coverage_text, group_name, percent, rests_on
from survkit.runs.metric_text import time_text
from survkit.runs.record_files import read_result
from survkit.runs.table import seed_text

TITLE = "What is guaranteed"

Records = Sequence[tuple[str, Mapping[str, Any]]]
"""The name of each run, and the part `conformal` of its result."""


def conformal_section(material: Material) -> Section | None:
    """Return the part on the group's conformal calibrations; None where no run has one."""
    records = []
    runs = material.runs
    for name, path, seed in zip(material.labels, runs["path"], runs["seed"], strict=True):
        record = (read_result(Path(path)) or {}).get("conformal")
        if record is not None:
            several = (material.labels == name).sum() > 1
            records.append((f"{name}, seed {seed_text(seed)}" if several else str(name), record))
    return guarantees_section(records, material.time_unit) if records else None


def guarantees_section(records: Records, time_unit: str) -> Section:
    """Return the part on the coverage and the lower bounds of some runs.

    Parameters
    ----------
    records : sequence of (str, mapping)
        The name of each run, and the part `conformal` of its result.
    time_unit : str
        Unit of the bounds.
    """
    sentences = dict.fromkeys(text for _, record in records for text in rests_on(record))
    label = "coverage of lower bounds by run and group"
    of_bounds = "distribution of the lower bounds by run"
    height = 1.3 + 0.28 * sum(len(record["test"]) for _, record in records)
    pictures = (
        Picture(
            draw_svg(partial(coverage_figure, records), width=5.2, height=height, label=label),
            "Coverage on the test rows with its 95 % interval, by censoring weights; the tick: the "
            "level that was asked for.",
        ),
        Picture(
            draw_svg(
                partial(bounds_figure, records, time_unit=time_unit),
                width=5.2,
                height=height,
                label=of_bounds,
            ),
            "Lower bounds of the test rows: the median, the middle half (thick) and the middle "
            "90 % (thin).",
        ),
    )
    return Section(TITLE, tuple(sentences), (coverage_table(records, time_unit),), pictures)


def coverage_table(records: Records, time_unit: str) -> TextTable:
    """Return coverage against the level, and the bounds, a row for each run and group."""
    rows, index = [], []
    for name, record in records:
        own = {group["expert"]: group["own"] for group in record["calibration_groups"]}
        for group in record["test"]:
            calibrated = own.get(group["expert"], group["expert"] is None)
            truth = group.get("true_coverage")
            rows.append(
                {
                    "group": group_name(group["expert"]) + ("" if calibrated else " (pooled)"),
                    "rows": f"{group['rows']:,}",
                    "level": f"{percent(record['level'])} %",
                    "coverage": coverage_text(group["coverage"], ""),
                    "by true times": coverage_text(truth, "") if truth else "",
                    "median bound": time_text(group["median_bound"], ""),
                    "vacuous": f"{group['vacuous']:,}",
                }
            )
            index.append(name)
    text = pd.DataFrame(rows, index=pd.Index(index, name="model"))
    if not text["by true times"].any():
        text = text.drop(columns="by true times")
    notes = [
        "In brackets: 95 % interval, from a bootstrap of the test subjects. Median bound: "
        f"{time_label(time_unit)}. Vacuous: bounds of 0, which say nothing."
    ]
    if text["group"].str.endswith("(pooled)").any():
        notes.append(
            "(pooled): too few calibration rows of this expert, so that its subjects are "
            "calibrated with all rows; nothing is guaranteed of them on their own."
        )
    words = tuple(c for c in ("group", "coverage", "by true times") if c in text)
    title = "Coverage of the lower bounds on the test rows"
    return TextTable(title, text, notes=tuple(notes), words=words)


def coverage_figure(records: Records, *, axes: Axes | None = None) -> Axes:
    """Draw the coverage of each run and group, with its interval, against the level."""
    axes = new_axes(axes)
    for place, (record, group) in enumerate(_groups(records)):
        axes.plot([100 * record["level"]] * 2, [place - 0.35, place + 0.35], color=GREY)
        value, interval = group["coverage"]["value"], group["coverage"]["interval"]
        if value is None:
            continue
        if interval:
            axes.plot(100 * np.array(interval), [place, place], color=COLOURS[0], linewidth=1.2)
        axes.plot(100 * value, place, "o", color=COLOURS[0], markersize=5)
    axes.set(xlabel="coverage in percent")
    return _named(axes, records)


def bounds_figure(records: Records, *, time_unit: str, axes: Axes | None = None) -> Axes:
    """Draw quantiles of the lower bounds of each run and group."""
    axes = new_axes(axes)
    for place, (_, group) in enumerate(_groups(records)):
        least, low, median, high, most = group["bound_quantiles"]
        axes.plot([least, most], [place, place], color=COLOURS[0], linewidth=1.2)
        axes.plot([low, high], [place, place], color=COLOURS[0], linewidth=5)
        axes.plot(median, place, "o", color=COLOURS[1], markersize=5)
    axes.set(xlabel="lower bound: " + time_label(time_unit), xlim=(0, None))
    return _named(axes, records)


def _groups(records: Records) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    return [(record, group) for _, record in records for group in record["test"]]


def _named(axes: Axes, records: Records) -> Axes:
    """Name the places of the vertical axis, the first at the top."""
    names = [
        name if group["expert"] is None else group_name(group["expert"])
        for name, record in records
        for group in record["test"]
    ]
    axes.set_yticks(range(len(names)), [text_of(name, LEGEND_WIDTH // 2) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    return axes
