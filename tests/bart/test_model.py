"""The fitted model on the rossi data: the paper's demonstration, and what must not go wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import spearmanr
from sksurv.metrics import concordance_index_censored

from survkit.bart.chains import SamplerSettings
from survkit.bart.inference_data import inference_data
from survkit.bart.model import Bart
from survkit.bart.posterior import SurvivalPosterior, summarise
from survkit.types import InputError, SurvivalData

pytestmark = pytest.mark.slow

# Tiegs et al. (2024), "Demonstration": 5th and 95th percentile of the mean survival.
PUBLISHED_LOW = (
    0.97813492, 0.95597036, 0.93449701, 0.91273325, 0.88996273, 0.86803963, 0.84529644,
    0.82373944, 0.8013158, 0.77941446, 0.75844137, 0.73615453, 0.71387,
)  # fmt: skip
PUBLISHED_HIGH = (
    0.9879464, 0.97269846, 0.95684153, 0.93988969, 0.91999613, 0.90054844, 0.8815908,
    0.86294746, 0.84339772, 0.82276706, 0.80264632, 0.78084766, 0.76145384,
)  # fmt: skip


@pytest.fixture(params=["rossi_stochtree", "rossi_pymc"])
def model(request: pytest.FixtureRequest) -> Bart:
    return request.getfixturevalue(request.param)


def test_mean_survival_lies_in_the_published_interval(model: Bart, rossi: SurvivalData) -> None:
    mean = model.predict(rossi).mean(axis=0)
    assert_array_equal(model.times, 4.0 * np.arange(1, 14))
    assert (mean > PUBLISHED_LOW).all()
    assert (mean < PUBLISHED_HIGH).all()


def test_risk_ranks_the_subjects(model: Bart, rossi: SurvivalData) -> None:
    risk = -model.predict(rossi).sum(axis=1)
    assert concordance_index_censored(rossi.event, rossi.time, risk)[0] >= 0.62


def test_engines_agree(rossi_stochtree: Bart, rossi_pymc: Bart, rossi: SurvivalData) -> None:
    one, other = rossi_stochtree.predict(rossi), rossi_pymc.predict(rossi)
    assert_allclose(one.mean(axis=0), other.mean(axis=0), atol=0.015)
    assert spearmanr(one.sum(axis=1), other.sum(axis=1)).statistic >= 0.9


def test_new_rows_have_curves_of_their_own(model: Bart, rossi: SurvivalData) -> None:
    random = np.random.default_rng(0)
    rows = random.permutation(len(rossi))[:7]
    new = rossi.features[rows] + random.normal(0, 0.5, (7, 7)).astype(np.float32)
    survival = model.predict(new)
    assert survival.shape == (7, 13)
    assert len(np.unique(survival.round(9), axis=0)) == 7
    assert (np.diff(survival, axis=1) < 0).all()
    assert not np.isclose(survival.mean(axis=0), model.predict(rossi).mean(axis=0)).all()


def test_another_process_predicts_the_same(
    rossi_stochtree: Bart, rossi_pymc: Bart, rossi: SurvivalData, tmp_path: Path
) -> None:
    models = {"stochtree": rossi_stochtree, "pymc": rossi_pymc}
    for backend, model in models.items():
        model.save(tmp_path / f"{backend}.pt")
    np.save(tmp_path / "features.npy", rossi.features[:9])
    program = (
        "import sys, numpy as np; from survkit.bart.model import Bart\n"
        "for backend in ('stochtree', 'pymc'):\n"
        "    mean = Bart.load(f'{backend}.pt').predict(np.load('features.npy'))\n"
        "    np.save(f'{backend}.npy', mean)\n"
        "    assert backend not in sys.modules, 'a fitted model needs no engine'\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path, env=environment)
    for backend, model in models.items():
        assert_array_equal(np.load(tmp_path / f"{backend}.npy"), model.predict(rossi.features[:9]))


def test_a_saved_model_keeps_settings_and_convergence(
    rossi_stochtree: Bart, tmp_path: Path
) -> None:
    rossi_stochtree.save(tmp_path / "model.pt")
    loaded = Bart.load(tmp_path / "model.pt")
    assert loaded.settings == rossi_stochtree.settings
    assert loaded.convergence is not None
    assert loaded.convergence.values() == rossi_stochtree.convergence.values()


def test_a_model_from_before_leaf_deviations_were_learned(rossi_stochtree: Bart) -> None:
    state = rossi_stochtree.state()
    del state["settings"]["leaf_deviation"]
    assert Bart.from_state(state).settings.leaf_deviation == "prior"


def test_a_model_of_another_version_is_refused(rossi_stochtree: Bart) -> None:
    with pytest.raises(InputError, match="saved in format 0; this version reads format 1"):
        Bart.from_state({**rossi_stochtree.state(), "format": 0})


def test_chunks_thinning_and_intervals(
    rossi_stochtree: Bart, rossi: SurvivalData, monkeypatch: pytest.MonkeyPatch
) -> None:
    rossi = rossi.subset(np.arange(60))
    posterior = rossi_stochtree.posterior(rossi)
    assert posterior.hazard.shape == (400, 60, 13)
    assert_array_equal(rossi_stochtree.posterior(rossi, thin=7).hazard, posterior.hazard[::7])
    monkeypatch.setattr("survkit.bart.model.CHUNK_BYTES", 1e6)
    assert len(list(rossi_stochtree.chunks(rossi))) > 2
    assert_allclose(rossi_stochtree.predict(rossi), posterior.survival.mean(axis=0))
    summary = rossi_stochtree.summary(rossi, level=0.9)
    expected = np.quantile(posterior.survival, [0.05, 0.95], axis=0)
    assert_allclose(np.stack([summary.low, summary.high]), expected)


def test_no_subjects_have_no_curves(rossi_stochtree: Bart) -> None:
    assert rossi_stochtree.predict(np.empty((0, 7))).shape == (0, 13)
    assert rossi_stochtree.summary(np.empty((0, 7))).low.shape == (0, 13)


def test_events_at_the_last_time_after_scaling() -> None:
    """Their quartiles are the last time, which 10 * 0.3 + 1e-10 exceeds by rounding alone."""
    time = np.where(np.arange(20) < 2, 0.3, 3.0 + 1e-10)
    data = SurvivalData(np.zeros((20, 1)), np.ones(20, bool), time, ("constant",))
    settings = SamplerSettings(trees=2, tune=2, draws=4, chains=1)
    model = Bart(settings=settings).fit(data, scale=0.3)
    assert model.convergence is not None
    assert_array_equal(model.convergence.times, [3, 3, 3])


def test_survival_at_any_time() -> None:
    posterior = SurvivalPosterior(np.array([2.0, 4.0]), np.full((1, 1, 2), 0.5))
    assert_allclose(posterior.at([0, 1.9, 2, 3, 4])[0, 0], [1, 1, 0.5, 0.5, 0.25])
    with pytest.raises(InputError, match="known up to time 4, asked for 5"):
        posterior.at(5)


@pytest.mark.parametrize("level", [0, 1, 95])
def test_level_of_an_interval(level: float) -> None:
    with pytest.raises(InputError, match="must lie between 0 and 1"):
        summarise(np.zeros((3, 2)), level)


def test_columns_must_be_those_of_the_fit(rossi_stochtree: Bart, rossi: SurvivalData) -> None:
    names = (*rossi.feature_names[1:], "fin")
    with pytest.raises(InputError, match="differ from those of the fit: age, race"):
        rossi_stochtree.predict(replace(rossi, feature_names=names))
    with pytest.raises(InputError, match=r"shape \(n, 7\), not \(2, 6\)"):
        rossi_stochtree.predict(np.zeros((2, 6), np.float32))
    with pytest.raises(InputError, match="thin is 0"):
        rossi_stochtree.posterior(rossi, thin=0)


def test_weights_and_subsets_need_pymc(rossi: SurvivalData) -> None:
    with pytest.raises(InputError, match="weights need the backend 'pymc'"):
        Bart().fit(rossi, scale=4, weights=np.ones(432))
    with pytest.raises(InputError, match="'subset' needs the backend 'pymc'"):
        Bart(split_rules={"prio": "subset"}).fit(rossi, scale=4)


def test_regrown_trees_need_stochtree(rossi: SurvivalData) -> None:
    with pytest.raises(InputError, match="regrow is 5; only stochtree"):
        Bart(settings=SamplerSettings(backend="pymc", regrow=5)).fit(rossi, scale=4)


def test_an_unfitted_model(rossi: SurvivalData) -> None:
    with pytest.raises(InputError, match="has not been fitted"):
        Bart().predict(rossi)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backend": "stan"}, "backend is 'stan'; it must be stochtree or pymc"),
        ({"draws": 0}, "draws is 0; it must be at least 1"),
        ({"tune": -1}, "tune is -1"),
        ({"regrow": 51}, "regrow is 51; it must be 0 to 50"),
        ({"alpha": 1.0}, "alpha is 1.0; it must lie between 0 and 1"),
        ({"beta": -1.0}, "beta is -1.0"),
    ],
)
def test_settings_that_cannot_be_used(settings: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        SamplerSettings(**settings)


def test_inference_data(rossi_stochtree: Bart, rossi: SurvivalData) -> None:
    data = rossi.subset(np.arange(5))
    groups = inference_data(rossi_stochtree, data)
    survival = groups["posterior"]["survival"]
    assert survival.dims == ("chain", "draw", "subject", "time")
    assert survival.shape == (2, 200, 5, 13)
    flat = survival.to_numpy().reshape(400, 5, 13)
    assert_array_equal(flat, rossi_stochtree.posterior(data).survival)
