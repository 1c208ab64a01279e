from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest

from survkit.configs.args_file import build_config, given_flags, parse_configs, read_args_file
from survkit.configs.batch_run import BatchRunConfig
from survkit.configs.earlier_flags import EACH_DIGIT, GONE, VALUES, rewrite
from survkit.configs.finished_runs import ReportConfig
from survkit.configs.train import TrainConfig
from survkit.configs.wandb import WandbConfig
from survkit.datasets import dataset_name
from survkit.runs.flags import canonical
from survkit.runs.identity import run_id
from survkit.train import main as train
from survkit.types import InputError
from tests.configs import earlier_code

CONFIGS = (BatchRunConfig, WandbConfig, TrainConfig)
EVERY_FLAG = {**earlier_code.TRAINING, **earlier_code.WANDB, **earlier_code.BATCH_RUNS}


def parse(line: str) -> TrainConfig:
    train, _ = parse_configs(
        (TrainConfig, WandbConfig), line.split(), prog="survkit.train", description=""
    )
    return train


def parse_sweep(line: str) -> BatchRunConfig:
    given = given_flags(CONFIGS, line.split(), prog="survkit.grid_search", description="")
    batch: BatchRunConfig = build_config(BatchRunConfig, given.values)
    return batch


@pytest.mark.parametrize("flag", EVERY_FLAG)
def test_every_flag_of_the_earlier_code_is_known(flag: str) -> None:
    here = {field.name for config in CONFIGS for field in fields(config)}
    gone = {name for flags in GONE.values() for name in flags}
    assert (flag in here) != (flag in gone)


def test_what_is_rewritten_was_a_flag_of_the_earlier_code() -> None:
    gone = {name for flags in GONE.values() for name in flags}
    assert {*VALUES, *EACH_DIGIT, *gone} <= set(EVERY_FLAG)


@pytest.mark.parametrize(
    ("there", "here"),
    [
        ("--expert_metric Cosine", "--expert_metric dot"),
        ("--expert_metric=Euclidean", "--expert_metric euclidean"),
        ("--time_warp_function TwoLogistics", "--time_warp_function two_logistics"),
        ("--time_warp_function BetaCDF", "--time_warp_function beta_cdf"),
        ("--num_hours -1 --lr 0.1", "--lr 0.1"),
        ("--time_bins -1", "--time_bins 336"),
        ("--support2_start_day 0", ""),
        ("--monitored_val_metric brier_score", "--monitored_val_metric brier"),
        ("--mnist_means 4", "--mnist_means 1 5 9 13 17 21 25 29 33 37"),
        ("--mnist_means=1.0", "--mnist_means 1 2 3 4 5 6 7 8 9 10"),
        ("--mnist_stds 0.5", "--mnist_stds .5 .5 .5 .5 .5 .5 .5 .5 .5 .5"),
        ("--save_model --lr 0.1", "--lr 0.1"),
        ("--loss DiscreteSurvival --impute False --no_impute", ""),
        ("--time_bin_pctiles 0.25 0.5 0.75 --cache_dataset True --no_cache_dataset", ""),
        ("--model_dir models --model_hash=0123 --quantize_event_times", ""),
        ("--adjust_eval True --ipcw true", ""),
    ],
)
def test_a_run_is_the_one_of_our_own_flags(there: str, here: str) -> None:
    assert parse(there) == parse(here)
    digest = "0" * 64
    for dataset in ("mnist", "sepsis", "support2"):
        earlier, own = (
            canonical(parse(f"{line} --dataset {dataset} --model adjustable_moe"))
            for line in (there, here)
        )
        assert run_id(earlier, digest) == run_id(own, digest)


@pytest.mark.parametrize(
    ("there", "here"),
    [
        ("--num_runs -1", ""),
        ("--qos none --use_slurm True", "--use_slurm True"),
        ("--max_per_gpu -1", "--max_per_gpu 1000"),
        ("--gpu_mb_per_job -1", ""),
        ("--max_per_gpu -1 --gpu_mb_per_job -1", ""),
        ("--gpu_mb_per_job -1 --max_per_gpu -1", ""),
        ("--use_threads False --slurm_name some --out_path some.log", ""),
        ("--no_use_threads", ""),
    ],
)
def test_a_sweep_is_the_one_of_our_own_flags(there: str, here: str) -> None:
    group = "--group support2_mixture"
    assert parse_sweep(f"{group} {there}") == parse_sweep(f"{group} {here}")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--loss CrossEntropy", "--loss CrossEntropy: the only loss is DiscreteSurvival"),
        ("--impute", "--impute True: imputed outcomes"),
        ("--ipcw False", "--ipcw False: survkit always weights"),
        ("--no_adjust_eval", "--adjust_eval False: survkit always adjusts"),
        ("--save_model False", "--save_model False: without it the last epoch"),
        ("--quantize_event_times False", "times that are assigned to the intervals"),
        ("--time_bin_pctiles 0.1 0.9", "--evaluation_times adds other times"),
        ("--save_model maybe", "--save_model maybe: "),
        ("--mnist_means many", "--mnist_means: 'many' is not"),
    ],
)
def test_what_would_change_the_numbers_is_refused(line: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(line)


def test_a_refusal_in_a_file_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "old.args"
    path.write_text("--save_model\n--loss CrossEntropy")
    with pytest.raises(InputError, match=r"old.args: --loss CrossEntropy: .* leave the flag out"):
        parse(f"--experiment_args {path}")


def test_one_line_says_what_has_no_effect(capsys: pytest.CaptureFixture[str]) -> None:
    parse("--save_model --lr 0.1 --save_model True --cache_dataset")
    assert capsys.readouterr().err.splitlines() == [
        "note: --save_model saved the weights of the best epoch; every record holds them",
        "note: --cache_dataset kept prepared data on disk; survkit does so where it saves time",
    ]


def test_flags_that_are_gone_are_known_to_the_commands_that_had_them() -> None:
    with pytest.raises(InputError, match="unknown flag --save_model"):
        given_flags((ReportConfig,), ["--save_model"], prog="", description="")
    with pytest.raises(InputError, match="unknown flag --use_threads"):
        parse("--use_threads False")


def test_help_does_not_show_them(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_sweep("--help")
    text = capsys.readouterr().out
    for name in (name for flags in GONE.values() for name in flags):
        assert f"--{name} " not in text
    assert "Cosine" not in text


def test_own_flags_are_left_as_they_are() -> None:
    line = "-h --lr 0.1 --num_hours=6 --mnist_means 1 2 --no_resume --gpu_list 0 1"
    words = line.split()
    assert rewrite(words, CONFIGS) == (words, [])
    assert rewrite(["loss", "--lr", "0.1"], CONFIGS) == (["loss", "--lr", "0.1"], [])
    assert rewrite([], CONFIGS) == ([], [])


@pytest.mark.parametrize(
    ("text", "dataset", "expected"),
    [
        (earlier_code.SUPPORT2_ARGS, "support2", {"group": "support2", "dropout": 0.0}),
        (earlier_code.MNIST_ARGS, "mnist", {"group": "mnist", "mnist_censoring_percentage": 0.0}),
        (earlier_code.SEPSIS_ARGS, "sepsis", {"num_hours": 100, "single_record": True}),
    ],
)
def test_its_args_files_are_read_as_they_stand(
    text: str, dataset: str, expected: dict[str, object], tmp_path: Path
) -> None:
    path = tmp_path / "its.args"
    path.write_text(text)
    given = read_args_file(TrainConfig, path)
    same = {"lr": 5e-4, "epochs": 1000, "time_bins": 100, "group_ent_lambda": 0.01}
    assert given.items() >= {**same, **expected}.items()
    assert dataset_name(given["dataset"]) == dataset
    assert parse(f"--experiment_args {path}") == TrainConfig(**given)


@pytest.mark.parametrize(
    "line",
    [*earlier_code.RUN_EXP, *earlier_code.RUN_EXP_SLURM, *earlier_code.RUN_EXPERT_SENSITIVITY],
)
def test_the_arguments_of_its_scripts_are_read(line: str) -> None:
    config = parse_sweep(line)
    assert config.group == (line.split()[1],)
    assert config.runner == ("slurm" if "--use_slurm True" in line else "prefect")
    if config.runner == "prefect":
        assert (config.gpu_mb_per_job, config.max_per_gpu) == (1000, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "more"),
    [
        (earlier_code.SUPPORT2_ARGS, ""),
        (earlier_code.MNIST_ARGS, "--mnist_sample_pct 0.02"),
        (earlier_code.SEPSIS_ARGS, ""),
    ],
)
def test_its_args_files_run(text: str, more: str, real_data_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "its.args"
    path.write_text(text)
    flags = f"--experiment_args {path} --model FFNet --epochs 1 --bootstrap 10 --mode disabled"
    flags += f" --device cpu --log_dir {tmp_path} --data_dir {real_data_dir} {more}"
    assert train(flags.split()) == 0
    (record,) = tmp_path.glob("*/*/config.json")
    assert record.with_name("result.json").exists()
    assert json.loads(record.read_text())["model"] == "mtlr"
