"""Trains one model on one dataset, evaluates it under censoring and writes the record.

python -m survkit.train --experiment_args args/support2.args
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from survkit.cli import RunsElsewhereError, run_command
from survkit.configs.args_file import build_config, given_flags
from survkit.configs.train import TrainConfig
from survkit.configs.wandb import WandbConfig
from survkit.extras import require
from survkit.models.registry import MODELS, refuse_causes, refuse_late_entry
from survkit.runs.flags import canonical, refuse_unread, refuse_unused, registry_names
from survkit.runs.identity import RunFinder, configuration_id, resolved, run_id
from survkit.types import InputError

# The heavy imports stand in the functions below, so that --help answers at once.
if TYPE_CHECKING:
    from survkit.datasets.assemble import Dataset
    from survkit.runs.folder import RunFolder
    from survkit.training.tracking import WandbMirror, WandbProcess

PROG = "survkit.train"

Load = Callable[[dict[str, Any]], "Dataset"]


def main(argv: Sequence[str] | None = None, *, load: Load | None = None) -> int:
    """Run the command; returns its exit status. `load` is as in `train`."""
    argv = sys.argv[1:] if argv is None else argv

    def command() -> None:
        given = given_flags(
            (TrainConfig, WandbConfig),
            argv,
            prog=PROG,
            description=str(__doc__),
            words=registry_names(),
        )
        config: TrainConfig = build_config(TrainConfig, given.values)
        refuse_unread(config, given)
        refuse_unused(config, given)
        train(config, build_config(WandbConfig, given.values), argv, load=load)

    return run_command(PROG, command)


def train(
    config: TrainConfig,
    wandb_config: WandbConfig,
    argv: Sequence[str] = (),
    *,
    load: Load | None = None,
) -> list[Path]:
    """Make the record of each seed, unless it is there already, and return the runs' folders.

    `load` returns the dataset of a configuration; by default it is `load_configured`.

    Raises
    ------
    InputError
        For a configuration or data that cannot be used; the other seeds are trained all the same.
    RunsElsewhereError
        Where the only problem is that another process trains some of the seeds.
    """
    started = time.perf_counter()
    config = canonical(config)
    require(MODELS[config.model].packages, f"--model {config.model}")
    if wandb_config.mode in ("online", "offline"):
        require(("wandb",), f"--mode {wandb_config.mode}")
    from survkit.datasets import load_configured
    from survkit.datasets.splitting import check_event_in_each_part
    from survkit.models.fitting import use_device
    from survkit.models.size import check_size
    from survkit.runs.results import say_complete, show
    from survkit.runs.rows import refuse_conformal
    from survkit.runs.subgroups import check_subgroups
    from survkit.training.tracking import WandbProcess

    device = use_device(config.device)
    dataset = (load or load_configured)(asdict(config))
    if dataset.schema is not None:
        print(dataset.schema.describe())
    refuse_causes(config.model, dataset.splits.train.num_causes)
    late = dataset.splits.train.entry is not None
    refuse_late_entry(config.model, late=late, calibrate=config.calibrate)
    refuse_conformal(asdict(config), dataset)
    check_size(asdict(config), dataset, num_seeds=len(config.seeds or [config.seed]))
    check_subgroups(dataset, config.subgroups)
    if config.subgroups and not config.evaluate_test:
        note = "--subgroups scores test rows, which --no_evaluate_test leaves out: no subgroups"
        print(f"warning: {note}", file=sys.stderr)
    config = resolved(replace(config, device=device), dataset)
    with ExitStack() as contexts:
        runs, problems = _lock(config, dataset, contexts)
        unfinished = []
        for run in runs:
            result = None if config.overwrite else run.folder.result()
            if result is None:
                unfinished.append(run)
            else:
                run.folder.drop_unfinished()  # a kill may have left it
                say_complete(run.folder, result, time_unit=dataset.card.time_unit)
                show(run.folder, _with_subgroups(run, result, dataset))
        if unfinished:
            check_event_in_each_part(dataset.splits, stratified=bool(dataset.split.stratified))
        wandb = contexts.enter_context(WandbProcess())
        # Networks that differ only in their seeds are trained as one stack. Any other model has
        # its record before the next one is fitted.
        stacks = [unfinished] if MODELS[config.model].network else [[run] for run in unfinished]
        for stack in filter(None, stacks):
            problems += _train_stack(stack, dataset, wandb_config, wandb, argv, started)
            started = time.perf_counter()
        _raise_worst(problems)
    return [run.folder.path for run in runs]


class _Run(NamedTuple):
    config: TrainConfig
    folder: RunFolder
    settings: dict[str, Any]


def _lock(
    config: TrainConfig, dataset: Dataset, locks: ExitStack
) -> tuple[list[_Run], list[InputError]]:
    """Lock the folder of each seed's run; return an error for each that cannot be."""
    from survkit.files import writing
    from survkit.runs.folder import RunFolder

    runs: list[_Run] = []
    problems: list[InputError] = []
    group = Path(config.log_dir) / str(config.group)
    finder = RunFinder(group)
    for seed in config.seeds or (config.seed,):
        of_seed = replace(config, seed=seed, seeds=None)
        identifier = run_id(of_seed, dataset.sha256)
        with writing(group):
            folder = RunFolder(finder.folder(identifier))
        try:
            locks.enter_context(folder.lock())
        except InputError as error:
            problems.append(error)
        else:
            made_of = {"data_sha256": dataset.sha256, "run_id": identifier}
            runs.append(_Run(of_seed, folder, {**asdict(of_seed), **made_of}))
    return runs, problems


def _with_subgroups(run: _Run, result: dict[str, Any], dataset: Dataset) -> dict[str, Any]:
    """Return a complete record's result with the subgroups that are asked for."""
    if not run.config.subgroups:
        return result
    from survkit.runs.added_subgroups import add_subgroups
    from survkit.runs.results import evaluated_outcomes

    outcomes, specs = evaluated_outcomes(dataset, run.settings), run.config.subgroups
    return add_subgroups(run.folder, result, dataset, run.settings, outcomes, specs)


def _train_stack(
    stack: Sequence[_Run],
    dataset: Dataset,
    wandb_config: WandbConfig,
    wandb: WandbProcess,
    argv: Sequence[str],
    started: float,
) -> list[InputError]:
    """Build, fit, evaluate and record runs that differ only in their seeds; return the errors."""
    from survkit.models.fitting import build_model, fit_models, recalibrate
    from survkit.runs.folder import provenance
    from survkit.runs.limits import loss_limits
    from survkit.runs.results import (
        evaluated_outcomes,
        finish_run,
        recorded_schema,
        show,
    )
    from survkit.runs.rows import training_rows
    from survkit.training.tracking import ProgressBar

    config = stack[0].config
    rows, validation = training_rows(dataset, stack[0].settings), dataset.splits.validation
    made_with = {
        "command": ["python", "-m", PROG, *argv],
        **provenance(),
        **recorded_schema(dataset),
    }
    resume = config.resume and not config.overwrite
    outcomes = evaluated_outcomes(dataset, stack[0].settings)

    models, mirrors, progress = [], [], ProgressBar(config.epochs)
    for run in stack:
        run.folder.start({**run.settings, **made_with}, warnings=dataset.warnings, resume=resume)
        run.folder.seeds_together = len(stack)
        models.append(build_model(run.settings, outcomes["validation"]))
        mirrors.append(_mirror(run, wandb_config, wandb))
        limits = loss_limits(config.loss_limits, run.folder)
        run.folder.listeners = [mirrors[-1].log, progress.log, *limits]

    loaded = time.perf_counter()
    errors = fit_models(models, rows.fit, validation, monitors=[run.folder for run in stack])
    progress.close()
    models = [
        model if error else recalibrate(model, stack[0].settings, validation, *rows)
        for model, error in zip(models, errors, strict=True)
    ]
    fitted = time.perf_counter()

    problems = [error for error in errors if error is not None]
    shares = {"load_seconds": loaded - started, "fit_seconds": fitted - loaded}
    for run, model, mirror, error in zip(stack, models, mirrors, errors, strict=True):
        if error is not None:
            continue
        try:
            result = finish_run(
                run.folder,
                model,
                dataset,
                run.settings,
                outcomes=outcomes,
                seconds={name: seconds / len(stack) for name, seconds in shares.items()},
                facts={
                    "configuration": configuration_id(run.config, dataset.sha256),
                    "n_train": len(rows.fit),
                    "seeds_together": run.folder.seeds_together,
                },
                mirror=mirror.finish,
            )
        except InputError as problem:  # of this seed; the others may be well
            problems.append(problem)
        else:
            show(run.folder, result)
    return problems


def _mirror(run: _Run, config: WandbConfig, process: WandbProcess) -> WandbMirror:
    from survkit.training.tracking import WandbMirror, default_mode

    return WandbMirror(
        config.mode or default_mode(),
        project=config.project,
        entity=config.entity,
        group=run.settings["group"],
        name=config.name or f"{run.config.model} seed {run.config.seed}",
        job_type=config.job_type,
        tags=config.tags,
        notes=config.notes,
        run_id=run.folder.path.name,
        config=run.settings,
        folder=Path(config.dir) if config.dir else run.folder.path,
        warn=run.folder.warn,
        process=process,
    )


def _raise_worst(problems: Sequence[InputError]) -> None:
    """Raise what the user must correct before what needs only waiting."""
    to_mend = [error for error in problems if not isinstance(error, RunsElsewhereError)]
    if to_mend:
        raise InputError("; ".join(dict.fromkeys(map(str, to_mend))))
    if problems:
        raise problems[0]


if __name__ == "__main__":
    sys.exit(main())
