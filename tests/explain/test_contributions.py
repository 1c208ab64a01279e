"""Hazard ratios of a subject's values against the reference, checked on exact Cox models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.util import Surv

from survkit.explain import SurvLimeExplainer
from survkit.explain.contributions import contribution_table, reference_values
from survkit.explain.units import Unit, units_of, values_of

RNG = np.random.default_rng(4)
NAMES = ["age", "dose", "stage", "male"]
FEATURES = np.column_stack(
    [RNG.normal(60, 10, 250), RNG.gamma(2, 3, 250), RNG.choice(3, 250), RNG.choice(2, 250)]
).astype(np.float64)
DUMMIES = np.column_stack(
    [FEATURES[:, :2], FEATURES[:, 2] == 0, FEATURES[:, 2] == 1, FEATURES[:, 3]]
).astype(np.float64)
EVENT_TIME = 20 * RNG.exponential(
    np.exp(-DUMMIES @ [0.04, 0.1, 0.5, -0.4, 0.3] + 0.04 * 60 + 0.1 * 6)
)
CENSORING = RNG.uniform(5, 60, 250)
EVENTS, TIMES = EVENT_TIME <= CENSORING, np.minimum(EVENT_TIME, CENSORING)
SUBJECTS = np.array([[71.0, 2.0, 1.0, 1.0], [50.0, 9.0, 2.0, 0.0]])
LABELS = {"stage": {0.0: "early", 1.0: "local", 2.0: "late"}}
UNITS = (Unit("age"), Unit("dose"), Unit("stage", labels=LABELS["stage"]), Unit("male"))


def tables(
    model: Any, repetitions: int = 3, *, kind: Any = "cumulative", **options: Any
) -> tuple[Any, list[pd.DataFrame]]:
    explainer = SurvLimeExplainer(
        FEATURES,
        EVENTS,
        TIMES,
        feature_names=NAMES,
        categorical_features=["stage", "male"],
        category_labels=LABELS,
        baseline="model",
        random_state=0,
        **options,
    )
    explanation = explainer.montecarlo_explanation(
        SUBJECTS, model, kind, num_samples=200, num_repetitions=repetitions
    )
    reference = reference_values(FEATURES, explainer.neighbourhood, UNITS)
    values = values_of(UNITS, SUBJECTS)
    return explanation, [
        contribution_table(explanation, i, explainer.neighbourhood, reference, UNITS, values[i])
        for i in range(len(SUBJECTS))
    ]


def dummies(features: np.ndarray, others: list[float]) -> np.ndarray:
    """One column for each stage but the reference, as the Cox model below has them."""
    stages = [features[:, [2]] == stage for stage in others]
    return np.hstack([features[:, :2], *stages, features[:, [3]]]).astype(np.float64)


STAGES, COUNTS = np.unique(FEATURES[:, 2], return_counts=True)
MOST_FREQUENT = float(STAGES[np.argmax(COUNTS)])
OTHERS = [float(stage) for stage in STAGES if stage != MOST_FREQUENT]
COX = CoxPHSurvivalAnalysis().fit(dummies(FEATURES, OTHERS), Surv.from_arrays(EVENTS, TIMES))


def cox_hazards(features: np.ndarray) -> Any:
    return COX.predict_cumulative_hazard_function(dummies(features, OTHERS))


def test_a_cox_model_contributes_its_coefficient_times_the_difference_from_the_reference() -> None:
    _, found = tables(cox_hazards)
    names = ["age", "dose", *(f"stage={LABELS['stage'][stage]}" for stage in OTHERS), "male"]
    coefficients = dict(zip(names, COX.coef_, strict=True))
    for subject, table in zip(SUBJECTS, found, strict=True):
        np.testing.assert_allclose(table["coefficient"][names], COX.coef_, atol=1e-7)
        for j, name in ((0, "age"), (1, "dose")):
            expected = coefficients[name] * (subject[j] - np.median(FEATURES[:, j]))
            assert table.loc[name, "contribution"] == pytest.approx(expected, abs=1e-6)
            assert table.loc[name, "hazard_ratio"] == pytest.approx(np.exp(expected), abs=1e-6)
        assert table.loc["male", "contribution"] == pytest.approx(COX.coef_[-1] * subject[3])
        for stage in OTHERS:
            name = f"stage={LABELS['stage'][stage]}"
            if stage == subject[2]:
                assert table.loc[name, "contribution"] == pytest.approx(coefficients[name])
                assert table.loc[name, "reference"] == LABELS["stage"][MOST_FREQUENT]
            else:
                assert table.loc[name, ["contribution", "hazard_ratio", "low"]].isna().all()


@pytest.mark.filterwarnings("ignore:Starting with pandas")
def test_hazard_ratios_are_those_of_lifelines() -> None:
    from lifelines import CoxPHFitter

    frame = pd.DataFrame(FEATURES[:, :2], columns=NAMES[:2])
    cox = CoxPHFitter().fit(frame.assign(time=TIMES, event=EVENTS), "time", "event")
    explainer = SurvLimeExplainer(frame, EVENTS, TIMES, baseline="model", random_state=0)
    subject = np.array([[71.0, 2.0]])
    explanation = explainer.montecarlo_explanation(subject, cox, num_samples=200)
    units, reference = units_of(NAMES[:2], None), np.median(frame.to_numpy(), axis=0)
    table = contribution_table(
        explanation, 0, explainer.neighbourhood, reference, units, values_of(units, subject)[0]
    )
    for j, name in enumerate(NAMES[:2]):
        at_reference = subject.copy()
        at_reference[0, j] = reference[j]
        rows = pd.DataFrame(np.vstack([subject, at_reference]), columns=NAMES[:2])
        own, other = cox.predict_partial_hazard(rows)
        assert table.loc[name, "hazard_ratio"] == pytest.approx(own / other, abs=1e-5)


def curved_hazards(features: np.ndarray) -> np.ndarray:
    log_risk = 0.002 * (features[:, 0] - 55) ** 2 + 0.3 * np.sin(features[:, 1])
    return np.exp(log_risk)[:, None] * np.unique(TIMES) / 50


def test_the_order_and_the_interval_are_those_of_the_contributions() -> None:
    explanation, found = tables(curved_hazards, repetitions=6)
    for i, table in enumerate(found):
        own = table[table["contribution"].notna()]
        assert (own["contribution"].abs().diff().dropna() <= 0).all()
        assert list(table.index[: len(own)]) == list(own.index)
        factor = SUBJECTS[i, 0] - np.median(FEATURES[:, 0])
        single = explanation.repetitions[i, :, 0] * factor
        expected = stats.t.interval(
            0.95, 5, loc=single.mean(), scale=single.std(ddof=1) / np.sqrt(6)
        )
        np.testing.assert_allclose(
            np.log(table.loc["age", ["low", "high"]].astype(float)), expected
        )


def test_one_repetition_has_no_interval() -> None:
    _, (table, _) = tables(curved_hazards, repetitions=1)
    assert table[["low", "high", "standard_error"]].isna().all(axis=None)
    assert np.isfinite(table.loc["age", "hazard_ratio"])


def test_coefficients_are_given_in_the_units_of_the_table() -> None:
    scaled = (FEATURES[:, :1] - 60) / 10
    subject = (np.array([[71.0]]) - 60) / 10
    cox = CoxPHSurvivalAnalysis().fit(FEATURES[:, :1], Surv.from_arrays(EVENTS, TIMES))
    explainer = SurvLimeExplainer(scaled, EVENTS, TIMES, baseline="model", random_state=0)
    explanation = explainer.montecarlo_explanation(
        subject, lambda x: cox.predict_cumulative_hazard_function(10 * x + 60), num_samples=100
    )
    units = (Unit("age", mean=60, scale=10),)
    reference = reference_values(scaled, explainer.neighbourhood, units)
    table = contribution_table(
        explanation, 0, explainer.neighbourhood, reference, units, values_of(units, subject)[0]
    )
    assert table.loc["x0", "value"] == "71"
    assert table.loc["x0", "coefficient"] == pytest.approx(cox.coef_[0], abs=1e-8)
    expected = cox.coef_[0] * (71 - np.median(FEATURES[:, 0]))
    assert table.loc["x0", "contribution"] == pytest.approx(expected, abs=1e-8)


def fitted_reference(
    columns: dict[str, list[float]], units: tuple[Unit, ...], **options: Any
) -> np.ndarray:
    features = pd.DataFrame(columns).to_numpy(float)
    explainer = SurvLimeExplainer(
        pd.DataFrame(columns), np.ones(len(features)), np.arange(1.0, len(features) + 1), **options
    )
    return reference_values(features, explainer.neighbourhood, units)


def test_a_number_of_few_values_is_compared_with_one_that_occurs() -> None:
    units = (Unit("treated"), Unit("tied"), Unit("grade"), Unit("age"), Unit("sex", 1.5, 0.5))
    columns = {
        "treated": [1, 1, 1, 0, 0, 1],
        "tied": [0, 1, 0, 1, 0, 1],
        "grade": [0, 1, 1, 2, 2, 3],
        "age": [50.5, 61.5, 62.0, 63.0, 70.0, 71.0],
        "sex": [-1, 1, 1, 1, -1, 1],
    }
    found = fitted_reference(columns, units)
    np.testing.assert_array_equal(found, [1, 0, 1, 62.5, 1])
    assert units[4].text(found[4]) == "2"


def test_filled_in_values_are_no_reference_of_a_number() -> None:
    """The median 0.5 stands where training rows miss the value."""
    units = (Unit("smoker"), Unit("smoker_missing", indicates="smoker"))
    columns = {"smoker": [0, 0.5, 0.5, 0.5, 1, 1], "smoker_missing": [0, 1, 1, 1, 0, 0]}
    found = fitted_reference(columns, units, categorical_features=[1])
    np.testing.assert_array_equal(found, [1, 0])


def test_missing_is_no_reference_where_there_is_a_category() -> None:
    units = (Unit("town"), Unit("lab_missing"), Unit("age"))
    columns = {
        "town": [0, 0, 0, 1, 2, 2, 1, 0],
        "lab_missing": [1, 1, 1, 1, 1, 1, 0, 0],
        "age": [1, 2, 3, 4, 5, 6, 7, 8],
    }
    labels = {"town": {0.0: "missing", 1.0: "A", 2.0: "B"}}
    options: dict[str, Any] = {"categorical_features": [0, 1], "category_labels": labels}
    assert fitted_reference(columns, units, **options)[:2].tolist() == [1, 0]
    one = {**columns, "town": [0, 0, 0, 0, 0, 1, 1, 0]}
    assert fitted_reference(one, units, **options)[0] == 1


def test_a_hazard_that_is_capped_has_no_ratio() -> None:
    explanation, found = tables(cox_hazards)
    assert (explanation.share_capped == 0).all()
    assert found[0]["hazard_ratio"].notna().any()
    with pytest.warns(UserWarning, match="survival values are below"):
        explanation, (table, _) = tables(
            lambda x: np.zeros((len(x), len(np.unique(TIMES)))), kind="survival"
        )
    assert (explanation.share_capped == 1).all()
    assert table[["hazard_ratio", "low", "contribution", "coefficient"]].isna().all(axis=None)
