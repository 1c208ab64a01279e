"""The figures of a group of runs: survival curves and calibration of its models, side by side."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from survkit.records import read_predictions
from survkit.report.figures import calibration_curves, survival_curves
from survkit.types import InputError, SurvivalData, SurvivalPrediction

QUARTILES = (0.25, 0.5, 0.75)


def save_figures(runs: pd.DataFrame, folder: Path) -> list[Path]:
    """Draw and save the figures of runs on one dataset, with each model's first seed.

    Parameters
    ----------
    runs : DataFrame
        From `load_runs`, of one dataset.
    folder : Path
        Where `survival.png` and `calibration.png` are saved.

    Returns
    -------
    list of Path
    """
    predictions, data = _first_seed_predictions(runs)
    unit = str(runs["time_unit"].iloc[0])
    figures = {
        "survival.png": _mean_survival(predictions, data, unit),
        "calibration.png": _calibration_at_quartiles(predictions, data, unit),
    }
    paths = []
    for name, figure in figures.items():
        try:
            figure.savefig(folder / name, dpi=150)
        except OSError as error:
            raise InputError(f"cannot write {folder / name}: {error.strerror}") from None
        plt.close(figure)
        paths.append(folder / name)
    return paths


def _first_seed_predictions(
    runs: pd.DataFrame,
) -> tuple[dict[str, SurvivalPrediction], SurvivalData]:
    first = runs.drop_duplicates("model")
    read = {
        model: read_predictions(Path(path), "test")
        for model, path in zip(first["model"], first["path"], strict=True)
    }
    predictions = {model: prediction for model, (prediction, _) in read.items()}
    return predictions, next(iter(read.values()))[1]


def _mean_survival(
    predictions: dict[str, SurvivalPrediction], data: SurvivalData, unit: str
) -> Figure:
    figure, axes = plt.subplots(figsize=(6, 4.2), layout="constrained")
    survival_curves(predictions, data.time, data.event, time_unit=unit, axes=axes)
    return figure


def _calibration_at_quartiles(
    predictions: dict[str, SurvivalPrediction], data: SurvivalData, unit: str
) -> Figure:
    """Calibration at the cuts a quarter, a half and three quarters along the time grid."""
    times = next(iter(predictions.values())).times
    figure, row = plt.subplots(1, 3, figsize=(12, 4.4), layout="constrained")
    for axes, share in zip(np.ravel(row), QUARTILES, strict=True):
        at = float(times[int(share * len(times))])
        calibration_curves(predictions, data.time, data.event, at=at, time_unit=unit, axes=axes)
    for axes in np.ravel(row)[1:]:  # one legend is enough
        axes.get_legend().remove()
    return figure
