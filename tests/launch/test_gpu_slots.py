from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest

from survkit.launch.gpu_slots import free_memory_mb, gpu_slots, visible_gpus
from survkit.system import available_cores
from survkit.types import InputError

UUIDS = ("GPU-aa11", "GPU-ab22", "GPU-cc33")


class NVMLError(Exception):
    def __init__(self, value: int) -> None:
        super().__init__(f"NVML error {value}")
        self.value = value


class FakeNvml:
    """The part of pynvml that is used, for a machine with some free memory on each GPU."""

    NVMLError = NVMLError
    NVML_ERROR_LIBRARY_NOT_FOUND = 12
    NVML_ERROR_DRIVER_NOT_LOADED = 9

    def __init__(self, *free_mb: int, error: int | None = None) -> None:
        self.free = dict(zip((*UUIDS, "MIG-dd44"), free_mb, strict=False))
        self.error = error
        self.opened = 0

    def nvmlInit(self) -> None:  # noqa: N802
        if self.error is not None:
            raise NVMLError(self.error)
        self.opened += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.opened -= 1

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return min(len(self.free), len(UUIDS))

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:  # noqa: N802
        return UUIDS[index]

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802
        if uuid not in self.free:
            raise NVMLError(6)
        return uuid

    def nvmlDeviceGetUUID(self, handle: str) -> str:  # noqa: N802
        return handle

    def nvmlDeviceGetMemoryInfo(self, handle: str) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(free=self.free[handle] * 2**20 + 17)


@pytest.fixture(autouse=True)
def _all_gpus_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def slots(nvml: FakeNvml, **given: Any) -> list[str]:
    parameters = {"gpu_list": (), "gpu_mb_per_job": 2000, "max_per_gpu": 1} | given
    gpus = gpu_slots(**parameters, nvml=nvml)
    assert nvml.opened == 0
    return [gpu.uuid for gpu in gpus]


def test_every_gpu_comes_once_before_one_comes_twice() -> None:
    nvml = FakeNvml(6100, 4000, 1999)
    assert slots(nvml, max_per_gpu=9) == [
        "GPU-aa11",
        "GPU-ab22",
        "GPU-aa11",
        "GPU-ab22",
        "GPU-aa11",
    ]
    assert slots(nvml, max_per_gpu=2) == ["GPU-aa11", "GPU-ab22", "GPU-aa11", "GPU-ab22"]
    assert slots(nvml) == ["GPU-aa11", "GPU-ab22"]


def test_a_list_chooses_gpus_in_its_order() -> None:
    assert slots(FakeNvml(9000, 9000, 9000), gpu_list=(2, 0)) == ["GPU-cc33", "GPU-aa11"]


def test_a_gpu_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match=r"--gpu_list 3 7: there are GPUs 0 to 2"):
        slots(FakeNvml(9000, 9000, 9000), gpu_list=(3, 1, 7))


def test_without_memory_it_is_said_what_each_gpu_has() -> None:
    with pytest.raises(InputError, match=r"2000 MiB free: GPU 0 has 1500 MiB, GPU 1 has 12 MiB"):
        slots(FakeNvml(1500, 12))
    with pytest.raises(InputError, match=r"free: GPU 1 has 12 MiB"):
        slots(FakeNvml(9000, 12), gpu_list=(1,))


@pytest.mark.parametrize("error", [9, 12])
def test_a_machine_without_gpus_has_no_slots(
    error: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert slots(FakeNvml(error=error)) == []
    assert capsys.readouterr().err == ""
    with pytest.raises(InputError, match=r"--gpu_list 0: this machine has no GPU to use"):
        slots(FakeNvml(error=error), gpu_list=(0,))


def test_a_broken_driver_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    assert slots(FakeNvml(error=18)) == []
    assert "running without GPUs, as NVML says: NVML error 18" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        ("2,0", ["GPU-cc33", "GPU-aa11"]),
        ("GPU-c, 1", ["GPU-cc33", "GPU-ab22"]),
        ("GPU-ab22", ["GPU-ab22"]),
        ("1,-1,0", ["GPU-ab22"]),
        ("MIG-dd44", ["MIG-dd44"]),
        ("", []),
        ("-1", []),
    ],
)
def test_only_visible_gpus_are_used(
    visible: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert slots(FakeNvml(9000, 9000, 9000, 9000)) == expected


def test_a_list_counts_the_visible_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,1")
    assert slots(FakeNvml(9000, 9000, 9000), gpu_list=(0,)) == ["GPU-cc33"]
    with pytest.raises(InputError, match=r"--gpu_list 2: there are GPUs 0 to 1"):
        slots(FakeNvml(9000, 9000, 9000), gpu_list=(2,))


@pytest.mark.parametrize("visible", ["7", "GPU-a", "GPU-zz", "first"])
def test_a_visible_gpu_that_is_not_there_is_named(
    visible: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with pytest.raises(InputError, match=f"CUDA_VISIBLE_DEVICES names {visible}; the GPUs are"):
        slots(FakeNvml(9000, 9000))


def test_free_memory_is_that_of_now() -> None:
    nvml = FakeNvml(3000, 500)
    assert free_memory_mb("GPU-ab22", nvml) == 500
    nvml.free["GPU-ab22"] = 2500
    assert free_memory_mb("GPU-ab22", nvml) == 2500
    assert free_memory_mb("GPU-gone", nvml) == 0
    assert nvml.opened == 0


def test_the_real_library_answers() -> None:
    gpus = visible_gpus()
    assert [gpu.number for gpu in gpus] == list(range(len(gpus)))
    assert all(gpu.free_mb == pytest.approx(free_memory_mb(gpu.uuid), rel=0.5) for gpu in gpus)


def test_cores_are_those_that_this_process_may_use() -> None:
    assert 1 <= available_cores() <= (os.cpu_count() or 1)
