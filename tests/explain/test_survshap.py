"""SurvSHAP(t): closed forms, the authors' package, groups, sampling, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sksurv.datasets import load_whas500
from sksurv.ensemble import RandomSurvivalForest
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.svm import FastSurvivalSVM

from survkit.explain import SurvShapExplainer
from survkit.types import Float64Array, InputError, SurvivalPrediction

TIMES = np.linspace(0, 4, 9)
COLUMNS = ["age", "bmi", "hr", "sysbp", "gender"]


def cox(features: Float64Array) -> Float64Array:
    """Survival with an interaction of three features; the last feature does nothing."""
    p = features.shape[1]
    log_hazard = features[:, : p - 1] @ np.linspace(-0.6, 0.6, p - 1)
    log_hazard += 0.4 * features[:, 0] * features[:, 1] * features[:, 2]
    return np.exp(-np.outer(np.exp(log_hazard), 0.3 * TIMES))


def sample(p: int, n: int = 25, seed: int = 0) -> tuple[Float64Array, Float64Array]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, p)), rng.normal(size=p)


@pytest.mark.parametrize("options", [{}, {"max_coalitions": 40}])
def test_values_add_up_to_the_difference_from_the_backgrounds_mean(options: Any) -> None:
    background, row = sample(6)
    found = SurvShapExplainer(cox, background, TIMES, random_state=0, **options).explain_instance(
        row
    )
    assert found.exact is not bool(options)
    difference = cox(row[None])[0] - cox(background).mean(axis=0)
    assert_allclose(found.values.sum(axis=0), difference, atol=1e-12)
    assert_allclose(found.prediction - found.baseline, difference, atol=1e-12)


def test_a_feature_that_does_nothing_has_no_value_and_equal_ones_share() -> None:
    background, row = sample(6)
    # Columns 3 and 4 are alike for the model, the subject and the background.
    background[:, 4], row[4] = background[:, 3], row[3]

    def model(features: Float64Array) -> Float64Array:
        return cox(np.column_stack([features[:, :3], features[:, 3] * features[:, 4]]))

    found = SurvShapExplainer(model, background, TIMES).explain_instance(row).values
    assert_allclose(found[3], found[4], atol=1e-12)
    assert np.abs(found[5]).max() == 0
    assert np.abs(found[0]).max() > 0.01


def test_of_an_additive_model_it_is_the_difference_of_each_term_from_its_mean() -> None:
    background, row = sample(5)

    def terms(features: Float64Array) -> Float64Array:
        shares = np.column_stack([np.tanh(features), np.sin(features)])[:, :5]
        return 0.008 * shares[:, :, None] * TIMES

    def model(features: Float64Array) -> Float64Array:
        return 0.6 - 0.1 * TIMES - terms(features).sum(axis=1)

    found = SurvShapExplainer(model, background, TIMES).explain_instance(row)
    expected = terms(background).mean(axis=0) - terms(row[None])[0]
    assert_allclose(found.values, expected, atol=1e-12)
    # Random orders know such a model exactly too.
    drawn = SurvShapExplainer(model, background, TIMES, max_coalitions=20).explain_instance(row)
    assert not drawn.exact
    assert_allclose(drawn.values, expected, atol=1e-12)
    assert drawn.standard_error.max() < 1e-12


@pytest.fixture(scope="module")
def hearts() -> tuple[pd.DataFrame, Any]:
    features, outcome = load_whas500()
    return features[COLUMNS].astype(float), outcome


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cox", "forest"])
def test_it_agrees_with_the_authors_package(hearts: tuple[pd.DataFrame, Any], kind: str) -> None:
    """survshap 0.4.2, whose kernel method solves for all 2^5 coalitions of these background rows.

    It weighs the empty and the full coalition by 1e9 instead of keeping them exactly.
    """
    survshap = pytest.importorskip("survshap")
    features, outcome = hearts
    model: Any = CoxPHSurvivalAnalysis(alpha=0.1)
    if kind == "forest":
        model = RandomSurvivalForest(12, min_samples_leaf=30, random_state=0)
    model.fit(features, outcome)
    background, row = features[:20], features.iloc[[333]]
    explainer = survshap.SurvivalModelExplainer(model, background, outcome[:20])
    theirs = survshap.PredictSurvSHAP(calculation_method="kernel", aggregation_method="integral")
    theirs.fit(explainer, row)
    ours = SurvShapExplainer(model, background).explain_instance(row)
    assert_allclose(ours.times, theirs.timestamps)
    curves = theirs.result.filter(like="t = ").to_numpy(dtype=float)
    assert_allclose(ours.values, curves, atol=2e-7)
    assert np.abs(curves).max() > 0.05
    length = ours.times[-1] - ours.times[0]
    integral = theirs.result["aggregated_change"].to_numpy(dtype=float)
    assert_allclose(ours.mean_absolute * length, integral, rtol=1e-4)
    assert list(ours.to_frame().index) == list(
        theirs.result.sort_values("aggregated_change", ascending=False)["variable_name"]
    )


def test_sampled_values_come_near_the_exact_ones_as_their_standard_errors_say() -> None:
    background, row = sample(11)
    exact = SurvShapExplainer(cox, background, TIMES).explain_instance(row)
    assert exact.exact
    assert exact.num_coalitions == 2**11
    errors = []
    for most in (100, 800):
        error, stated = [], []
        for seed in range(6):
            explainer = SurvShapExplainer(
                cox, background, TIMES, max_coalitions=most, random_state=seed
            )
            found = explainer.explain_instance(row)
            assert found.num_coalitions <= most
            error.append(np.mean((found.values - exact.values) ** 2))
            stated.append(np.mean(found.standard_error**2))
        errors.append(np.sqrt(np.mean(error)))
        assert errors[-1] == pytest.approx(np.sqrt(np.mean(stated)), rel=0.5)
    assert errors[1] < errors[0] / 2 < 0.002


def test_columns_of_a_group_are_one_feature() -> None:
    background, row = sample(6)
    groups = {"pair": [1, "x4"]}
    found = SurvShapExplainer(cox, background, TIMES, groups=groups).explain_instance(row)
    assert found.feature_names == ("x0", "pair", "x2", "x3", "x5")

    def joined(features: Float64Array) -> Float64Array:
        """The same model of five features, the second of which stands for a row's pair."""
        place = features[:, 1].astype(int)
        pairs = np.vstack([background, row])[:, [1, 4]][place]
        columns = [features[:, 0], pairs[:, 0], features[:, 2], features[:, 3], pairs[:, 1]]
        return cox(np.column_stack([*columns, features[:, 4]]))

    five = background[:, [0, 1, 2, 3, 5]].copy()
    five[:, 1] = np.arange(len(five))
    own = row[[0, 1, 2, 3, 5]].copy()
    own[1] = len(five)
    assert_allclose(
        found.values,
        SurvShapExplainer(joined, five, TIMES).explain_instance(own).values,
        atol=1e-12,
    )


def test_equal_rows_are_predicted_once_and_the_batch_size_changes_nothing() -> None:
    background, row = sample(6, n=40)
    background, row = (background > 0).astype(float), (row > 0).astype(float)
    largest, rows = [], []

    def counting(features: Float64Array) -> Float64Array:
        largest.append(len(features))
        rows.append(np.unique(features, axis=0))
        return cox(features)

    explainer = SurvShapExplainer(counting, background, TIMES)
    found = explainer.explain_instance(row)
    assert sum(largest) < 40 * 2**6 / 3
    largest.clear()
    batched = explainer.explain_instance(row, batch_size=7)
    assert max(largest) == 7
    np.testing.assert_array_equal(found.values, batched.values)
    assert_allclose(found.baseline, cox(background).mean(axis=0), atol=1e-12)


def test_a_subject_like_the_whole_background_is_not_moved() -> None:
    _, row = sample(4)
    found = SurvShapExplainer(cox, np.tile(row, (5, 1)), TIMES).explain_instance(row)
    assert found.num_coalitions == 1
    assert np.abs(found.values).max() == 0
    assert_allclose(found.prediction, cox(row[None])[0])


def test_many_features_keep_their_default_within_reach() -> None:
    background, row = sample(300, n=3)

    def model(features: Float64Array) -> Float64Array:
        return np.exp(-np.outer(np.exp(0.05 * features.sum(axis=1)), TIMES))

    found = SurvShapExplainer(model, background, TIMES, random_state=0).explain_instance(row)
    assert not found.exact
    assert found.num_coalitions <= 2 + 8 * 299
    assert_allclose(found.values.sum(axis=0), found.prediction - found.baseline, atol=1e-10)
    assert np.isfinite(found.standard_error).all()


def test_cumulative_hazards_and_predictions_are_read_as_survival() -> None:
    background, row = sample(4)
    expected = SurvShapExplainer(cox, background, TIMES).explain_instance(row).values
    with np.errstate(divide="ignore"):
        hazards = SurvShapExplainer(
            lambda x: -np.log(cox(x)), background, TIMES, type_fn="cumulative"
        )
    assert_allclose(hazards.explain_instance(row).values, expected, atol=1e-12)
    whole = SurvShapExplainer(lambda x: SurvivalPrediction(TIMES, cox(x)), background)
    assert_allclose(whole.times, TIMES)
    assert_allclose(whole.explain_instance(row).values, expected, atol=1e-12)


def test_tables_hold_what_the_arrays_do() -> None:
    background, row = sample(4)
    names = list("abcd")
    frame = pd.DataFrame(background, columns=names)
    found = SurvShapExplainer(cox, frame, TIMES).explain_instance(pd.Series(row, index=names))
    table = found.to_frame()
    assert table["mean_absolute"].is_monotonic_decreasing
    assert set(table.index) == set(names)
    curve = found.over_time().loc["b"]
    np.testing.assert_array_equal(curve["phi"], found.values[1])
    peak = curve.iloc[int(np.abs(curve["phi"]).to_numpy().argmax())]
    assert table.loc["b", "peak"] == peak["phi"]
    assert table.loc["b", "peak_time"] == peak["time"]
    # Signed means add up to the difference of the restricted mean survival times.
    means = [
        SurvivalPrediction(TIMES, curve[None]).restricted_mean(4.0)[0]
        for curve in (found.prediction, found.baseline)
    ]
    assert 4.0 * found.mean.sum() == pytest.approx(means[0] - means[1])
    incidence = found.of_incidence("relapse")
    assert incidence.quantity == "cumulative incidence of relapse"
    assert_allclose(incidence.values.sum(axis=0), incidence.prediction - incidence.baseline)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_coalitions": 10}, "the 6 features in which the subject differs .* at least 22"),
        ({"max_coalitions": 0}, "max_coalitions is 0"),
        ({"random_state": -1}, "random_state is -1"),
        ({"times": None}, "times are needed"),
        ({"times": [3, 1]}, "increase"),
        ({"type_fn": "hazard"}, "type_fn is 'hazard'"),
        ({"groups": {"g": ["x0", "y"]}}, "unknown feature 'y'"),
        ({"groups": {"g": [0], "h": ["x0"]}}, "'x0' is in the groups 'g' and 'h'"),
        ({"groups": {"g": []}}, "group 'g' is \\[\\]"),
        ({"groups": {"x1": ["x0"]}}, "group 'x1' has the name of a column"),
        ({"background": np.full((3, 6), np.nan)}, "background is nan in row 0"),
        ({"background": np.empty((0, 6))}, "with rows"),
        ({"model": FastSurvivalSVM()}, "no survival curves"),
        ({"model": lambda x: cox(x)[:, ::-1]}, "survival curve that rises"),
        ({"model": lambda x: cox(x)[:, :3]}, "returned shape"),
        ({"row": np.ones(3)}, "3 values per row"),
        ({"row": np.ones((2, 6))}, "data_row has 2 rows"),
    ],
)
def test_what_cannot_be_used_is_refused(options: dict[str, Any], message: str) -> None:
    background, row = sample(6)
    given = {"model": cox, "background": background, "times": TIMES, "row": row, **options}
    row = given.pop("row")
    with pytest.raises(InputError, match=message):
        SurvShapExplainer(**given).explain_instance(row)
