"""Configuration of where and how jobs run."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial
from typing import Literal

from survkit.configs.options import option, validate
from survkit.types import InputError

LOCAL, SLURM = "This machine (--runner prefect, process or dask)", "SLURM (--runner slurm)"
_launch = partial(option, topic="Launch")
_local, _slurm = partial(option, topic=LOCAL), partial(option, topic=SLURM)

RUNNERS_OF_TOPIC = {LOCAL: ("prefect", "process", "dask"), SLURM: ("slurm",)}
RUNNERS_OF_FLAG = {
    **dict.fromkeys(
        ("gpu_list", "gpu_mb_per_job", "max_per_gpu", "jobs_per_worker"), ("prefect", "process")
    ),
    "dask_address": ("dask",),
}
"""Flags that fewer runners take than others of their topic."""


@dataclass(frozen=True)
class LaunchConfig:
    """Where jobs run, how many at a time, and what happens to those that fail."""

    runner: Literal["prefect", "process", "dask", "slurm"] = _launch(
        "prefect", "a prefect flow, plain processes, a Dask cluster, or SLURM"
    )
    use_slurm: bool = _launch(False, "the same as --runner slurm")
    dry_run: bool = _launch(False, "print what would be run, and stop")
    check_wandb: bool = _launch(False, "leave out runs that are finished in Weights & Biases, too")
    retries: int = _launch(
        0, "further attempts at a run that failed, input errors apart", at_least=0, at_most=1000
    )

    join_seeds: bool = _local(
        True, "train runs that differ in their seeds only in one process, as one stacked network"
    )
    gpu_list: tuple[int, ...] = _local(
        (), "GPUs to use, by index", at_least=0, at_most=1023, shown_default="all"
    )
    gpu_mb_per_job: int = _local(
        2000, "free GPU memory that a run needs, in MiB", at_least=1, at_most=10**9
    )
    max_per_gpu: int = _local(1, "runs at the same time on one GPU", at_least=1, at_most=1000)
    max_subprocesses: int | None = _local(
        None,
        "runs at the same time",
        at_least=1,
        at_most=10_000,
        shown_default="one a GPU slot, or one a core where there is no GPU",
    )
    jobs_per_worker: int = _local(
        100,
        "jobs after which a worker process, which keeps imports and data from one to the next, is "
        "replaced; 0 or 1 for a new process for every job",
        at_least=0,
        at_most=10**6,
    )
    dask_address: str | None = _local(None, "scheduler of the Dask cluster, as tcp://host:8786")

    cluster: str = _slurm("generic", "function of survkit.slurm that builds this cluster's jobs")
    account: str | None = _slurm(None, "account to charge")
    partition: str | None = _slurm(None, "partition to run in")
    qos: str | None = _slurm(None, "quality of service")
    gpu: str | None = _slurm(None, "GPUs of a job, as a number or type:number, such as a100:1")
    cpu: int = _slurm(2, "cores of a job", at_least=1, at_most=100_000)
    memory: str = _slurm("8G", "memory of a job")
    time: str = _slurm("4:00:00", "time limit of a job")
    array: bool = _slurm(False, "submit runs as tasks of job arrays")
    array_limit: int | None = _slurm(
        None, "tasks of an array at the same time", at_least=1, at_most=1_000_000
    )
    requeue: bool = _slurm(
        True, "let a job that nears its time limit requeue itself and go on where it stopped"
    )
    requeue_seconds: int = _slurm(
        120, "how long before its time limit a job stops to requeue", at_least=1, at_most=10**9
    )
    wait: bool = _slurm(False, "follow the jobs to the end")

    def __post_init__(self) -> None:
        validate(self)
        if self.use_slurm:
            if self.runner not in ("prefect", "slurm"):
                raise InputError(f"--use_slurm is --runner slurm, and --runner is {self.runner}")
            object.__setattr__(self, "runner", "slurm")
        if self.runner == "dask" and not self.dask_address:
            raise InputError("--runner dask needs --dask_address, as tcp://host:8786")
        if len(set(self.gpu_list)) < len(self.gpu_list):
            raise InputError(f"--gpu_list names a GPU twice: {self.gpu_list}")
        self._refuse_flags_of_other_runners()

    def _refuse_flags_of_other_runners(self) -> None:
        """Refuse what would have no effect, as --gpu, a flag for SLURM, has on this machine."""
        for field in fields(self):
            every = RUNNERS_OF_TOPIC.get(field.metadata["topic"], (self.runner,))
            runners = RUNNERS_OF_FLAG.get(field.name, every)
            if getattr(self, field.name) != field.default and self.runner not in runners:
                names = " or ".join(filter(None, (", ".join(runners[:-1]), runners[-1])))
                raise InputError(
                    f"--{field.name} is for --runner {names}, and this is {self.runner}"
                )
