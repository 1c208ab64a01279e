"""The replicates of the study on data like rossi, and its file."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter
from lifelines.datasets import load_rossi
from numpy.testing import assert_allclose

from benchmarks import bart_rossi
from benchmarks.bart_rossi import cox_of_rossi, draw, hazard_ratio, run_study, summary

pytestmark = pytest.mark.filterwarnings("ignore:Starting with pandas")  # lifelines's


def test_the_truth_is_the_fitted_cox_model() -> None:
    table = load_rossi()
    cox = CoxPHFitter().fit(table, "week", "arrest")
    weeks = np.sort(table.loc[table["arrest"] == 1, "week"].unique())
    expected = cox.predict_survival_function(table, times=weeks).T.to_numpy()
    truth = cox_of_rossi(8)
    assert_allclose(truth.survival()[:, weeks - 1], expected, rtol=1e-6)
    assert truth.names[-1] == "noise"
    assert truth.coefficients[-1] == 0


def test_replicates_have_the_true_survival() -> None:
    truth = cox_of_rossi(1)
    drawn = [draw(truth, seed) for seed in range(200)]
    assert all((data.time[~data.event] == 52).all() for data in drawn)
    for week in (12, 30, 52):
        beyond = np.mean([(data.time > week) | ~data.event for data in drawn])
        assert_allclose(beyond, truth.survival()[:, week - 1].mean(), atol=0.005)


def test_the_marginal_hazard_ratio_is_close_to_that_of_cox() -> None:
    truth = cox_of_rossi(1)
    ratio = hazard_ratio(truth, np.arange(3, 52, 4))
    assert_allclose(ratio, np.exp(truth.coefficients[0]), rtol=0.03)


@pytest.mark.slow
def test_a_study_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fits = ((1, "stochtree", "prior"), (1, "stochtree", "learned"))
    monkeypatch.setattr(bart_rossi, "FITS", fits)
    path = tmp_path / "coverage.csv"
    options = {"replicates": 1, "chains": 1, "tune": 4, "draws": 6, "sweeps": 1}
    options["without_resampling"] = False
    run_study(path, argparse.Namespace(**options))
    first = path.read_text()
    run_study(path, argparse.Namespace(**{**options, "replicates": 2}))
    assert path.read_text().startswith(first)
    rows = pd.read_csv(path)
    assert rows["replicate"].tolist() == [0, 0, 1, 1]
    assert summary(rows)["replicates"].tolist() == [2, 2]
