"""The YAML file of a benchmark: what it stands for, and what is wrong with it."""

from pathlib import Path

import pytest

from survkit.benchmark.definition import read_benchmark, sizes
from survkit.experiments import expand
from survkit.types import InputError


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "benchmark.yaml"
    path.write_text(text)
    return path


def test_each_dataset_meets_each_model_in_each_split(tmp_path: Path) -> None:
    text = """
    datasets: [gbsg2, {dataset: synthetic, synthetic_rows: 500, name: small}]
    models: [coxph, {model: rsf, rsf_n_estimators: 10, name: "ten trees"}]
    splits: 3
    common: {seed: 7}
    """
    benchmark = read_benchmark(write(tmp_path, text))
    assert sizes(benchmark) == (2, 2, 3)
    runs = expand(benchmark.sweep)
    assert len(runs) == 12
    assert {run.kind for run in runs} == set(benchmark.kinds)
    assert benchmark.kinds["small ten trees"] == ("small", "ten trees")
    of_kind = [run.config for run in runs if run.kind == "small ten trees"]
    assert [config.split_seed for config in of_kind] == [0, 1, 2]
    assert {(c.dataset, c.synthetic_rows, c.model, c.rsf_n_estimators) for c in of_kind} == {
        ("synthetic", 500, "rsf", 10)
    }
    assert {(run.config.seed, run.config.bootstrap) for run in runs} == {(7, 0)}


def test_folds_are_tested_in_turn(tmp_path: Path) -> None:
    benchmark = read_benchmark(
        write(tmp_path, "{datasets: [lung], models: [mtlr], folds: 4, common: {bootstrap: 10}}")
    )
    found = [run.config for run in expand(benchmark.sweep)]
    assert [(c.split, c.folds, c.fold, c.bootstrap) for c in found] == [
        ("folds", 4, fold, 10) for fold in range(4)
    ]


def test_seeds_of_splits_may_be_listed(tmp_path: Path) -> None:
    text = "{datasets: [lung], models: [mtlr], splits: [42, 7]}"
    runs = expand(read_benchmark(write(tmp_path, text)).sweep)
    assert [run.config.split_seed for run in runs] == [42, 7]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models: [mtlr]", "has no datasets: a list of names"),
        ("{datasets: [lung], model: [mtlr]}", "the key 'model' (did you mean models?)"),
        ("{datasets: lung, models: [mtlr]}", "datasets must be a list of names, not 'lung'"),
        ("{datasets: [], models: [mtlr]}", "datasets must be a list of names"),
        ("{datasets: [lung, lung], models: [mtlr]}", "lung stands twice in datasets"),
        ("{datasets: [3], models: [mtlr]}", "3 in datasets is neither a name nor flags"),
        ("{datasets: [{name: a}], models: [mtlr]}", "in datasets is neither a name nor flags"),
        ("{datasets: [lung], models: [mtlr], splits: 0}", "splits must be a whole number from 1"),
        ("{datasets: [lung], models: [mtlr], splits: 1.5}", "splits must be a whole number"),
        ("{datasets: [lung], models: [mtlr], splits: true}", "splits must be a whole number"),
        ("{datasets: [lung], models: [mtlr], splits: []}", "splits is an empty list"),
        ("{datasets: [lung], models: [mtlr], folds: 1}", "folds must be a whole number from 2"),
        ("{datasets: [lung], models: [mtlr], folds: 3, splits: 2}", "both splits and folds"),
        ("{datasets: [lung], models: [mtlr], common: [a]}", "common must be flags"),
        (
            "{datasets: [lung], models: [mtlr], common: {split_seed: 3}}",
            "common: split_seed is what splits, folds or search say",
        ),
        (
            "{datasets: [{dataset: lung, fold: 1}], models: [mtlr]}",
            "lung: fold is what splits, folds or search say",
        ),
        (
            "{datasets: [lung], models: [{model: mtlr, time_bins: 5}]}",
            "mtlr: time_bins is for datasets or common",
        ),
        (
            "{datasets: [lung], models: [{model: mtlr, dataset: gbsg2}]}",
            "mtlr: dataset belongs to datasets",
        ),
        ("{datasets: [lung], models: [mtlr], common: {model: rsf}}", "model belongs to models"),
        (
            "{datasets: [lung], models: [{model: mtlr, seed: [1, 2]}]}",
            "mtlr: seed is a list; list each dataset or model",
        ),
        (
            "{datasets: [lung], models: [{model: mtlr, evaluate_test: false}]}",
            "mtlr: evaluate_test has no place here: models are compared on the test rows",
        ),
        ("{datasets: [lung], models: [mtlr], common: {lr: [1, 2]}}", "common: lr is a list"),
        ("{datasets: [lung], models: [{model: mtlr, after: [x]}]}", "wait for no others"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_benchmark(write(tmp_path, text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{datasets: [lung], models: [mtrl]}", "did you mean mtlr?"),
        ("{datasets: [lunk], models: [mtlr]}", "did you mean lung?"),
        ("{datasets: [lung], models: [{model: mtlr, rsf_n_estimators: 3}]}", "rsf_n_estimators"),
        ("{datasets: [lung], models: [{model: mtlr, epoch: 3}]}", "did you mean epochs?"),
    ],
)
def test_flags_are_checked_as_in_any_sweep(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        expand(read_benchmark(write(tmp_path, text)).sweep)
    assert message in str(caught.value)
