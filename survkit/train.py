"""Trains one model on one dataset, evaluates it under censoring and writes the record.

python -m survkit.train --experiment_args args/support2.args
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from survkit.configs.args_file import parse_configs
from survkit.configs.command import run_command
from survkit.configs.train import TrainConfig
from survkit.configs.wandb import WandbConfig

# The heavy imports stand in the functions below, so that --help answers at once.
if TYPE_CHECKING:
    from survkit.composite_models import NamedModel
    from survkit.datasets import Dataset
    from survkit.metrics import Evaluation
    from survkit.records import RunFolder
    from survkit.types import SurvivalData

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
    from survkit.run_results import say_complete, show

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
            say_complete(folder, result)
    show(folder, result)
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
    from survkit.records import provenance, run_id
    from survkit.report.model_card import write_model_card
    from survkit.run_results import describe_run, evaluate_splits, scorer, timing, write_fitted
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
    score = scorer(dataset, settings)
    named = _build(config, dataset, score)
    model = named.model
    training_rows = _training_rows(config, train)
    model.fit(training_rows, validation, monitor=folder)
    progress.close()
    fitted = time.perf_counter()
    write_fitted(folder, named, dataset, settings)
    metrics = evaluate_splits(
        model,
        dataset,
        folder,
        score,
        bootstrap=config.bootstrap,
        renormalise=_published_baseline(config),
    )
    result = {
        **describe_run(folder, dataset, model, settings),
        "configuration": run_id(config, dataset.sha256, less=("seed",)),
        "n_train": len(training_rows),
        "timing": timing(started, loaded, fitted, time.perf_counter()),
        **metrics,
    }
    mirror.finish(result)
    write_model_card(folder.path, dataset, settings, {**result, "warnings": folder.warnings})
    return folder.write_result(result)


def _build(config: TrainConfig, dataset: Dataset, score: Callable[..., Evaluation]) -> NamedModel:
    from survkit.composite_models import CALIBRATED, CalibratedModel, NamedModel
    from survkit.model_registry import MODELS

    validation = dataset.splits.validation
    model = MODELS[config.model].build(
        grid=dataset.grid,
        parameters=asdict(config),
        seed=config.seed,
        device=config.device,
        validation_metrics=lambda prediction: _numbers(
            score(prediction, validation, bootstrap=0, null_draws=0)
        ),
    )
    named = NamedModel(config.model, model)
    if not config.calibrate:
        return named
    return NamedModel(CALIBRATED, CalibratedModel(named, grid=dataset.grid))


def _numbers(evaluation: Evaluation) -> dict[str, float]:
    return {k: value for k, value in evaluation.values.items() if isinstance(value, float)}


def _published_baseline(config: TrainConfig) -> bool:
    from survkit.model_registry import MODELS

    return config.evaluation == "published" and MODELS[config.model].is_baseline


def _training_rows(config: TrainConfig, train: SurvivalData) -> SurvivalData:
    from survkit.baselines.published import leave_out_fold

    return leave_out_fold(train, config.seed) if _published_baseline(config) else train


if __name__ == "__main__":
    sys.exit(main())
