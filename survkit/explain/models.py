"""Any survival model as a function of features that returns curves.

Models are recognised by their methods, so only the package of the given model is imported.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from survkit.explain.hazards import Curves, Kind, check_output_times
from survkit.explain.refusals import refuse_without_curves
from survkit.types import Float64Array, InputError, SurvivalModel, SurvivalPrediction

Predict = Callable[[Float64Array], Curves]


def predictor(
    model: Any,
    *,
    kind: Kind,
    times: Float64Array,
    feature_names: Sequence[str],
    output_times: Float64Array | None = None,
    ask_survival: bool = False,
) -> Predict:
    """Return a function from features (n, p) to curves, for a model or a prediction function.

    Parameters
    ----------
    model : object
        A function of features (n, p); a model of survkit or its run folder (a path); a fitted
        model of scikit-survival, lifelines or pycox; XGBoost's accelerated-failure-time model.
    kind : {"cumulative", "survival"}
        What a function returns; not used for models.
    times : array, shape (m,)
        Where a model that can predict at any time is asked: one of survkit (up to its horizon),
        or of XGBoost.
    feature_names : sequence of str, length p
        The columns, for models that were fitted on a DataFrame.
    output_times : array, shape (q,), optional
        Times that the caller expects a model's curves to have: those of its grid, for survkit.
    ask_survival : bool
        Whether a model of scikit-survival is asked for survival rather than cumulative hazards:
        a forest averages each by itself, so that they do not follow from each other.

    Raises
    ------
    InputError
        For a model that cannot be asked, or whose times are not `output_times`.
    """
    names = list(feature_names)
    model = loaded(model)
    if kind not in ("cumulative", "survival"):
        raise InputError(f"type_fn is {kind!r}; it must be 'cumulative' or 'survival'")
    refuse_without_curves(model)
    package = type(model).__module__.partition(".")[0]
    if package == "xgboost":
        return _xgboost_aft(model, times if output_times is None else output_times, names)
    if hasattr(model, "predict") and hasattr(model, "fit_summary"):
        return _of_survkit(model, times, output_times)
    if package == "survkit" and hasattr(model, "predict_survival_function"):
        return _of_estimator(model, times, names, output_times)
    if ask_survival and _has_both(model):
        model, kind = model.predict_survival_function, "survival"
    elif hasattr(model, "predict_cumulative_hazard_function"):
        # Its step functions share times and, for Cox models, values: faster than its own arrays.
        model, kind = model.predict_cumulative_hazard_function, "cumulative"
    elif hasattr(model, "predict_cumulative_hazard"):
        hazards = model.predict_cumulative_hazard
        return lambda x: _from_frame(hazards(pd.DataFrame(x, columns=names)), "cumulative")
    elif hasattr(model, "predict_surv_df"):
        return lambda x: _from_frame(model.predict_surv_df(x.astype(np.float32)), "survival")
    return _of_function(model, kind, names, output_times)


def _has_both(model: Any) -> bool:
    """Whether a model returns step functions of survival and of cumulative hazards."""
    names = ("predict_cumulative_hazard_function", "predict_survival_function")
    return all(hasattr(model, name) for name in names)


def own_times(model: Any, feature: Float64Array) -> Float64Array | None:
    """Return the times at which a model of survkit gives its curves by default; None for others.

    `feature` is a row (1, p) that it can predict.
    """
    if hasattr(model, "predict") and hasattr(model, "fit_summary"):
        return np.asarray(model.predict(feature.astype(np.float32)).times)
    if type(model).__module__.partition(".")[0] == "survkit" and hasattr(model, "unique_times_"):
        return np.asarray(model.unique_times_, dtype=np.float64)
    return None


def loaded(model: Any) -> Any:
    """Return the model of a run where a path is given, anything else as it is."""
    if not isinstance(model, str | Path):
        return model
    from survkit.runs.read import load_fitted

    return load_fitted(model).model


def exact_tail(model: Any) -> bool | None:
    """Whether a model of survkit predicts exact survival however small; None for other models.

    Cox regression and DeepSurv keep a cumulative baseline hazard, so that their survival is a
    number to 16 digits where it is 1e-200. That of other models is a sum or product of
    probabilities, and its logarithm is noise below the resolution of these.
    """
    if type(model).__module__.partition(".")[0] != "survkit":
        return None
    from survkit.baselines.proportional_hazards import CumulativeHazard
    from survkit.models.calibrated import CalibratedModel

    inner = model.inner if isinstance(model, CalibratedModel) else model
    return isinstance(getattr(inner, "baseline", None), CumulativeHazard)


def _of_function(
    model: Any, kind: Kind, names: list[str], output_times: Float64Array | None
) -> Predict:
    # A scikit-learn model that was fitted on a DataFrame asks for its columns' names.
    if hasattr(getattr(model, "__self__", None), "feature_names_in_"):
        return lambda x: _as_curves(model(pd.DataFrame(x, columns=names)), kind, output_times)
    return lambda x: _as_curves(model(x), kind, output_times)


def _of_survkit(
    model: SurvivalModel, times: Float64Array, output_times: Float64Array | None
) -> Predict:
    """Ask a model of survkit at the explainer's times up to its horizon, and at the horizon."""
    horizon = model.knots.cuts[-1:]
    asked = np.union1d(times[times <= horizon], horizon)
    columns = np.searchsorted(asked, np.minimum(times, horizon))  # later times: the horizon's

    def predict(features: Float64Array) -> Curves:
        single = features.astype(np.float32)
        if output_times is not None:
            check_output_times(output_times, model.predict(single[:1]).times)
        prediction = model.predict(single, asked)
        return Curves(times, prediction.survival[:, columns], "survival", prediction.step)

    return predict


def _of_estimator(
    model: Any, times: Float64Array, names: list[str], output_times: Float64Array | None
) -> Predict:
    """Ask an estimator of survkit at the explainer's times, later ones than it knows at the last.

    Its curves are linear between the cuts of its grid.
    """
    if output_times is not None:
        check_output_times(output_times, model.unique_times_)
    framed = hasattr(model, "feature_names_in_")

    def predict(features: Float64Array) -> Curves:
        table = pd.DataFrame(features, columns=names) if framed else features
        known = np.minimum(times, model.largest_time_)
        survival = model.predict_survival_frame(table, known).to_numpy()
        return Curves(times, survival, "survival", step=False)

    return predict


def _as_curves(output: Any, kind: Kind, output_times: Float64Array | None) -> Curves:
    if isinstance(output, SurvivalPrediction):
        if output_times is not None:
            check_output_times(output_times, output.times)
        return Curves(output.times, output.survival, "survival", output.step)
    is_sequence = isinstance(output, list | tuple | np.ndarray) and len(output) > 0
    if is_sequence and hasattr(output[0], "x") and hasattr(output[0], "y"):
        return _from_step_functions(output, kind)
    try:
        values = np.asarray(output, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(
            f"predict_fn returned a {type(output).__name__}, not an array of numbers; it must "
            "return one row per subject, one column per time, or scikit-survival's step functions"
        ) from None
    return Curves(None, values, kind)


def _from_step_functions(functions: Sequence[Any], kind: Kind) -> Curves:
    """Stack scikit-survival's step functions, a * y + b at x, where they share x."""
    times = np.asarray(functions[0].x, dtype=np.float64)
    for function in functions:
        if function.x is not functions[0].x and not np.array_equal(function.x, times):
            raise InputError("predict_fn returned step functions at different times for the rows")
    scale, shift = (np.array([getattr(f, name) for f in functions]) for name in ("a", "b"))
    if all(function.y is functions[0].y for function in functions):
        values = np.outer(scale, functions[0].y) + shift[:, None]
    else:
        values = scale[:, None] * np.stack([f.y for f in functions]) + shift[:, None]
    return Curves(times, values, kind)


def _from_frame(frame: pd.DataFrame, kind: Kind) -> Curves:
    """Read a table with one row per time and one column per subject."""
    return Curves(frame.index.to_numpy(dtype=np.float64), frame.to_numpy(dtype=np.float64).T, kind)


def _xgboost_aft(model: Any, times: Float64Array, names: list[str]) -> Predict:
    """XGBoost: ln T = location + scale * error (Barnwal et al. 2022).

    H(t) = -ln P(error > z), z = (ln t - location) / scale, for each of its error distributions.
    """
    import xgboost
    from scipy.stats import norm

    wrapped = hasattr(model, "get_booster")
    booster = model.get_booster() if wrapped else model
    objective = json.loads(booster.save_config())["learner"]["objective"]
    if objective["name"] != "survival:aft":
        raise InputError(
            f"the XGBoost model has the objective {objective['name']}, which predicts no survival "
            "curve; survival:aft does"
        )
    parameters = objective["aft_loss_param"]
    scale = float(parameters["aft_loss_distribution_scale"])
    distributions: dict[str, Callable[..., Any]] = {
        "normal": lambda z: -norm.logsf(z),
        "logistic": lambda z: np.logaddexp(0.0, z),
        "extreme": np.exp,
    }
    cumulative_hazard = distributions[parameters["aft_loss_distribution"]]
    with np.errstate(divide="ignore"):
        log_times = np.log(times)
    # As XGBoost's wrapper predicts: after early stopping, by the best trees alone.
    best = getattr(model, "best_iteration", None) if wrapped else None
    rounds = (0, 0 if best is None else best + 1)

    def predict(features: Float64Array) -> Curves:
        columns = names if booster.feature_names else None
        matrix = xgboost.DMatrix(features, feature_names=columns)
        predicted = cast("NDArray[np.float32]", booster.predict(matrix, iteration_range=rounds))
        location = np.log(predicted.astype(np.float64))
        z = (log_times - location[:, None]) / scale
        return Curves(times, cumulative_hazard(z), "cumulative")

    return predict
