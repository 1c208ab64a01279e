"""Which flags a run reads, and what becomes of those that it does not read."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

from survkit.configs.train import TrainConfig
from survkit.datasets import DATASETS
from survkit.models.registry import MODELS
from survkit.runs.flags import canonical, not_filled_in
from survkit.runs.identity import run_id
from survkit.train import main as train


def test_registries_name_flags_of_the_command() -> None:
    known = {field.name for field in fields(TrainConfig)}
    for entry in (*DATASETS.values(), *MODELS.values()):
        assert set(entry.parameters) <= known


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            "--csv_path mine.csv --time_column t --event_column e",
            "--csv_path, --time_column, --event_column: read only with --dataset csv, and "
            "--dataset is support2",
        ),
        (
            "--dataset flchain --model coxph --lr 1e-3",
            "--lr: read only with --model mtlr or fixed_moe or adjustable_moe or personalized_moe "
            "or deepsurv or deephit or logistic_hazard or deep_weibull or deep_survival_machines "
            "or deep_cox_mixtures, and --model is coxph",
        ),
        (
            "--dataset flchain --model mtlr --mixture_components 3",
            "--mixture_components: read only with --model fixed_moe or adjustable_moe or "
            "personalized_moe, and --model is mtlr",
        ),
        (
            "--dataset SUPPORT2 --model SKSurvCox --mnist_sample_pct 0.5 --rsf_n_estimators 3",
            "--mnist_sample_pct: read only with --dataset mnist or digits, and --dataset is "
            "support2; --rsf_n_estimators: read only with --model rsf or "
            "extra_survival_trees, and --model is coxph",
        ),
    ],
)
def test_a_flag_that_nothing_reads_is_refused_by_name(
    flags: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train([*flags.split(), "--log_dir", str(tmp_path / "logs")]) == 2
    assert capsys.readouterr().err == f"survkit.train: error: {message}\n"
    assert not (tmp_path / "logs").exists()


def test_an_args_file_may_serve_several_models(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "several.args"
    file.write_text("--dataset synthetic --synthetic_rows 100 --epochs 1 --rsf_n_estimators 5")
    flags = ["--experiment_args", str(file), "--bootstrap", "0", "--mode", "disabled"]
    logs = ["--log_dir", str(tmp_path)]
    assert train([*flags, *logs, "--model", "kaplan_meier"]) == 0
    assert train([*flags, *logs, "--model", "kaplan_meier", "--dataset", "whas500"]) == 0
    file.write_text("--csv_path mine.csv --time_column t")
    assert train([*flags, *logs, "--model", "kaplan_meier"]) == 2
    assert "--csv_path, --time_column: read only with --dataset csv" in capsys.readouterr().err


def test_flags_that_a_run_does_not_read_have_their_defaults() -> None:
    config = canonical(TrainConfig(dataset="MNIST", model="SKSurvRF", lr=0.1, rsf_n_estimators=7))
    assert (config.dataset, config.model, config.group) == ("mnist", "rsf", "mnist")
    assert (config.lr, config.rsf_n_estimators) == (TrainConfig().lr, 7)


def test_the_width_of_a_value_that_is_not_the_hidden_layers_is_filled_in() -> None:
    defaults = TrainConfig(model="personalized_moe")
    assert canonical(defaults).moe_value_dim == 130
    assert canonical(canonical(defaults)) == canonical(defaults)
    asked = replace(defaults, moe_value_dim=130)
    assert run_id(canonical(asked), "data") == run_id(canonical(defaults), "data")
    # Where it is the hidden layers', it stays as it was in every record.
    for changes in ({"hidden_dim": 160}, {"moe_chunk_value_dim": False}, {"model": "mtlr"}):
        assert canonical(replace(defaults, **changes)).moe_value_dim is None
    assert canonical(replace(defaults, moe_value_dim=125)).moe_value_dim == 125


@pytest.mark.parametrize("experts", range(2, 21))
def test_what_is_filled_in_from_other_flags_changes_with_them(experts: int) -> None:
    """As a search may vary them: a width for 10 experts does not split into 15 chunks."""
    sizes = {"mixture_components": 10, "hidden_dim": 128}
    base = canonical(TrainConfig(dataset="synthetic", model="personalized_moe", **sizes))
    assert base.moe_value_dim == 130
    varied = canonical(replace(not_filled_in(base), mixture_components=experts))
    width = varied.moe_value_dim or varied.hidden_dim
    assert width % experts == 0
    assert width - varied.hidden_dim < experts
    given = canonical(replace(base, moe_value_dim=260))
    assert not_filled_in(given) == given
