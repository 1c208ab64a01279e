from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from survkit.runs.variants import (
    check_comparable,
    choose_reference,
    evaluation_times,
    min_at_risk,
    variant_labels,
)
from survkit.types import InputError


def runs(*rows: dict[str, Any]) -> pd.DataFrame:
    common = {"model": "fixed_moe", "configuration": "0123", "path": "logs/g/run"}
    return pd.DataFrame([{**common, **row} for row in rows])


def test_runs_that_differ_in_the_seed_share_a_label() -> None:
    frame = runs({"seed": 42, "config_lr": 0.1}, {"seed": 43, "config_lr": 0.1})
    assert variant_labels(frame).tolist() == ["fixed_moe", "fixed_moe"]


def test_a_label_names_the_flags_that_vary_in_its_model() -> None:
    frame = runs(
        {"config_mixture_components": 5.0, "config_lr": 0.1, "configuration": "a"},
        {"config_mixture_components": 10.0, "config_lr": 0.2, "configuration": "b"},
        {"model": "mtlr", "config_mixture_components": 10.0, "config_lr": 0.1},
    )
    assert variant_labels(frame).tolist() == [
        "fixed_moe mixture_components=5 lr=0.1",
        "fixed_moe mixture_components=10 lr=0.2",
        "mtlr",
    ]


def test_a_label_says_that_one_of_its_fits_has_not_converged() -> None:
    frame = runs(
        {"model": "bart", "seed": 42, "converged": True},
        {"model": "bart", "seed": 43, "converged": False},
        {"model": "rsf", "seed": 42, "converged": None},
        {"model": "coxph", "seed": 42},
        {"model": "mtlr", "seed": 42, "converged": False, "epochs_trained": 10},
    )
    marked = "bart (not converged)"
    assert variant_labels(frame).tolist() == [marked, marked, "rsf", "coxph", "mtlr"]
    assert variant_labels(frame.iloc[:2].drop(columns="epochs_trained")).tolist() == [marked] * 2
    assert variant_labels(frame.drop(columns="converged"))[0] == "bart"


def test_flags_of_logging_and_device_make_no_variant() -> None:
    frame = runs({"config_device": "cpu", "config_log_dir": "a"}, {"config_device": "cuda"})
    assert variant_labels(frame).tolist() == ["fixed_moe", "fixed_moe"]


def test_runs_of_stratified_and_random_splits_are_not_compared() -> None:
    random, stratified = ({"config_stratified_split": asked} for asked in (False, True))
    check_comparable(runs({}, random))  # a record from before the flag
    check_comparable(runs(stratified, stratified))
    for other in ({}, random):
        with pytest.raises(InputError, match=r"differ in stratified_split \(False, True\)"):
            check_comparable(runs(other, stratified))


def test_a_record_from_before_a_flag_has_its_default() -> None:
    frame = runs({"configuration": "a"}, {"config_dropout": 0.0, "configuration": "b"})
    assert variant_labels(frame).tolist() == ["fixed_moe", "fixed_moe"]
    frame.loc[1, "config_dropout"] = 0.5
    assert variant_labels(frame).tolist() == ["fixed_moe dropout=0", "fixed_moe dropout=0.5"]


def test_configurations_that_nothing_tells_apart_have_no_mean() -> None:
    frame = runs({"configuration": "a"}, {"configuration": "b"})
    with pytest.raises(InputError, match="fixed_moe differ in more than their seed"):
        variant_labels(frame)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("dataset", ("lung", "udca"), r"differ in dataset \(lung, udca\)"),
        ("data_sha256", ("00", "ff"), r"differ in data_sha256 \(00, ff\)"),
        ("evaluation", ("standard", "published"), r"differ in evaluation \(published, standard\)"),
        ("config_time_bins", (20, 100), r"differ in time_bins \(100, 20\)"),
        ("config_min_at_risk", (10, 5), r"differ in min_at_risk \(5, 10\)"),
        ("config_min_at_risk", (10, None), r"differ in min_at_risk \(0, 10\)"),
        (
            "config_evaluation_times",
            ([30.0, 182.5], None),
            r"differ in evaluation_times \(none, 30 182.5\)",
        ),
    ],
)
def test_runs_that_no_table_can_compare_are_refused(
    column: str, values: tuple[Any, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        check_comparable(runs(*({column: value} for value in values)))


def test_the_reference_is_as_asked_or_mtlr_or_the_first() -> None:
    labels = pd.Series(["coxph", "mtlr", "rsf"])
    assert choose_reference(labels) == "mtlr"
    assert choose_reference(labels[labels != "mtlr"]) == "coxph"
    assert choose_reference(labels, "rsf") == "rsf"
    with pytest.raises(InputError, match=r"--reference is 'rfs' \(did you mean rsf\?\)"):
        choose_reference(labels, "rfs")


def test_a_record_from_before_the_times_of_metrics_has_none() -> None:
    times, other = [30.0, 180.0], [180.0, 30.0, 30.0]
    frame = runs({"config_min_at_risk": 0, "config_evaluation_times": []}, {})
    check_comparable(frame)
    assert (min_at_risk(frame), evaluation_times(frame)) == (0, ())
    frame = runs({"config_evaluation_times": times}, {"config_evaluation_times": other})
    frame["config_min_at_risk"] = 10
    check_comparable(frame)
    assert (min_at_risk(frame), evaluation_times(frame)) == (10, (30.0, 180.0))
    assert (min_at_risk(runs({})), evaluation_times(runs({}))) == (0, ())


def test_the_times_of_metrics_make_no_variant() -> None:
    frame = runs(
        {"config_lr": 0.1, "config_min_at_risk": 10, "config_evaluation_times": [30.0]},
        {"config_lr": 0.1},
    )
    assert variant_labels(frame).tolist() == ["fixed_moe", "fixed_moe"]
