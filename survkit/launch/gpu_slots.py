"""Where the jobs of this machine run: slots on GPUs with enough free memory, or on the cores.

GPUs are counted as nvidia-smi does, which is not always as CUDA does; so a job is given its GPU
by UUID.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from survkit.types import InputError


class Gpu(NamedTuple):
    """A GPU that this process may use."""

    number: int  # its place among the GPUs that this process may use
    uuid: str
    free_mb: int  # free memory, in MiB


def gpu_slots(
    *, gpu_list: Sequence[int], gpu_mb_per_job: int, max_per_gpu: int, nvml: Any = None
) -> list[Gpu]:
    """Return a GPU for each job that can run at the same time; none where there is no GPU.

    A GPU comes as often as jobs that need `gpu_mb_per_job` MiB fit into its free memory, at most
    `max_per_gpu` times. Every GPU comes once before one comes twice. `gpu_list` has places in
    CUDA_VISIBLE_DEVICES where that is set, and is empty for all GPUs.
    """
    gpus = visible_gpus(nvml)
    missing = [index for index in gpu_list if index >= len(gpus)]
    if missing:
        there = f"there are GPUs 0 to {len(gpus) - 1}" if gpus else "this machine has no GPU to use"
        raise InputError(f"--gpu_list {' '.join(map(str, missing))}: {there}")
    chosen = [gpus[index] for index in gpu_list] or gpus
    jobs = [min(max_per_gpu, gpu.free_mb // gpu_mb_per_job) for gpu in chosen]
    if chosen and not any(jobs):
        free = ", ".join(f"GPU {gpu.number} has {gpu.free_mb} MiB" for gpu in chosen)
        raise InputError(
            f"no GPU has --gpu_mb_per_job {gpu_mb_per_job} MiB free: {free}; wait until they are "
            "free, or ask for less"
        )
    turns = range(max_per_gpu)
    return [gpu for turn in turns for gpu, n in zip(chosen, jobs, strict=True) if n > turn]


def visible_gpus(nvml: Any = None) -> list[Gpu]:
    """Return the GPUs that this process may use, in the order of CUDA_VISIBLE_DEVICES if set."""
    with _opened(nvml) as library:
        if library is None:
            return []
        return [
            Gpu(number, library.nvmlDeviceGetUUID(handle), _free_mb(library, handle))
            for number, handle in enumerate(_visible_handles(library))
        ]


def free_memory_mb(uuid: str, nvml: Any = None) -> int:
    """Return the free memory of a GPU now, in MiB; 0 where it does not answer."""
    try:
        with _opened(nvml) as library:
            return _free_mb(library, library.nvmlDeviceGetHandleByUUID(uuid))
    except InputError:
        return 0


@contextmanager
def _opened(nvml: Any) -> Iterator[Any]:
    """Open NVIDIA's management library; None where there is no such GPU."""
    nvml = nvml or importlib.import_module("pynvml")
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        without = (nvml.NVML_ERROR_LIBRARY_NOT_FOUND, nvml.NVML_ERROR_DRIVER_NOT_LOADED)
        if error.value not in without:
            print(f"warning: running without GPUs, as NVML says: {error}", file=sys.stderr)
        yield None
        return
    try:
        yield nvml
    except nvml.NVMLError as error:
        raise InputError(f"a GPU does not answer: {error}; leave it out of --gpu_list") from None
    finally:
        nvml.nvmlShutdown()


def _free_mb(library: Any, handle: Any) -> int:
    return int(library.nvmlDeviceGetMemoryInfo(handle).free) // 2**20


def _visible_handles(library: Any) -> list[Any]:
    """Return the GPUs that CUDA_VISIBLE_DEVICES names: by number, or the beginning of a UUID."""
    count = library.nvmlDeviceGetCount()
    handles = [library.nvmlDeviceGetHandleByIndex(index) for index in range(count)]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return handles
    uuids = [library.nvmlDeviceGetUUID(handle) for handle in handles]
    found = []
    for name in filter(None, (part.strip() for part in visible.split(","))):
        if name == "-1":  # hides all that follow
            break
        if name.startswith("MIG-"):  # a part of a GPU
            found.append(library.nvmlDeviceGetHandleByUUID(name))
            continue
        matching = [
            handle
            for index, (handle, uuid) in enumerate(zip(handles, uuids, strict=True))
            if name == str(index) or (name.startswith("GPU-") and uuid.startswith(name))
        ]
        if len(matching) != 1:
            raise InputError(f"CUDA_VISIBLE_DEVICES names {name}; the GPUs are {', '.join(uuids)}")
        found += matching
    return found
