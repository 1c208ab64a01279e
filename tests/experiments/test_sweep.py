from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from survkit.configs.train import TrainConfig
from survkit.experiments import SWEEPS, Sweep, expand, find_sweep
from survkit.types import InputError


def names(sweep: Sweep) -> list[str]:
    return [run.name for run in expand(sweep)]


@pytest.mark.parametrize("name", [name for name in SWEEPS if name.endswith("mixture")])
def test_table_1_has_six_models_with_five_seeds(name: str) -> None:
    runs = expand(SWEEPS[name])
    assert len(runs) == 30
    found = {(run.config.model, run.config.seed) for run in runs}
    models = ["mtlr", "fixed_moe", "adjustable_moe", "personalized_moe", "coxph", "rsf"]
    assert found == {(model, seed) for model in models for seed in range(42, 47)}


@pytest.mark.parametrize("name", [name for name in SWEEPS if name.endswith("sensitivity")])
def test_expert_sensitivity_has_four_numbers_of_experts(name: str) -> None:
    runs = expand(SWEEPS[name])
    assert len(runs) == 60
    by_model: dict[str, set[int]] = {}
    for run in runs:
        by_model.setdefault(run.config.model, set()).add(run.config.mixture_components)
    assert by_model == {
        "fixed_moe": {2, 5, 10, 20},
        "adjustable_moe": {2, 5, 10, 20},
        "personalized_moe": {2, 4, 8, 16},
    }


@pytest.mark.parametrize(
    ("sweep", "model", "expected"),
    [
        ("support2_mixture", "mtlr", {"hidden_dim": 176, "num_hidden_layers": 2, "lr": 5e-4}),
        (
            "support2_mixture",
            "fixed_moe",
            {"hidden_dim": 208, "lr": 5e-3, "mixture_components": 10},
        ),
        ("support2_mixture", "adjustable_moe", {"lr": 5e-3, "group_ent_lambda": 0}),
        ("support2_mixture", "personalized_moe", {"hidden_dim": 128, "mixture_components": 8}),
        ("support2_mixture", "rsf", {"rsf_n_estimators": 200, "rsf_min_samples_split": 200}),
        ("sepsis_mixture", "rsf", {"rsf_n_estimators": 50, "rsf_min_samples_split": 50}),
        ("sepsis_mixture", "adjustable_moe", {"hidden_dim": 186, "lr": 5e-4}),
        ("mnist_mixture", "personalized_moe", {"hidden_dim": 160, "mixture_components": 10}),
        ("mnist_mixture", "fixed_moe", {"group_ent_lambda": 0.01, "lr": 5e-4}),
    ],
)
def test_published_hyperparameters(sweep: str, model: str, expected: dict[str, Any]) -> None:
    runs = [run.config for run in expand(SWEEPS[sweep]) if run.config.model == model]
    for name, value in expected.items():
        assert {getattr(config, name) for config in runs} == {value}


def test_lists_stand_for_every_combination() -> None:
    sweep = Sweep({"dataset": "lung", "seed": [1, 2]}, [{"model": ["mtlr", "coxph"]}])
    runs = expand(sweep)
    assert [(run.config.seed, run.config.model) for run in runs] == [
        (1, "mtlr"),
        (1, "coxph"),
        (2, "mtlr"),
        (2, "coxph"),
    ]
    assert len({run.name for run in runs}) == 4


def test_a_flag_of_several_values_is_varied_by_a_list_of_lists() -> None:
    one = expand(Sweep({"dataset": "csv", "categorical_columns": ["a", "b"]}))
    assert [run.config.categorical_columns for run in one] == [("a", "b")]
    two = expand(Sweep({"dataset": "csv", "categorical_columns": [["a"], ["a", "b"]]}))
    assert [run.config.categorical_columns for run in two] == [("a",), ("a", "b")]


def test_a_flag_of_one_value_or_several_is_varied_by_a_list() -> None:
    shares = expand(Sweep({"dataset": "digits", "mnist_sample_pct": [0.5, 1]}))
    assert [run.config.mnist_sample_pct for run in shares] == [0.5, 1.0]
    (each,) = expand(Sweep({"dataset": "digits", "mnist_sample_pct": [[1] * 10]}))
    assert each.config.mnist_sample_pct == (1.0,) * 10


def test_numbers_get_the_type_of_their_flag() -> None:
    (run,) = expand(Sweep({"lr": "5e-4", "dropout": 0}))  # as YAML reads them
    assert run.config == TrainConfig(lr=5e-4, dropout=0.0)
    assert isinstance(run.config.dropout, float)
    (forest,) = expand(Sweep({"model": "rsf", "rsf_max_features": 5}))
    assert forest.config.rsf_max_features == "5"


def test_an_args_file_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "some.args"
    path.write_text("--lr 0.1 --epochs 3 --seed 7")
    (run,) = expand(Sweep({"epochs": 4}, [{"seed": 8}], str(path)))
    assert (run.config.lr, run.config.epochs, run.config.seed) == (0.1, 4, 8)


def test_overrides_win_but_not_over_what_varies() -> None:
    sweep = Sweep({"epochs": 4, "seed": [1, 2]}, [{"lr": 0.1}, {"model": "mtlr"}])
    assert {run.config.epochs for run in expand(sweep, {"epochs": 9})} == {9}
    with pytest.raises(
        InputError, match=r"--seed cannot be given here: the sweep varies it \(1, 2"
    ):
        expand(sweep, {"seed": 3})
    with pytest.raises(InputError, match=r"--lr cannot .* \(0.0005, 0.1\)"):
        expand(sweep, {"lr": 0.2})


def test_runs_stand_behind_those_that_they_wait_for() -> None:
    sweep = Sweep(
        {"seed": [1, 2]},
        [
            {"name": "last", "model": "mtlr", "after": ["first", "middle"]},
            {"name": "middle", "model": "coxph", "after": ["first"]},
            {"name": "first", "model": "rsf"},
        ],
    )
    runs = {run.name: run.after for run in expand(sweep)}
    assert list(runs) == [
        f"{kind} seed={s}" for kind in ("first", "middle", "last") for s in (1, 2)
    ]
    assert runs["middle seed=2"] == ("first seed=1", "first seed=2")


def test_a_cycle_is_named() -> None:
    sweep = Sweep({}, [{"name": "a", "after": ["b"]}, {"name": "b", "after": ["a"]}])
    with pytest.raises(InputError, match=r"wait for each other: (a -> b -> a|b -> a -> b)"):
        expand(sweep)


def test_kinds_of_one_model_are_numbered() -> None:
    sweep = Sweep({"model": "mtlr"}, [{"lr": 0.1}, {"lr": 0.2}, {"model": "coxph"}])
    assert names(sweep) == ["mtlr#1", "mtlr#2", "coxph"]


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        (Sweep({"hiden_dim": 3}), "no flag 'hiden_dim' .did you mean hidden_dim"),
        (Sweep({"seed": []}), "seed is an empty list"),
        (Sweep({"lr": -1}), "--lr is -1.0; it must be above 0"),
        (Sweep({"epochs": "many"}), "--epochs is 'many'; it must be a whole number"),
        (Sweep({"lr": "fast"}), "--lr is 'fast'"),
        (Sweep({}, [{"after": ["mltr"]}, {"model": "mtlr"}]), "after 'mltr' .did you mean mtlr"),
        (Sweep({"mnist_means": 3}), "--mnist_means is 3.*; it must be one or more values"),
        (Sweep({"seed": [1, 2, 1]}), "run seed=1 stands twice"),
        (Sweep({}, [{"name": "a#1"}, {"name": "a"}, {"name": "a"}]), "a#1 stands twice"),
        (Sweep({"after": ["mtlr"]}), "after belongs to a run, below runs"),
        (Sweep({}, [{"group": "mine"}]), "group is the sweep's own name, or what --group says"),
        (Sweep({"mixture_topk": 11}), "--mixture_topk is 11, more than the 10"),
    ],
)
def test_what_cannot_be_run_is_refused(sweep: Sweep, message: str) -> None:
    with pytest.raises(InputError, match=message):
        expand(sweep)


def test_an_unknown_sweep_lists_the_known() -> None:
    with pytest.raises(
        InputError, match=r"did you mean support2_mixture.*sepsis_expert_sensitivity"
    ):
        find_sweep("suport2_mixture")


def test_a_common_flag_counts_for_the_runs_that_read_it() -> None:
    common = {"dataset": "veteran", "lr": [1e-3, 1e-2], "seed": [42, 43]}
    runs = expand(Sweep(common, [{"model": "mtlr"}, {"model": "coxph"}]))
    assert [run.name for run in runs] == [
        "mtlr lr=0.001 seed=42",
        "mtlr lr=0.001 seed=43",
        "mtlr lr=0.01 seed=42",
        "mtlr lr=0.01 seed=43",
        "coxph seed=42",
        "coxph seed=43",
    ]


@pytest.mark.parametrize(
    ("sweep", "overrides", "message"),
    [
        (Sweep({"lr": 1e-3}, [{"model": "coxph"}]), {}, "the sweep: --lr: read only with --model"),
        (
            Sweep(runs=[{"model": "coxph", "lr": 1e-3}, {"model": "mtlr"}]),
            {},
            "coxph: --lr: read only with --model",
        ),
        (
            Sweep(runs=[{"model": "coxph"}, {"model": "rsf"}]),
            {"lr": 1e-3},
            "--lr: read only with .*, and --model is coxph, rsf",
        ),
        (Sweep(runs=[{"model": "mtlr"}]), {"csv_path": "a.csv"}, "--csv_path: read only with"),
    ],
)
def test_a_flag_that_no_run_reads_is_refused(
    sweep: Sweep, overrides: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        expand(sweep, overrides)


def test_a_model_flag_of_an_args_file_needs_no_reader() -> None:
    (run,) = expand(Sweep(runs=[{"model": "mtlr"}]), {"cox_alpha": 0.1}, optional=["cox_alpha"])
    assert run.name == "mtlr"


VERY_MANY = Sweep(
    {"seed": list(range(300)), "model": ["mtlr", "fixed_moe"], "dataset": "veteran"},
    [
        {"hidden_dim": list(range(1, 301)), "batch_size": list(range(1, 301))},
        {"name": "first", "model": "coxph", "seed": 1},
        {"name": "last", "model": "coxph", "seed": [2, 3], "after": ["first"]},
    ],
)


def test_very_many_runs_are_counted_and_not_made() -> None:
    with pytest.raises(InputError, match=r"stand for 54,000,003 runs, .* --num_runs 100 makes"):
        expand(VERY_MANY)
    runs = expand(VERY_MANY, num_runs=5)
    assert len(runs) == 5
    assert runs == expand(VERY_MANY, num_runs=5)
    assert runs != expand(VERY_MANY, num_runs=6)[:5]


def test_of_very_many_runs_every_value_is_checked_all_the_same() -> None:
    kinds = [{**VERY_MANY.runs[0], "lr": [0.1, -1]}, *VERY_MANY.runs[1:]]
    with pytest.raises(InputError, match=r"--lr is -1.0; it must be above 0"):
        expand(VERY_MANY._replace(runs=kinds), num_runs=1)
    with pytest.raises(InputError, match="--seed cannot be given here"):
        expand(VERY_MANY, {"seed": 1}, num_runs=1)
    with pytest.raises(InputError, match=r"seed=1 .*stands twice"):
        expand(VERY_MANY._replace(common={**VERY_MANY.common, "seed": [1, 1]}), num_runs=1)
    with pytest.raises(InputError, match="have more than 10,000 values"):
        expand(Sweep({"seed": list(range(10_001))}), num_runs=1)


def test_a_run_of_very_many_comes_with_those_before_it() -> None:
    kinds = [{"model": "coxph", "name": "first"}, {"model": "mtlr", "after": ["first"]}]
    sweep = Sweep({"dataset": "veteran", "hidden_dim": list(range(1, 5002))}, kinds)
    with pytest.raises(InputError, match="stand for 10,002 runs"):
        expand(sweep)
    sweep = Sweep({"dataset": "veteran"}, [kinds[0], {**kinds[1], **VERY_MANY.runs[0]}])
    (before, run) = expand(sweep, num_runs=1)
    assert (before.name, run.after) == ("first", ("first",))
