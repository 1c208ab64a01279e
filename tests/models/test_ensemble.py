from __future__ import annotations

import numpy as np
import pytest

from survkit.models.ensemble import EnsembleModel
from survkit.types import FitSummary, InputError
from tests.models.model_fixtures import GRID, TRAIN, VALIDATION, fitted, survival, unfitted


def test_an_ensemble_is_the_weighted_mean_of_its_members_curves() -> None:
    members = [fitted("mtlr"), fitted("coxph"), fitted("fixed_moe", 43)]
    weights = [0.5, 0.3, 0.2]
    ensemble = EnsembleModel(members, grid=GRID, weights=weights)
    expected = np.average([survival(member) for member in members], axis=0, weights=weights)
    np.testing.assert_allclose(survival(ensemble), expected, rtol=1e-12)
    assert ensemble.predict(VALIDATION.features).expert_weights is None
    equal = EnsembleModel(members, grid=GRID)
    expected = np.mean([survival(member) for member in members], axis=0)
    np.testing.assert_allclose(survival(equal), expected, rtol=1e-12)


def test_fitting_an_ensemble_fits_its_members() -> None:
    one, two = fitted("mtlr", 42), fitted("mtlr", 43)
    ensemble = EnsembleModel([unfitted("mtlr", 42), unfitted("mtlr", 43)], grid=GRID)
    assert ensemble.fit_summary == FitSummary()
    ensemble.fit(TRAIN, VALIDATION)
    expected = (survival(one) + survival(two)) / 2
    np.testing.assert_allclose(survival(ensemble), expected, rtol=1e-12)
    size = one.fit_summary.num_parameters
    assert size is not None
    assert ensemble.fit_summary.num_parameters == 2 * size


@pytest.mark.parametrize(
    ("members", "converged", "reason"),
    [
        ([True, True, True], True, "every member converged"),
        ([True, None, True], None, ""),
        ([None, False, True], False, "1 of 3 members did not converge: reason 1"),
        ([False, True, False], False, "2 of 3 members did not converge: reason 0; reason 2"),
    ],
)
def test_an_ensemble_has_converged_where_every_member_has(
    members: list[bool | None], converged: bool | None, reason: str
) -> None:
    models = [unfitted("coxph") for _ in members]
    for number, (model, how) in enumerate(zip(models, members, strict=True)):
        model.fit_summary = FitSummary(5, converged=how, convergence_reason=f"reason {number}")
    summary = EnsembleModel(models, grid=GRID).fit_summary
    assert summary == FitSummary(15, converged=converged, convergence_reason=reason)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([0.5], "must be 2 positive numbers"),
        ([1.0, 0.0], "must be 2 positive numbers"),
        ([0.5, 0.6], "must sum to 1, not to 1.1"),
    ],
)
def test_weights_of_another_number_sign_or_sum_are_refused(
    weights: list[float], message: str
) -> None:
    members = [unfitted("coxph"), unfitted("coxph")]
    with pytest.raises(InputError, match=message):
        EnsembleModel(members, grid=GRID, weights=weights)


def test_an_empty_ensemble_is_refused() -> None:
    with pytest.raises(InputError, match="at least one member"):
        EnsembleModel([], grid=GRID)
