from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from survkit.metrics.censoring import censoring_distribution
from survkit.metrics.conformal_curves import LEVELS
from survkit.models.calibrated import rebuild, without_calibration
from survkit.models.censoring import CoxCensoring, fit_censoring
from survkit.models.conformal import POOLED, ConformalModel
from survkit.models.conformal_group import CurveMethod, curve_quantiles, fewest_rows
from survkit.training.checkpoint import load_checkpoint, save_checkpoint
from survkit.types import InputError, SurvivalData
from tests.conftest import make_data
from tests.models.model_fixtures import GRID, TRAIN, VALIDATION, fitted, survival

CALIBRATION, NEW = make_data(300, seed=7), make_data(80, seed=8)


def conformal(
    name: str, method: CurveMethod, *, by_expert: bool = False, level: float = 0.9
) -> ConformalModel:
    model = ConformalModel(fitted(name), method=method, by_expert=by_expert, level=level)
    return model.calibrate(CALIBRATION, TRAIN)


@pytest.mark.parametrize("method", ["csd", "cipot"])
@pytest.mark.parametrize("name", ["fixed_moe", "coxph"])
def test_it_comes_back_from_a_file_bit_for_bit(
    name: str, method: CurveMethod, tmp_path: Path
) -> None:
    model = conformal(name, method, by_expert=name == "fixed_moe")
    save_checkpoint(tmp_path / "checkpoint.pt", model.state())
    again = rebuild(load_checkpoint(tmp_path / "checkpoint.pt"))
    assert isinstance(again, ConformalModel)
    np.testing.assert_array_equal(survival(again), survival(model))
    for level in (0.5, 0.9):
        own, other = (each.lower_bound(NEW.features, level) for each in (model, again))
        np.testing.assert_array_equal(own, other)
    assert again.fit_summary == model.fit_summary
    assert without_calibration(again) is again.inner


@pytest.mark.parametrize("method", ["csd", "cipot"])
@pytest.mark.parametrize("name", ["fixed_moe", "coxph", "rsf", "kaplan_meier"])
def test_curves_fall_from_1_and_keep_the_order_of_subjects(name: str, method: CurveMethod) -> None:
    model = conformal(name, method)
    inner, mapped = model.inner.predict(NEW.features), model.predict(NEW.features)
    np.testing.assert_array_equal(mapped.times, inner.times)
    each = [inner.quantile(float(p), extrapolate="line") for p in LEVELS]
    np.testing.assert_array_equal(curve_quantiles(inner), np.column_stack(each))
    assert mapped.step == inner.step
    assert ((mapped.survival >= 0) & (mapped.survival <= 1)).all()
    assert (np.diff(mapped.survival, axis=1) <= 1e-12).all()
    assert not np.allclose(mapped.survival, inner.survival)
    if method == "cipot":
        order = np.argsort(inner.survival[:, 5], kind="stable")
        assert (np.diff(mapped.survival[order, 5]) >= 0).all()
    at = np.array([0.4, 1.1, 2.0])
    np.testing.assert_array_equal(model.predict(NEW.features, at).times, at)
    if mapped.expert_weights is not None:
        np.testing.assert_array_equal(mapped.expert_weights, inner.expert_weights)


def test_bounds_fall_with_the_level_and_end_where_censoring_ends() -> None:
    model = conformal("coxph", "cipot")
    bounds = [model.lower_bound(NEW.features, level) for level in (0.3, 0.6, 0.9, 0.99)]
    for earlier, later in zip(bounds[1:], bounds[:-1], strict=True):
        assert (earlier <= later).all()
    curve = censoring_distribution(TRAIN.time, TRAIN.event)
    last = curve.times[curve.values < 0.05][0]
    assert max(bound.max() for bound in bounds) <= min(last, GRID.horizon)
    np.testing.assert_array_equal(model.lower_bound(NEW.features), bounds[2])
    with pytest.raises(InputError, match="level is 1"):
        model.lower_bound(NEW.features, 1)


def test_experts_with_few_rows_are_calibrated_with_all() -> None:
    model = conformal("fixed_moe", "cipot", by_expert=True)
    experts = model.group_of(CALIBRATION.features)
    counts = {int(e): int((experts == e).sum()) for e in np.unique(experts)}
    enough = {expert for expert, rows in counts.items() if rows >= fewest_rows(0.9)}
    assert set(model.groups) == enough | {POOLED}
    assert all(model.groups[expert].rows == counts[expert] for expert in enough)
    pooled = ConformalModel(model.inner, method="cipot").calibrate(CALIBRATION, TRAIN)
    own = model.group_of(NEW.features)
    few = ~np.isin(own, list(enough))
    np.testing.assert_array_equal(
        model.lower_bound(NEW.features)[few], pooled.lower_bound(NEW.features)[few]
    )
    model.groups = {POOLED: model.groups[POOLED]}
    np.testing.assert_array_equal(model.lower_bound(NEW.features), pooled.lower_bound(NEW.features))
    np.testing.assert_array_equal(
        model.predict(NEW.features).survival, pooled.predict(NEW.features).survival
    )


def test_groups_need_experts_and_rows() -> None:
    with pytest.raises(InputError, match="this model has none"):
        conformal("mtlr", "cipot", by_expert=True)
    assert [fewest_rows(level) for level in (0.5, 0.9, 0.99)] == [50, 50, 200]


def test_censoring_by_cox_regression_follows_the_features() -> None:
    """Against the true rate; Kaplan-Meier gives everybody the same."""
    random = np.random.default_rng(0)
    features = random.normal(size=(3000, 5)).astype(np.float32)
    event_time = random.exponential(2.0, 3000)
    rate = 0.5 * np.exp(0.8 * features[:, 1])
    censored = random.exponential(1 / rate)
    time = np.minimum(np.minimum(event_time, censored), 2.9)
    data = SurvivalData(features, (event_time <= censored) & (event_time < 2.9), time)
    model = fit_censoring("coxph", data, GRID)
    assert isinstance(model, CoxCensoring)
    found = model.curves(features[:200]).before(np.full(200, 1.0))
    truth = np.exp(-rate[:200])
    assert np.abs(found - truth).mean() < 0.04
    assert np.corrcoef(found, truth)[0, 1] > 0.98
    # The end of the study, where everybody is censored, is no sign of anything.
    assert (model.curves(features).until(np.full(3000, 1e-9)) == 2.9).all()
    same = fit_censoring("kaplan_meier", data, GRID).curves(features[:200])
    assert np.ptp(same.before(np.full(200, 1.0))) == 0
    everybody = replace(data, event=np.ones(3000, dtype=bool))
    with pytest.raises(InputError, match="nobody is censored before"):
        fit_censoring("coxph", everybody, GRID)
    assert fit_censoring("kaplan_meier", everybody, GRID).curves(features).values.min() == 1.0


def test_a_conformal_model_is_not_fitted_itself() -> None:
    with pytest.raises(InputError, match="fit its model, then calibrate"):
        ConformalModel(fitted("coxph"), method="csd").fit(TRAIN, VALIDATION)
