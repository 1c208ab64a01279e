"""Tables with more columns than rows, as gene expressions are."""

import numpy as np
import pytest

from survkit.baselines.coxph import CoxPH
from survkit.types import SurvivalData, TimeGrid

GRID = TimeGrid(np.linspace(0, 6, 8))


@pytest.fixture(scope="module")
def wide() -> SurvivalData:
    random = np.random.default_rng(0)
    features = random.normal(size=(90, 3000)).astype(np.float32)
    risk = features[:, :5].sum(axis=1) / 2
    time = random.exponential(np.exp(-risk))
    names = tuple(f"gene_{j}" for j in range(3000))
    return SurvivalData(features, time < 2, np.minimum(time, 2.0), names)


@pytest.mark.parametrize("alpha", [1e-3, 1e-2, 0.1])
def test_cox_regression_reaches_the_penalty_asked_for(wide: SurvivalData, alpha: float) -> None:
    model = CoxPH(grid=GRID, alpha=alpha).fit(wide, wide)
    assert model.fit_summary.converged
    assert 0 < np.count_nonzero(model.coefficients) < 1500
    # The gradient of the penalised likelihood: 0 where a coefficient is not, within the L1 weight
    # elsewhere (Simon et al. 2011, equation 6), up to the tolerance of a flat optimum.
    matrix = wide.features.astype(np.float64)
    order = np.argsort(-wide.time, kind="stable")
    matrix, event = matrix[order], wide.event[order]
    risk = np.exp(matrix @ model.coefficients)
    mean = np.cumsum(risk[:, None] * matrix, axis=0) / np.cumsum(risk)[:, None]
    score = (matrix - mean)[event].sum(axis=0) / len(matrix)
    score -= alpha * 0.5 * model.coefficients
    active = model.coefficients != 0
    target = alpha * 0.5 * np.sign(model.coefficients[active])
    np.testing.assert_allclose(score[active], target, atol=3e-3)
    assert np.abs(score[~active]).max() <= alpha * 0.5 + 3e-3
