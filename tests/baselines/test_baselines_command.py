"""Every baseline through the training command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from survkit.datasets import load_dataset
from survkit.metrics.evaluate import renormalise_beyond_horizon
from survkit.models.registry import MODELS, model_name
from survkit.runs.read import load_fitted, read_predictions
from survkit.runs.results import evaluated_outcomes
from survkit.train import main
from survkit.types import SurvivalPrediction
from tests.args_files import SMALL

pytestmark = pytest.mark.slow

BASELINES = [name for name, entry in MODELS.items() if entry.is_baseline]

PREDICT_AGAIN = """
import sys
from pathlib import Path
import numpy as np
from survkit.datasets import load_dataset
from survkit.runs.read import load_fitted
test = load_dataset("gbsg2", data_dir=".").splits.test
for folder in map(Path, sys.argv[1:]):
    np.save(folder / "again.npy", load_fitted(folder).model.predict(test.features).survival)
"""


def run(log_dir: Path, *flags: str) -> Path:
    assert main([*SMALL, "--dataset", "gbsg2", "--log_dir", str(log_dir), *flags]) == 0
    (folder,) = {path.parent for path in log_dir.glob("*/*/result.json")}
    return folder


def record(folder: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return result


def test_the_baselines_are_the_models_without_a_head() -> None:
    networks = ["deepsurv", "deephit", "logistic_hazard", "deep_weibull"]
    networks += ["deep_survival_machines", "deep_cox_mixtures"]
    trees = ["rsf", "extra_survival_trees", "gbsa", "xgb_cox", "xgb_aft", "survivalboost"]
    curves = ["kaplan_meier", "aalen_johansen"]
    assert [*curves, "coxph", "coxnet", "weibull_aft", *trees, *networks] == BASELINES
    deterministic = [name for name, entry in MODELS.items() if entry.is_deterministic]
    assert deterministic == [*curves, "coxph", "weibull_aft"]
    assert model_name("SKSurvRF") == "rsf"
    assert model_name("SKSurvCox") == "coxph"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One run of each baseline."""
    return {name: run(tmp_path_factory.mktemp(name), "--model", name) for name in BASELINES}


@pytest.mark.parametrize("model", BASELINES)
def test_a_run_makes_a_record(model: str, folders: dict[str, Path]) -> None:
    result = record(folders[model])
    network = MODELS[model].network != ""
    assert result["n_train"] == 548
    assert result["epochs_trained"] == (2 if network else None)
    assert (folders[model] / "history.jsonl").exists() == network
    linear = model in ("coxph", "coxnet", "weibull_aft")
    assert (result["num_parameters"] is None) == (not network and not linear)
    if not network and model not in ("kaplan_meier", "aalen_johansen"):
        assert 0.6 < result["test"]["concordance"] < 0.8


def test_a_fresh_process_predicts_the_same_bits(folders: dict[str, Path]) -> None:
    command = [sys.executable, "-c", PREDICT_AGAIN, *map(str, folders.values())]
    subprocess.run(command, check=True, timeout=200)
    for folder in folders.values():
        recorded, _ = read_predictions(folder, "test")
        np.testing.assert_array_equal(np.load(folder / "again.npy"), recorded.survival)


@pytest.mark.parametrize("model", BASELINES)
def test_published_evaluation_leaves_a_fold_out_and_renormalises(
    model: str, tmp_path: Path
) -> None:
    folder = run(tmp_path, "--model", model, "--evaluation", "published", "--seed", "44")
    assert record(folder)["n_train"] == 548 - 110
    recorded, _ = read_predictions(folder, "test")
    np.testing.assert_allclose(recorded.survival[:, -1], 0.0, atol=1e-12)
    test = load_dataset("gbsg2", data_dir=tmp_path).splits.test
    plain = load_fitted(folder).model.predict(test.features)
    assert plain.survival[:, -1].min() > 1e-9
    np.testing.assert_array_equal(renormalise_beyond_horizon(plain).survival, recorded.survival)


def test_a_curve_that_never_falls_stays_and_is_in_the_record(tmp_path: Path) -> None:
    # The long tail of a small table: few events, so that most leaves of three trees have none.
    rng = np.random.default_rng(0)
    x, time = rng.normal(size=400), rng.uniform(1, 10, 400)
    event = (x > 0.5) & (rng.random(400) < 0.4)
    table = np.column_stack([x, time, event])
    np.savetxt(tmp_path / "table.csv", table, delimiter=",", header="x,time,event", comments="")
    flags = ("--dataset", "csv", "--csv_path", str(tmp_path / "table.csv"))
    columns = ("--time_column", "time", "--event_column", "event", "--rsf_n_estimators", "3")
    folder = run(tmp_path / "logs", *flags, *columns, "--model", "rsf", "--evaluation", "published")
    survival = read_predictions(folder, "test")[0].survival
    ends = survival[:, -1]
    assert set(np.unique(ends)) == {0.0, 1.0}
    never = (survival == 1).all(axis=1)
    np.testing.assert_array_equal(never, ends == 1)
    message = f"test rows: {never.sum()} of {len(ends)} predicted curves never fall"
    assert any(message in warning for warning in record(folder)["warnings"])


def test_published_evaluation_leaves_the_heads_as_they_are(tmp_path: Path) -> None:
    folder = run(tmp_path, "--model", "mtlr", "--evaluation", "published")
    assert record(folder)["n_train"] == 548
    recorded, _ = read_predictions(folder, "test")
    assert recorded.survival[:, -1].min() > 0  # mass beyond the horizon stays there


@pytest.mark.parametrize("evaluation", ["standard", "published"])
def test_a_seed_changes_cox_regression_only_through_its_fold(
    evaluation: str, tmp_path: Path
) -> None:
    flags = ("--model", "coxph", "--evaluation", evaluation)
    folders = [run(tmp_path / seed, *flags, "--seed", seed) for seed in ("42", "43")]
    first, second = (read_predictions(folder, "test")[0].survival for folder in folders)
    assert (np.abs(first - second).max() == 0) == (evaluation == "standard")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--model", "coxph", "--cox_l1_ratio", "0"), "--cox_l1_ratio is 0.0; it must be above 0"),
        (("--model", "rsf", "--rsf_max_features", "half"), "sqrt"),
        (("--model", "rsf", "--max_memory_gb", "0.0001"), "more than --max_memory_gb 0.0001"),
        (("--model", "deepsurf"), "did you mean deepsurv?"),
        (("--model", "deepsurv", "--monitored_val_metric", "eec"), "did you mean ece?"),
    ],
)
def test_what_cannot_be_used_is_said_without_a_traceback(
    flags: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status = main([*SMALL, "--dataset", "gbsg2", "--log_dir", str(tmp_path), *flags])
    except SystemExit as stopped:
        status = int(stopped.code or 0)
    assert status == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not list(tmp_path.glob("*/*/result.json"))


def test_training_a_mixture_imports_no_baseline_packages() -> None:
    script = (
        "import sys; import survkit.train, survkit.models.registry; "
        "print([m for m in ('pycox', 'sksurv', 'torchtuples') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == "[]"


def leaking_table(folder: Path, **columns: Any) -> list[str]:
    """Flags of a table with a number, a copy of it, and further columns."""
    rng = np.random.default_rng(0)
    age = rng.normal(60, 10, 200)
    event_time = rng.exponential(300 * np.exp(-(age - 60) / 20))
    censoring = rng.uniform(0, 900, 200)
    time, event = np.minimum(event_time, censoring), event_time <= censoring
    more = {name: make(time, event) for name, make in columns.items()}
    path = folder / "table.csv"
    pd.DataFrame({"t": time, "e": event.astype(int), "age": age, **more}).to_csv(path, index=False)
    return [
        "--dataset",
        "csv",
        "--csv_path",
        str(path),
        "--time_column",
        "t",
        "--event_column",
        "e",
    ]


@pytest.mark.parametrize("model", ["coxph", "deepsurv"])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_copy_of_the_time_ends_no_run(model: str, sign: int, tmp_path: Path) -> None:
    flags = leaking_table(tmp_path, days=lambda time, event: sign * time)
    folder = run(tmp_path / "logs", *flags, "--model", model)
    prediction, _ = read_predictions(folder, "test")
    assert np.isfinite(prediction.survival).all()
    if model == "coxph":
        result = record(folder)
        assert any("at every event 'days' is highest" in text for text in result["warnings"])
        assert any("'days' would have an infinite" in n for n in result["hazard_ratio_notes"])
        assert "'days'" in (folder / "model_card.md").read_text()


def test_what_cannot_be_fitted_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = leaking_table(tmp_path, days=lambda time, event: time)
    command = [*SMALL, *flags, "--log_dir", str(tmp_path / "logs"), "--model", "coxph"]
    assert main([*command, "--cox_alpha", "0"]) == 2
    error = capsys.readouterr().err
    assert "at every event 'days' is highest (or lowest)" in error
    assert "a larger --cox_alpha may help" in error


def test_the_same_column_twice_works_without_a_penalty(tmp_path: Path) -> None:
    source = leaking_table(tmp_path, a=lambda time, event: np.sin(time))
    path = Path(source[3])
    frame = pd.read_csv(path)
    frame.assign(b=frame["a"]).to_csv(path, index=False)
    result = record(run(tmp_path / "logs", *source, "--model", "coxph", "--cox_alpha", "0"))
    assert any("'b' adds nothing to 'a'" in warning for warning in result["warnings"])
    rows = {row["feature"]: row for row in result["hazard_ratios"]}
    assert rows["a"]["p"] is not None
    assert rows["b"]["p"] is None


@pytest.mark.parametrize("model", [name for name in BASELINES if MODELS[name].network])
@pytest.mark.parametrize("lr", ["1e10", "1e30"])
def test_a_network_that_diverges_leaves_nothing_and_says_the_same_again(
    model: str, lr: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [*SMALL, "--dataset", "gbsg2", "--model", model, "--lr", lr, "--seeds", "42", "43"]
    said = []
    for _ in range(2):
        assert main([*flags, "--log_dir", str(tmp_path / "logs")]) == 2
        assert not (tmp_path / "logs" / "gbsg2").exists()
        said.append(capsys.readouterr().err)
    assert said[0] == said[1]
    (line,) = (line for line in said[0].splitlines() if "error" in line)
    assert line == (
        "survkit.train: error: the loss is not finite in the first epoch; a smaller --lr than "
        f"{float(lr)} may help"
    )


def test_a_seed_that_diverges_takes_no_other_along(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [*SMALL, "--dataset", "gbsg2", "--model", "deephit", "--optimizer", "SGD"]
    flags += ["--time_bins", "10", "--lr", "100", "--seeds", *map(str, range(42, 50))]
    said = []
    for _ in range(2):
        assert main([*flags, "--log_dir", str(tmp_path)]) == 2
        said.append(capsys.readouterr().err.splitlines()[-1])
        folders = list((tmp_path / "gbsg2").iterdir())
        assert 0 < len(folders) < 8
        assert all((folder / "result.json").exists() for folder in folders)
    assert said[0] == said[1]
    assert "the loss is not finite in the first epoch" in said[0]


@pytest.mark.parametrize(
    ("model", "advice"),
    [("deepsurv", "a smaller --lr than 0.0005 or features"), ("rsf", "features")],
)
def test_a_test_row_without_a_finite_prediction_leaves_nothing_and_is_said_again(
    model: str,
    advice: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The fit and the validation rows are fine."""

    def predict(model: Any, outcomes: Any) -> SurvivalPrediction:
        prediction: SurvivalPrediction = model.predict(outcomes.data.features)
        spoiled = prediction.survival.copy()
        spoiled[0] *= np.nan if outcomes.data is test else 1
        return SurvivalPrediction(prediction.times, spoiled)

    def evaluated(dataset: Any, settings: Any) -> Any:
        nonlocal test
        test = dataset.splits.test
        return evaluated_outcomes(dataset, settings)

    test = None
    monkeypatch.setattr("survkit.runs.results.predict_outcomes", predict)
    monkeypatch.setattr("survkit.runs.results.evaluated_outcomes", evaluated)
    command = [*SMALL, "--dataset", "gbsg2", "--model", model, "--log_dir", str(tmp_path / "logs")]
    said = []
    for _ in range(2):
        assert main(command) == 2
        assert not (tmp_path / "logs" / "gbsg2").exists()
        said.append(capsys.readouterr().err.splitlines()[-1])
    assert said[0] == said[1]
    assert said[0] == (
        f"survkit.train: error: what {model} predicts is not finite (survival of subject 0 at time "
        f"0.0 is nan; it must lie in [0, 1]); {advice} without values far beyond those of the "
        "training rows may help"
    )
