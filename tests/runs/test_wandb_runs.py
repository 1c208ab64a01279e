"""Weights & Biases' server is the one part that cannot run here: a stand-in answers for it.

What it answers is what an offline run logs: configuration, and summary keys as validation/loss.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest

from survkit.report import load_runs, load_wandb_runs
from survkit.report.tables import comparison_table
from survkit.runs.folder import RunFolder
from survkit.runs.record_files import read_config
from survkit.types import InputError


class Run(NamedTuple):
    id: str
    config: dict[str, Any]
    summary_metrics: dict[str, Any]


class Api:
    """Answers as wandb.Api does, from folders of runs."""

    def __init__(self, group_folder: Path, others: list[Run] | None = None) -> None:
        self.answer = [_mirrored(path.parent) for path in group_folder.glob("*/result.json")]
        self.answer += others or []

    def runs(self, path: str, filters: dict[str, Any], lazy: bool) -> list[Run]:
        assert path == "team/project"
        assert filters["state"] == "finished"
        group = filters.get("group")
        return [run for run in self.answer if group in (None, run.config.get("group"))]


def _mirrored(folder: Path) -> Run:
    """Return what `survkit.training.tracking.WandbMirror` sends of a run."""
    result = RunFolder(folder).result() or {}
    config = read_config(folder) or {}
    for name in ("command", "git_commit", "survkit_version", "package_versions"):
        del config[name]
    summary: dict[str, Any] = {"_runtime": 3, "train_loss": 2.0}
    for part in ("validation", "test"):
        summary |= {f"{part}/{k}": "NaN" if v is None else v for k, v in result[part].items()}
    return Run(folder.name, config, summary)


def test_mirrored_runs_have_the_columns_of_folders(log_dir: Path) -> None:
    folders = load_runs(log_dir, "some")
    mirrored = load_wandb_runs("team/project", "some", api=Api(log_dir / "some"))
    lacking = {"path", "notes", "known_leaks", "warnings", "time_unit", "n_train"}
    shared = [column for column in mirrored if column not in lacking]
    assert {"test_loss", "configuration", "config_hidden_dim", "seed"} <= set(shared)
    pd.testing.assert_frame_equal(mirrored[shared], folders[shared], check_dtype=False)
    assert mirrored["path"].isna().all()


def test_a_table_of_mirrored_runs(log_dir: Path) -> None:
    mirrored = load_wandb_runs("team/project", api=Api(log_dir / "some"))
    of_folders = comparison_table(load_runs(log_dir, "some"))
    table = comparison_table(mirrored)
    pd.testing.assert_frame_equal(table.drop(columns="seconds"), of_folders.drop(columns="seconds"))
    assert table["seconds"].tolist() == ["-"] * len(table)


def test_runs_of_others_are_left_out_with_a_warning(log_dir: Path) -> None:
    other = Run("ffff", {"lr": 0.1}, {"loss": 1.0})
    with pytest.warns(UserWarning, match="left out: run ffff is not one of survkit"):
        runs = load_wandb_runs("team/project", api=Api(log_dir / "some", [other]))
    assert len(runs) == 3


def test_what_cannot_be_read_is_explained(log_dir: Path) -> None:
    with pytest.raises(InputError, match="no finished run in team/project, group none"):
        load_wandb_runs("team/project", "none", api=Api(log_dir / "some"))
    with pytest.raises(InputError, match=r"cannot read the runs of team/project: .*runs"):
        load_wandb_runs("team/project", api=object())
