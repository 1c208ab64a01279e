"""SurvLIME beside SurvSHAP(t): ranks, directions, and what is said of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from survkit.explain.agreement import compare, contributions_of_features
from survkit.explain.units import Unit

NAMES = list("abcdef")
SIZES = np.array([0.6, 0.5, 0.4, 0.3, 0.2, 0.1])


def survshap(signed: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"mean_absolute": np.abs(signed), "mean": signed}, index=NAMES)


def test_equal_rankings_agree() -> None:
    found = compare(SIZES, survshap(-SIZES), rises=False)
    assert found.spearman == pytest.approx(1)
    assert found.sentence == (
        "SurvLIME and SurvSHAP(t) agree on the first 3 features and on what these do."
    )
    assert (found.table["survlime_effect"] == "raises").all()
    assert (found.table["survshap_effect"] == "raises").all()
    # Of an incidence, more is more risk.
    assert (compare(SIZES, survshap(SIZES), rises=True).table["disagree"] == "").all()


def test_the_features_of_a_disagreement_are_named_with_its_kind() -> None:
    lime = np.array([0.1, 0.5, -0.4, 0.3, 0.2, 0.6])
    found = compare(lime, survshap(-SIZES), rises=False)
    assert found.spearman == pytest.approx(spearmanr(np.abs(lime), SIZES).statistic)
    assert found.sentence == (
        "SurvLIME and SurvSHAP(t) disagree on a (rank 6 by SurvLIME, 1 by SurvSHAP(t)); c (lowers "
        "the risk by SurvLIME, raises the risk by SurvSHAP(t)); f (rank 1 by SurvLIME, 6 by "
        "SurvSHAP(t))."
    )
    # Of the first ranks only; neighbours are none.
    swapped = SIZES[[0, 1, 3, 2, 4, 5]] * np.array([1, 1, 1, 1, -1, -1])
    assert (compare(swapped, survshap(-SIZES), rises=False).table["disagree"] == "").all()


def test_what_cannot_be_correlated_has_a_reason() -> None:
    few = compare(np.array([1.0, 2.0]), survshap(SIZES).iloc[:2], rises=False)
    assert np.isnan(few.spearman)
    assert few.reason == "no ranks to correlate among 2 features"
    flat = compare(np.zeros(6), survshap(SIZES), rises=False)
    assert flat.reason == "SurvLIME ranks all features alike"
    assert (flat.table["survlime_rank"] == 3.5).all()
    lost = compare(np.full(6, np.nan), survshap(SIZES), rises=False)
    assert lost.sentence == "SurvLIME has no contributions here, so there is nothing to compare."
    assert lost.table["survlime_rank"].isna().all()


def test_contributions_of_a_features_columns_add_up() -> None:
    table = pd.DataFrame(
        {
            "column": ["age", "stage", "stage", "alb", "alb_missing"],
            "contribution": [0.5, np.nan, -0.2, 0.1, 0.3],
            "coefficient": [1.0, 2.0, 3.0, 4.0, 5.0],
        }
    )
    units = [Unit("age"), Unit("alb"), Unit("alb_missing", indicates="alb"), Unit("stage")]
    found = contributions_of_features(table, units, ["age", "alb", "stage", "bmi"])
    np.testing.assert_allclose(found, [0.5, 0.4, -0.2, 0.0])
    table["coefficient"] = np.nan
    assert np.isnan(contributions_of_features(table, units, ["age"])).all()


def test_a_value_that_is_the_reference_has_no_effect_for_survlime_alone() -> None:
    lime = np.array([0.0, 0.5, 0.4, 0.3, 0.2, 0.1])
    found = compare(lime, survshap(-SIZES), rises=False)
    assert "a (no effect by SurvLIME, raises the risk by SurvSHAP(t))" in found.sentence
