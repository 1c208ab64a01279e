from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from survkit.models.calibrated import CALIBRATED, CalibratedModel, rebuild, without_calibration
from survkit.models.calibration import fit_calibration
from survkit.models.ensemble import ENSEMBLE, EnsembleModel
from survkit.models.registry import MODELS
from survkit.training.checkpoint import load_checkpoint, save_checkpoint
from survkit.types import SurvivalModel
from tests.models.model_fixtures import GRID, TRAIN, VALIDATION, fitted, survival, unfitted


def test_a_calibrated_model_maps_what_its_model_predicts() -> None:
    inner = fitted("fixed_moe")
    model = CalibratedModel(unfitted("fixed_moe"), grid=GRID).fit(TRAIN, VALIDATION)
    prediction = inner.predict(VALIDATION.features)
    assert model.calibration == fit_calibration(prediction, VALIDATION, GRID)
    mapped = model.predict(VALIDATION.features)
    np.testing.assert_array_equal(mapped.survival, model.calibration.apply(prediction).survival)
    np.testing.assert_array_equal(mapped.expert_weights, prediction.expert_weights)
    assert model.fit_summary == inner.fit_summary
    assert without_calibration(model) is model.inner
    assert without_calibration(inner) is inner


def saved_and_loaded(content: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    save_checkpoint(tmp_path / "checkpoint.pt", content)
    return load_checkpoint(tmp_path / "checkpoint.pt")


@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_the_registry_comes_back_from_a_file(name: str, tmp_path: Path) -> None:
    model = fitted(name)
    again = rebuild(saved_and_loaded(model.state(), tmp_path))
    assert type(again) is type(model)
    np.testing.assert_array_equal(survival(again), survival(model))
    assert again.fit_summary == model.fit_summary


def calibrated_ensemble() -> CalibratedModel:
    ensemble = EnsembleModel([fitted("mtlr"), fitted("coxph")], grid=GRID, weights=[0.3, 0.7])
    model = CalibratedModel(ensemble, grid=GRID).calibrate(VALIDATION)
    model.calibration = model.calibration._replace(applied=True)
    return model


def test_a_calibrated_ensemble_comes_back_from_a_file_bit_for_bit(tmp_path: Path) -> None:
    model = calibrated_ensemble()
    state = model.state()
    assert (state["model"], state["inner"]["model"]) == (CALIBRATED, ENSEMBLE)
    again = rebuild(saved_and_loaded(state, tmp_path))
    assert isinstance(again, CalibratedModel)
    np.testing.assert_array_equal(survival(again), survival(model))
    assert again.calibration == model.calibration
    assert again.fit_summary == model.fit_summary


def as_earlier_versions_saved(name: str, model: SurvivalModel) -> dict[str, Any]:
    """Return a model of the registry as it was saved when its state did not name its kind."""
    state = {k: v for k, v in model.state().items() if k != "model"}
    if name == "coxph":
        del state["fit_summary"]
    if name in ("mtlr", "fixed_moe"):
        state["head"] = name
        state["fit_summary"] = list(model.fit_summary[:3])
    return {"model": name, "state": state}


@pytest.mark.parametrize("name", ["fixed_moe", "coxph", "rsf"])
def test_a_checkpoint_of_an_earlier_version_is_read(name: str, tmp_path: Path) -> None:
    model = fitted(name)
    old = as_earlier_versions_saved(name, model) | {"config": {"model": name}}
    again = rebuild(saved_and_loaded(old, tmp_path))
    np.testing.assert_array_equal(survival(again), survival(model))
    assert again.fit_summary[:3] == model.fit_summary[:3]
    assert again.fit_summary.converged is None


def test_a_calibrated_ensemble_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    model = calibrated_ensemble()
    assert isinstance(model.inner, EnsembleModel)
    state = model.state()
    members = [
        as_earlier_versions_saved(name, member)
        for name, member in zip(("mtlr", "coxph"), model.inner.members, strict=True)
    ]
    ensemble = {k: v for k, v in state["inner"].items() if k != "model"} | {"members": members}
    inner = {"model": "ensemble", "state": ensemble}
    calibrated = {k: v for k, v in state.items() if k != "model"} | {"inner": inner}
    old = {"model": "calibrated", "state": calibrated, "survkit_version": "0.1.0"}
    again = rebuild(saved_and_loaded(old, tmp_path))
    assert isinstance(again, CalibratedModel)
    assert again.calibration == model.calibration
    np.testing.assert_array_equal(survival(again), survival(model))


@pytest.mark.parametrize("saved", [{"model": "no_such_model"}, {"cuts": [0.0]}])
def test_a_state_of_unknown_kind_is_refused(saved: dict[str, Any]) -> None:
    with pytest.raises(KeyError):
        rebuild(saved)
