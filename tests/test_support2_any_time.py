"""Predictions for all patients of SUPPORT2 between the cuts of its grid, 20.5 days apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from survkit.datasets.support2 import FEATURES
from survkit.metrics.censoring import kaplan_meier
from survkit.predict.__main__ import main as predict
from survkit.train import main as train

DAYS = (10, 20, 30, 100)

FURTHEST = {"coxph": 0.03, "kaplan_meier": 0.005, "rsf": 0.035}
"""From Kaplan-Meier. Linear from 1 to the first cut, Kaplan-Meier itself misses day 10 by 0.032."""


@pytest.mark.slow
@pytest.mark.parametrize("model", FURTHEST)
def test_the_mean_is_near_kaplan_meier_at_any_day(
    model: str, real_data_dir: Path, tmp_path: Path
) -> None:
    small = ["--rsf_n_estimators", "20", "--rsf_min_samples_split", "200"]
    flags = ["--model", model, *(small if model == "rsf" else [])]
    data = ["--dataset", "support2", "--data_dir", str(real_data_dir), "--bootstrap", "0"]
    assert train([*data, *flags, "--log_dir", str(tmp_path), "--mode", "disabled"]) == 0
    (run,) = (path.parent for path in tmp_path.glob("*/*/result.json"))
    raw = pd.read_csv(real_data_dir / "support2.csv")
    patients = tmp_path / "patients.csv"
    raw[list(FEATURES["published"])].to_csv(patients, index=False)
    times = ["--times", *map(str, DAYS), "--similar", "0"]
    assert predict(["--run", str(run), "--csv", str(patients), *times]) == 0
    table = pd.read_csv(tmp_path / "patients_predictions.csv")
    survival = table[[f"survival_{day}" for day in DAYS]].to_numpy()
    expected = kaplan_meier(raw["d.time"].to_numpy(), raw["death"].to_numpy() == 1).at(DAYS)
    assert np.abs(survival.mean(axis=0) - expected).max() < FURTHEST[model]
    median = table["median"].fillna(np.inf).to_numpy()[:, None]
    assert ((survival <= 0.5) == (median <= np.array(DAYS))).all()
