from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from survkit.benchmark.definition import read_benchmark
from survkit.experiments import expand, read_sweep
from survkit.text import one_line
from survkit.types import InputError

ROOT = Path(__file__).resolve().parents[2]


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", sorted((ROOT / "args").glob("*.yaml")), ids=lambda p: p.stem)
def test_committed_sweeps_are_read(path: Path) -> None:
    is_benchmark = path.stem.startswith("benchmark_")
    assert expand(read_benchmark(path).sweep if is_benchmark else read_sweep(path))


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
        ("common: {seed: [1", "line 1, column 18: while parsing"),
        ("common: {seed: 1, seed: 2}", "'seed' stands twice"),
        ("common: {seed: 1, 5: 2}", "line 1, column 19: a key must be text"),
        ("? [a]\n: b", "a key must be text"),
        ("experiment_args: [a]", "experiment_args must be a file, not .'a'."),
        ("runs: [{name: [a]}]", "name must be text, not .'a'."),
        ("- 1", "must have keys: common, runs, experiment_args"),
        ("comon: {}", "has the key 'comon' .did you mean common"),
        ("common: [1]", "common must be flags"),
        ("runs: {}", "runs must be a list"),
        ("runs: []", "runs must be a list"),
        ("runs: [{after: mtlr}]", "after must be a list of names, not 'mtlr'"),
        ("common: !!python/object/apply:os.getcwd []", "line 1, column 9: the tag .*getcwd"),
        ("common: {lr: !!int 'abc'}", "the tag tag:yaml.org,2002:int has no place here"),
        ("common: {lr: !!binary aGk=}", "the tag tag:yaml.org,2002:binary"),
        ("common: {lr: " + "9" * 5000 + "}", r"line 1, column 14: '9+\.\.\. \(5,000 char"),
        ("common: {lr: 0x" + "f" * 5000 + "}", r"is too large; numbers go to 1e\+18"),
        (
            "common: " + "[" * 5000,
            "line 1, column 28: lists and mappings are nested more than 20 deep",
        ),
        ("common: " + "{a: " * 5000, "lists and mappings are nested more than 20 deep"),
        ("common: {a: &a [*a]}", r"the alias \*a stands inside what it stands for"),
        ("common: {seed: 1}\n---\ncommon: {}", "line 2, column 1: expected a single document"),
        ("", "must have keys"),
        ("common: {group: a\0b}", "it is not YAML"),
        ('runs: [{name: "a\\e[2J"}]', "name must be text on one line"),
        ("runs: [{after: [{}]}]", "after must be a list of names"),
        ("common: {lr: =}", None),
        ("common: {lr: 2020-13-45}", None),
        ('common: {log_dir: "a\\0b"}', None),
        ("common: {lr: {a: 1}}", None),
        ("common: {lr: [{a: 1}]}", None),
        ("common: {seed: .nan}", None),
        ("common: {lr: .inf}", None),
        ("common: {lr: <<}", "line 1, column 14"),
        ("common: {dataset: [[a]]}", None),
        ("common: {model: {a: b}}", None),
        ("common: {mnist_means: {a: b}}", None),
        ("common: {mnist_means: [[[1]]]}", None),
    ],
)
def test_what_is_no_sweep_is_refused(tmp_path: Path, text: str, message: str | None) -> None:
    with pytest.raises(InputError, match=message) as refusal:
        expand(read_sweep(write(tmp_path, text)))
    assert one_line(str(refusal.value)) == str(refusal.value)
    assert len(str(refusal.value)) < 500


def test_an_alias_bomb_is_refused_at_once(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    start = time.perf_counter()
    with pytest.raises(InputError, match=r"line 6, .*more than 200,000 keys and values"):
        read_sweep(write(tmp_path, "\n".join(lines)))
    merged = ["a0: &a0 {x0: 1, y0: 1}"]
    merged += [f"a{i}: &a{i} {{x{i}: 1, <<: [*a{i - 1}, *a{i - 1}]}}" for i in range(1, 40)]
    with pytest.raises(InputError, match="more than 200,000 keys and values"):
        read_sweep(write(tmp_path, "\n".join(merged)))
    assert time.perf_counter() - start < 5  # much less where the machine is not busy


def test_dates_are_text(tmp_path: Path) -> None:
    path = write(tmp_path, "common: {dataset: csv, event_value: 2020-12-31}")
    assert read_sweep(path).common["event_value"] == "2020-12-31"


def test_what_is_no_file_of_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"cannot read the sweep {tmp_path}: it is a folder"):
        read_sweep(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="it is a pipe or a device"):
        read_sweep(tmp_path / "pipe")
    (tmp_path / "latin").write_bytes("common: {group: café}".encode("latin-1"))
    with pytest.raises(InputError, match=r"latin is not UTF-8 text \(byte 20\)"):
        read_sweep(tmp_path / "latin")
    with pytest.raises(InputError, match="no path holds a NUL character"):
        expand(read_sweep(write(tmp_path, 'experiment_args: "a\\0b"')))


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
