"""Models that predict no survival curves, refused with what to do instead.

Models are recognised by their methods and the names of their classes, so that nothing but the
package of the given model is imported.
"""

from __future__ import annotations

from typing import Any

from survkit.types import InputError

CURVES = (
    "predict_cumulative_hazard_function",
    "predict_cumulative_hazard",
    "predict_surv_df",
    "predict_survival_function",
)
"""Methods that return survival or cumulative hazards over time."""

_ACCEPTED = (
    "a function of features, a run folder, or a fitted model that predicts survival: of survkit, "
    "scikit-survival, lifelines, pycox, or XGBoost with the objective survival:aft"
)


def refuse_without_curves(model: Any) -> None:
    """Refuse a model that has no survival curves to explain.

    Functions pass; of a bound method the object it belongs to is checked.

    Raises
    ------
    InputError
        For a class, a network of torch, a search over parameters, a model that is not fitted, and
        a model whose settings or kind give no survival curves.
    """
    if isinstance(model, type):
        name = model.__name__
        raise InputError(
            f"predict_fn is the class {name}, not a model; give a fitted one, {name}(...).fit(...)"
        )
    if _has_base(model, "torch.nn", "Module") and not any(hasattr(model, name) for name in CURVES):
        raise InputError(
            f"predict_fn is a torch.nn.Module ({_name(model)}), whose output has no known meaning; "
            "give a function that takes an array (n, p) and returns cumulative hazards (n, q), or "
            "survival with type_fn='survival', and the q times as model_output_times"
        )
    if getattr(model, "__name__", "") in CURVES:
        model = getattr(model, "__self__", model)
    _refuse(model, f"predict_fn is a {_name(model)}")


def _refuse(model: Any, what: str) -> None:
    if _has_base(model, "sklearn.", "BaseSearchCV"):
        _refuse_search(model, what)
    if _has_base(model, "sklearn.", "Pipeline") and model.steps:
        last = model.steps[-1][1]
        _refuse(last, f"{what}, whose last step is a {_name(last)}")
        return
    package = type(model).__module__.partition(".")[0]
    if package == "lifelines":
        _refuse_of_lifelines(model, what)
    elif not callable(model) and not _predicts_curves(model, package):
        raise InputError(f"{what}{_instead(model)}; it must be {_ACCEPTED}")
    if hasattr(model, "get_params"):  # scikit-learn's way, which scikit-survival follows
        _refuse_unfitted(model, what)
    if package == "sksurv":
        _refuse_of_scikit_survival(model, what)
    if package == "pycox":
        _refuse_of_pycox(model, what)


def _predicts_curves(model: Any, package: str) -> bool:
    own = hasattr(model, "predict") and hasattr(model, "fit_summary")
    return own or package == "xgboost" or any(hasattr(model, name) for name in CURVES)


def _instead(model: Any) -> str:
    """Return what a model without curves predicts, where that is known."""
    kinds = {"classifier": "classes", "regressor": "one number for each subject"}
    kind = kinds.get(getattr(model, "_estimator_type", "") or _tagged_kind(model))
    if kind is None and type(model).__module__.startswith("sksurv."):
        kind = "risk scores or times"
    return f", which predicts {kind} and no survival curves" if kind else ""


def _tagged_kind(model: Any) -> str:
    if not hasattr(model, "__sklearn_tags__"):
        return ""
    return str(model.__sklearn_tags__().estimator_type)


def _refuse_search(model: Any, what: str) -> None:
    if hasattr(model, "best_estimator_"):
        raise InputError(f"{what}, a search; give the model that it found, its best_estimator_")
    if hasattr(model, "best_params_"):
        raise InputError(
            f"{what} with refit=False, which keeps no model; fit one with its best_params_"
        )
    raise InputError(f"{what}, a search that is not fitted; fit it and give its best_estimator_")


def _refuse_of_lifelines(model: Any, what: str) -> None:
    if not _has_base(model, "lifelines.", "RegressionFitter"):
        raise InputError(f"{what}, whose curve does not depend on features; nothing to explain")
    if not hasattr(model, "params_") and not hasattr(model, "cumulative_hazards_"):
        raise InputError(f"{what} that is not fitted; call its fit first")


def _refuse_unfitted(model: Any, what: str) -> None:
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(model)
    except NotFittedError:
        raise InputError(f"{what} that is not fitted; call its fit first") from None


def _refuse_of_scikit_survival(model: Any, what: str) -> None:
    settings = model.get_params(deep=False)
    if settings.get("loss", "coxph") != "coxph":
        raise InputError(
            f"{what} with loss={settings['loss']!r}, which predicts no survival curves; fit it "
            "with loss='coxph'"
        )
    if settings.get("fit_baseline_model") is False:
        raise InputError(
            f"{what} without a baseline hazard, so it has no survival curves; fit it with "
            "fit_baseline_model=True"
        )
    if settings.get("low_memory") is True:
        raise InputError(
            f"{what} with low_memory=True, which keeps no survival curves; fit it with "
            "low_memory=False"
        )


def _refuse_of_pycox(model: Any, what: str) -> None:
    needs_hazards = hasattr(model, "compute_baseline_hazards")
    if needs_hazards and getattr(model, "baseline_hazards_", None) is None:
        raise InputError(
            f"{what} without baseline hazards, so it has no survival curves; call "
            "compute_baseline_hazards() after fit"
        )


def _has_base(model: Any, package: str, name: str) -> bool:
    return any(
        base.__name__ == name and base.__module__.startswith(package)
        for base in type(model).__mro__
    )


def _name(model: Any) -> str:
    return type(model).__name__
