"""What notebooks share: the runs they read, tables as journals print them, figures side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from survkit.datasets.assemble import Dataset
from survkit.pages.labels import matplotlib_text
from survkit.pages.text_tables import TextTable, transposed
from survkit.report.material import Material, group_state
from survkit.report.notes import footnotes
from survkit.report.sections import comparison_tables
from survkit.runs.predictions import NotAtHandError, load_recorded_dataset
from survkit.runs.table import distinct, load_runs
from survkit.shell import shell_command
from survkit.types import InputError

Draw = Callable[..., object]
"""Draws on the axes that it is given by the keyword `axes`."""

OTHER_RUNS = "The environment variables SURVKIT_LOG_DIR and SURVKIT_GROUP name other runs."


class NothingToShowError(InputError):
    """Runs or data are not there; a notebook prints the message alone, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows in place of a traceback."""
        return [str(self)]


def find_runs(
    log_dir: str | Path, group: str, *, models: Sequence[str] = (), labelled: bool = False
) -> pd.DataFrame:
    """Return the finished runs of a group: of all `models`, and if `labelled` on labelled data.

    Raises
    ------
    NothingToShowError
        Where there are none, with the command that makes them.
    """
    try:
        runs = load_runs(log_dir, group)
        lack = _lack(runs, models, labelled)
    except InputError as error:
        lack = str(error)
    if lack:
        raise NothingToShowError(f"{_how_to_make(log_dir, group, lack)}\n{OTHER_RUNS}")
    return runs


def _how_to_make(log_dir: str | Path, group: str, lack: str) -> str:
    flags = shell_command(["--group", group, "--log_dir", str(Path(log_dir).resolve())])
    return (
        f"{lack[0].upper()}{lack[1:]}. In the project's folder, this makes such runs:\n"
        f"    python -m survkit.grid_search {flags}"
    )


def _lack(runs: pd.DataFrame, models: Sequence[str], labelled: bool) -> str:
    """Return what a notebook lacks in runs, '' where nothing."""
    found = list(runs["model"].unique())
    absent = [model for model in models if model not in found]
    if absent:
        return (
            f"this notebook needs runs of {', '.join(absent)}, and the finished ones are of "
            f"{', '.join(found)}"
        )
    if labelled and ("test_ari" not in runs or runs["test_ari"].isna().all()):
        return (
            "this notebook needs data with known labels (mnist or digits), and the finished runs "
            f"are on {runs['dataset'].iloc[0]}"
        )
    return ""


def find_groups(
    log_dir: str | Path, groups: Sequence[str]
) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Return the finished runs of each group that has some, and what to say of the others.

    Raises
    ------
    NothingToShowError
        Where no group has any.
    """
    found, sentences = {}, []
    for group in groups:
        try:
            found[group] = load_runs(log_dir, group)
        except InputError as error:
            sentences.append(_how_to_make(log_dir, group, str(error)))
    if not found:
        raise NothingToShowError("\n".join([*sentences, OTHER_RUNS]))
    return found, sentences


def find_dataset(run: str | Path, data_dir: str | Path | None = None) -> Dataset:
    """Return the dataset of a run, as `load_recorded_dataset`; NothingToShowError if absent."""
    try:
        return load_recorded_dataset(run, data_dir)
    except NotAtHandError as error:
        raise NothingToShowError(
            f"The data of {run} cannot be read: {error}.\n"
            "The environment variable SURVKIT_DATA_DIR names the folder of the data files."
        ) from None


def metric_tables(material: Material, group_folder: str | Path) -> list[TextTable]:
    """Return the comparison of a group's models with a row per metric and a column per model.

    The tables are means over seeds and, where the dataset is present, differences to the reference
    with their intervals and the best model by each metric.
    """
    dataset = str(material.runs["dataset"].iloc[0])
    state = group_state(Path(group_folder), material.runs)
    tables = [
        table if table.words else transposed(table)
        for table in comparison_tables(material, footnotes(material, state))
    ]
    tables.sort(key=lambda table: bool(table.words))  # the table of the best models comes last
    notes = [f"Known leak of the data: {leak}." for leak in distinct(material.runs, "known_leaks")]
    if str(state):
        notes.append(f"The group is not complete: {state}.")
    tables[0] = replace(tables[0], notes=(*tables[0].notes, *notes))
    return [replace(table, caption=f"{table.caption} ({dataset})") for table in tables]


def panels(
    figures: Mapping[str, Draw],
    *,
    title: str = "",
    columns: int = 3,
    width: float = 4.0,
    height: float = 3.8,
    same_scale: bool = False,
) -> list[Axes]:
    """Draw several figures beside each other, each under its name.

    `width` and `height` are those of one figure in inches; with `same_scale` all get the longest
    of their horizontal axes.
    """
    columns = min(columns, len(figures))
    rows = math.ceil(len(figures) / columns)
    figure = plt.figure(figsize=(columns * width, rows * height), layout="constrained")
    drawn = []
    for number, (name, draw) in enumerate(figures.items(), start=1):
        axes = figure.add_subplot(rows, columns, number)
        draw(axes=axes)
        axes.set_title(matplotlib_text(name), fontsize="medium")
        drawn.append(axes)
    if same_scale:
        right = max(axes.get_xlim()[1] for axes in drawn)
        for axes in drawn:
            axes.set_xlim(right=right)
    if title:
        figure.suptitle(matplotlib_text(title))
    return drawn
