from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from survkit.configs.train import TrainConfig
from survkit.models.calibration import fit_calibration
from survkit.models.composite import (
    CALIBRATED,
    ENSEMBLE,
    CalibratedModel,
    EnsembleModel,
    NamedModel,
    rebuild,
    without_calibration,
)
from survkit.models.registry import MODELS
from survkit.training.checkpoint import load_checkpoint, save_checkpoint
from survkit.types import FitSummary, InputError, TimeGrid
from tests.conftest import make_data

GRID = TimeGrid.evenly_spaced(3.0, 10)
PARAMETERS: dict[str, Any] = {
    **{name: field.default for name, field in TrainConfig.__dataclass_fields__.items()},
    "hidden_dim": 12,
    "mixture_components": 3,
    "epochs": 2,
}
TRAIN, VALIDATION = make_data(200, seed=0), make_data(150, seed=1)


def unfitted(name: str, seed: int = 42) -> NamedModel:
    model = MODELS[name].build(
        grid=GRID,
        parameters=PARAMETERS,
        seed=seed,
        device="cpu",
        validation_metrics=lambda prediction: {},
    )
    return NamedModel(name, model)


def fitted(name: str, seed: int = 42) -> NamedModel:
    named = unfitted(name, seed)
    named.model.fit(TRAIN, VALIDATION)
    return named


def survival(named: NamedModel) -> np.ndarray[Any, Any]:
    return named.model.predict(VALIDATION.features).survival


def test_an_ensemble_is_the_weighted_mean_of_its_members_curves() -> None:
    members = [fitted("mtlr"), fitted("coxph"), fitted("fixed_moe", 43)]
    weights = [0.5, 0.3, 0.2]
    ensemble = NamedModel(ENSEMBLE, EnsembleModel(members, grid=GRID, weights=weights))
    expected = np.average([survival(member) for member in members], axis=0, weights=weights)
    np.testing.assert_allclose(survival(ensemble), expected, rtol=1e-12)
    assert ensemble.model.predict(VALIDATION.features).expert_weights is None
    equal = NamedModel(ENSEMBLE, EnsembleModel(members, grid=GRID))
    expected = np.mean([survival(member) for member in members], axis=0)
    np.testing.assert_allclose(survival(equal), expected, rtol=1e-12)


def test_fitting_an_ensemble_fits_its_members() -> None:
    one, two = fitted("mtlr", 42), fitted("mtlr", 43)
    ensemble = EnsembleModel([unfitted("mtlr", 42), unfitted("mtlr", 43)], grid=GRID)
    assert ensemble.fit_summary == FitSummary()
    ensemble.fit(TRAIN, VALIDATION)
    expected = (survival(one) + survival(two)) / 2
    np.testing.assert_allclose(ensemble.predict(VALIDATION.features).survival, expected, rtol=1e-12)
    size = one.model.fit_summary.num_parameters
    assert size is not None
    assert ensemble.fit_summary == FitSummary(2 * size)


def test_a_calibrated_model_maps_what_its_model_predicts() -> None:
    inner = fitted("fixed_moe")
    model = CalibratedModel(unfitted("fixed_moe"), grid=GRID).fit(TRAIN, VALIDATION)
    prediction = inner.model.predict(VALIDATION.features)
    assert model.calibration == fit_calibration(prediction, VALIDATION, GRID)
    mapped = model.predict(VALIDATION.features)
    np.testing.assert_array_equal(mapped.survival, model.calibration.apply(prediction).survival)
    np.testing.assert_array_equal(mapped.expert_weights, prediction.expert_weights)
    assert model.fit_summary == inner.model.fit_summary
    assert without_calibration(model) is model.inner.model
    assert without_calibration(inner.model) is inner.model


def test_a_calibrated_ensemble_comes_back_from_a_file_bit_for_bit(tmp_path: Path) -> None:
    members = [fitted("mtlr"), fitted("coxph")]
    ensemble = NamedModel(ENSEMBLE, EnsembleModel(members, grid=GRID, weights=[0.3, 0.7]))
    calibrated = CalibratedModel(ensemble, grid=GRID).calibrate(VALIDATION)
    calibrated.calibration = calibrated.calibration._replace(applied=True)
    named = NamedModel(CALIBRATED, calibrated)
    save_checkpoint(tmp_path / "checkpoint.pt", named.saved())
    again = rebuild(load_checkpoint(tmp_path / "checkpoint.pt"))
    assert again.name == CALIBRATED
    np.testing.assert_array_equal(survival(again), survival(named))
    assert isinstance(again.model, CalibratedModel)
    assert again.model.calibration == calibrated.calibration
    assert again.model.fit_summary == calibrated.fit_summary


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([0.5], "must be 2 positive numbers"),
        ([1.0, 0.0], "must be 2 positive numbers"),
        ([0.5, 0.6], "must sum to 1, not to 1.1"),
    ],
)
def test_weights_that_are_none_are_refused(weights: list[float], message: str) -> None:
    members = [unfitted("coxph"), unfitted("coxph")]
    with pytest.raises(InputError, match=message):
        EnsembleModel(members, grid=GRID, weights=weights)


def test_an_empty_ensemble_is_refused() -> None:
    with pytest.raises(InputError, match="at least one member"):
        EnsembleModel([], grid=GRID)
