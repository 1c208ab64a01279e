"""Tables 1 to 4 of the SurvLIME paper."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.util import Surv

from survkit.explain import SurvLimeExplainer
from survkit.explain.paper_datasets import load_paper_dataset
from survkit.types import InputError

TABLE_4 = {"udca": (4, 4, 170, 169), "lung": (6, 7, 228, 209), "veteran": (6, 8, 137, 137)}
"""p, p*, n and n_full; the paper counts two dropped columns in lung's p."""
EVENTS = {"udca": 9.467, "lung": 70.335, "veteran": 93.431}

TABLES = {
    "udca": {
        "trt": (11.90, 7.06),
        "stage": (3.85, 12.00),
        "bili": (2.17, 2.56, 14.30, 19.00),
        "riskscore": (0.00, 0.00, 9.52, 30.80),
    },
    "lung": {
        "sex": (79.80, 56.50),
        "ph.ecog": (56.70, 71.70, 86.00),
        "age": (64.80, 65.40, 70.60, 80.80),
        "ph.karno": (77.00, 62.70, 62.10),
        "pat.karno": (80.00, 75.00, 62.70, 56.20),
        "wt.loss": (68.90, 59.10, 79.20, 72.50),
    },
    "veteran": {
        "trt": (92.80, 94.10),
        "prior": (93.80, 92.50),
        "celltype": (96.30, 96.30, 93.80, 88.60),  # adeno, large, smallcell, squamous
        "karno": (97.40, 95.10, 92.00, 87.90),
        "age": (94.30, 87.20, 100.00, 93.30),
        "diagtime": (90.50, 97.00, 90.00, 96.9),
    },
}


@pytest.fixture(params=[pytest.param("udca", marks=pytest.mark.real_data), "lung", "veteran"])
def name(request: pytest.FixtureRequest) -> str:
    if request.param == "udca":
        request.getfixturevalue("real_data_dir")
    return str(request.param)


def data_dir(name: str, request: pytest.FixtureRequest) -> Path | None:
    folder: Path | None = request.getfixturevalue("real_data_dir") if name == "udca" else None
    return folder


def test_sizes_and_events(name: str, request: pytest.FixtureRequest) -> None:
    data = load_paper_dataset(name, data_dir(name, request))
    encoded = data.encode(np.arange(len(data)))
    assert (data.features.shape[1], encoded.shape[1], data.num_all, len(data)) == TABLE_4[name]
    assert 100 * data.event.mean() == pytest.approx(EVENTS[name], abs=1e-3)


def test_percentages_of_events(name: str, request: pytest.FixtureRequest) -> None:
    data = load_paper_dataset(name, data_dir(name, request))
    assert set(data.features) == set(TABLES[name])
    for feature, printed in TABLES[name].items():
        # The tables print three digits, not always rounded to the nearest.
        np.testing.assert_allclose(data.event_percentages(feature), printed, atol=0.06)


def test_encoding_uses_the_training_rows_alone() -> None:
    data = load_paper_dataset("veteran")
    train = np.arange(100)
    encoded = data.encode(train)
    assert list(encoded)[2:5] == ["celltype_large", "celltype_smallcell", "celltype_squamous"]
    assert encoded["karno"].iloc[:100].mean() == pytest.approx(0, abs=1e-12)
    assert encoded["karno"].iloc[:100].std(ddof=0) == pytest.approx(1)
    assert encoded["karno"].mean() != pytest.approx(0, abs=1e-3)


def test_unknown_names_and_missing_files_are_explained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown dataset 'veterans' \(did you mean veteran\?\)"):
        load_paper_dataset("veterans")
    with pytest.raises(InputError, match="udca needs data_dir"):
        load_paper_dataset("udca")
    with pytest.raises(InputError, match="cannot read"):
        load_paper_dataset("udca", tmp_path)


@pytest.mark.slow
def test_signs_and_order_of_the_large_coefficients_are_coxs(
    name: str, request: pytest.FixtureRequest
) -> None:
    """Tables 6 to 8: medians over the test subjects, with the paper's baseline."""
    data = load_paper_dataset(name, data_dir(name, request))
    order = np.random.default_rng(0).permutation(len(data))
    train, test = np.split(order, [-(-9 * len(data) // 10)])
    inputs = data.encode(train)
    outcome = Surv.from_arrays(data.event[train], data.time[train])
    cox = CoxPHSurvivalAnalysis(alpha=1e-4).fit(inputs.iloc[train], outcome)
    explainer = SurvLimeExplainer(
        inputs.iloc[train], data.event[train], data.time[train], random_state=0
    )
    found = explainer.montecarlo_explanation(inputs.iloc[test], cox, num_repetitions=5)
    median = np.median(found.coefficients, axis=0)
    largest = np.argsort(-np.abs(cox.coef_))[:3]
    np.testing.assert_array_equal(np.sign(median[largest]), np.sign(cox.coef_[largest]))
    assert stats.spearmanr(median, cox.coef_).statistic > 0.9
    assert np.abs(median).argmax() == largest[0]
