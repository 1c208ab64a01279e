"""Trains one model on one dataset, evaluates it under censoring and writes the record.

python -m survkit.train --experiment_args args/support2.args
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from survkit.configs.args_file import parse_configs
from survkit.configs.command import run_command
from survkit.configs.train import TrainConfig
from survkit.configs.wandb import WandbConfig

# The heavy imports stand in the functions below, so that --help answers at once.
if TYPE_CHECKING:
    from survkit.datasets import Dataset
    from survkit.metrics.evaluate import Evaluation
    from survkit.records import RunFolder
    from survkit.types import SurvivalData, SurvivalModel, SurvivalPrediction

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
    from survkit.records import RunFolder, run_id

    started = time.perf_counter()
    config = _resolve(config)
    dataset = _load(config)
    identifier = run_id(config, dataset.sha256)
    folder = RunFolder(Path(config.log_dir) / str(config.group) / identifier)
    with folder.lock():
        if config.overwrite:
            folder.clear()
        result = folder.result()
        if result is None:
            result = _make_record(config, wandb_config, dataset, folder, argv, started)
        else:
            _say_complete(folder, result)
    _show(folder, result)
    return folder.path


def _resolve(config: TrainConfig) -> TrainConfig:
    """Fill in what depends on the machine or on other fields, and check the names."""
    import torch

    from survkit.datasets import dataset_name
    from survkit.model_registry import model_name
    from survkit.training.neural_model import check_device

    torch.set_num_threads(1)  # batches of these networks are too small to share
    dataset = dataset_name(config.dataset)
    device = config.device or ("cuda" if torch.cuda.is_available() else "cpu")
    check_device(device)
    model = model_name(config.model)
    return replace(
        config, dataset=dataset, model=model, device=device, group=config.group or dataset
    )


def _load(config: TrainConfig) -> Dataset:
    from survkit.datasets import DATASETS, load_dataset
    from survkit.datasets.assemble import GridParameters

    grid = GridParameters.__annotations__
    names = dict.fromkeys(("data_dir", *grid, *DATASETS[config.dataset].parameters))
    return load_dataset(config.dataset, **{name: getattr(config, name) for name in names})


def _make_record(
    config: TrainConfig,
    wandb_config: WandbConfig,
    dataset: Dataset,
    folder: RunFolder,
    argv: Sequence[str],
    started: float,
) -> dict[str, Any]:
    from survkit.model_registry import MODELS
    from survkit.records import provenance

    loaded = time.perf_counter()
    settings = {**asdict(config), "data_sha256": dataset.sha256}
    made_with = {"command": ["python", "-m", PROG, *argv], **provenance()}
    folder.start({**settings, **made_with}, warnings=dataset.warnings, resume=config.resume)
    mirror = _start_mirror(wandb_config, folder, settings)
    folder.listeners += [mirror.log, _progress_line(config.epochs)]
    model = MODELS[config.model].build(
        grid=dataset.grid,
        parameters=asdict(config),
        seed=config.seed,
        device=config.device,
        validation_metrics=_validation_metrics(config, dataset),
    )
    training_rows = _training_rows(config, dataset)
    model.fit(training_rows, dataset.splits.validation, monitor=folder)
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
    metrics = _evaluate(config, dataset, model, folder)
    ended = time.perf_counter()
    result = {
        "run_id": folder.path.name,
        **{name: settings[name] for name in ("dataset", "model", "group", "seed", "evaluation")},
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
        "peak_memory_mb": _peak_memory_mb(str(config.device)),
        **metrics,
    }
    mirror.finish(result)
    return folder.write_result(result)


def _training_rows(config: TrainConfig, dataset: Dataset) -> SurvivalData:
    """Return what the model is fitted on: under the published conventions, less for a baseline."""
    from survkit.baselines.folds import leave_out_fold
    from survkit.model_registry import MODELS

    train = dataset.splits.train
    if config.evaluation == "published" and MODELS[config.model].is_baseline:
        return leave_out_fold(train, config.seed)
    return train


def _start_mirror(wandb_config: WandbConfig, folder: RunFolder, settings: Mapping[str, Any]) -> Any:
    from survkit.training.tracking import WandbMirror, default_mode

    return WandbMirror(
        wandb_config.mode or default_mode(),
        project=wandb_config.project,
        entity=wandb_config.entity,
        group=settings["group"],
        run_id=folder.path.name,
        config=settings,
        folder=folder.path,
        warn=folder.warn,
    )


def _progress_line(epochs: int) -> Callable[[int, Mapping[str, float]], None]:
    from tqdm import tqdm

    bar = tqdm(total=epochs, unit="epoch", disable=None, leave=False)

    def update(epoch: int, values: Mapping[str, float]) -> None:
        bar.update(epoch - bar.n)
        bar.set_postfix({k: f"{values[k]:.4f}" for k in ("train_loss", "validation_loss")})

    return update


def _validation_metrics(
    config: TrainConfig, dataset: Dataset
) -> Callable[[SurvivalPrediction], dict[str, float]]:
    """Return what computes the validation metrics of an epoch."""

    def compute(prediction: SurvivalPrediction) -> dict[str, float]:
        data = dataset.splits.validation
        values = _score(config, dataset, prediction, data, null_draws=0).values
        return {name: value for name, value in values.items() if isinstance(value, float)}

    return compute


def _evaluate(
    config: TrainConfig, dataset: Dataset, model: SurvivalModel, folder: RunFolder
) -> dict[str, Any]:
    """Predict and score the validation and the test split; return their part of the result."""
    splits = {"validation": dataset.splits.validation, "test": dataset.splits.test}
    parts: dict[str, Any] = {}
    for split, data in splits.items():
        prediction = _predict(config, model, split, data, folder)
        folder.write_predictions(split, prediction, data)
        samples = config.bootstrap if split == "test" else 0
        evaluation = _score(config, dataset, prediction, data, bootstrap=samples)
        parts[split] = evaluation.values
        parts[f"{split}_details"] = evaluation.details
        if split == "test":
            parts["test_interval"] = evaluation.intervals
    return parts


def _predict(
    config: TrainConfig, model: SurvivalModel, split: str, data: SurvivalData, folder: RunFolder
) -> SurvivalPrediction:
    """Predict what is scored: under the published conventions, renormalised for a baseline."""
    from survkit.metrics.evaluate import renormalise_beyond_horizon
    from survkit.model_registry import MODELS

    prediction = model.predict(data.features)
    if config.evaluation == "standard" or not MODELS[config.model].is_baseline:
        return prediction
    survival = prediction.survival.copy()
    falls = survival[:, -1] < 1.0
    if not falls.all():
        folder.warn(
            f"{split} rows: {(~falls).sum()} of {len(data)} predicted curves never fall; they have "
            "nothing to renormalise and stay at 1"
        )
    survival[falls] = renormalise_beyond_horizon(prediction.subset(falls)).survival
    return replace(prediction, survival=survival)


def _score(
    config: TrainConfig,
    dataset: Dataset,
    prediction: SurvivalPrediction,
    data: SurvivalData,
    *,
    bootstrap: int = 0,
    **options: int,
) -> Evaluation:
    from survkit.metrics.evaluate import evaluate

    return evaluate(
        prediction,
        data,
        train_time=dataset.splits.train.time,
        train_event=dataset.splits.train.event,
        grid=dataset.grid,
        convention=config.evaluation,
        point_error=config.point_error,
        bootstrap=bootstrap,
        **options,
    )


def _peak_memory_mb(device: str) -> float:
    """Largest memory of this process: of the GPU it trained on, else resident on the host."""
    import resource

    import torch

    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device) / 2**20
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes / (2**20 if sys.platform == "darwin" else 2**10)


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
    print(result_summary(result))
    print(f"record: {folder.path}")


if __name__ == "__main__":
    sys.exit(main())
