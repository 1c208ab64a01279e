"""What a run is estimated to need, and what is refused."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from survkit.configs.train import TrainConfig
from survkit.datasets import load_dataset
from survkit.datasets.assemble import Dataset
from survkit.heads import HEADS
from survkit.models.registry import MODELS
from survkit.models.size import check_size
from survkit.train import main
from survkit.types import InputError, TimeGrid


@pytest.fixture(scope="module")
def lung() -> Dataset:
    return load_dataset("lung", data_dir="unused")


def needed(dataset: Dataset, seeds: int = 1, **flags: Any) -> float:
    settings = asdict(replace(TrainConfig(), **flags))
    entry = MODELS[settings["model"]]
    need = entry.memory_need(settings, dataset.splits, dataset.grid, seeds=seeds)
    return 0.0 if need is None else need.gigabytes


@pytest.mark.parametrize("model", MODELS)
def test_every_model_at_its_defaults_needs_little(model: str, lung: Dataset) -> None:
    check_size(asdict(TrainConfig(model=model)), lung)
    assert needed(lung, model=model) < 2


@pytest.mark.parametrize("model", HEADS)
def test_the_weights_are_counted_as_the_network_has_them(model: str, lung: Dataset) -> None:
    settings = asdict(TrainConfig(model=model))
    need = MODELS[model].memory_need(settings, lung.splits, lung.grid)
    fitted = MODELS[model].build(grid=lung.grid, parameters={**settings, "epochs": 1}, seed=1)
    fitted.fit(lung.splits.train, lung.splits.validation)
    assert need is not None
    assert f"({fitted.fit_summary.num_parameters:,} weights" in need.what


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"hidden_dim": 1_000_000}, "--hidden_dim"),
        ({"hidden_dim": 20_000, "num_hidden_layers": 1000}, "--num_hidden_layers"),
        ({"embedding_dimension": 1_000_000, "hidden_dim": 10_000}, "--embedding_dimension"),
        ({"mixture_components": 100_000, "hidden_dim": 10_000}, "--mixture_components"),
        ({"model": "deepsurv", "hidden_dim": 200_000}, "--hidden_dim"),
        (
            {
                "model": "personalized_moe",
                "moe_value_dim": 10**6,
                "moe_chunk_value_dim": False,
                "hidden_dim": 10_000,
                "mixture_components": 1000,
            },
            "--mixture_components",
        ),
        ({"model": "rsf", "rsf_n_estimators": 10**6}, "--rsf_n_estimators"),
        ({"model": "bart", "bart_trees": 100_000, "bart_draws": 10**6}, "--bart_trees"),
        ({"model": "bart", "bart_chains": 1000, "bart_cores": 1000}, "--bart_chains"),
        ({"model": "kaplan_meier", "bootstrap": 10**6}, None),
    ],
)
def test_what_fits_on_no_machine_is_refused(
    flags: dict[str, Any], words: str | None, lung: Dataset
) -> None:
    settings = asdict(replace(TrainConfig(), **flags))
    if words is None:
        check_size(settings, lung)
        return
    with pytest.raises(InputError, match=r"GB, more than the .* GB that this machine has") as error:
        check_size(settings, lung)
    assert words in str(error.value)


def test_seeds_of_a_stack_count_and_the_limit_is_the_persons(lung: Dataset) -> None:
    assert needed(lung, hidden_dim=2000, seeds=10) > 4 * needed(lung, hidden_dim=2000)
    with pytest.raises(InputError, match=r"more than --max_memory_gb 0.001; lower --hidden_dim"):
        check_size(asdict(TrainConfig(max_memory_gb=1e-3)), lung)


def test_very_many_cuts_are_refused_for_any_model(lung: Dataset) -> None:
    fine = replace(lung, grid=TimeGrid.evenly_spaced(lung.grid.horizon, 10**6))
    settings = asdict(TrainConfig(model="kaplan_meier", max_memory_gb=1.0))
    with pytest.raises(InputError, match=r"rows at 1,000,000 cuts need about .* fewer --time_bins"):
        check_size(settings, fine)


def test_a_bootstrap_of_days_is_refused(lung: Dataset) -> None:
    many = replace(lung, splits=lung.splits._replace(test=lung.splits.train.subset([0] * 500_000)))
    settings = asdict(TrainConfig(model="kaplan_meier", bootstrap=10**6))
    with pytest.raises(InputError, match=r"1,000,000 bootstrap samples .* hours, more than 48"):
        check_size(settings, many)


@pytest.mark.parametrize(
    "flags",
    [
        ("--hidden_dim", "1000000"),
        ("--synthetic_rows", "1000000000"),
        ("--mixture_components", "10000000"),
        ("--embedding_dimension", "100000000000"),
        ("--bootstrap", "1000000000"),
    ],
)
def test_the_command_says_so_in_one_line_and_writes_nothing(
    flags: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--log_dir", str(tmp_path / "logs"), "--mode", "disabled")
    rows = () if flags[0] == "--synthetic_rows" else ("--synthetic_rows", "60")
    assert main(["--dataset", "synthetic", *rows, *flags, *where]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert flags[0] in line
    assert not (tmp_path / "logs").exists()
