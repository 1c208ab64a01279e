"""Trains one model on one dataset, evaluates it under censoring and writes the record.

python -m survkit.train --experiment_args args/support2.args
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from survkit.cli import RunsElsewhereError, run_command
from survkit.configs.args_file import parse_configs
from survkit.configs.train import TrainConfig
from survkit.configs.wandb import WandbConfig
from survkit.types import InputError

# The heavy imports stand in the functions below, so that --help answers at once.
if TYPE_CHECKING:
    from survkit.datasets import Dataset
    from survkit.metrics import Evaluation
    from survkit.models.composite import NamedModel
    from survkit.runs.folder import RunFolder
    from survkit.training.tracking import WandbMirror, WandbProcess
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


def train(config: TrainConfig, wandb_config: WandbConfig, argv: Sequence[str] = ()) -> list[Path]:
    """Make the record of each seed, unless it is there already, and return the runs' folders.

    Raises
    ------
    InputError
        For whatever in the configuration or the data cannot be used; what goes wrong with one
        seed takes no other along.
    RunsElsewhereError
        Where nothing else is wrong than that another process trains one of the seeds.
    """
    started = time.perf_counter()
    from survkit.datasets import load_configured
    from survkit.runs.results import say_complete, show
    from survkit.training.tracking import WandbProcess

    config = _with_device(canonical(config))
    dataset = load_configured(asdict(config))
    config = with_grid(config, dataset)
    with ExitStack() as contexts:
        runs, problems = _take_up(config, dataset, contexts)
        unfinished = []
        for run in runs:
            result = None if config.overwrite else run.folder.result()
            if result is None:
                unfinished.append(run)
            else:
                say_complete(run.folder, result)
                show(run.folder, result)
        new_mirror = partial(_new_mirror, wandb_config, contexts.enter_context(WandbProcess()))
        for together in _fitted_together(config, unfinished):
            problems += _make_records(together, new_mirror, dataset, argv, started)
            started = time.perf_counter()
        _raise_worst(problems)
    return [run.folder.path for run in runs]


class _Run(NamedTuple):
    config: TrainConfig
    folder: RunFolder


def _take_up(
    config: TrainConfig, dataset: Dataset, locks: ExitStack
) -> tuple[list[_Run], list[InputError]]:
    """Lock the folder of each seed's run; what another process trains is a problem of its own."""
    from survkit.runs.folder import RunFolder, run_id

    runs: list[_Run] = []
    problems: list[InputError] = []
    for seed in config.seeds or (config.seed,):
        of_seed = replace(config, seed=seed, seeds=None)
        identifier = run_id(of_seed, dataset.sha256)
        folder = RunFolder(Path(config.log_dir) / str(config.group) / identifier)
        try:
            locks.enter_context(folder.lock())
        except RunsElsewhereError as error:
            problems.append(error)
        else:
            runs.append(_Run(of_seed, folder))
    return runs, problems


def _fitted_together(config: TrainConfig, runs: Sequence[_Run]) -> list[Sequence[_Run]]:
    """Return all runs as one stack where the model is a network of ours, else each alone."""
    from survkit.heads import HEADS

    return [runs] if runs and config.model in HEADS else [[run] for run in runs]


def _raise_worst(problems: Sequence[InputError]) -> None:
    """Raise what the person at the keyboard has to mend, before what only has to be waited for."""
    to_mend = [error for error in problems if not isinstance(error, RunsElsewhereError)]
    if to_mend:
        raise InputError("; ".join(map(str, to_mend)))
    if problems:
        raise problems[0]


def canonical(config: TrainConfig) -> TrainConfig:
    """Replace aliases of the dataset and the model by their names, and fill in the group.

    Raises
    ------
    InputError
        For an unknown name.
    """
    from survkit.datasets import dataset_name
    from survkit.models.registry import model_name

    dataset = dataset_name(config.dataset)
    return replace(
        config, dataset=dataset, model=model_name(config.model), group=config.group or dataset
    )


def with_grid(config: TrainConfig, dataset: Dataset) -> TrainConfig:
    """Fill in the number of cuts that the loaded dataset has, which is part of the run_id."""
    return replace(config, time_bins=config.time_bins or len(dataset.grid.cuts))


def _with_device(config: TrainConfig) -> TrainConfig:
    import torch
    from threadpoolctl import threadpool_limits

    from survkit.training.neural_model import check_device

    # A step takes about a millisecond, also that of several seeds. Threads that share it wait for
    # each other at every operation: where another process has a core, for whole time slices.
    torch.set_num_threads(1)
    threadpool_limits(1, user_api="blas")
    device = config.device or ("cuda" if torch.cuda.is_available() else "cpu")
    check_device(device)
    return replace(config, device=device)


class _Recording(NamedTuple):
    """A run while its record is made."""

    folder: RunFolder
    settings: dict[str, Any]
    mirror: WandbMirror
    named: NamedModel
    run_id_less_seed: str


def _make_records(
    runs: Sequence[_Run],
    new_mirror: Callable[[RunFolder, Mapping[str, Any]], WandbMirror],
    dataset: Dataset,
    argv: Sequence[str],
    started: float,
) -> list[InputError]:
    """Fit models that differ in their seeds only, write their records; return what went wrong."""
    from survkit.models.composite import fit_models
    from survkit.runs.results import scorer
    from survkit.training.tracking import ProgressBar

    config = runs[0].config
    score = scorer(dataset, asdict(config))
    recordings = [_begin(run, new_mirror, dataset, argv, score) for run in runs]
    training_rows = _training_rows(config, dataset.splits.train)
    progress = ProgressBar(config.epochs)
    for recording in recordings:
        recording.folder.listeners.append(progress.log)
    loaded = time.perf_counter()
    errors = fit_models(
        [recording.named.model for recording in recordings],
        training_rows,
        dataset.splits.validation,
        monitors=[recording.folder for recording in recordings],
    )
    progress.close()
    now = time.perf_counter()
    shares = {
        "load_seconds": (loaded - started) / len(runs),
        "fit_seconds": (now - loaded) / len(runs),
    }
    for recording, error in zip(recordings, errors, strict=True):
        if error is None:
            _finish(recording, dataset, score, shares, len(training_rows), len(runs))
    return [error for error in errors if error is not None]


def _begin(
    run: _Run,
    new_mirror: Callable[[RunFolder, Mapping[str, Any]], WandbMirror],
    dataset: Dataset,
    argv: Sequence[str],
    score: Callable[..., Evaluation],
) -> _Recording:
    from survkit.runs.folder import provenance, run_id

    config, folder = run
    settings = {**asdict(config), "data_sha256": dataset.sha256}
    made_with = {"command": ["python", "-m", PROG, *argv], **provenance()}
    resume = config.resume and not config.overwrite
    folder.start({**settings, **made_with}, warnings=dataset.warnings, resume=resume)
    mirror = new_mirror(folder, settings)
    folder.listeners.append(mirror.log)
    less_seed = run_id(config, dataset.sha256, less=("seed",))
    return _Recording(folder, settings, mirror, _build(config, dataset, score), less_seed)


def _new_mirror(
    wandb_config: WandbConfig, process: WandbProcess, folder: RunFolder, settings: Mapping[str, Any]
) -> WandbMirror:
    from survkit.training.tracking import WandbMirror, default_mode

    return WandbMirror(
        wandb_config.mode or default_mode(),
        project=wandb_config.project,
        entity=wandb_config.entity,
        group=settings["group"],
        name=f"{settings['model']} seed {settings['seed']}",
        run_id=folder.path.name,
        config=settings,
        folder=folder.path,
        warn=folder.warn,
        process=process,
    )


def _finish(
    recording: _Recording,
    dataset: Dataset,
    score: Callable[..., Evaluation],
    shares: Mapping[str, float],
    n_train: int,
    together: int,
) -> None:
    """Evaluate a fitted model, write what remains of its record, and show it."""
    from survkit.runs.model_card import write_model_card
    from survkit.runs.results import describe_run, evaluate_splits, show, timing, write_fitted

    folder, settings, mirror, named, run_id_less_seed = recording
    fitted = time.perf_counter()
    write_fitted(folder, named, dataset, settings)
    metrics = evaluate_splits(
        named.model,
        dataset,
        folder,
        score,
        bootstrap=settings["bootstrap"],
        renormalise=_published_baseline(settings["model"], settings["evaluation"]),
    )
    result = {
        **describe_run(folder, dataset, named.model, settings),
        "configuration": run_id_less_seed,
        "n_train": n_train,
        "seeds_together": together,
        "timing": timing(**shares, evaluate_seconds=time.perf_counter() - fitted),
        **metrics,
    }
    mirror.finish(result)
    write_model_card(folder.path, dataset, settings, {**result, "warnings": folder.warnings})
    show(folder, folder.write_result(result))


def _build(config: TrainConfig, dataset: Dataset, score: Callable[..., Evaluation]) -> NamedModel:
    from survkit.models.composite import CALIBRATED, CalibratedModel, NamedModel
    from survkit.models.registry import MODELS

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


def _published_baseline(model: str, evaluation: str) -> bool:
    from survkit.models.registry import MODELS

    return evaluation == "published" and MODELS[model].is_baseline


def _training_rows(config: TrainConfig, train: SurvivalData) -> SurvivalData:
    from survkit.baselines.published import leave_out_fold

    leave_out = _published_baseline(config.model, config.evaluation)
    return leave_out_fold(train, config.seed) if leave_out else train


if __name__ == "__main__":
    sys.exit(main())
