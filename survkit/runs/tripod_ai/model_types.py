"""What kind of model each is, and how predictors enter it, in a sentence each."""

from __future__ import annotations

_LAYERS = (
    "No functional form is given: the layers of the network learn it, with interactions between "
    "predictors."
)
_TREES = (
    "No functional form is given: the trees split predictors at thresholds, so scaling does not "
    "matter, and depth gives interactions."
)
_NO_PREDICTORS = "The model uses no predictors: every subject has the same prediction."

_HEAD = "a neural network of discrete time, trained by maximum likelihood"

TYPES = {
    "mtlr": f"{_HEAD}: multi-task logistic regression on the last hidden layer",
    "fixed_moe": f"{_HEAD}: a mixture of experts, each a distribution shared by all subjects",
    "adjustable_moe": f"{_HEAD}: a mixture of experts, each a distribution whose time axis is "
    "warped for the subject",
    "personalized_moe": f"{_HEAD}: a mixture of experts, each with a distribution for the subject",
    "kaplan_meier": "the Kaplan-Meier estimate of the training rows",
    "aalen_johansen": "the Aalen-Johansen estimate of the training rows",
    "coxph": "Cox regression with proportional hazards and a penalty, Breslow's baseline hazard",
    "coxnet": "Cox regression with an elastic net, its penalty chosen by cross-validation on the "
    "training rows",
    "weibull_aft": "a Weibull regression of accelerated failure time with a ridge penalty",
    "rsf": "a random survival forest",
    "extra_survival_trees": "a forest of extremely randomised survival trees",
    "gbsa": "gradient-boosted regression trees for the Cox partial likelihood",
    "xgb_cox": "XGBoost trees for the Cox partial likelihood",
    "xgb_aft": "XGBoost trees for an accelerated failure time",
    "survivalboost": "SurvivalBoost, gradient-boosted trees for the incidence at each time",
    "deepsurv": "DeepSurv, a neural network for the log hazard ratio of a Cox regression",
    "deephit": "DeepHit, a neural network of discrete time, trained by likelihood and ranking",
    "logistic_hazard": "a neural network for the discrete hazard, trained by maximum likelihood",
    "deep_weibull": "a neural network for the parameters of a Weibull distribution",
    "deep_survival_machines": "Deep Survival Machines, a mixture of parametric distributions with "
    "weights and parameters from a neural network",
    "deep_cox_mixtures": "Deep Cox Mixtures, a mixture of Cox regressions on a neural network",
    "bart": "Bayesian additive regression trees for the discrete hazard",
}
"""The type of each model of the registry."""

FORMS = {
    **dict.fromkeys(("kaplan_meier", "aalen_johansen"), _NO_PREDICTORS),
    **dict.fromkeys(
        ("coxph", "coxnet"),
        "Each number enters the log hazard linearly, each category by indicators of its values; "
        "there are no interactions.",
    ),
    "weibull_aft": "Each number enters the logarithm of time linearly, each category by indicators "
    "of its values; there are no interactions.",
    **dict.fromkeys(
        (
            *("rsf", "extra_survival_trees", "gbsa", "xgb_cox", "xgb_aft", "survivalboost"),
            "bart",
        ),
        _TREES,
    ),
}
"""How predictors enter each model that is no network."""


def form_of(model: str) -> str:
    """Return how predictors enter a model; "" where that is not known, as of several models."""
    return FORMS.get(model, _LAYERS if model in TYPES else "")
