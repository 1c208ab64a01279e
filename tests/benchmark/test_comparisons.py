"""From the table of runs to comparisons, with runs and metrics that are missing."""

import numpy as np
import pandas as pd
import pytest

from survkit.benchmark.cells import DatasetFacts
from survkit.benchmark.comparisons import calibrated_shares, compare, ranks_by_kind
from survkit.benchmark.page import findings
from survkit.metrics.model_comparison import corrected_interval

SPLITS = 4


def facts(subjects: int = 100) -> DatasetFacts:
    return DatasetFacts(subjects, subjects // 2, 5, 80, 10, "days", ())


def cells(datasets: int, better: float = 0.05) -> pd.DataFrame:
    """Return runs of three models: c is better than a by 5 points, b level with a."""
    random = np.random.default_rng(0)
    rows = []
    for dataset in range(datasets):
        for split in range(SPLITS):
            base = 0.7 + random.normal(0, 0.01)
            for model, gain in (("a", 0.0), ("b", 0.0), ("c", better)):
                noise = random.normal(0, 0.002)
                rows.append((f"d{dataset}", model, f"seed {split}", base + gain + noise, 0.2))
    table = pd.DataFrame(
        rows, columns=["dataset", "model", "split", "concordance_td", "integrated_brier"]
    )
    return table.assign(d_calibration_p=0.5, why="", seconds=1.0, converged=True, proportional=None)


def test_a_better_model_is_found_on_each_dataset_and_over_them() -> None:
    table = cells(10)
    found = compare(table, {f"d{i}": facts() for i in range(10)}, "concordance_td")
    assert found.order[0] == "c"
    assert found.mean_ranks["c"] == 1.0
    assert found.groups == [["a", "b"]] or found.groups == [["b", "a"]]
    assert found.wins("c", "a") == (10, 0, 0)
    assert found.wins("a", "b") == (0, 10, 0)
    assert found.test("c", "a").adjusted == found.test("a", "c").adjusted < 0.01
    difference = found.differences["d3"]["c", "a"]
    own = table[table["dataset"] == "d3"].pivot(index="split", columns="model")["concordance_td"]
    expected = corrected_interval((own["c"] - own["a"]).to_numpy(), n_train=80, n_test=10)
    assert difference == expected
    assert found.differences["d3"]["a", "c"].mean == -difference.mean
    text = " ".join(findings(found))
    assert "c is better than" in text
    assert "No test tells" not in text


def test_models_that_tie_everywhere_have_one_rank() -> None:
    found = compare(cells(6), {f"d{i}": facts() for i in range(6)}, "integrated_brier")
    assert list(found.mean_ranks) == [2.0, 2.0, 2.0]
    assert found.friedman.p == 1.0
    assert found.groups == [["a", "b", "c"]]


def test_a_model_with_a_failed_run_is_left_out_of_that_dataset_alone() -> None:
    table = cells(6)
    failed = (table["dataset"] == "d2") & (table["model"] == "b") & (table["split"] == "seed 1")
    table.loc[failed, ["concordance_td", "integrated_brier"]] = np.nan
    table.loc[failed, "why"] = "out of memory"
    found = compare(table, {f"d{i}": facts() for i in range(6)}, "concordance_td")
    assert np.isnan(found.means.loc["d2", "b"])
    assert found.means.loc["d2", ["a", "c"]].notna().all()
    assert found.ranked == ["d0", "d1", "d3", "d4", "d5"]
    assert found.test("a", "b").datasets == 5
    assert found.test("a", "c").datasets == 6
    assert found.differences["d2"]["a", "b"].splits == SPLITS - 1
    assert found.differences["d2"]["a", "c"].splits == SPLITS


def test_a_split_in_which_no_model_has_the_metric_counts_for_none() -> None:
    table = cells(3)
    undefined = (table["dataset"] == "d1") & (table["split"] == "seed 0")
    table.loc[undefined, "concordance_td"] = np.nan
    found = compare(table, {f"d{i}": facts() for i in range(3)}, "concordance_td")
    assert found.ranked == ["d0", "d1", "d2"]
    assert list(found.splits) == [SPLITS, SPLITS - 1, SPLITS]


def test_no_dataset_with_every_model() -> None:
    table = cells(2)
    table.loc[table["model"] == "a", "concordance_td"] = np.nan
    found = compare(table, {f"d{i}": facts() for i in range(2)}, "concordance_td")
    assert found.ranked == []
    assert found.mean_ranks.isna().all()
    assert findings(found) == [
        "There is no dataset on which every model was evaluated in every split."
    ]


def test_ranks_by_kind_divide_at_the_median() -> None:
    table = cells(4)
    known = {f"d{i}": facts(100 * (i + 1)) for i in range(4)}
    found = compare(table, known, "concordance_td")
    kinds = ranks_by_kind(found, known, {"d0": True, "d1": False, "d2": True})
    assert list(kinds.index) == [
        *("at most 250 subjects", "more than 250 subjects"),
        *("at most 125 events", "more than 125 events"),
        *("proportional hazards", "hazards not proportional"),
    ]
    assert list(kinds["datasets"]) == [2, 2, 2, 2, 2, 1]
    assert (kinds["c"] == 1).all()


def test_calibration_counts_the_runs_whose_test_is_defined() -> None:
    table = cells(2)
    table.loc[table["model"] == "b", "d_calibration_p"] = [0.01, 0.04, 0.05, np.nan] * 2
    shares = calibrated_shares(table)
    assert shares.loc["a"].tolist() == [1.0, 8.0]
    assert shares.loc["b"].tolist() == pytest.approx([1 / 3, 6.0])
