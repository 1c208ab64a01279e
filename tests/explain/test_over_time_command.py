"""The command's SurvSHAP(t), its comparison with SurvLIME, and permutation importance."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from survkit.explain.__main__ import main
from survkit.explain.loaded_run import load_run
from survkit.train import main as train
from tests.args_files import FOLDER

pytestmark = pytest.mark.slow

QUICK = ["--experiment_args", str(FOLDER / "small.args"), "--bootstrap", "0"]


def trained(folder: Path, *flags: str) -> Path:
    assert train([*QUICK, "--log_dir", str(folder), *flags]) == 0
    (result,) = folder.glob("*/*/result.json")
    return result.parent


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small mixture of experts on a table with numbers, categories and missing values."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("logs")
    n = 160
    table = pd.DataFrame(
        {
            "id": [f"p{i}" for i in range(n)],
            "age": rng.normal(60, 10, n).round(1),
            "albumin": np.where(rng.random(n) < 0.3, np.nan, rng.normal(38, 4, n).round(1)),
            "stage": rng.choice(["I", "II", "III"], n),
            "months": rng.exponential(20, n).round(2) + 0.1,
            "dead": rng.integers(0, 2, n),
        }
    )
    table.to_csv(folder / "table.csv", index=False)
    return trained(
        folder,
        *("--dataset", "csv", "--csv_path", str(folder / "table.csv"), "--id_column", "id"),
        *("--time_column", "months", "--event_column", "dead", "--model", "personalized_moe"),
    )


def test_survshap_writes_what_adds_up_to_the_models_own_curves(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    flags = ["--run", str(run), "--method", "survshap", "--rows", "2", "0", "--out", str(out)]
    assert main([*flags, "--background", "30"]) == 0
    printed = capsys.readouterr().out
    assert "test subject 2: SurvSHAP(t) of survival" in printed
    assert "exact, from all 8 coalitions" in printed
    curves = pd.read_csv(out / "survshap.csv")
    assert list(curves) == ["row", "feature", "value", "time", "phi", "standard_error"]
    # The column and its missing-indicator are one feature.
    assert set(curves["feature"]) == {"age", "albumin", "stage"}
    loaded = load_run(run)
    test, training = loaded.dataset.splits.test, loaded.dataset.splits.train.features
    sums = curves.groupby(["row", "time"])["phi"].sum().unstack()
    own = loaded.model.predict(test.features[[0, 2]]).survival
    rows = np.random.default_rng(42).choice(len(training), 30, replace=False)
    mean = loaded.model.predict(training[rows]).survival.mean(axis=0)
    np.testing.assert_allclose(sums.loc[[0, 2]], own - mean, atol=1e-6)
    total = pd.read_csv(out / "survshap_aggregated.csv", index_col=["row", "feature"])
    assert total.loc[2]["mean_absolute"].is_monotonic_decreasing
    assert total["standard_error"].eq(0).all()
    assert json.loads((out / "survshap.json").read_text())["exact"] == [True, True]
    assert (out / "survshap_row_2.png").stat().st_size > 10_000
    assert not (out / "explanation.csv").exists()
    # Other subjects take their place, figures included.
    again = ["--run", str(run), "--method", "survshap", "--rows", "1", "--out", str(out)]
    assert main([*again, "--batch_size", "16"]) == 0
    assert [path.name for path in out.glob("*.png")] == ["survshap_row_1.png"]
    assert "mean of 100 training rows" in capsys.readouterr().out


def test_both_methods_side_by_side(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    quick = ["--num_samples", "100", "--num_repetitions", "2", "--background", "10"]
    flags = ["--run", str(run), "--rows", "4", "--out", str(out)]
    assert main([*flags, *quick, "--method", "both"]) == 0
    printed = capsys.readouterr().out
    assert "Spearman correlation of the sizes: " in printed
    assert "  SurvLIME and SurvSHAP(t) " in printed
    table = pd.read_csv(out / "agreement.csv", index_col=["row", "feature"])
    assert set(table.loc[4].index) == {"age", "albumin", "stage"}
    lime = pd.read_csv(out / "explanation.csv")
    own = lime[lime["column"].isin(["albumin", "albumin_missing"])]
    assert len(own) == 2
    assert table.loc[(4, "albumin"), "survlime"] == pytest.approx(own["contribution"].sum())
    shap = pd.read_csv(out / "survshap_aggregated.csv", index_col=["row", "feature"])
    assert table.loc[(4, "age"), "survshap"] == shap.loc[(4, "age"), "mean_absolute"]
    # One method alone leaves no comparison with what it has just replaced.
    assert main([*flags, *quick[:4]]) == 0
    assert not (out / "agreement.csv").exists()
    assert (out / "survshap.csv").exists()


def test_new_patients_with_values_that_training_lacks(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = pd.DataFrame(
        {
            "id": ["x", "y"],
            "age": [50.5, 71.0],
            "albumin": [np.nan, 40.0],
            "stage": ["II", "IV"],
        }
    )
    new.to_csv(tmp_path / "new.csv", index=False)
    flags = ["--run", str(run), "--csv", str(tmp_path / "new.csv"), "--id_column", "id"]
    assert main([*flags, "--method", "survshap", "--out", str(tmp_path / "out")]) == 0
    assert "no training row has (IV)" in capsys.readouterr().err
    table = pd.read_csv(tmp_path / "out" / "survshap_aggregated.csv", index_col="feature")
    assert list(table["patient"].unique()) == ["x", "y"]
    of_x, of_y = (table[table["patient"] == name] for name in "xy")
    assert of_x.loc["albumin", "value"].startswith("missing (")
    assert not of_x.loc["albumin", "known"]
    assert of_y.loc["stage", "value"] == "IV (not in training)"


def test_random_orders_say_how_exact_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = ("--rsf_min_samples_split", "6")  # deep trees, in which three features interact
    run = trained(tmp_path, "--dataset", "veteran", "--model", "rsf", *own)
    flags = ["--run", str(run), "--method", "survshap", "--background", "20"]
    assert main([*flags, "--max_coalitions", "40"]) == 0
    assert "Monte-Carlo standard error at most 0.0" in capsys.readouterr().out
    table = pd.read_csv(run / "explain" / "survshap_aggregated.csv")
    assert (table["standard_error"] > 0).any()
    first = (run / "explain" / "survshap.csv").read_bytes()
    assert main([*flags, "--max_coalitions", "40"]) == 0
    assert (run / "explain" / "survshap.csv").read_bytes() == first
    assert main([*flags, "--max_coalitions", "40", "--seed", "7"]) == 0
    assert (run / "explain" / "survshap.csv").read_bytes() != first


def test_a_cause_is_explained_by_its_incidence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(
        tmp_path, "--dataset", "synthetic_competing", "--synthetic_rows", "300", "--model", "mtlr"
    )
    (first, *_) = load_run(run).fitted.cause_names
    flags = ["--run", str(run), "--cause", first]
    assert main([*flags, "--method", "survshap", "--background", "20"]) == 0
    assert f"SurvSHAP(t) of cumulative incidence of {first}" in capsys.readouterr().out
    loaded = load_run(run, cause=first)
    model, test = loaded.fitted.model, loaded.dataset.splits.test.features
    training = loaded.dataset.splits.train.features
    rows = np.random.default_rng(42).choice(len(training), 20, replace=False)
    incidence = model.predict(test[:1]).cumulative_incidence
    mean = model.predict(training[rows]).cumulative_incidence
    assert incidence is not None
    assert mean is not None
    curves = pd.read_csv(run / "explain" / "survshap.csv")
    sums = curves.groupby("time")["phi"].sum()
    np.testing.assert_allclose(sums, incidence[0, 0] - mean[:, 0].mean(axis=0), atol=1e-6)
    assert main([*flags, "--importance", "--importance_repeats", "2"]) == 0
    assert f"permutation importance for cumulative incidence of {first}" in capsys.readouterr().out
    settings = json.loads((run / "explain" / "permutation_importance.json").read_text())
    recorded = json.loads((run / "result.json").read_text())["test"]
    for name, value in settings["unshuffled"].items():
        assert value == pytest.approx(recorded[f"{first}/{name}"])


def test_importance_starts_from_the_recorded_scores(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    flags = ["--run", str(run), "--importance", "--out", str(out)]
    assert main(flags) == 0
    assert "16 test rows, each feature shuffled 5 times" in capsys.readouterr().out
    settings = json.loads((out / "permutation_importance.json").read_text())
    recorded = json.loads((run / "result.json").read_text())["test"]
    for name, value in settings["unshuffled"].items():
        assert value == pytest.approx(recorded[name], abs=1e-6)
    table = pd.read_csv(out / "permutation_importance.csv", index_col="feature")
    assert set(table.index) == {"age", "albumin", "stage"}
    assert table["integrated_brier_sd"].notna().all()
    curve = pd.read_csv(out / "permutation_importance_over_time.csv")
    assert set(curve["feature"]) == set(table.index)
    assert (out / "permutation_importance.png").stat().st_size > 10_000


def test_what_cannot_be_done_is_refused_and_nothing_is_written(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("explain"))
    survshap = ["--method", "survshap"]
    cases = [
        (["--method", "shap"], "'shap' is not one of survlime, survshap, both"),
        ([*survshap, "--background", "0"], "--background is 0; it must be at least 1"),
        ([*survshap, "--background", "500"], "--background is 500; the run has 128 training rows"),
        ([*survshap, "--max_coalitions", "6"], "max_coalitions is 6; the 3 features"),
        ([*survshap, "--rows", "16"], "--rows has 16; the test split has rows 0 to 15"),
        ([*survshap, "--num_samples", "5"], "--num_samples belongs to SurvLIME"),
        (["--background", "5"], "--background belongs to SurvSHAP(t), which --method survlime"),
        (["--importance_repeats", "5"], "--importance_repeats belongs to Permutation importance"),
        (["--importance", "--rows", "0"], "--rows chooses subjects"),
        (["--importance", *survshap], "--method survshap explains subjects"),
        (["--importance", "--importance_repeats", "0"], "must be at least 1"),
        (["--importance", "--cause", "x"], "has no competing causes"),
    ]
    for flags, message in cases:
        assert main(["--run", str(copy), *flags]) == 2
        assert message in capsys.readouterr().err
    (run.parent.parent / "table.csv").rename(tmp_path / "moved.csv")
    try:
        assert main(["--run", str(copy), *survshap]) == 2
        assert "table.csv" in capsys.readouterr().err
    finally:
        (tmp_path / "moved.csv").rename(run.parent.parent / "table.csv")
    assert not (copy / "explain").exists()
