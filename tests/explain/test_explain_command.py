from __future__ import annotations

import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sksurv.datasets import load_veterans_lung_cancer

from survkit.explain.__main__ import main
from survkit.explain.runs import explain_subjects, open_run
from survkit.explain.subjects import from_test_split
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
    """A small mixture of experts on data with numbers and categories."""
    return trained(
        tmp_path_factory.mktemp("logs"), "--dataset", "veteran", "--model", "personalized_moe"
    )


def test_the_command_writes_a_table_and_figures(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--num_repetitions", "3", "--num_samples", "300", "--batch_size", "200"]
    assert main(["--run", str(run), "--rows", "0", "5", "5", *flags]) == 0
    printed = capsys.readouterr().out
    assert "test subject 5: predicted median survival" in printed
    folder = run / "explain"
    table = pd.read_csv(folder / "explanation.csv", index_col=["row", "feature"])
    assert list(table.columns) == [
        *("column", "value", "known", "reference", "hazard_ratio", "low", "high"),
        *("contribution", "coefficient", "standard_error", "r_squared", "share_capped"),
    ]
    assert table.index.get_level_values("row").unique().tolist() == [0, 5]
    assert "Celltype=squamous" in table.index.get_level_values("feature")
    assert np.isfinite(table[["coefficient", "standard_error"]]).all(axis=None)
    numbers = ["Age_in_years", "Karnofsky_score", "Months_from_Diagnosis"]
    values = table.loc[5].loc[numbers, "value"].astype(float)
    patients = load_veterans_lung_cancer()[0][numbers]
    assert (patients == values).all(axis=1).any()
    settings = json.loads((folder / "explanation.json").read_text())
    assert settings["num_repetitions"] == 3
    assert settings["cost"]["num_model_calls"] > 3
    for name in ("row_0.png", "row_5.png", "montecarlo.png"):
        assert (folder / name).stat().st_size > 10_000
    written = (folder / "explanation.csv").read_bytes()
    assert main(["--run", str(run), "--rows", "0", "5", "--num_workers", "2", *flags]) == 0
    assert (folder / "explanation.csv").read_bytes() == written
    assert main(["--run", str(run), "--rows", "3", *flags]) == 0
    assert [path.name for path in folder.glob("row_*.png")] == ["row_3.png"]


def test_pixels_are_explained_in_the_models_units(tmp_path: Path) -> None:
    run = trained(tmp_path, "--dataset", "digits", "--model", "mtlr")
    assert main(["--run", str(run), "--num_repetitions", "1", "--num_samples", "150"]) == 0
    table = pd.read_csv(run / "explain" / "explanation.csv", index_col="feature")
    with pytest.warns(UserWarning, match="constant in the training rows"):
        opened = open_run(run)
    test, train = opened.dataset.splits.test, opened.dataset.splits.train
    values = table.loc[list(test.feature_names), ["value", "reference"]].to_numpy()
    np.testing.assert_allclose(values[:, 0], test.features[0], atol=1e-5)
    np.testing.assert_allclose(values[:, 1], np.median(train.features, axis=0), atol=1e-5)


def test_a_cox_model_is_found_again_where_its_survival_is_tiny(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Subject 0, long after the diagnosis, has survival of less than rounding under Cox."""
    own = ["--dataset", "veteran", "--model", "coxph", "--no_stratified_split"]
    run = trained(tmp_path, *own)  # of the random split
    flags = ["--run", str(run), "--num_samples", "200", "--num_repetitions", "2"]
    assert main(flags) == 0
    assert "warning" not in capsys.readouterr().err
    settings = json.loads((run / "explain" / "explanation.json").read_text())
    assert settings["r_squared"] == [1.0]
    assert settings["share_capped"] == [0.0]
    table = pd.read_csv(run / "explain" / "explanation.csv", index_col="feature")
    opened = open_run(run)
    # What the model itself says: its log hazard with and without 10 years of age.
    names = opened.dataset.splits.train.feature_names
    unit = opened.units[names.index("Age_in_years")]
    row = opened.dataset.splits.test.features[:1]
    older = row.copy()
    older[0, names.index("Age_in_years")] += 10 / unit.scale
    time = opened.model.knots.times[-1:]
    hazards = [-np.log(opened.model.predict(x, time).survival.item()) for x in (row, older)]
    assert table.loc["Age_in_years", "coefficient"] == pytest.approx(
        np.log(hazards[1] / hazards[0]) / 10, rel=1e-4
    )


def test_capped_hazards_are_told_in_the_table_and_on_the_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = ("--dataset", "veteran", "--model", "coxph", "--no_stratified_split")
    run = trained(tmp_path, *own)  # of the random split
    flags = ["--run", str(run), "--num_samples", "100", "--num_repetitions", "2"]
    assert main([*flags, "--max_hazard_value_allowed", "50"]) == 0
    printed = capsys.readouterr().out
    table = pd.read_csv(run / "explain" / "explanation.csv")
    share = table["share_capped"].iloc[0]
    assert 0 < share < 0.5
    assert f"{100 * share:.0f} % of the hazards predicted nearby are above" in printed
    assert table["r_squared"].iloc[0] < 0.9999
    assert main([*flags, "--max_hazard_value_allowed", "1e-6"]) == 0
    assert (
        "hazard is 0 or too large here to tell what the features change" in capsys.readouterr().out
    )
    lost = pd.read_csv(run / "explain" / "explanation.csv")
    assert (
        lost[["hazard_ratio", "low", "high", "contribution", "coefficient"]].isna().all(axis=None)
    )


def test_one_neighbour_gives_no_fit_to_rely_on(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--run", str(run), "--num_samples", "1", "--num_repetitions", "2"]) == 0
    assert "do not rely on these ratios" in capsys.readouterr().out


def test_an_output_that_closes_early_loses_no_file(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(run / "explain", ignore_errors=True)

    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr("sys.stdout", Closed())
    assert main(["--run", str(run), "--num_samples", "100", "--num_repetitions", "2"]) == 141
    assert (run / "explain" / "explanation.csv").exists()
    assert (run / "explain" / "row_0.png").exists()


def test_a_run_folder_is_a_model(run: Path) -> None:
    opened = open_run(run, random_state=1, baseline="model")
    row = opened.dataset.splits.test.features[0]
    from_folder = opened.explainer.explain_instance(row, run, num_samples=100)
    again = open_run(run, random_state=1, baseline="model").explainer
    np.testing.assert_array_equal(
        from_folder, again.explain_instance(row, opened.model, num_samples=100)
    )
    codes = [c.column for c in opened.dataset.splits.train.categorical]
    assert (from_folder.neighbours[:, codes] % 1 == 0).all()


def test_bad_input_is_explained_and_nothing_is_written(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("explain"))
    cases = [
        ([], "--run is needed"),
        (["--run", str(tmp_path / "none")], "checkpoint.pt"),
        (["--run", str(copy), "--rows", "99"], "--rows has 99; the test split has rows 0 to 13"),
        (["--run", str(copy), "--functional_norm", "0.5"], "functional_norm is 0.5"),
        (["--run", str(copy), "--functional_norm", "two"], "--functional_norm is 'two'"),
        (["--run", str(copy), "--rows", "-1"], "--rows is -1; it must be at least 0"),
    ]
    for flags, message in cases:
        assert main(flags) == 2
        assert message in capsys.readouterr().err
    assert not (copy / "explain").exists()


@pytest.mark.parametrize("norm", ["1", "inf"])
def test_other_norms(run: Path, norm: str) -> None:
    flags = ["--functional_norm", norm, "--num_samples", "60", "--num_repetitions", "2"]
    assert main(["--run", str(run), *flags]) == 0


def test_support2_from_its_run_folder_alone(
    real_data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = ("--dataset", "support2", "--data_dir", str(real_data_dir), "--mixture_components", "4")
    folder = trained(tmp_path, *flags, "--model", "personalized_moe", "--epochs", "1")
    monkeypatch.delenv("SURVKIT_DATA_DIR", raising=False)
    assert "SURVKIT_DATA_DIR" not in os.environ
    opened = open_run(folder, baseline="model", weighting="equal", random_state=0)
    row = opened.dataset.splits.test.features[0]
    found = opened.explainer.explain_instance(row, folder, num_samples=3000)
    assert {"age", "dzgroup=Coma", "sex=female", "alb_missing"} <= set(found.feature_names)
    assert np.isfinite(found.coefficients).all()
    assert found.r_squared > 0.3
    subjects = from_test_split(opened.dataset.splits.test, [0, 5])
    many = explain_subjects(opened, subjects, num_repetitions=2, num_samples=3000).explanation
    assert many.shape == (2, len(found.feature_names))
