from __future__ import annotations

from pathlib import Path

import pytest

from survkit.experiments import expand, read_sweep
from survkit.types import InputError

ROOT = Path(__file__).resolve().parents[2]


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", sorted((ROOT / "args").glob("*.yaml")), ids=lambda p: p.stem)
def test_committed_sweeps_are_read(path: Path) -> None:
    assert expand(read_sweep(path))


def test_a_sweep_is_read(tmp_path: Path) -> None:
    (tmp_path / "base.args").write_text("--dataset gbsg2 --epochs 5")
    path = write(
        tmp_path,
        """
        experiment_args: base.args
        common:
          seed: [1, 2]
          lr: 5e-4
        runs:
          - model: mtlr
            hidden_dim: [16, 32]
          - name: check
            model: coxph
            after: [mtlr]
        """,
    )
    runs = expand(read_sweep(path))
    assert [run.name for run in runs] == [
        "mtlr seed=1 hidden_dim=16",
        "mtlr seed=1 hidden_dim=32",
        "mtlr seed=2 hidden_dim=16",
        "mtlr seed=2 hidden_dim=32",
        "check seed=1",
        "check seed=2",
    ]
    assert {(run.config.dataset, run.config.epochs, run.config.lr) for run in runs} == {
        ("gbsg2", 5, 5e-4)
    }
    assert runs[-1].after == tuple(run.name for run in runs[:4])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("common: {seed: [1", "is not YAML"),
        ("common: {seed: 1, seed: 2}", "'seed' stands twice"),
        ("common: {seed: 1, 5: 2}", "a key must be text.*line 1"),
        ("? [a]\n: b", "a key must be text"),
        ("experiment_args: [a]", "experiment_args must be a file, not .'a'."),
        ("runs: [{name: [a]}]", "name must be text, not .'a'."),
        ("- 1", "must have keys: common, runs, experiment_args"),
        ("comon: {}", "has the key 'comon' .did you mean common"),
        ("common: [1]", "common must be flags"),
        ("runs: {}", "runs must be a list"),
        ("runs: []", "runs must be a list"),
        ("runs: [{after: mtlr}]", "after must be a list of names, not 'mtlr'"),
        ("common: !!python/object/apply:os.getcwd []", "is not YAML"),
    ],
)
def test_what_is_no_sweep_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_sweep(write(tmp_path, text))


def test_what_runs_share_can_be_merged_in(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        runs:
          - &first {model: mtlr, dataset: veteran, lr: 0.1}
          - {<<: *first, model: fixed_moe}
        """,
    )
    assert read_sweep(path).runs[1] == {"model": "fixed_moe", "dataset": "veteran", "lr": 0.1}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read the sweep .*none.yaml"):
        read_sweep(tmp_path / "none.yaml")
