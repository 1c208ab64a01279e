"""Configuration of a grid of runs: which runs, and where they run."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from survkit.configs.options import option, validate
from survkit.types import InputError

SWEEP = "Sweep"
LAUNCH = "Launch"
LOCAL = "This machine (--runner prefect, process or dask)"
SLURM = "SLURM (--runner slurm)"

RUNNERS_OF_TOPIC = {LOCAL: ("prefect", "process", "dask"), SLURM: ("slurm",)}
RUNNERS_OF_FLAG = {
    "gpu_list": ("prefect", "process"),
    "gpu_mb_per_job": ("prefect", "process"),
    "max_per_gpu": ("prefect", "process"),
    "dask_address": ("dask",),
}
"""Flags that fewer runners take than others of their topic."""


@dataclass(frozen=True)
class BatchRunConfig:
    """Which runs a sweep consists of and how they are launched."""

    group: tuple[str, ...] = option(
        (),
        topic=SWEEP,
        help="sweeps of survkit.experiments to run; each is also the group of its records",
    )
    sweep: str | None = option(
        None,
        topic=SWEEP,
        help="YAML file of a sweep; its records go to the group of the file's name, or --group",
    )
    num_runs: int | None = option(
        None,
        topic=SWEEP,
        at_least=1,
        help="run a random choice of this many runs of each sweep, always the same one",
        shown_default="all",
    )

    runner: Literal["prefect", "process", "dask", "slurm"] = option(
        "prefect", topic=LAUNCH, help="a prefect flow, plain processes, a Dask cluster, or SLURM"
    )
    use_slurm: bool = option(False, topic=LAUNCH, help="the same as --runner slurm")
    dry_run: bool = option(False, topic=LAUNCH, help="print what would be run, and stop")
    check_wandb: bool = option(
        False, topic=LAUNCH, help="leave out runs that are finished in Weights & Biases, too"
    )
    retries: int = option(
        0,
        topic=LAUNCH,
        at_least=0,
        help="further attempts at a run that failed, input errors apart",
    )

    join_seeds: bool = option(
        True,
        topic=LOCAL,
        help="train runs that differ in their seeds only in one process, as one stacked network",
    )
    gpu_list: tuple[int, ...] = option(
        (), topic=LOCAL, at_least=0, help="GPUs to use, by index", shown_default="all"
    )
    gpu_mb_per_job: int = option(
        2000, topic=LOCAL, at_least=1, help="free GPU memory that a run needs, in MiB"
    )
    max_per_gpu: int = option(1, topic=LOCAL, at_least=1, help="runs at the same time on one GPU")
    max_subprocesses: int | None = option(
        None,
        topic=LOCAL,
        at_least=1,
        help="runs at the same time",
        shown_default="one a GPU slot, or one a core where there is no GPU",
    )
    dask_address: str | None = option(
        None, topic=LOCAL, help="scheduler of the Dask cluster, as tcp://host:8786"
    )

    cluster: str = option(
        "generic", topic=SLURM, help="function of survkit.slurm that builds this cluster's jobs"
    )
    account: str | None = option(None, topic=SLURM, help="account to charge")
    partition: str | None = option(None, topic=SLURM, help="partition to run in")
    qos: str | None = option(None, topic=SLURM, help="quality of service")
    gpu: str | None = option(
        None, topic=SLURM, help="GPUs of a job, as a number or type:number, such as a100:1"
    )
    cpu: int = option(2, topic=SLURM, at_least=1, help="cores of a job")
    memory: str = option("8G", topic=SLURM, help="memory of a job")
    time: str = option("4:00:00", topic=SLURM, help="time limit of a job")
    array: bool = option(False, topic=SLURM, help="submit runs as tasks of job arrays")
    array_limit: int | None = option(
        None, topic=SLURM, at_least=1, help="tasks of an array at the same time"
    )
    requeue: bool = option(
        True,
        topic=SLURM,
        help="let a job that nears its time limit requeue itself and go on where it stopped",
    )
    requeue_seconds: int = option(
        120, topic=SLURM, at_least=1, help="how long before its time limit a job stops to requeue"
    )
    wait: bool = option(False, topic=SLURM, help="follow the jobs to the end")

    def __post_init__(self) -> None:
        validate(self)
        if self.use_slurm:
            if self.runner not in ("prefect", "slurm"):
                raise InputError(f"--use_slurm is --runner slurm, and --runner is {self.runner}")
            object.__setattr__(self, "runner", "slurm")
        if not self.group and not self.sweep:
            raise InputError("name a sweep with --group, or a file of one with --sweep")
        if self.sweep and len(self.group) > 1:
            raise InputError("--sweep takes one --group at most, the group of its records")
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
