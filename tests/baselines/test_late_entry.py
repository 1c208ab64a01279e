"""Models of subjects who come under observation late, against other implementations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter
from statsmodels.duration.hazard_regression import PHReg

from survkit.baselines.aalen_johansen import AalenJohansen
from survkit.baselines.coxph import CoxPH
from survkit.baselines.kaplan_meier import KaplanMeier
from survkit.baselines.partial_likelihood import PartialLikelihood
from survkit.baselines.penalised_cox import fit_penalised
from survkit.models.cause_specific import CauseSpecificModel
from survkit.models.registry import MODELS, refuse_late_entry
from survkit.types import InputError, SurvivalData, TimeGrid
from tests.late_entry import at_risk, late_data
from tests.models.model_fixtures import PARAMETERS
from tests.training.training_fixtures import RecordingMonitor

GRID = TimeGrid(np.linspace(0, 4, 21))


@pytest.mark.parametrize("ties", ["breslow", "efron"])
def test_the_partial_likelihood_is_that_of_statsmodels(ties: str) -> None:
    data = late_data(300, 1)
    time = np.ceil(data.time * 10) / 10  # events tie, and no entry does with them
    matrix = data.features.astype(np.float64)
    other = PHReg(time, matrix, status=data.event, entry=data.entry, ties=ties).fit()
    likelihood = PartialLikelihood.of(
        matrix, data.event, time, data.entry, breslow=ties == "breslow"
    )
    maximum = likelihood.maximum()
    np.testing.assert_allclose(maximum.coefficients, other.params, rtol=1e-6)
    np.testing.assert_allclose(np.sqrt(np.diag(maximum.covariance)), other.bse, rtol=1e-6)
    if ties == "breslow":
        penalised = fit_penalised(likelihood, alpha=0.0, l1_ratio=0.5)
        np.testing.assert_allclose(penalised.coefficients, other.params, rtol=1e-6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # lifelines under pandas 3
def test_cox_regression_is_that_of_lifelines() -> None:
    data = late_data(300, 2)
    model = CoxPH(grid=GRID, alpha=0.0).fit(data, data)
    frame = pd.DataFrame(data.features.astype(float), columns=["a", "b"])
    frame = frame.assign(time=data.time, event=data.event, entry=data.entry)
    other = CoxPHFitter().fit(frame, "time", "event", entry_col="entry")
    np.testing.assert_allclose(model.coefficients, other.params_.to_numpy(), rtol=1e-4)
    # The baseline of lifelines leaves nobody out of a risk set for a late entry.
    risk = np.exp((model.columns.one_hot(data.features) - model.center) @ model.coefficients)
    times = np.sort(data.time[data.event])
    rises = [1 / risk[at_risk(data, time)].sum() for time in times]
    hazard = np.array([np.sum(rises, where=times <= cut) for cut in GRID.cuts])
    mine = model.predict(data.features[:5]).survival
    np.testing.assert_allclose(mine, np.exp(-np.outer(risk[:5], hazard)), rtol=1e-9)


@pytest.mark.parametrize(("alpha", "l1_ratio"), [(1e-3, 0.5), (0.05, 0.5), (0.02, 1.0)])
def test_entries_of_zero_give_the_penalised_fit_of_scikit_survival(
    alpha: float, l1_ratio: float
) -> None:
    data = replace(late_data(200, 3, digits=1), entry=None)
    expected = CoxPH(grid=GRID, alpha=alpha, l1_ratio=l1_ratio).fit(data, data).coefficients
    likelihood = PartialLikelihood.of(
        data.features, data.event, data.time, np.zeros(len(data)), breslow=True
    )
    fit = fit_penalised(likelihood, alpha=alpha, l1_ratio=l1_ratio)
    assert fit.converged
    np.testing.assert_allclose(fit.coefficients, expected, atol=2e-5)


@pytest.mark.parametrize("model", [KaplanMeier, AalenJohansen, CoxPH])
def test_entries_of_zero_equal_none(model: type[CoxPH]) -> None:
    data = replace(late_data(100, 4, digits=1), entry=None)
    zeros = replace(data, entry=np.zeros(len(data)))
    one, other = (model(grid=GRID).fit(each, each).predict(each.features) for each in (data, zeros))
    np.testing.assert_allclose(one.survival, other.survival, atol=1e-12)


def test_causes_keep_the_entries() -> None:
    data = late_data(300, 5, causes=2)
    model = CauseSpecificModel([CoxPH(grid=GRID) for _ in range(2)]).fit(data, data)
    alone = CoxPH(grid=GRID).fit(data.of_cause(2), data)
    np.testing.assert_array_equal(model.parts[1].coefficients, alone.coefficients)
    rebuilt = CauseSpecificModel.from_state(model.state())
    one, other = (each.predict(data.features[:3]).survival for each in (model, rebuilt))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("model", [KaplanMeier, AalenJohansen])
def test_a_curve_that_ends_early_is_warned_of(model: type[KaplanMeier]) -> None:
    time, entry = np.array([1.0, 3.0, 4.0]), np.array([0.0, 2.0, 2.0])
    data = SurvivalData(np.zeros((3, 1)), np.ones(3, bool), time, entry=entry)
    monitor = RecordingMonitor()
    model(grid=GRID).fit(data, data, monitor=monitor)
    (warning,) = monitor.warnings
    assert "all who are at risk at time 1 have the event" in warning
    assert "2 subjects come under observation later" in warning


def test_other_models_are_refused_by_name() -> None:
    for name, entry in MODELS.items():
        refuse_late_entry(name, late=False, calibrate=True)
        if entry.takes_entry:
            refuse_late_entry(name, late=True)
            with pytest.raises(InputError, match="--calibrate does not correct"):
                refuse_late_entry(name, late=True, calibrate=True)
            continue
        with pytest.raises(InputError, match=f"{name} does not correct.*kaplan_meier"):
            refuse_late_entry(name, late=True)


@pytest.mark.parametrize("name", [n for n, entry in MODELS.items() if not entry.takes_entry])
def test_a_fit_that_would_ignore_entries_is_refused(name: str) -> None:
    data = late_data(60, 1)
    model = MODELS[name].build(grid=GRID, parameters=PARAMETERS, seed=42)
    with pytest.raises(InputError, match="which this model does not correct for"):
        model.fit(data, data)
