"""Explains test subjects of a trained run, from its folder alone."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from survkit.datasets import load_configured
from survkit.datasets.assemble import Dataset
from survkit.datasets.preprocessing import BinnedColumn, CategoryColumn
from survkit.explain import plots
from survkit.explain.explanation import MonteCarloExplanation
from survkit.explain.survlime import SurvLimeExplainer
from survkit.files import write_bytes
from survkit.runs.read import load_fitted
from survkit.types import InputError, SurvivalModel

FOLDER = "explain"
"""Subfolder of a run for its explanations."""


class ExplainableRun(NamedTuple):
    """A run's model, an explainer of its predictions, and the data that it was trained on."""

    model: SurvivalModel
    explainer: SurvLimeExplainer
    dataset: Dataset


def open_run(
    run: Path | str, *, data_dir: Path | str | None = None, **options: Any
) -> ExplainableRun:
    """Load a run from its folder and build an explainer for its preprocessed features.

    Columns of category codes, and indicators of missing values, are categorical; their values go
    by the names that the data gives them. `data_dir` is the folder of the data files, where it is
    not the one that the run was made with; further options are those of `SurvLimeExplainer`.
    """
    fitted = load_fitted(run)
    configuration = dict(fitted.config)
    if data_dir is not None:
        configuration["data_dir"] = str(data_dir)
    dataset = load_configured(configuration)
    if dataset.sha256 != configuration["data_sha256"]:
        raise InputError(
            f"the data in {configuration['data_dir']} are not those that {run} was trained on; "
            "--data_dir names another folder"
        )
    train = dataset.splits.train
    names = train.feature_names
    categorical = [names[c.column] for c in train.categorical]
    labels = {}
    if fitted.preprocessor is not None:
        indicators = [f"{name}_missing" for name in fitted.preprocessor.indicators]
        categorical += [name for name in indicators if name in names]
        labels = {column.name: _labels(column) for column in fitted.preprocessor.coded}
    explainer = SurvLimeExplainer(
        train.features,
        train.event,
        train.time,
        feature_names=names,
        categorical_features=categorical,
        category_labels=labels,
        **options,
    )
    return ExplainableRun(fitted.model, explainer, dataset)


def _labels(column: CategoryColumn | BinnedColumn) -> dict[float, str]:
    """Return what the codes of a categorical column mean."""
    if isinstance(column, CategoryColumn):
        texts = list(column.values)
    else:
        edges = [f"{edge:g}" for edge in column.edges] or ["infinity"]
        texts = [f"({low}, {high}]" for low, high in zip(["", *edges], [*edges, ""], strict=True)]
        texts[0], texts[-1] = f"up to {edges[0]}", f"above {edges[-1]}"
    return {0.0: "missing", **{float(code): text for code, text in enumerate(texts, start=1)}}


def explain_rows(run: ExplainableRun, rows: Sequence[int], **options: Any) -> MonteCarloExplanation:
    """Explain the subjects in these places of the test split, as `montecarlo_explanation` does."""
    test = run.dataset.splits.test
    for row in rows:
        if not 0 <= row < len(test):
            raise InputError(f"--rows has {row}; the test split has rows 0 to {len(test) - 1}")
    return run.explainer.montecarlo_explanation(test.features[list(rows)], run.model, **options)


def write_explanation(
    folder: Path, explanation: MonteCarloExplanation, rows: Sequence[int], settings: dict[str, Any]
) -> list[Path]:
    """Write the table, a figure for each subject and one for all; return their paths.

    They take the place of an earlier explanation in that folder, its subjects' figures included.
    """
    paths = [folder / "explanation.csv", folder / "importance.csv", folder / "explanation.json"]
    write_bytes(paths[0], explanation.to_frame(rows).to_csv().encode())
    write_bytes(paths[1], explanation.global_importance().to_csv().encode())
    r_squared = explanation.mean_r_squared.round(6)
    summary = {
        **settings,
        "r_squared": [None if np.isnan(r) else r for r in r_squared.tolist()],
        "effective_neighbours": explanation.effective_neighbours.mean(axis=1).round(1).tolist(),
        "failures": list(explanation.failures),
        "cost": explanation.cost._asdict(),
    }
    write_bytes(paths[2], json.dumps(summary, indent=2).encode())
    for i, row in enumerate(rows):
        axes = plots.bar_chart(explanation.coefficients[i], explanation.feature_names)
        axes.set_title(f"test subject {row}")
        paths.append(_save(axes, folder / f"row_{row}.png"))
    axes = plots.boxen_plot(explanation.samples, explanation.feature_names)
    one = f"repetitions for subject {rows[0]}"
    axes.set_title(f"{len(rows)} subjects" if len(rows) > 1 else one)
    paths.append(_save(axes, folder / "montecarlo.png"))
    for earlier in set(folder.glob("row_*.png")).difference(paths):
        earlier.unlink()
    return paths


def _save(axes: Any, path: Path) -> Path:
    import matplotlib.pyplot as plt

    figure = axes.get_figure()
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=150, format="png")
    plt.close(figure)
    write_bytes(path, buffer.getvalue())
    return path
