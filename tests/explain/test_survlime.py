from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from survkit.explain import SurvLimeExplainer
from survkit.explain.hazards import SMALLEST_SURVIVAL
from survkit.types import InputError
from tests.explain.survlime_fixtures import CENTERS, CoxSet, cox_set


@pytest.fixture(scope="module")
def first() -> CoxSet:
    return cox_set(1)


@pytest.fixture(scope="module")
def second() -> CoxSet:
    return cox_set(2)


@pytest.mark.slow
def test_the_papers_fragments_run_with_the_import_changed(first: CoxSet) -> None:
    """Section 3.6; scikit-survival calls its event times unique_times_ today."""
    model = first.model
    features, events, times = first.features, first.events, first.times
    individual, X_ind = first.test[0], first.test[:3]  # noqa: N806, the paper's name

    explainer = SurvLimeExplainer(
        training_features=features,
        training_events=events,
        training_times=times,
        model_output_times=model.unique_times_,
    )
    explanation = explainer.explain_instance(
        data_row=individual,
        predict_fn=model.predict_cumulative_hazard_function,
        num_samples=1000,
    )
    explainer.plot_weights()
    assert np.asarray(explanation).shape == (5,)

    mc_explanation = explainer.montecarlo_explanation(
        data=X_ind,
        predict_fn=model.predict_cumulative_hazard_function,
        num_repetitions=10,
        num_samples=1000,
    )
    explainer.plot_montecarlo_weights()
    assert np.asarray(mc_explanation).shape == (3, 5)
    assert np.abs(np.asarray(mc_explanation) - model.coef_).max() < 0.1


def test_cvxpy_finds_the_same_coefficients_on_the_same_neighbours(first: CoxSet) -> None:
    import cvxpy as cp
    from sksurv.nonparametric import nelson_aalen_estimator

    found = first.explainer().explain_instance(CENTERS[1], first.model)
    hazards = first.model.predict_cumulative_hazard_function(found.neighbours, return_array=True)
    times, baseline = nelson_aalen_estimator(first.events, first.times)
    u = hazards / np.maximum(np.abs(np.log(hazards)), 1e-3)
    omega = found.weights[:, None] * u**2 * np.append(np.diff(times), 1e-6)
    # A square in beta . e_k for each neighbour, completed: 1,000 terms instead of 900,000.
    mass = omega.sum(axis=1)
    target = (omega * (np.log(hazards) - np.log(baseline))).sum(axis=1) / mass
    root = np.sqrt(mass / mass.max())
    beta = cp.Variable(5)
    objective = cp.sum_squares(cp.multiply(root, target - found.neighbours @ beta))
    tolerances = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-10)
    cp.Problem(cp.Minimize(objective)).solve(solver="CLARABEL", **tolerances)
    difference = np.linalg.norm(found.coefficients - beta.value)
    assert difference <= 1e-6 * np.linalg.norm(beta.value)


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("baseline", ["H0", "H0 as array", "model"])
def test_a_cox_model_is_found_again(number: int, baseline: str, first: CoxSet) -> None:
    data = first if number == 1 else cox_set(2)
    hazard = data.model.cum_baseline_hazard_
    options = {
        "H0": {"H0": hazard},
        "H0 as array": {"H0": list(hazard.y)},
        "model": {"baseline": "model"},
    }[baseline]
    for row in (CENTERS[number], data.test[0]):
        found = data.explainer(**options).explain_instance(row, data.model)
        np.testing.assert_allclose(found.coefficients, data.model.coef_, atol=1e-8)
        assert found.r_squared == pytest.approx(1, abs=1e-9)
        assert found.residual < 1e-12


@pytest.mark.slow
def test_nelson_aalen_biases_little_on_set_1_and_more_on_set_2(
    first: CoxSet, second: CoxSet
) -> None:
    bias = {}
    for number, data in ((1, first), (2, second)):
        mean = data.explainer().montecarlo_explanation(
            CENTERS[number], data.hazards, num_repetitions=100
        )[0]
        bias[number] = np.abs(mean - data.model.coef_).max()
    assert bias[1] < 0.05
    assert 0.05 < bias[2] < 0.15


@pytest.mark.parametrize("norm", [1, 1.5, 3, "inf"])
def test_other_norms_find_a_cox_model_again(norm: float | str, first: CoxSet) -> None:
    explainer = first.explainer(functional_norm=norm, baseline="model")
    found = explainer.explain_instance(first.test[0], first.model, num_samples=200)
    np.testing.assert_allclose(found.coefficients, first.model.coef_, atol=1e-5)


def test_other_norms_lower_their_own_objective(first: CoxSet) -> None:
    for norm in (1, 3, "inf"):
        explainer = first.explainer(functional_norm=norm)
        found = explainer.explain_instance(first.test[0], first.model, num_samples=100)
        assert found.residual < 0
        assert found.status.startswith("optimal")


def test_coefficients_are_continuous_where_the_hazard_is_one() -> None:
    """Constant hazards H = c exp(beta . x), with c on both sides of 1 and at it."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(50, 2))
    times = np.arange(1.0, 51.0)
    explainer_of = lambda: SurvLimeExplainer(  # noqa: E731
        features, np.ones(50), times, random_state=3
    )

    def coefficients(c: float) -> np.ndarray:
        def predict(x: np.ndarray) -> np.ndarray:
            return np.repeat(c * np.exp(0.3 * x[:, [0]] ** 2 - 0.2 * x[:, [1]]), 50, axis=1)

        return np.asarray(explainer_of().explain_instance([0.5, 0.5], predict, num_samples=300))

    at_one = coefficients(1.0)
    for step in (1e-9, 1e-7, 1e-5):
        for c in (1 - step, 1 + step):
            assert np.abs(coefficients(c) - at_one).max() < 1e3 * step


@pytest.mark.parametrize(
    ("levels", "what"), [((1.0, 0.0), "falls to 0"), ((1.0, 1.0, 0.0), "is 1 and then 0")]
)
def test_survival_of_0_and_1_has_an_answer_and_a_warning(
    levels: tuple[float, ...], what: str
) -> None:
    rng = np.random.default_rng(0)
    times = np.arange(1.0, len(levels) + 1)
    features = rng.normal(size=(30, 3))
    explainer = SurvLimeExplainer(features, np.ones(30), rng.choice(times, 30), random_state=0)

    def predict(x: np.ndarray) -> np.ndarray:
        return np.tile(levels, (len(x), 1))

    with pytest.warns(UserWarning, match=r"survival values are below .*\(50 of them 0\).*36.04"):
        found = explainer.explain_instance(features[0], predict, "survival", num_samples=50)
    assert np.isfinite(found.coefficients).all()
    explicit = explainer.explain_instance(
        features[0],
        lambda x: np.minimum(-np.log(np.maximum(predict(x), SMALLEST_SURVIVAL)), 36.0),
        num_samples=50,
    )
    assert np.isfinite(explicit.coefficients).all()


def test_exact_survival_below_rounding_is_read_where_asked_for() -> None:
    rng = np.random.default_rng(0)
    features, times = rng.normal(size=(30, 2)), np.arange(1.0, 31.0)
    explainer = SurvLimeExplainer(features, np.ones(30), times, baseline="model", random_state=0)

    def survival(x: np.ndarray) -> np.ndarray:
        return np.exp(-np.exp(x @ [0.5, -0.3])[:, None] * times)

    with pytest.warns(UserWarning, match="max_hazard_value_allowed=700"):
        capped = explainer.explain_instance([1.0, 0.0], survival, "survival")
    found = explainer.explain_instance(
        [1.0, 0.0], survival, "survival", max_hazard_value_allowed=700
    )
    np.testing.assert_allclose(found, [0.5, -0.3], atol=1e-8)
    assert not np.allclose(capped, [0.5, -0.3], atol=1e-2)


def test_a_bound_beyond_the_smallest_number_does_not_hide_a_survival_of_0() -> None:
    times = np.arange(1.0, 31.0)
    features = np.random.default_rng(0).normal(size=(30, 2))
    explainer = SurvLimeExplainer(features, np.ones(30), times, random_state=0)
    survival = lambda x: np.tile(np.where(times > 20, 0.0, 0.5), (len(x), 1))  # noqa: E731
    with pytest.warns(UserWarning, match=r"500 of 1500 .*\(500 of them 0\).* 708.40"):
        explainer.explain_instance(
            features[0], survival, "survival", num_samples=50, max_hazard_value_allowed=1e9
        )


def test_survival_and_cumulative_hazards_give_the_same(first: CoxSet) -> None:
    def survival(x: np.ndarray) -> np.ndarray:
        return first.model.predict_survival_function(x, return_array=True)

    bound = {"max_hazard_value_allowed": 30.0}  # survival has no digits for more
    one = first.explainer().explain_instance(first.test[0], first.model, **bound)
    other = first.explainer().explain_instance(first.test[0], survival, "survival", **bound)
    np.testing.assert_allclose(one.coefficients, other.coefficients, atol=1e-6)


def test_ties_one_feature_and_more_features_than_neighbours() -> None:
    rng = np.random.default_rng(1)

    def explain(p: int, num_samples: int) -> np.ndarray:
        features = rng.normal(size=(60, p))
        times = rng.integers(1, 6, 60)
        explainer = SurvLimeExplainer(features, rng.random(60) < 0.7, times, baseline="model")
        beta = np.linspace(-0.5, 0.5, p) + 0.1

        def predict(x: np.ndarray) -> np.ndarray:
            return np.arange(1.0, 6.0) * np.exp(x @ beta)[:, None] * 0.3

        found = explainer.explain_instance(features[0], predict, num_samples=num_samples)
        return np.asarray(found) - beta

    assert np.abs(explain(1, 100)).max() < 1e-10
    with pytest.warns(UserWarning, match="5 neighbours determine 5 of 8 coefficients only"):
        assert np.isfinite(explain(8, 5)).all()


def test_arrays_lists_series_and_frames_are_alike(first: CoxSet) -> None:
    names = ["a", "b", "c", "d", "e"]
    frame = pd.DataFrame(first.features, columns=names)
    row = pd.Series(first.test[0], index=names)
    ways = [
        (first.features, first.events, first.times, first.test[0]),
        (frame, pd.Series(first.events), pd.Series(first.times), row),
        (frame, first.events.astype(int), list(first.times), row[["e", "d", "c", "b", "a"]]),
        (first.features.tolist(), first.events.tolist(), list(first.times), list(first.test[0])),
    ]
    results = []
    for features, events, times, data_row in ways:
        explainer = SurvLimeExplainer(features, events, times, random_state=0)
        results.append(explainer.explain_instance(data_row, first.model, num_samples=100))
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])
    assert results[1].feature_names == ("a", "b", "c", "d", "e")
    many = explainer.montecarlo_explanation(frame.head(2), first.model, num_repetitions=2)
    assert many.shape == (2, 5)


def test_the_seed_decides_and_workers_and_batches_do_not(first: CoxSet) -> None:
    def explain(rows: np.ndarray, **options: int) -> np.ndarray:
        explainer = first.explainer()
        found = explainer.montecarlo_explanation(
            rows,
            lambda x: np.exp(x[:, [0]]) * np.arange(1, 901) / 900,
            num_repetitions=3,
            num_samples=50,
            **options,
        )
        return found.repetitions

    expected = explain(first.test[:4])
    np.testing.assert_array_equal(explain(first.test[:4], num_workers=3), expected)
    np.testing.assert_array_equal(explain(first.test[:4], batch_size=7), expected)
    np.testing.assert_array_equal(explain(first.test[:2]), expected[:2])
    explainer = first.explainer()
    repeated = [explainer.explain_instance(first.test[0], first.model) for _ in range(2)]
    assert not np.array_equal(repeated[0].neighbours, repeated[1].neighbours)
    assert not np.array_equal(expected[0, 0], expected[0, 1])


def test_model_calls_are_counted_and_bounded(first: CoxSet) -> None:
    sizes: list[int] = []

    def predict(x: np.ndarray) -> np.ndarray:
        sizes.append(len(x))
        return np.exp(x[:, [0]]) * np.arange(1, 901)

    found = first.explainer().explain_instance(
        first.test[0], predict, num_samples=100, batch_size=30
    )
    assert sizes == [30, 30, 30, 10]
    assert found.cost.num_model_calls == 4
    assert 0 < found.cost.model_seconds < found.cost.seconds


def test_neighbours_follow_the_papers_normal_distribution(first: CoxSet) -> None:
    explainer = first.explainer(kernel_width=0.3)
    found = explainer.explain_instance(first.test[0], first.hazards, num_samples=20_000)
    standardised = (found.neighbours - first.test[0]) / (0.3 * first.features.std(axis=0))
    assert np.abs(standardised.mean(axis=0)).max() < 0.03
    assert np.abs(np.cov(standardised.T) - np.eye(5)).max() < 0.03
    density = np.exp(-0.5 * (standardised**2).sum(axis=1))
    np.testing.assert_allclose(found.weights, density / density.max(), rtol=1e-9)
    bandwidth = first.explainer().neighbourhood.bandwidth
    assert bandwidth == pytest.approx((4 / (900 * 7)) ** (1 / 9))


def test_equal_weights_reach_the_same_limit_with_less_spread() -> None:
    rng = np.random.default_rng(0)
    p = 20
    features = rng.normal(size=(300, p))
    times = rng.exponential(size=300)
    beta = np.linspace(-1, 1, p)

    def predict(x: np.ndarray) -> np.ndarray:
        risk = x @ beta + 0.5 * np.sin(3 * x[:, 0])
        return np.sort(times) * np.exp(risk)[:, None]

    spread, mean = {}, {}
    for weighting in ("density", "equal"):
        explainer = SurvLimeExplainer(
            features, np.ones(300), times, baseline="model", weighting=weighting, random_state=0
        )
        found = explainer.montecarlo_explanation(features[0], predict, num_repetitions=40)
        spread[weighting] = found.repetitions[0].std(axis=0).mean()
        mean[weighting] = found
    assert spread["equal"] < 0.8 * spread["density"]
    difference = mean["equal"][0] - mean["density"][0]
    error = np.hypot(mean["equal"].standard_error[0], mean["density"].standard_error[0])
    assert (np.abs(difference) < 5 * error + 1e-6).all()


def test_few_effective_neighbours_are_warned_of() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 60))
    times = rng.exponential(size=200)
    explainer = SurvLimeExplainer(features, np.ones(200), times, random_state=0)
    predict = lambda x: np.sort(times) * np.exp(0.1 * x[:, [0]])  # noqa: E731
    with pytest.warns(UserWarning, match=r"worth .* equal ones, for 60 coefficients"):
        explainer.explain_instance(features[0], predict)


def test_time_and_hazard_bounds_change_what_they_bound(first: CoxSet) -> None:
    row = first.test[0]
    plain = first.explainer().explain_instance(row, first.model)
    unbounded = first.explainer().explain_instance(
        row, first.model, max_difference_time_allowed=1e9, max_hazard_value_allowed=1e9
    )
    np.testing.assert_array_equal(plain, unbounded)
    for option in ({"max_difference_time_allowed": 0.5}, {"max_hazard_value_allowed": 0.5}):
        bounded = first.explainer().explain_instance(row, first.model, **option)
        assert not np.allclose(plain, bounded)


def test_output_times_of_a_model_are_interpolated(first: CoxSet) -> None:
    grid = np.linspace(first.times.min(), first.times.max(), 400)

    def predict(x: np.ndarray) -> np.ndarray:
        return np.exp(x @ first.model.coef_)[:, None] * grid**2 * 1e-5

    explainer = first.explainer(model_output_times=grid, H0=1e-5 * np.unique(first.times) ** 2)
    found = explainer.explain_instance(first.test[0], predict)
    np.testing.assert_allclose(found, first.model.coef_, atol=1e-3)


def test_an_explanation_is_an_array_and_a_table(first: CoxSet) -> None:
    explainer = first.explainer(feature_names=list("abcde"))
    found = explainer.explain_instance(first.test[0], first.model)
    array = np.asarray(found)
    assert found.shape == (5,)
    assert found.ndim == 1
    assert len(found) == 5
    assert found[1] == array[1]
    np.testing.assert_array_equal(found[[0, 2]], array[[0, 2]])
    np.testing.assert_array_equal(list(found), array)
    np.testing.assert_array_equal(2 * found - array, array)
    np.testing.assert_array_equal(np.abs(found), np.abs(array))
    assert np.argmax(found) == np.argmax(array)
    table = found.to_frame()
    assert list(table.index) == list("abcde")
    np.testing.assert_array_equal(table["value"], first.test[0])
    np.testing.assert_array_equal(table["contribution"], array * first.test[0])
    assert found.neighbours.shape == (1000, 5)
    assert 100 < found.effective_neighbours < 1000


def test_a_monte_carlo_explanation_tells_errors_and_importance(first: CoxSet) -> None:
    found = first.explainer().montecarlo_explanation(
        first.test[:6], first.model, num_repetitions=8, num_samples=100
    )
    np.testing.assert_allclose(found, found.repetitions.mean(axis=1))
    expected = found.repetitions.std(axis=1, ddof=1) / np.sqrt(8)
    np.testing.assert_allclose(found.standard_error, expected)
    table = found.to_frame()
    assert table.loc[(5, "x2"), "coefficient"] == found[5, 2]
    named = found.to_frame(np.arange(10, 16))
    assert named.loc[(15, "x2"), "coefficient"] == found[5, 2]
    with pytest.raises(InputError, match="rows are 2 for 6 subjects"):
        found.to_frame([1, 2])
    importance = found.global_importance()
    assert list(importance.index[:2]) == ["x2", "x1"]
    assert importance.loc["x2", "share_positive"] == 0
    assert importance.loc["x2", "mean"] == pytest.approx(found[:, 2].mean())
    assert found.failures == ()
    assert (found.num_solved == 8).all()
    single = first.explainer().montecarlo_explanation(
        first.test[0], first.model, num_repetitions=1, num_samples=50
    )
    assert np.isnan(single.standard_error).all()


def test_failures_of_a_solver_are_counted_or_raised(
    first: CoxSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    from survkit.explain import local_models
    from survkit.explain.objective import NormSolution

    calls: list[int] = []

    def sometimes(terms: object, q: float, start: np.ndarray, *, verbose: bool) -> NormSolution:
        calls.append(1)
        found = start if len(calls) % 3 and calls != [1] * 3 else None
        return NormSolution(found, "stub", "optimal" if found is not None else "gave up")

    monkeypatch.setattr(local_models, "solve_norm", sometimes)
    explainer = first.explainer(functional_norm=3)
    with pytest.warns(UserWarning, match="2 repetitions were not solved and left out .* gave up"):
        found = explainer.montecarlo_explanation(
            first.test[0], first.model, num_repetitions=6, num_samples=50
        )
    assert found.num_solved.tolist() == [4]
    assert np.isfinite(found.coefficients).all()
    assert len(found.failures) == 2
    assert found.mean_r_squared == pytest.approx(np.nanmean(found.r_squared))

    monkeypatch.setattr(
        local_models, "solve_norm", lambda *_, **__: NormSolution(None, "stub", "gave up")
    )
    with pytest.raises(InputError, match="there are no coefficients: gave up"):
        explainer.explain_instance(first.test[0], first.model, num_samples=50)
    with pytest.raises(InputError, match="nothing can be explained; row 0, 1: gave up"):
        explainer.montecarlo_explanation(first.test[:2], first.model, num_samples=50)
