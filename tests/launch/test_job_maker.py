"""Datasets that stay in memory between the jobs that are made of them."""

from __future__ import annotations

from typing import Any

import pytest

from survkit.configs.train import TrainConfig
from survkit.launch import job_maker


def test_the_datasets_used_least_recently_leave_first(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, load = list[int](), job_maker.load_configured

    def counted(settings: dict[str, Any]) -> Any:
        loaded.append(settings["synthetic_rows"])
        return load(settings)

    monkeypatch.setattr(job_maker, "load_configured", counted)
    configs = {n: TrainConfig(dataset="synthetic", synthetic_rows=n) for n in (100, 101, 102)}
    maker = job_maker.JobMaker()
    size = sum(part.features.nbytes for part in maker.load(configs[102]).splits)
    monkeypatch.setattr(job_maker, "KEPT_BYTES", 2 * size)  # room for two of them
    for n in (101, 102, 100, 102, 101):
        assert sum(map(len, maker.load(configs[n]).splits)) == n
    assert loaded == [102, 101, 100, 101]
