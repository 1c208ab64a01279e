"""Warnings are for people: no table, state or label depends on their words."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survkit.ensemble.candidates import find_candidates
from survkit.report.__main__ import main
from survkit.report.material import group_state
from survkit.runs.state import why_not_converged
from survkit.runs.table import load_runs
from survkit.runs.variants import variant_labels
from tests.runs.records import change, result_of

SENTENCES = (
    "not converged: R-hat of survival is at most 1.1 for 50% at 1",
    "training diverged: the loss is not finite in epoch 3",
    "coxph: the optimisation ended at --cox_alpha 0.1",
    "member 0123 did not converge: training ended at --epochs 3",
    "x",
    "",
)
FACTS = st.fixed_dictionaries(
    {
        "model": st.sampled_from(["bart", "coxph", "mtlr", "mtlr_ensemble"]),
        "converged": st.sampled_from([True, False, None]),
        "convergence_reason": st.just("because"),
        "epochs_trained": st.sampled_from([None, 8, 10]),
        "best_epoch": st.just(7),
        "config_epochs": st.just(10),
        "config_early_stopping_patience": st.just(5),
        "configuration": st.just("0123"),
        "path": st.just("logs/some/0123"),
    }
)
WARNINGS = st.lists(st.sampled_from(SENTENCES) | st.text(max_size=40), max_size=3)


@settings(deadline=None)
@given(st.lists(st.tuples(FACTS, WARNINGS, WARNINGS), min_size=1, max_size=6))
def test_labels_and_convergence_do_not_depend_on_the_words_of_warnings(
    runs: list[tuple[dict[str, Any], list[str], list[str]]],
) -> None:
    one = pd.DataFrame([{**facts, "warnings": warnings} for facts, warnings, _ in runs])
    other = pd.DataFrame([{**facts, "warnings": warnings} for facts, _, warnings in runs])
    assert variant_labels(one).tolist() == variant_labels(other).tolist()
    reasons = [[why_not_converged(run) for run in f.to_dict("records")] for f in (one, other)]
    assert reasons[0] == reasons[1]


@pytest.fixture
def group(log_dir: Path, tmp_path: Path) -> Path:
    """Finished runs, some not converged, and one that failed."""
    folder = Path(shutil.copytree(log_dir / "some", tmp_path / "some"))
    facts = [{"converged": False, "convergence_reason": "because"}, {"converged": True}]
    for path, fact in zip(sorted(folder.glob("*/result.json")), facts, strict=False):
        change(path.parent, result_of(path.parent) | fact)
    (folder / "ffff").mkdir()
    (folder / "ffff" / "config.json").write_text('{"model": "rsf", "seed": 42}')
    return folder


def seen(group: Path) -> list[Any]:
    """Return a group's state, its labels, what an ensemble takes from it, and its report."""
    runs = load_runs(group.parent, group.name)
    flags = ["--log_dir", str(group.parent), "--group", group.name, "--bootstrap", "0"]
    assert main(flags) == 0
    files = ("comparison.md", "comparison.csv", "report.html")
    return [
        group_state(group, runs),
        variant_labels(runs).tolist(),
        find_candidates(group.parent, group.name),
        *((group / name).read_text() for name in files),
    ]


def test_reports_and_state_do_not_depend_on_the_words_of_warnings(group: Path) -> None:
    before = seen(group)
    assert sum(map(len, before[0].not_converged.values())) == 2  # one says so, one by its epochs
    for words in SENTENCES:
        for path in group.glob("*/result.json"):
            change(path.parent, {**result_of(path.parent), "warnings": [words]})
        assert seen(group) == before
