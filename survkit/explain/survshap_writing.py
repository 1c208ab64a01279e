"""Writes what SurvSHAP(t) and permutation importance found: tables, settings, figures."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from survkit.explain.agreement import Agreement
from survkit.explain.importance_figures import importance_figure
from survkit.explain.permutation_importance import PermutationImportance
from survkit.explain.subjects import Subjects
from survkit.explain.survshap_figures import SurvShapFigure
from survkit.explain.survshap_runs import ExplainedOverTime
from survkit.explain.writing import SURVSHAP_SETTINGS, read_settings, save_figure, whole_path
from survkit.files import write_bytes
from survkit.pages.csv_tables import spreadsheet_csv

AGREEMENT = "agreement.csv"


def write_over_time(
    folder: Path, explained: ExplainedOverTime, settings: dict[str, Any]
) -> list[Path]:
    """Write the tables and a figure for each subject; return their paths.

    They take the place of the SurvSHAP(t) of other subjects in that folder, figures included.
    """
    figures = [f"survshap_{name}" for name in explained.subjects.figure_names]
    earlier = read_settings(folder / SURVSHAP_SETTINGS)
    curves = [explanation.over_time().reset_index() for explanation in explained.explanations]
    for part, table in zip(curves, explained.tables, strict=True):
        part.insert(1, "value", part["feature"].map(table["value"]))
    totals = [table.reset_index() for table in explained.tables]
    paths = [folder / "survshap.csv", folder / "survshap_aggregated.csv"]
    write_bytes(paths[0], spreadsheet_csv(_stacked(explained.subjects, curves)))
    write_bytes(paths[1], spreadsheet_csv(_stacked(explained.subjects, totals)))
    with warnings.catch_warnings():
        # A name in a script that the font does not have is drawn as boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        for name, figure in zip(figures, subject_figures(explained), strict=True):
            paths.append(save_figure(figure.draw(), folder / name))
    found = explained.explanations
    summary = {
        **settings,
        "run": whole_path(settings["run"]),
        "csv": whole_path(settings["csv"]),
        "figures": figures,
        "background_size": explained.background_size,
        "exact": [each.exact for each in found],
        "num_coalitions": [each.num_coalitions for each in found],
        "cost": [each.cost._asdict() for each in found],
    }
    paths.append(folder / SURVSHAP_SETTINGS)
    write_bytes(paths[-1], json.dumps(summary, indent=2).encode())
    for name in earlier.get("figures", ()):
        if (path := folder / Path(name).name) not in paths:
            path.unlink(missing_ok=True)
    return paths


def write_agreement(
    folder: Path, subjects: Subjects, agreements: Sequence[Agreement]
) -> list[Path]:
    """Write the two rankings of every subject, one below the other; return the path.

    Each row has the rank correlation of its subject.
    """
    parts = []
    for agreement in agreements:
        part = agreement.table.reset_index()
        part["spearman"] = agreement.spearman
        parts.append(part)
    path = folder / AGREEMENT
    write_bytes(path, spreadsheet_csv(_stacked(subjects, parts)))
    return [path]


def drop_agreement(folder: Path) -> None:
    """Remove the comparison of explanations one of which is about to be replaced."""
    (folder / AGREEMENT).unlink(missing_ok=True)


def write_importance(
    folder: Path, found: PermutationImportance, time_unit: str, settings: dict[str, Any]
) -> list[Path]:
    """Write tables, figure, and settings with the unshuffled scores; return their paths."""
    names = ("permutation_importance.csv", "permutation_importance_over_time.csv")
    paths = [folder / name for name in names]
    write_bytes(paths[0], spreadsheet_csv(found.to_frame().reset_index()))
    write_bytes(paths[1], spreadsheet_csv(found.over_time().reset_index()))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure = importance_figure(found, time_unit)
        paths.append(save_figure(figure, folder / "permutation_importance.png"))
    before = found.unshuffled
    summary = {
        **settings,
        "run": whole_path(settings["run"]),
        "unshuffled": {
            name: None if name in before.reasons else getattr(before, name)
            for name in ("integrated_brier", "concordance_td")
        },
        "reasons": before.reasons,
    }
    paths.append(folder / "permutation_importance.json")
    write_bytes(paths[-1], json.dumps(summary, indent=2).encode())
    return paths


def subject_figures(explained: ExplainedOverTime) -> list[SurvShapFigure]:
    """Return what the figure of each subject shows."""
    return [
        SurvShapFigure(
            title,
            explanation,
            table,
            explained.time_unit,
            explained.background_size,
        )
        for title, explanation, table in zip(
            explained.subjects.titles, explained.explanations, explained.tables, strict=True
        )
    ]


def _stacked(subjects: Subjects, parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return tables of the subjects one below the other, led by who each is."""
    stacked = []
    for (_, who), part in zip(subjects.identity.iterrows(), parts, strict=True):
        for place, (name, value) in enumerate(who.items()):
            part.insert(place, str(name), value)
        stacked.append(part)
    return pd.concat(stacked, ignore_index=True)
