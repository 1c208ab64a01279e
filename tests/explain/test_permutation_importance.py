"""Permutation importance over time: its definition, scikit-learn, subjects, causes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from sklearn.inspection import permutation_importance as of_scikit_learn

from survkit.explain.permutation_importance import (
    importance_of_shuffles,
    permutation_importance,
    scores,
    shuffled_rows,
)
from survkit.explain.players import Players
from survkit.metrics import evaluate
from survkit.metrics.outcomes import Outcomes
from survkit.types import InputError, SurvivalData, SurvivalPrediction, TimeGrid

CUTS = np.linspace(0, 5, 11)
GRID = TimeGrid(CUTS)
WEIGHTS = np.array([1.2, 0.0, -0.5, 0.4])
PLAYERS = Players.of_labels(["a", "b", "c", "d"])


def predict(features: NDArray[np.float32]) -> SurvivalPrediction:
    """The true survival of `drawn`; column 1 does nothing."""
    risk = np.exp(features.astype(float) @ WEIGHTS)
    return SurvivalPrediction(CUTS, np.exp(-0.3 * np.outer(risk, CUTS)))


def drawn(n: int, seed: int = 0, **further: NDArray[np.int64]) -> SurvivalData:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 4)).astype(np.float32)
    event_time = rng.exponential(1 / (0.3 * np.exp(features @ WEIGHTS)))
    censoring = rng.uniform(1, 9, n)
    time = np.minimum(event_time, censoring)
    return SurvivalData(features, event_time <= censoring, time, **further)


def outcomes(test: SurvivalData, **options: int) -> Outcomes:
    train = drawn(300, seed=9)
    return Outcomes(test, train.time, train.event, GRID, **options)


def test_scores_are_those_of_the_evaluation() -> None:
    test, train = drawn(150), drawn(300, seed=9)
    prediction = predict(test.features)
    expected = evaluate(
        prediction, test, train_time=train.time, train_event=train.event, grid=GRID, bootstrap=0
    ).values
    found = scores(prediction, outcomes(test))
    assert found.integrated_brier == expected["integrated_brier"]
    assert found.concordance_td == expected["concordance_td"]
    assert found.brier[5] == pytest.approx(expected["brier@50"])
    assert found.brier[1:].mean() == pytest.approx(expected["brier"])


def test_it_is_the_score_of_shuffled_columns_less_that_of_the_model() -> None:
    of_test = outcomes(drawn(150))
    features = of_test.data.features
    rows = np.random.default_rng(3).permutation(150)
    grouped = Players.of_labels(["a", "b", "a", "d"])
    found = importance_of_shuffles(predict, of_test, grouped, [rows])
    shuffled = features.copy()
    shuffled[:, [0, 2]] = features[rows][:, [0, 2]]
    before, after = (scores(predict(x), of_test) for x in (features, shuffled))
    assert_allclose(found.brier[0, 0], after.brier - before.brier)
    assert found.integrated_brier[0, 0] == after.integrated_brier - before.integrated_brier
    assert found.concordance_td[0, 0] == before.concordance_td - after.concordance_td
    assert found.integrated_brier[0, 0] > 0.02
    assert found.concordance_td[0, 0] > 0.05
    assert (found.brier[1] == 0).all()  # a column that the model does not use
    assert (found.concordance_td[1] == 0).all()


def test_a_scalar_score_is_that_of_scikit_learn() -> None:
    """Both shuffle every column alike, so that scikit-learn's shuffles can be given."""
    of_test, repeats = outcomes(drawn(80)), 4

    class Model:
        def fit(self) -> None: ...

    def integrated(_: Model, features: NDArray[np.float32], __: object) -> float:
        return -scores(predict(features.astype(np.float32)), of_test).integrated_brier

    theirs = of_scikit_learn(
        Model(),
        of_test.data.features,
        of_test.data.time,
        scoring=integrated,
        n_repeats=repeats,
        random_state=np.random.RandomState(5),
    )
    shuffles = np.random.RandomState(np.random.RandomState(5).randint(np.iinfo(np.int32).max + 1))
    order, rows, donors = np.arange(80), np.arange(80), []
    for _ in range(repeats):  # each of them shuffles what is shuffled already
        shuffles.shuffle(order)
        rows = rows[order]
        donors.append(rows)
    ours = importance_of_shuffles(predict, of_test, PLAYERS, donors)
    assert_allclose(ours.integrated_brier, theirs.importances, atol=1e-12)
    table = ours.to_frame().loc[list("abcd")]
    assert_allclose(table["integrated_brier"], theirs.importances_mean, atol=1e-12)
    assert_allclose(
        table["integrated_brier_sd"], theirs.importances_std * np.sqrt(4 / 3), atol=1e-12
    )


def test_features_come_out_in_the_order_of_their_effects() -> None:
    of_test = outcomes(drawn(400))
    found = permutation_importance(predict, of_test, PLAYERS, repeats=3, seed=1)
    table = found.to_frame()
    assert list(table.index) == ["a", "c", "d", "b"]
    curve = found.over_time().loc["a"]
    assert curve["time"].tolist() == CUTS[: len(curve)].tolist()
    assert curve["brier"].iloc[0] == 0
    assert (curve["brier"].iloc[1:] > 0).all()
    again = permutation_importance(predict, of_test, PLAYERS, repeats=3, seed=1)
    np.testing.assert_array_equal(found.brier, again.brier)
    other = permutation_importance(predict, of_test, PLAYERS, repeats=3, seed=2)
    assert not np.array_equal(found.integrated_brier, other.integrated_brier)
    single = permutation_importance(predict, of_test, PLAYERS, repeats=1)
    assert single.to_frame()["concordance_td_sd"].isna().all()


def test_all_rows_of_a_subject_take_those_of_one_other() -> None:
    subject = np.array([7, 3, 7, 3, 9, 9, 7, 9, 9, 9])
    for seed in range(20):
        rows = shuffled_rows(10, subject, np.random.default_rng(seed))
        donor = {s: set(subject[rows[subject == s]].tolist()) for s in (3, 7, 9)}
        assert all(len(each) == 1 for each in donor.values())
        assert set.union(*donor.values()) == {3, 7, 9}
        for own in (3, 7, 9):
            assert (np.diff(rows[subject == own]) >= 0).all()  # in their order
    same = np.repeat([0, 1, 2], 4)
    rows = shuffled_rows(12, same, np.random.default_rng(0))
    assert sorted(rows) == list(range(12))


def test_the_importance_for_a_cause_is_that_of_its_incidence() -> None:
    rng = np.random.default_rng(0)
    base = drawn(300)
    cause = np.where(base.event, rng.integers(1, 3, 300), 0)
    data = SurvivalData(
        base.features, base.event, base.time, cause=cause, cause_names=("first", "second")
    )
    of_test = outcomes(data)

    def model(features: NDArray[np.float32]) -> SurvivalPrediction:
        survival = predict(features).survival
        incidence = (1 - survival)[:, None] * np.array([0.5, 0.5])[:, None]
        return SurvivalPrediction(CUTS, survival, cumulative_incidence=incidence)

    whole = evaluate(
        model(data.features),
        data,
        train_time=of_test.train_time,
        train_event=of_test.train_event,
        grid=GRID,
        bootstrap=0,
    ).values
    found = permutation_importance(model, of_test, PLAYERS, repeats=1, cause=2)
    assert found.unshuffled.integrated_brier == pytest.approx(whole["second/integrated_brier"])
    assert found.unshuffled.concordance_td == pytest.approx(whole["second/concordance_td"])
    assert found.to_frame().index[0] == "a"
    with pytest.raises(InputError, match="cause is 3; the prediction has 2 causes"):
        permutation_importance(model, of_test, PLAYERS, repeats=1, cause=3)
    with pytest.raises(InputError, match="cause is 1; the prediction has 0 causes"):
        permutation_importance(predict, of_test, PLAYERS, repeats=1, cause=1)


def test_what_is_undefined_is_missing_with_its_reason() -> None:
    test = drawn(60)
    few = permutation_importance(predict, outcomes(test, min_at_risk=61), PLAYERS, repeats=2)
    assert np.isnan(few.integrated_brier).all()
    assert "fewer than min_at_risk 61" in few.unshuffled.reasons["integrated_brier"]
    assert np.isfinite(few.concordance_td).all()
    assert few.to_frame().index[0] == "a"  # by the concordance
    late = SurvivalData(test.features, test.event, test.time, entry=test.time / 3)
    of_late = permutation_importance(predict, outcomes(late), PLAYERS, repeats=2)
    assert "observation late" in of_late.unshuffled.reasons["integrated_brier"]
    assert of_late.to_frame()["concordance_td"].iloc[0] > 0.02
    censored = SurvivalData(test.features, np.zeros(60, dtype=bool), test.time)
    none = permutation_importance(predict, outcomes(censored), PLAYERS, repeats=1)
    assert "no comparable pairs" in none.unshuffled.reasons["concordance_td"]


def test_no_repeats_are_refused() -> None:
    with pytest.raises(InputError, match="repeats is 0"):
        permutation_importance(predict, outcomes(drawn(20)), PLAYERS, repeats=0)
