"""Trains one model on one dataset, evaluates it under censoring and writes the record.

python -m survkit.train --experiment_args args/support2.args
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from survkit.configs.args_file import parse_configs
from survkit.configs.command import run_command
from survkit.configs.train import TrainConfig
from survkit.configs.wandb import WandbConfig

# The heavy imports stand in the functions below, so that --help answers at once.
if TYPE_CHECKING:
    from survkit.datasets import Dataset
    from survkit.metrics import Evaluation
    from survkit.records import RunFolder
    from survkit.types import SurvivalData, SurvivalModel

PROG = "survkit.train"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    argv = sys.argv[1:] if argv is None else argv

    def command() -> None:
        config, wandb_config = parse_configs(
            (TrainConfig, WandbConfig), argv, prog=PROG, description=str(__doc__)
        )
        train(config, wandb_config, argv)

    return run_command(PROG, command)


def train(config: TrainConfig, wandb_config: WandbConfig, argv: Sequence[str] = ()) -> Path:
    """Make the record of one run, unless it is there already, and return its folder.

    Raises
    ------
    InputError
        For whatever in the configuration or the data cannot be used.
    """
    started = time.perf_counter()
    from survkit.datasets import load_configured
    from survkit.records import RunFolder, run_id

    config = _with_device(canonical(config))
    dataset = load_configured(asdict(config))
    config = with_grid(config, dataset)
    identifier = run_id(config, dataset.sha256)
    folder = RunFolder(Path(config.log_dir) / str(config.group) / identifier)
    with folder.lock():
        result = None if config.overwrite else folder.result()
        if result is None:
            result = _make_record(config, wandb_config, dataset, folder, argv, started)
        else:
            _say_complete(folder, result)
    _show(folder, result)
    return folder.path


def canonical(config: TrainConfig) -> TrainConfig:
    """Replace aliases of the dataset and the model by their names, and fill in the group.

    Raises
    ------
    InputError
        For an unknown name.
    """
    from survkit.datasets import dataset_name
    from survkit.model_registry import model_name

    dataset = dataset_name(config.dataset)
    return replace(
        config, dataset=dataset, model=model_name(config.model), group=config.group or dataset
    )


def with_grid(config: TrainConfig, dataset: Dataset) -> TrainConfig:
    """Fill in the number of cuts that the loaded dataset has, which is part of the run_id."""
    return replace(config, time_bins=config.time_bins or len(dataset.grid.cuts))


def _with_device(config: TrainConfig) -> TrainConfig:
    import torch

    from survkit.training.neural_model import check_device

    torch.set_num_threads(1)  # batches of these networks are too small to share
    device = config.device or ("cuda" if torch.cuda.is_available() else "cpu")
    check_device(device)
    return replace(config, device=device)


def _make_record(
    config: TrainConfig,
    wandb_config: WandbConfig,
    dataset: Dataset,
    folder: RunFolder,
    argv: Sequence[str],
    started: float,
) -> dict[str, Any]:
    from survkit.metrics import evaluate
    from survkit.model_registry import MODELS
    from survkit.records import peak_gpu_memory_mb, peak_memory_mb, provenance, run_id
    from survkit.report.model_card import write_model_card
    from survkit.training.tracking import ProgressBar, WandbMirror, default_mode

    loaded = time.perf_counter()
    train, validation, _ = dataset.splits
    settings = {**asdict(config), "data_sha256": dataset.sha256}
    made_with = {"command": ["python", "-m", PROG, *argv], **provenance()}
    resume = config.resume and not config.overwrite
    folder.start({**settings, **made_with}, warnings=dataset.warnings, resume=resume)
    mirror = WandbMirror(
        wandb_config.mode or default_mode(),
        project=wandb_config.project,
        entity=wandb_config.entity,
        group=settings["group"],
        name=f"{config.model} seed {config.seed}",
        run_id=folder.path.name,
        config=settings,
        folder=folder.path,
        warn=folder.warn,
    )
    progress = ProgressBar(config.epochs)
    folder.listeners += [mirror.log, progress.log]
    score = partial(
        evaluate,
        train_time=train.time,
        train_event=train.event,
        grid=dataset.grid,
        convention=config.evaluation,
        point_error=config.point_error,
    )
    model = MODELS[config.model].build(
        grid=dataset.grid,
        parameters=asdict(config),
        seed=config.seed,
        device=config.device,
        validation_metrics=lambda prediction: _numbers(
            score(prediction, validation, bootstrap=0, null_draws=0)
        ),
    )
    training_rows = _training_rows(config, train)
    model.fit(training_rows, validation, monitor=folder)
    progress.close()
    fitted = time.perf_counter()
    folder.write_checkpoint(
        {
            "model": config.model,
            "state": model.state(),
            "preprocessor": dataset.preprocessor.state() if dataset.preprocessor else None,
            "config": settings,
            "survkit_version": made_with["survkit_version"],
        }
    )
    metrics = _evaluate(config, dataset, model, folder, score)
    ended = time.perf_counter()
    result = {
        "run_id": folder.path.name,
        "configuration": run_id(config, dataset.sha256, less=("seed",)),
        **{name: settings[name] for name in ("dataset", "model", "group", "seed", "evaluation")},
        "data_sha256": dataset.sha256,
        "known_leaks": dataset.card.known_leaks,
        "notes": dataset.card.notes,
        **model.fit_summary._asdict(),
        "n_train": len(training_rows),
        "time_unit": dataset.card.time_unit,
        "survkit_version": made_with["survkit_version"],
        "timing": {
            "load_seconds": loaded - started,
            "fit_seconds": fitted - loaded,
            "evaluate_seconds": ended - fitted,
            "total_seconds": ended - started,
        },
        "peak_memory_mb": peak_memory_mb(),
        "peak_gpu_memory_mb": peak_gpu_memory_mb(str(config.device)),
        **metrics,
    }
    mirror.finish(result)
    write_model_card(folder.path, dataset, settings, {**result, "warnings": folder.warnings})
    return folder.write_result(result)


def _numbers(evaluation: Evaluation) -> dict[str, float]:
    return {k: value for k, value in evaluation.values.items() if isinstance(value, float)}


def _published_baseline(config: TrainConfig) -> bool:
    from survkit.model_registry import MODELS

    return config.evaluation == "published" and MODELS[config.model].is_baseline


def _training_rows(config: TrainConfig, train: SurvivalData) -> SurvivalData:
    from survkit.baselines.published import leave_out_fold

    return leave_out_fold(train, config.seed) if _published_baseline(config) else train


def _evaluate(
    config: TrainConfig,
    dataset: Dataset,
    model: SurvivalModel,
    folder: RunFolder,
    score: Callable[..., Evaluation],
) -> dict[str, Any]:
    """Predict and score the validation and the test split; return their part of the result."""
    from survkit.baselines.published import renormalised

    parts: dict[str, Any] = {}
    resamples = {"validation": 0, "test": config.bootstrap}
    for split, bootstrap in resamples.items():
        data: SurvivalData = getattr(dataset.splits, split)
        prediction = model.predict(data.features)
        if _published_baseline(config):
            prediction, flat = renormalised(prediction)
            if flat:
                folder.warn(
                    f"{split} rows: {flat} of {len(data)} predicted curves never fall; they have "
                    "nothing to renormalise and stay at 1"
                )
        folder.write_predictions(split, prediction, data)
        evaluation = score(prediction, data, bootstrap=bootstrap)
        parts[split], parts[f"{split}_details"] = evaluation.values, evaluation.details
        if bootstrap:
            parts[f"{split}_interval"] = evaluation.intervals
    return {"test_interval": {}, **parts}


def _say_complete(folder: RunFolder, result: Mapping[str, Any]) -> None:
    import survkit

    print(f"{folder.path} is complete; --overwrite trains it again")
    if result["survkit_version"] != survkit.__version__:
        print(
            f"warning: it was made by survkit {result['survkit_version']}, "
            f"this is {survkit.__version__}",
            file=sys.stderr,
        )


def _show(folder: RunFolder, result: dict[str, Any]) -> None:
    from survkit.report.tables import result_summary

    for message in folder.warnings:
        print(f"warning: {message}", file=sys.stderr)
    for leak in result["known_leaks"]:
        print(f"known leak: {leak}", file=sys.stderr)
    print(result_summary(result))
    print(f"record: {folder.path}")


if __name__ == "__main__":
    sys.exit(main())
