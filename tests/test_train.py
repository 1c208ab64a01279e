from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import survkit
from survkit.configs.args_file import parse_configs
from survkit.configs.train import TrainConfig
from survkit.datasets import known_datasets, load_dataset
from survkit.models.registry import MODELS
from survkit.runs.read import load_fitted, read_predictions
from survkit.train import main
from survkit.training.network import SurvivalNetwork
from survkit.types import InputError, TimeGrid
from tests.args_files import SMALL_SYNTHETIC

ROOT = Path(survkit.__file__).parent.parent
HEADS = ("mtlr", "fixed_moe", "adjustable_moe", "personalized_moe")
VARYING = ("timing", "peak_memory_mb", "files", "sha256")


def run(tmp_path: Path, *flags: str) -> Path:
    """Run the command in this process and return the one folder that it made."""
    assert main([*SMALL_SYNTHETIC, "--log_dir", str(tmp_path), *flags]) == 0
    (folder,) = {path.parent for path in tmp_path.glob("*/*/result.json")}
    return folder


def result(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return {key: value for key, value in record.items() if key not in VARYING}


@pytest.mark.parametrize("model", HEADS)
def test_a_record_is_complete(model: str, tmp_path: Path) -> None:
    folder = run(tmp_path, "--model", model)
    assert {path.name for path in folder.iterdir()} == {
        ".lock",
        "config.json",
        "history.jsonl",
        "checkpoint.pt",
        "model_card.md",
        "tripod_ai.md",
        "predictions_validation.npz",
        "predictions_test.npz",
        "result.json",
    }
    record = json.loads((folder / "result.json").read_text())
    assert record["run_id"] == folder.name
    assert record["model"] == model
    assert record["group"] == "synthetic"
    assert record["num_parameters"] > 0
    assert record["n_train"] == 240
    assert record["epochs_trained"] == 2 == len((folder / "history.jsonl").read_text().splitlines())
    assert set(record["timing"]) == {
        "load_seconds",
        "fit_seconds",
        "evaluate_seconds",
        "total_seconds",
    }
    low, high = record["test_interval"]["concordance"]
    assert low < record["test"]["concordance"] < high
    assert record["test_details"]["brier@50"]["n_used"] > 0
    assert record["test_details"]["brier@50"]["at_risk"] >= 10
    assert record["test"]["brier_true@50"] is not None
    assert ("expert_load" in record["test"]) == (model != "mtlr")
    config = json.loads((folder / "config.json").read_text())
    assert config["hidden_dim"] == 8
    assert config["device"] in ("cpu", "cuda")
    assert config["command"][:3] == ["python", "-m", "survkit.train"]


@pytest.mark.slow
def test_the_checkpoint_predicts_the_same_bits_in_a_fresh_process(tmp_path: Path) -> None:
    folder = run(tmp_path, "--dataset", "gbsg2")
    script = """
import sys, numpy as np
from survkit.datasets import load_dataset
from survkit.runs.read import load_fitted
test = load_dataset("gbsg2", data_dir="", time_bins=12).splits.test
np.save(sys.argv[2], load_fitted(sys.argv[1]).model.predict(test.features).survival)
"""
    survival = tmp_path / "survival.npy"
    subprocess.run(
        [sys.executable, "-c", script, str(folder), str(survival)],
        check=True,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    recorded, _ = read_predictions(folder, "test")
    np.testing.assert_array_equal(np.load(survival), recorded.survival)


def test_the_checkpoint_holds_the_preprocessing(tmp_path: Path) -> None:
    folder = run(tmp_path, "--dataset", "gbsg2")
    found = load_fitted(folder).preprocessor
    expected = load_dataset("gbsg2", data_dir="", time_bins=12).preprocessor
    assert found is not None
    assert expected is not None
    assert found.state() == expected.state()


def test_a_damaged_checkpoint_is_explained(tmp_path: Path) -> None:
    folder = run(tmp_path)
    content = (folder / "checkpoint.pt").read_bytes()
    (folder / "checkpoint.pt").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="is damaged"):
        load_fitted(folder)


def test_a_finished_run_is_not_trained_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run(tmp_path)
    written = (folder / "result.json").stat().st_mtime_ns
    capsys.readouterr()
    monkeypatch.setattr(survkit, "__version__", "9.9.9")
    assert run(tmp_path, "--device", "cpu") == folder
    assert (folder / "result.json").stat().st_mtime_ns == written
    printed = capsys.readouterr()
    assert "is complete; --overwrite trains it again" in printed.out
    assert "made by survkit 0.1.0, this is 9.9.9" in printed.err
    run(tmp_path, "--overwrite")
    assert (folder / "result.json").stat().st_mtime_ns > written


def test_overwriting_keeps_the_record_until_the_new_one_is_there(tmp_path: Path) -> None:
    folder = run(tmp_path, "--model", "rsf", "--rsf_n_estimators", "3")
    before = result(folder)
    again = ["--model", "rsf", "--rsf_n_estimators", "3", "--overwrite", "--max_memory_gb", "1e-6"]
    assert main([*SMALL_SYNTHETIC, "--log_dir", str(tmp_path), *again]) == 2
    assert result(folder) == before


def test_help_names_every_dataset_and_model(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    for flag, known in (("dataset", known_datasets()), ("model", ", ".join(MODELS))):
        assert f"--{flag} STR one of {known} (default" in text


@pytest.mark.slow
def test_known_leaks_are_in_the_record(tmp_path: Path) -> None:
    folder = run(tmp_path, "--dataset", "flchain")
    assert result(folder)["known_leaks"] == list(
        load_dataset("flchain", data_dir="").card.known_leaks
    )
    assert result(folder)["known_leaks"]


def test_experts_that_nobody_is_routed_to_are_named(tmp_path: Path) -> None:
    record = result(run(tmp_path, "--model", "fixed_moe", "--mixture_components", "31"))
    load = record["test"]["expert_load"]
    dead = [str(number) for number, share in enumerate(load, start=1) if share == 0]
    assert dead  # 30 test subjects
    (warning,) = [each for each in record["warnings"] if "largest weight" in each]
    experts, have = ("experts", "have") if len(dead) > 1 else ("expert", "has")
    assert warning == (
        f"{experts} {', '.join(dead)} of 31 {have} the largest weight for no test subject"
    )


def test_aliases_name_the_same_run(tmp_path: Path) -> None:
    folder = run(tmp_path, "--model", "FFNetMixtureMTLR")
    assert run(tmp_path, "--model", "personalized_moe") == folder
    assert result(folder)["model"] == "personalized_moe"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--unknown_flag"], "unknown flag --unknown_flag"),
        (["--model", "personalised_moe"], "did you mean personalized_moe?"),
        (["--dataset", "suport2"], "did you mean support2?"),
        (["--experiment_args", "args/missing.args"], "cannot read the args file"),
        (
            [
                "--dataset",
                "csv",
                "--csv_path",
                "missing.csv",
                "--time_column",
                "t",
                "--event_column",
                "e",
            ],
            "missing.csv",
        ),
        (["--device", "cuda:77"], "this machine has cpu"),
        (["--model", "personalized_moe", "--moe_value_dim", "10"], "8 or 12 would work"),
        (["--mixture_topk", "9"], "--mixture_topk is 9"),
        (["--monitored_val_metric", "losss"], "did you mean loss?"),
        (["--optimizer", "SGD", "--lr", "1e30"], "smaller --lr"),
        (["--dataset", "support2", "--data_dir", "/nowhere"], "support2.csv"),
    ],
)
def test_bad_input_is_explained_and_leaves_nothing(
    flags: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs = tmp_path / "logs"
    assert main([*SMALL_SYNTHETIC, "--log_dir", str(logs), *flags]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("survkit.train: error: ")
    assert message in printed
    assert "Traceback" not in printed
    assert not list(logs.glob("*/*"))


def test_a_damaged_state_starts_again_and_is_recorded(tmp_path: Path) -> None:
    folder = run(tmp_path)
    (folder / "result.json").unlink()
    (folder / "last.pt").write_bytes(b"half a checkpoint")
    run(tmp_path)
    assert "last.pt was damaged; training started again" in result(folder)["warnings"]


def test_warnings_of_the_data_are_in_the_record(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    rng = np.random.default_rng(0)
    rows = [f"{rng.normal():.3f},7,{rng.exponential():.3f},{rng.integers(2)}" for _ in range(200)]
    table.write_text("\n".join(["age,constant,days,died", *rows]))
    folder = run(
        tmp_path / "logs",
        *("--dataset", "csv", "--csv_path", str(table)),
        *("--time_column", "days", "--event_column", "died"),
    )
    assert any("'constant'" in warning for warning in result(folder)["warnings"])


def test_both_evaluation_conventions_are_different_runs(tmp_path: Path) -> None:
    standard = run(tmp_path / "standard")
    published = run(tmp_path / "published", "--evaluation", "published")
    assert standard.name != published.name
    values = [result(folder)["test"] for folder in (standard, published)]
    assert values[0]["concordance"] == values[1]["concordance"]
    assert values[0]["brier"] != values[1]["brier"]


def test_help_and_parsing_load_nothing_heavy() -> None:
    script = (
        "import sys, survkit.train; survkit.train.main(['--epochs', 'x']); "
        "print([m for m in ('torch', 'pandas', 'scipy', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_training_a_network_imports_only_what_it_needs(tmp_path: Path) -> None:
    script = (
        "import sys; from survkit.train import main; main(sys.argv[1:]); "
        "unneeded = ('torch._dynamo', 'sympy', 'wandb', 'sksurv', 'sklearn', 'matplotlib', 'pymc', "
        "'prefect', 'cvxpy', 'pycox', 'torchvision', 'lifelines'); "
        "print('loaded', [m for m in unneeded if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *SMALL_SYNTHETIC, "--log_dir", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert done.stdout.strip().endswith("loaded []")


@pytest.mark.parametrize("path", sorted((ROOT / "args").glob("*.args")), ids=lambda p: p.stem)
def test_committed_args_files_are_parsed_and_built(path: Path) -> None:
    (config,) = parse_configs(
        (TrainConfig,), ["--experiment_args", str(path)], prog="test", description=""
    )
    grid = TimeGrid.evenly_spaced(10.0, config.time_bins or 100)
    MODELS[config.model].build(grid=grid, parameters=asdict(config), seed=config.seed, device="cpu")
    SurvivalNetwork(
        config.model,
        num_features=3,
        categorical=(),
        num_classes=grid.num_classes,
        parameters=asdict(config),
    )
