"""The calls that the page gives to users of BART-Survival, run as they stand on a small table."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from survkit.types import SurvivalData
from tests.docs.worked_page import ROOT, blocks

PAGE = ROOT / "docs" / "bart.md"
NAMES = (
    *("BartSurvModel", "get_time_transform", "get_y_sklearn", "get_surv_pre_train"),
    *("get_posterior_test", "get_pdp", "get_sv_prob", "get_sv_mean_quant"),
    *("pdp_diff_metric", "pdp_rr_metric", "sample_posterior_predictive", "bart_predict"),
    *("fit", "save", "load"),
)
SMALLER = {"trees=50, tune=200, draws=200, chains=8": "trees=8, tune=10, draws=15, chains=2"}
"""What a test can wait for."""


def table() -> list[tuple[str, str]]:
    """Return the table's rows: the names there, and the calls here."""
    section = PAGE.read_text("utf-8").partition("## For users of BART-Survival\n")[2]
    section = section.partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+) \| (.+) \|$", section, re.MULTILINE)
    return [(there, here) for there, here in rows if there != "there"]


def rows_of_the_paper(status: NDArray[Any], time: NDArray[Any]) -> NDArray[np.float64]:
    """Return the paper's table of times and statuses up to each subject's own, built plainly."""
    months = np.ceil(time / 4)
    rows = []
    for subject, last in enumerate(months):
        for month in sorted(set(months)):
            if month <= last:
                rows.append((subject, month * 4, status[subject] if month == last else 0))
    return np.array(rows)


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory, rossi: SurvivalData) -> dict[str, Any]:
    """The names that the calls leave, after all of them."""
    chosen = rossi.features[:60][:, [rossi.feature_names.index(n) for n in ("fin", "age", "prio")]]
    here: dict[str, Any] = {
        "x": chosen,
        "status": rossi.event[:60].astype(int),
        "time": rossi.time[:60],
    }
    (imports,) = [
        b.text for b in blocks(PAGE) if b.kind == "python" and "import downscale" in b.text
    ]
    exec(imports, here)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("calls"))
        for _, calls in table():
            for call in re.findall(r"`([^`]+)`", calls):
                if re.fullmatch(r'"\w+"|weights=|scale|fit|model\.times', call):
                    continue  # a name within a sentence
                for longer, shorter in SMALLER.items():
                    call = call.replace(longer, shorter)
                if call.startswith("effects.summary()"):
                    here[re.findall(r'"(\w+)"', call)[0]] = eval(call, here)
                else:
                    exec(call, here)
        assert Path("rossi.pt").stat().st_size > 0
    return here


def test_every_function_of_bart_survival_has_a_row() -> None:
    there = " ".join(names for names, _ in table())
    for name in NAMES:
        assert re.search(rf"\b{name}\b", there), name


@pytest.mark.slow
def test_the_rows_are_those_of_the_paper(after: dict[str, Any]) -> None:
    rows = after["rows"]
    found = np.column_stack([rows.subject, rows.time, rows.status])
    np.testing.assert_array_equal(found, rows_of_the_paper(after["status"], after["time"]))
    np.testing.assert_array_equal(after["months"], np.ceil(after["time"] / 4))


@pytest.mark.slow
def test_probabilities_are_those_that_the_functions_there_return(after: dict[str, Any]) -> None:
    prob, sv, model = after["prob"], after["sv"], after["model"]
    assert prob.shape == (30, 60, len(model.times))
    np.testing.assert_allclose(sv, np.cumprod(1 - prob, axis=2), atol=1e-12)
    treated = sv[:, after["x"][:, 0] == 1].mean(axis=1)
    np.testing.assert_allclose(after["mean"], treated.mean(axis=0), atol=1e-12)
    bounds = np.quantile(treated, [0.025, 0.975], axis=0)
    np.testing.assert_allclose([after["low"], after["high"]], bounds, atol=1e-12)
    # The model is the one that was loaded.
    np.testing.assert_array_equal(model.posterior(after["x"]).survival, sv)


@pytest.mark.slow
def test_effects_are_those_that_the_functions_there_return(after: dict[str, Any]) -> None:
    model, x = after["model"], after["x"]
    first, second = x.copy(), x.copy()
    first[:, 0], second[:, 0] = 0, 1
    before, later = model.posterior(first), model.posterior(second)
    difference = (before.survival - later.survival).mean(axis=1).mean(axis=0)
    np.testing.assert_allclose(after["difference"].mean, -difference, atol=1e-12)
    ratio = later.hazard.mean(axis=1) / before.hazard.mean(axis=1)
    np.testing.assert_allclose(after["risk_ratio"].mean, ratio.mean(axis=0), rtol=1e-9)
    both = x.copy()
    both[:, 0], both[:, 2] = 1, 5
    survival = model.posterior(both).survival.mean(axis=1)
    np.testing.assert_allclose(after["means"].survival, survival, atol=1e-12)
    both[:, 0] = x[:, 0]
    survival = model.posterior(both).survival.mean(axis=1)
    np.testing.assert_allclose(after["dependence"].survival[2], survival, atol=1e-12)
