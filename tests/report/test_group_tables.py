from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from survkit.report import load_runs
from survkit.report.group_tables import (
    agreement_matrix,
    agreement_over_seeds,
    agreement_table,
    clustering_table,
    mixture_runs,
    pairwise_agreement,
    unrouted_experts,
    unrouted_table,
)
from survkit.types import InputError


def mixtures() -> pd.DataFrame:
    """Rows as of `load_runs`: two seeds of one mixture, and one run of another model."""
    loads = [[0.5, 0.0, 0.5], [0.9, 0.1, 0.0], None]
    return pd.DataFrame(
        {
            "dataset": "digits",
            "model": ["fixed_moe", "fixed_moe", "mtlr"],
            "seed": [42, 43, 42],
            "configuration": ["a", "a", "b"],
            "evaluation": "standard",
            "test_expert_load": loads,
            "test_purity": [0.5, 0.7, np.nan],
            "test_nmi": [0.4, 0.6, np.nan],
            "test_ari": [0.1, 0.2, np.nan],
        }
    )


def test_only_runs_of_mixtures_count(log_dir: Path) -> None:
    runs = load_runs(log_dir)
    assert mixture_runs(runs)["model"].tolist() == ["personalized_moe"] * 2
    with pytest.raises(InputError, match="no run of a mixture among those of mtlr"):
        mixture_runs(runs[runs["model"] == "mtlr"])


def test_experts_against_labels() -> None:
    table = clustering_table(mixtures())
    assert table.text.index.tolist() == ["fixed_moe"]
    row = table.text.loc["fixed_moe"]
    assert row.tolist() == [
        "2",
        "3",
        "60.00 ± 14.14",
        "0.500 ± 0.141",
        "0.150 ± 0.071",
        "1",
    ]


def test_data_without_labels_are_refused(log_dir: Path) -> None:
    with pytest.raises(InputError, match="subjects of synthetic have no known labels"):
        clustering_table(load_runs(log_dir))


def test_experts_to_which_nobody_is_routed_are_named() -> None:
    table = unrouted_table(mixtures())
    assert table.text.to_numpy().tolist() == [
        ["42", "3", "2", "50 %"],
        ["43", "3", "3", "90 %"],
    ]
    assert unrouted_experts([0.0, 1.0, 0.0]) == [1, 3]


def test_agreement_is_the_adjusted_rand_index_of_every_pair(log_dir: Path) -> None:
    rng = np.random.default_rng(0)
    weights = [rng.dirichlet(np.ones(4), 60) for _ in range(3)]
    found = pairwise_agreement(weights)
    for i, j in combinations(range(3), 2):
        expected = adjusted_rand_score(weights[i].argmax(axis=1), weights[j].argmax(axis=1))
        assert found[i, j] == pytest.approx(expected)
    agreement = agreement_over_seeds(load_runs(log_dir))
    assert agreement.iloc[0, :3].tolist() == ["personalized_moe", "42", "43"]
    assert len(agreement) == 1


def test_agreement_is_shown_by_model_and_by_pair() -> None:
    agreement = pd.DataFrame(
        [("a", "42", "43", 0.5), ("a", "42", "44", 0.1), ("a", "43", "44", 0.3)],
        columns=["model", "seed", "other_seed", "adjusted_rand_index"],
    )
    assert agreement_table(agreement).text.loc["a"].tolist() == ["3", "0.300", "0.100", "0.500"]
    matrix = agreement_matrix(agreement, "a").text
    assert matrix.to_numpy().tolist() == [
        ["", "0.500", "0.100"],
        ["0.500", "", "0.300"],
        ["0.100", "0.300", ""],
    ]


def test_one_run_has_no_other_to_agree_with(log_dir: Path) -> None:
    runs = load_runs(log_dir)
    agreement = agreement_over_seeds(runs[runs["seed"] == 42])
    assert agreement.empty
    assert "No model has two runs." in agreement_table(agreement).notes[0]
    matrix = agreement_matrix(agreement, "personalized_moe")
    assert matrix.text.empty
    assert matrix.notes == ("No two runs of personalized_moe differ in their seed alone.",)
