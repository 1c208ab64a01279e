"""What is built on fitted models of several causes: ensembles, calibration, explained causes."""

from __future__ import annotations

import numpy as np
import pytest

from survkit.explain.cause_view import CauseView, subdistribution_hazard
from survkit.models.calibrated import CalibratedModel
from survkit.models.calibration import Calibration
from survkit.models.ensemble import EnsembleModel
from survkit.runs.predictions import average_prediction
from survkit.types import InputError, SurvivalPrediction
from tests.models.competing_fixtures import GRID, TRAIN, VALIDATION, fitted

FEATURES = VALIDATION.features[:20]


def incidence(prediction: SurvivalPrediction) -> np.ndarray:
    assert prediction.cumulative_incidence is not None
    return prediction.cumulative_incidence


def test_averages_are_those_of_incidences_and_causes_must_agree() -> None:
    members = [fitted("aalen_johansen"), fitted("coxph")]
    at_cuts = [member.predict(FEATURES) for member in members]
    expected = np.mean([incidence(each) for each in at_cuts], axis=0)
    np.testing.assert_allclose(incidence(average_prediction(at_cuts, GRID)), expected, atol=1e-12)
    one_cause = fitted("kaplan_meier", TRAIN.of_cause(1))
    with pytest.raises(InputError, match="different numbers of causes"):
        EnsembleModel([members[0], one_cause], grid=GRID).predict(FEATURES)


def test_calibration_keeps_the_shares_of_causes() -> None:
    model = fitted("coxph")
    calibrated = CalibratedModel(model, grid=GRID, calibration=Calibration(True, 0.4, 1.3))
    before, after = model.predict(FEATURES), calibrated.predict(FEATURES)
    assert (before.survival[:, -1] != after.survival[:, -1]).all()
    masses = [np.diff(incidence(each), axis=2) for each in (before, after)]
    shares = [each / np.maximum(each.sum(axis=1, keepdims=True), 1e-300) for each in masses]
    np.testing.assert_allclose(shares[1], shares[0], atol=1e-9)


def test_a_view_of_a_cause_predicts_one_minus_its_incidence() -> None:
    model = fitted("coxph")
    view = CauseView(model, 2)
    times = np.array([0.5, 1.0])
    np.testing.assert_array_equal(
        view.predict(FEATURES, times).survival, 1 - incidence(model.predict(FEATURES, times))[:, 1]
    )
    hazard = subdistribution_hazard(TRAIN, 2)
    curve = incidence(fitted("aalen_johansen").predict(FEATURES, np.unique(TRAIN.time)[-1:]))
    assert hazard.shape == np.unique(TRAIN.time).shape
    assert 1 - np.exp(-hazard[-1]) == pytest.approx(curve[0, 1, -1])
