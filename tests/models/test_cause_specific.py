"""Models of competing causes: their own, and those assembled from a model for each cause."""

from __future__ import annotations

import warnings
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hazardous import SurvivalBoost
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import CoxPHFitter
from scipy.special import softmax

from survkit.baselines import hazardous_trees
from survkit.baselines.aalen_johansen import IncidenceCurves
from survkit.baselines.published import renormalised
from survkit.baselines.survivalboost import curves_of_causes
from survkit.configs.train import TrainConfig
from survkit.datasets import load_configured
from survkit.datasets.assemble import Dataset
from survkit.models.calibrated import CalibratedModel, rebuild
from survkit.models.calibration import Calibration
from survkit.models.cause_specific import CauseSpecificModel, cumulative_incidences
from survkit.models.ensemble import EnsembleModel
from survkit.models.registry import MODELS, refuse_causes
from survkit.models.size import evaluation_need
from survkit.runs.read import load_fitted, read_predictions
from survkit.train import main
from survkit.training.checkpoint import load_checkpoint, save_checkpoint
from survkit.types import InputError, Splits, SurvivalData, SurvivalPrediction
from tests.baselines.further_models import Warnings
from tests.models.competing_fixtures import (
    CAUSES,
    GRID,
    TRAIN,
    VALIDATION,
    built,
    fitted,
    make_competing,
    true_incidences,
)

EACH = [name for name, entry in MODELS.items() if entry.causes == "each"]
NOT_NETWORKS = [n for n, entry in MODELS.items() if entry.causes == "own" and not entry.network]
REFUSED = [name for name, entry in MODELS.items() if not entry.causes]
TIMES = np.linspace(0, 3, 61)


def test_every_model_says_what_it_does_with_causes() -> None:
    assert NOT_NETWORKS == ["aalen_johansen", "survivalboost"]
    networks = ["deepsurv", "logistic_hazard", "deep_weibull"]
    networks += ["deep_survival_machines", "deep_cox_mixtures"]
    assert ["kaplan_meier", *networks, "bart"] == REFUSED
    for name in MODELS:
        refuse_causes(name, 1)
        if name in REFUSED:
            said = rf"{name} predicts one cause, .* 2 competing .*coxph.*--cause_of_interest NAME"
            with pytest.raises(InputError, match=said):
                built(name)
        else:
            refuse_causes(name, 2)
    with pytest.raises(InputError, match="aalen_johansen is its counterpart"):
        refuse_causes("kaplan_meier", 3)


@pytest.mark.parametrize("name", [*EACH, *NOT_NETWORKS])
def test_incidences_and_survival_sum_to_1_and_come_back_from_a_file(
    name: str, tmp_path: Path
) -> None:
    model = fitted(name)
    assert isinstance(model, CauseSpecificModel) == (name in EACH)
    features = VALIDATION.features
    for times in (None, TIMES, model.knots.times):
        prediction = model.predict(features, times)  # which checks that they do not fall
        incidence = prediction.cumulative_incidence
        assert incidence.shape == (150, 2, len(prediction.times))
        np.testing.assert_allclose(prediction.survival + incidence.sum(axis=1), 1.0, atol=1e-12)
    whole = model.predict(features, model.knots.times).read(TIMES)
    at_times = model.predict(features, TIMES)
    np.testing.assert_allclose(at_times.survival, whole.survival, atol=1e-12)
    found = at_times.cumulative_incidence
    np.testing.assert_allclose(found, whole.cumulative_incidence, atol=1e-12)
    truth = true_incidences(features, TIMES)
    assert np.abs(found.mean(axis=0) - truth.mean(axis=0)).max() < 0.1
    for cause in range(2) if name != "aalen_johansen" else ():
        assert np.corrcoef(found[:, cause, 30], truth[:, cause, 30])[0, 1] > 0.7

    save_checkpoint(tmp_path / "checkpoint.pt", model.state())
    read = rebuild(load_checkpoint(tmp_path / "checkpoint.pt"))
    for again in (read, fitted(name)):
        assert type(again) is type(model)
        same = again.predict(features, TIMES)
        np.testing.assert_array_equal(same.survival, at_times.survival)
        np.testing.assert_array_equal(same.cumulative_incidence, found)
        assert again.fit_summary == model.fit_summary


@settings(max_examples=20)
@given(st.integers(0, 1000), st.integers(1, 3))
def test_incidences_are_those_of_a_literal_loop(seed: int, num_causes: int) -> None:
    rng = np.random.default_rng(seed)
    hazards = rng.exponential(size=(num_causes, 3, 8)).cumsum(axis=2) * rng.choice([1e-9, 1.0, 9.0])
    hazards[:, :, 5] = hazards[:, :, 4]  # where nothing happens
    found = cumulative_incidences(np.exp(-hazards))
    for row in range(3):
        before, so_far, survival = np.zeros(num_causes), np.zeros(num_causes), 1.0
        for j in range(8):
            rises = hazards[:, row, j] - before
            if rises.sum() > 0:
                falls = survival * -np.expm1(-rises.sum())
                so_far += falls * rises / rises.sum()
                survival -= falls
            before = hazards[:, row, j]
            np.testing.assert_allclose(found[1][row, :, j], so_far, rtol=1e-6, atol=1e-12)
            np.testing.assert_allclose(found[0][row, j], survival, rtol=1e-6, atol=1e-12)


def test_hazards_in_constant_proportion_and_infinite_ones_are_exact() -> None:
    times = np.array([0.5, 2.0, 3.0])
    features = VALIDATION.features
    rates = np.stack([np.full(150, 0.3), np.exp(features[:, 0].astype(np.float64))])
    own = np.exp(-rates[:, :, None] * times)
    every = rates.sum(axis=0)[:, None]
    expected = rates[..., None] / every * -np.expm1(-every * times)
    found = cumulative_incidences(own)[1]
    np.testing.assert_allclose(found, np.swapaxes(expected, 0, 1), rtol=1e-9)

    certain = np.array([[[0.5, 0.5, 0.0, 0.0]], [[1.0, 0.5, 0.25, 0.25]], [[1.0, 0.5, 0.0, 0.0]]])
    survival, incidence = cumulative_incidences(certain)
    np.testing.assert_allclose(survival, [[0.5, 0.125, 0.0, 0.0]])
    np.testing.assert_allclose(incidence[0, 0], [0.5, 0.5, 0.5625, 0.5625])
    np.testing.assert_allclose(incidence[0, 1:, -1], [0.1875, 0.25])


def test_cox_regressions_agree_with_those_of_lifelines_and_a_literal_loop() -> None:
    """Other software may add S(u-) dH_c at each event time, a little more than is left."""
    model = fitted("coxph", cox_alpha=0.0)
    features = VALIDATION.features[:5]
    prediction = model.predict(features, TIMES)
    hazards = []
    for cause in (1, 2):
        table = pd.DataFrame(TRAIN.features, columns=list("abc"))
        table = table.assign(time=TRAIN.time, event=TRAIN.cause == cause)
        with warnings.catch_warnings():  # pandas 4 takes no such arguments
            warnings.simplefilter("ignore")
            cox = CoxPHFitter().fit(table, "time", "event")
        rows = pd.DataFrame(features, columns=list("abc"))
        hazards.append(cox.predict_cumulative_hazard(rows, np.unique(TRAIN.time)).to_numpy())
    times, rises = np.unique(TRAIN.time), np.diff(hazards, axis=1, prepend=0.0)
    for row in range(5):
        survival, incidence, plain = 1.0, np.zeros(2), np.zeros(2)
        curve, other_curve = [(1.0, 0.0, 0.0)], [(0.0, 0.0)]
        for j in range(len(times)):
            of_causes = rises[:, j, row]
            plain = plain + survival * of_causes
            if of_causes.sum() > 0:
                left = survival * np.exp(-of_causes.sum())
                incidence = incidence + (survival - left) * of_causes / of_causes.sum()
                survival = left
            curve.append((survival, *incidence))
            other_curve.append(tuple(plain))
        at = np.searchsorted(times, TIMES, side="right")
        expected = np.array(curve)[at].T
        np.testing.assert_allclose(prediction.survival[row], expected[0], atol=2e-5)
        found = prediction.cumulative_incidence[row]
        np.testing.assert_allclose(found, expected[1:], atol=2e-5)
        np.testing.assert_allclose(found, np.array(other_curve)[at].T, atol=0.02)
    steps = model.knots.steps
    assert model.predict(features, steps).step
    np.testing.assert_array_equal(steps, np.sort(TRAIN.time[TRAIN.event & (TRAIN.time <= 3)]))


def test_smooth_curves_between_the_cuts_are_those_of_the_truth() -> None:
    """Weibull regressions find constant hazards in constant proportion, of known incidences."""
    data = make_competing(4000, 5)
    model = fitted("weibull_aft", data, weibull_alpha=0.0)
    found = model.predict(VALIDATION.features, TIMES).cumulative_incidence
    assert np.abs(found - true_incidences(VALIDATION.features, TIMES)).max() < 0.06


def test_what_the_fits_say_names_the_cause() -> None:
    monitor = Warnings()
    constant = replace(TRAIN, features=np.ones_like(TRAIN.features))
    model = fitted("coxph", constant, monitor=monitor)
    assert monitor.messages == [
        f"cause {name}: coxph: every column is constant; all subjects get the same curve"
        for name in CAUSES
    ]
    assert model.fit_summary.num_parameters == 6
    assert model.fit_summary.converged is True
    said = "relapse: no column varies; death: no column varies"
    assert model.fit_summary.convergence_reason == said
    curves = IncidenceCurves.estimate(TRAIN.time, TRAIN.cause, 2)
    found = model.predict(constant.features[:1], TIMES)
    np.testing.assert_allclose(found.cumulative_incidence[0], curves.at(TIMES)[1], atol=0.02)

    model.parts[1].fit_summary = model.parts[1].fit_summary._replace(
        converged=False, convergence_reason="it ran out"
    )
    summary = CauseSpecificModel(model.parts, cause_names=CAUSES).fit_summary
    assert (summary.converged, summary.convergence_reason) == (False, "death: it ran out")


@pytest.mark.parametrize("name", ["coxph", "rsf", "survivalboost"])
def test_a_cause_without_events_is_named(name: str) -> None:
    cause = np.where(TRAIN.cause == 2, 0, TRAIN.cause)
    data = replace(TRAIN, cause=cause, event=cause > 0)
    with pytest.raises(InputError, match=rf"death.*{name}|{name}.*death"):
        fitted(name, data)


def test_other_numbers_of_causes_are_refused() -> None:
    with pytest.raises(InputError, match="the model has 2 causes, the training rows 1"):
        built("coxph").fit(TRAIN.of_cause(1), VALIDATION.of_cause(1))


def with_causes(settings: dict[str, Any]) -> Dataset:
    """Return a dataset whose events have one of two causes by chance."""
    dataset = load_configured(settings)

    def split(data: SurvivalData) -> SurvivalData:
        cause = np.where(data.event, 1 + np.arange(len(data)) % 2, 0)
        return replace(data, cause=cause, cause_names=CAUSES)

    return replace(dataset, splits=Splits(*map(split, dataset.splits)))


FLAGS = ["--dataset", "lung", "--bootstrap", "20", "--mode", "disabled", "--log_dir"]


def test_the_command_makes_a_record_that_reads_back(tmp_path: Path) -> None:
    argv = [*FLAGS, str(tmp_path), "--model", "coxph"]
    assert main(argv, load=with_causes) == 0
    (path,) = tmp_path.glob("*/*/result.json")
    model = load_fitted(path.parent).model
    data = with_causes(asdict(TrainConfig(dataset="lung"))).splits.test
    expected = model.predict(data.features)
    recorded = read_predictions(path.parent, "test")[0]
    np.testing.assert_array_equal(recorded.cumulative_incidence, expected.cumulative_incidence)


def test_the_command_refuses_before_it_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [*FLAGS, str(tmp_path / "logs"), "--model", "kaplan_meier"]
    assert main(argv, load=with_causes) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "kaplan_meier predicts one cause" in line
    assert not (tmp_path / "logs").exists()


def test_the_memory_of_causes_counts() -> None:
    settings = asdict(TrainConfig(dataset="lung"))
    one, two = load_configured(settings), with_causes(settings)
    assert evaluation_need(two).gigabytes == 3 * evaluation_need(one).gigabytes
    assert "and 2 causes" in evaluation_need(two).what
    flags = {**settings, "model": "survivalboost"}
    boost = MODELS["survivalboost"]
    needs = [boost.memory_need(flags, each.splits, GRID) for each in (one, two)]
    assert None not in needs
    assert needs[0].gigabytes < needs[1].gigabytes


def test_survivalboost_is_that_of_hazardous(monkeypatch: pytest.MonkeyPatch) -> None:
    boosters = []

    class Kept(SurvivalBoost):  # type: ignore[misc]
        def fit(self, *arguments: Any, **keywords: Any) -> Any:
            boosters.append(self)
            return super().fit(*arguments, **keywords)

    monkeypatch.setattr(hazardous_trees, "SurvivalBoost", Kept)
    model = fitted("survivalboost")
    matrix = VALIDATION.features
    (library,) = boosters
    own = library.predict_cumulative_incidence(matrix, GRID.cuts)
    scores = np.stack([score.at(matrix, GRID.cuts) for score in model.scores], axis=1)
    np.testing.assert_allclose(softmax(scores, axis=1), own, atol=1e-12)

    prediction = model.predict(matrix)
    np.testing.assert_allclose(prediction.survival, -np.sort(-own[:, 0], axis=1), atol=1e-12)
    moved = np.abs(prediction.cumulative_incidence - own[:, 1:])
    assert 0 < moved.mean() < 0.02
    rising = np.stack([prediction.survival, *np.swapaxes(prediction.cumulative_incidence, 0, 1)], 1)
    survival, incidence = curves_of_causes(rising)
    np.testing.assert_allclose(survival, prediction.survival, atol=1e-12)
    np.testing.assert_allclose(incidence, prediction.cumulative_incidence, atol=1e-12)


def test_ensembles_and_calibration_keep_sums_of_1(tmp_path: Path) -> None:
    members = [fitted("coxph"), fitted("aalen_johansen")]
    ensemble = EnsembleModel(members, grid=GRID, weights=[0.25, 0.75])
    map_of = Calibration(applied=True, intercept=0.4, slope=0.3)
    model = CalibratedModel(ensemble, grid=GRID, calibration=map_of)
    save_checkpoint(tmp_path / "checkpoint.pt", model.state())
    again = rebuild(load_checkpoint(tmp_path / "checkpoint.pt"))
    features = VALIDATION.features
    for times in (None, TIMES):
        parts = [member.predict(features, times) for member in members]
        mean = 0.25 * parts[0].cumulative_incidence + 0.75 * parts[1].cumulative_incidence
        found = ensemble.predict(features, times)
        np.testing.assert_allclose(found.cumulative_incidence, mean, atol=1e-12)
        mapped = again.predict(features, times)
        np.testing.assert_array_equal(mapped.survival, model.predict(features, times).survival)
        total = mapped.survival + mapped.cumulative_incidence.sum(axis=1)
        np.testing.assert_allclose(total, 1.0, atol=1e-12)
    same = map_of._replace(intercept=0.0, slope=1.0).apply(found)
    np.testing.assert_allclose(same.cumulative_incidence, found.cumulative_incidence, atol=1e-9)
    whole, flat = renormalised(found)
    assert flat == 0
    total = whole.cumulative_incidence[:, :, -1].sum(axis=1)
    np.testing.assert_allclose(total, 1.0)

    # Survival hardly below 1 may be mapped to much less.
    rounded = np.array([[1 - 1e-16, 0.5, 0.5]])
    of_causes = np.array([[[0.0, 0.2, 0.2], [0.0, 0.3, 0.3]]])
    prediction = SurvivalPrediction(np.arange(3.0), rounded, cumulative_incidence=of_causes)
    mapped = map_of._replace(slope=0.1).apply(prediction).cumulative_incidence
    assert 0.001 < mapped[0, 0, 0] == pytest.approx(mapped[0, 1, 0] * 2 / 3)
