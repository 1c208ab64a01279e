from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter
from lifelines.datasets import load_rossi
from lifelines.statistics import proportional_hazard_test
from scipy.optimize import approx_fprime
from sksurv.datasets import load_veterans_lung_cancer

from survkit.baselines.partial_likelihood import ChiSquared, Maximum, PartialLikelihood

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # lifelines under pandas 3


def fitted(
    matrix: np.ndarray, event: np.ndarray, time: np.ndarray
) -> tuple[PartialLikelihood, Maximum]:
    likelihood = PartialLikelihood.of(matrix, event, time)
    return likelihood, likelihood.maximum()


def rossi(columns: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    frame = load_rossi()
    return frame[columns].to_numpy(float), frame["arrest"].to_numpy() == 1, frame["week"].to_numpy()


def tied_data(rows: int = 80) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(rows, 3))
    time = np.ceil(4 * rng.exponential(np.exp(-matrix[:, 0])))
    return matrix, rng.random(rows) < 0.7, time


def test_rossi_as_published() -> None:
    """Allison's data as in Fox and Weisberg (2011), table of coxph in R, seven columns."""
    columns = ["fin", "age", "race", "wexp", "mar", "paro", "prio"]
    _, maximum = fitted(*rossi(columns))
    ratios = np.exp(maximum.coefficients)
    np.testing.assert_allclose(ratios, [0.684, 0.944, 1.369, 0.861, 0.648, 0.919, 1.096], atol=5e-4)
    errors = np.sqrt(np.diag(maximum.covariance))
    np.testing.assert_allclose(errors, [0.191, 0.022, 0.308, 0.212, 0.382, 0.196, 0.029], atol=5e-4)


def test_proportional_hazards_of_rossi_as_published() -> None:
    """Fox and Weisberg (2011), cox.zph in R before survival 3.0."""
    likelihood, maximum = fitted(*rossi(["fin", "age", "prio"]))
    tests, overall = likelihood.proportional_hazards(maximum, [[0], [1], [2]])
    found = [*tests, overall]
    np.testing.assert_allclose(
        [test.statistic for test in found], [0.00507, 6.54147, 0.77288, 7.13046], atol=6e-6
    )
    np.testing.assert_allclose(
        [test.p for test in found], [0.9433, 0.0105, 0.3793, 0.0679], atol=6e-5
    )
    assert overall.degrees_of_freedom == 3


def test_veterans_as_published() -> None:
    """Kalbfleisch and Prentice (2002), as R's coxph gives it with squamous as the reference."""
    features, outcome = load_veterans_lung_cancer()
    matrix = np.column_stack(
        [
            features["Treatment"] == "test",
            *(features["Celltype"] == kind for kind in ("smallcell", "adeno", "large")),
            features["Karnofsky_score"],
            features["Months_from_Diagnosis"],
            features["Age_in_years"],
            features["Prior_therapy"] == "yes",
        ]
    ).astype(float)
    likelihood, maximum = fitted(matrix, outcome["Status"], outcome["Survival_in_days"])
    np.testing.assert_allclose(
        maximum.coefficients[:5], [0.2946, 0.8616, 1.1961, 0.4013, -0.0328], atol=6e-5
    )
    np.testing.assert_allclose(
        np.sqrt(np.diag(maximum.covariance))[:5],
        [0.2075, 0.2753, 0.3009, 0.2827, 0.0055],
        atol=6e-5,
    )
    (cells,), _ = likelihood.proportional_hazards(maximum, [[1, 2, 3]])
    assert cells.degrees_of_freedom == 3


def test_ties_and_the_test_agree_with_lifelines() -> None:
    matrix, event, time = tied_data()
    likelihood, maximum = fitted(matrix, event, time)
    frame = pd.DataFrame(matrix, columns=list("abc")).assign(time=time, event=event)
    reference = CoxPHFitter().fit(frame, "time", "event")
    # lifelines ends a little earlier.
    np.testing.assert_allclose(likelihood.derivatives(maximum.coefficients)[0], 0, atol=1e-9)
    np.testing.assert_allclose(maximum.coefficients, reference.params_, rtol=1e-4)
    np.testing.assert_allclose(maximum.covariance, reference.variance_matrix_, rtol=1e-4)
    assert likelihood.value(maximum.coefficients) == pytest.approx(reference.log_likelihood_)

    ordered = frame.sort_values("time", kind="stable")
    residuals = reference.compute_residuals(ordered, "schoenfeld").to_numpy()
    found = likelihood.schoenfeld_residuals(maximum.coefficients)
    np.testing.assert_allclose(found, residuals, atol=1e-5)

    def before(times: pd.Series, events: pd.Series, weights: pd.Series) -> pd.Series:
        """1 minus Kaplan-Meier just before each time, which lifelines takes at it."""
        survival = [
            np.prod(
                [
                    1 - (events & (times == step)).sum() / (times >= step).sum()
                    for step in np.unique(times[events.astype(bool)])
                    if step < own
                ]
            )
            for own in times
        ]
        return pd.Series(1 - np.array(survival), index=times.index)

    expected = proportional_hazard_test(reference, frame, time_transform=before)
    tests, _ = likelihood.proportional_hazards(maximum, [[0], [1], [2]])
    np.testing.assert_allclose(
        [test.statistic for test in tests], expected.test_statistic, rtol=1e-4
    )
    np.testing.assert_allclose([test.p for test in tests], expected.p_value, rtol=1e-4)


def test_derivatives_are_those_of_the_value() -> None:
    likelihood = PartialLikelihood.of(*tied_data(40))
    at = np.array([0.3, -0.2, 0.5])
    gradient, information = likelihood.derivatives(at)
    np.testing.assert_allclose(gradient, approx_fprime(at, likelihood.value, 1e-6), atol=1e-3)
    second = [
        approx_fprime(at, lambda b, j=j: likelihood.derivatives(b)[0][j], 1e-6) for j in range(3)
    ]
    np.testing.assert_allclose(information, -np.array(second), rtol=1e-3, atol=1e-3)


def test_all_columns_together_are_the_overall_test() -> None:
    likelihood, maximum = fitted(*tied_data())
    (together,), overall = likelihood.proportional_hazards(maximum, [[0, 1, 2]])
    assert together == pytest.approx(overall)
    assert isinstance(overall, ChiSquared)


def test_an_effect_that_turns_round_is_found() -> None:
    rng = np.random.default_rng(1)
    group = rng.integers(0, 2, 400)
    time = np.where(group, rng.uniform(0.8, 1.2, 400), rng.exponential(size=400))
    likelihood, maximum = fitted(group[:, None].astype(float), np.ones(400, bool), time)
    assert likelihood.proportional_hazards(maximum, [[0]])[1].p < 1e-6


@pytest.mark.parametrize("kind", ["time", "flag", "together"])
def test_effects_without_bound_are_found(kind: str) -> None:
    matrix, event, _ = tied_data()
    time = np.random.default_rng(2).exponential(size=len(event))
    columns = {
        "time": [matrix, time[:, None] / time.std()],
        "flag": [matrix, event[:, None].astype(float)],
        # Neither column orders the times, their sum does.
        "together": [matrix[:, :1], matrix[:, 1:2], (time - matrix[:, 1])[:, None]],
    }[kind]
    _, maximum = fitted(np.hstack(columns), event, time)
    last = sum(part.shape[1] for part in columns) - 1
    assert maximum.unbounded == ((last - 1, last) if kind == "together" else (last,))


def test_collinear_columns_do_not_pass_for_a_maximum() -> None:
    matrix, event, time = tied_data()
    _, maximum = fitted(np.hstack([matrix, matrix[:, :1]]), event, time)
    assert np.isfinite(maximum.coefficients).all()
