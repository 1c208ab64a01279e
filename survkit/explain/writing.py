"""Writes explanations of a command: tables, settings, and a figure for each subject."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from survkit.checked_files import read_json
from survkit.explain import plots
from survkit.explain.figures import SubjectFigure
from survkit.explain.runs import ExplainedSubjects
from survkit.files import write_bytes
from survkit.pages.csv_tables import spreadsheet_csv
from survkit.pages.labels import label
from survkit.types import InputError

FOLDER = "explain"
"""Subfolder of a run for its explanations."""

SETTINGS = "explanation.json"
SURVSHAP_SETTINGS = "survshap.json"

TITLE_WIDTH = 50


def output_folder(run: str, csv: str | None, out: str | None) -> Path:
    """Return the folder to write to: in the run's own, one for each table of new patients.

    Raises
    ------
    InputError
        Where it holds the explanations of another table, or `out` is a file.
    """
    folder = Path(run) / FOLDER
    if csv is not None:
        folder /= Path(csv).name.partition(".")[0][:60] or "patients"
    if out is not None:
        folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; --out names a folder")
    for name in (SETTINGS, SURVSHAP_SETTINGS):
        _check_same(folder, read_settings(folder / name), run, csv, is_given=out is not None)
    return folder


def _check_same(
    folder: Path, earlier: dict[str, Any], run: str, csv: str | None, *, is_given: bool
) -> None:
    """Refuse a folder with the explanations of another table or run."""
    same_table = whole_path(earlier.get("csv")) == whole_path(csv)
    # A folder inside a run is of that run, also after it has moved.
    same_run = not is_given or whole_path(earlier.get("run")) == whole_path(run)
    if earlier and not (same_table and same_run):
        raise InputError(
            f"{folder} holds explanations of {earlier.get('csv') or 'test subjects'} by "
            f"{earlier.get('run')}; --out names another folder"
        )


def write_explanation(
    folder: Path, explained: ExplainedSubjects, settings: dict[str, Any]
) -> list[Path]:
    """Write the tables, a figure for each subject and one for all; return their paths.

    They take the place of the explanations that were written to that folder before, figures
    included.
    """
    explanation, figures = explained.explanation, explained.subjects.figure_names
    earlier = read_settings(folder / SETTINGS)
    paths = [folder / "explanation.csv", folder / "importance.csv"]
    write_bytes(paths[0], spreadsheet_csv(explanation_table(explained)))
    write_bytes(paths[1], spreadsheet_csv(explanation.global_importance().reset_index()))
    with warnings.catch_warnings():
        # A name in a script that the font does not have is drawn as boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        for name, figure in zip(figures, subject_figures(explained), strict=True):
            paths.append(save_figure(figure.draw(), folder / name))
        paths.append(save_figure(_all_subjects(explained), folder / "montecarlo.png"))
    r_squared = explanation.mean_r_squared.round(6)
    summary = {
        **settings,
        "run": whole_path(settings["run"]),
        "csv": whole_path(settings["csv"]),
        "figures": figures,
        "r_squared": [None if np.isnan(r) else r for r in r_squared.tolist()],
        "effective_neighbours": explanation.effective_neighbours.mean(axis=1).round(1).tolist(),
        "share_capped": explanation.share_capped.mean(axis=1).round(6).tolist(),
        "failures": list(explanation.failures),
        "cost": explanation.cost._asdict(),
    }
    paths.append(folder / SETTINGS)
    write_bytes(paths[-1], json.dumps(summary, indent=2).encode())
    for path in _figures_before(folder, earlier):
        if path not in paths:
            path.unlink(missing_ok=True)
    return paths


def explanation_table(explained: ExplainedSubjects) -> pd.DataFrame:
    """Return the tables of all subjects one below the other.

    The first columns are who it is (`row`; for new patients `patient` and `row`) and the
    `feature`, the others those of `contribution_table`, and of the whole explanation `r_squared`
    and `share_capped`.
    """
    parts = []
    fits, identity = explained.explanation, explained.subjects.identity
    for i, ((_, who), table) in enumerate(zip(identity.iterrows(), explained.tables, strict=True)):
        part = table.reset_index()
        part["r_squared"] = fits.mean_r_squared[i]
        part["share_capped"] = fits.share_capped[i].mean()
        for place, (name, value) in enumerate(who.items()):
            part.insert(place, str(name), value)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def subject_figures(explained: ExplainedSubjects) -> Iterator[SubjectFigure]:
    """Yield what the figure of each subject shows."""
    fits = explained.explanation.mean_r_squared
    for i, (title, table) in enumerate(
        zip(explained.subjects.titles, explained.tables, strict=True)
    ):
        yield SubjectFigure(
            title,
            table,
            explained.curves.subset(np.array([i])),
            explained.cohort,
            explained.cohort_size,
            explained.time_unit,
            float(fits[i]),
            int(explained.explanation.num_solved[i]),
            float(explained.explanation.share_capped[i].mean()),
            explained.cause,
        )


def _all_subjects(explained: ExplainedSubjects) -> Any:
    """Draw the coefficients of all subjects, or the repetitions of a single one."""
    scaled = any(unit.scale != 1 for unit in explained.units)
    axes = plots.boxen_plot(
        explained.explanation.samples,
        explained.explanation.feature_names,
        label=f"{plots.LABEL}{', per standard deviation of numbers' if scaled else ''}",
    )
    titles = explained.subjects.titles
    one = label(f"repetitions for {titles[0]}", TITLE_WIDTH)
    figure: Any = axes.get_figure()
    figure.suptitle(f"{len(titles)} subjects" if len(titles) > 1 else one, fontsize="large")
    return figure


def read_settings(path: Path) -> dict[str, Any]:
    """Return the settings of earlier explanations; none where there are none."""
    try:
        return read_json(path) or {}
    except InputError:
        return {}


def whole_path(path: str | None) -> str | None:
    """Return a path from the root, None where there is none."""
    return None if path is None else str(Path(path).resolve())


def _figures_before(folder: Path, earlier: dict[str, Any]) -> list[Path]:
    """Return the figures of earlier explanations, by the names that these recorded."""
    if "figures" not in earlier:  # from before they were recorded
        return list(folder.glob("row_*.png")) if earlier else []
    return [folder / Path(name).name for name in earlier["figures"]]


def save_figure(figure: Any, path: Path) -> Path:
    """Write a figure as PNG, close it and return the path."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=150, format="png")
    plt.close(figure)
    write_bytes(path, buffer.getvalue())
    return path
