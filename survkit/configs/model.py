"""Configuration of the model that a run fits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import Literal

from survkit.configs.data import DataConfig
from survkit.configs.options import option
from survkit.types import InputError

_model = partial(option, topic="Model")
_experts = partial(option, topic="Mixture of experts")
_cox = partial(option, topic="Cox regression (--model coxph)")
_coxnet = partial(option, topic="Cross-validated Cox regression (--model coxnet)")
_weibull = partial(option, topic="Weibull regression (--model weibull_aft)")
_forest = partial(option, topic="Survival forests (--model rsf, extra_survival_trees)")
_gbsa = partial(option, topic="Gradient boosting (--model gbsa)")
_xgb = partial(option, topic="XGBoost (--model xgb_cox, xgb_aft)")
_survivalboost = partial(option, topic="SurvivalBoost (--model survivalboost)")
_machines = partial(option, topic="Deep Survival Machines (--model deep_survival_machines)")
_cox_mixtures = partial(option, topic="Deep Cox Mixtures (--model deep_cox_mixtures)")
_bart = partial(option, topic="Bayesian additive regression trees (--model bart)")


@dataclass(frozen=True)
class ModelConfig(DataConfig):
    """Which model is fitted to which data, with its flags but those of the optimisation."""

    model: str = _model("fixed_moe", "one of {models}")
    hidden_dim: int = _model(128, "units of a hidden layer", at_least=1, at_most=1_000_000)
    num_hidden_layers: int = _model(2, "number of hidden layers", at_least=0, at_most=1000)
    dropout: float = _model(0.0, "share of units dropped before each layer", at_least=0, below=1)
    embedding_dimension: int = _model(
        4, "width of a categorical column's learned embedding", at_least=1, at_most=1_000_000
    )
    initial_curve: Literal["kaplan_meier", "random"] = _model(
        "kaplan_meier",
        "what a head predicts before it learns: the training rows' own curve for everybody, or "
        "what random weights give, as published",
        neutral="random",
    )
    numeric_inputs: Literal["scaled", "normal_scores"] = _model(
        "scaled",
        "how a network reads numbers: as they are scaled, or by rank, as normal scores of the "
        "training rows",
    )
    one_hot_embed: bool = _model(False, "one-hot categorical columns instead of learned embeddings")

    mixture_components: int = _experts(10, "number of experts", at_least=1, at_most=100_000)
    mixture_topk: int | None = _experts(
        None, "experts kept for each subject", at_least=1, at_most=100_000, shown_default="all"
    )
    expert_metric: Literal["dot", "euclidean"] = _experts(
        "dot", "how the router compares a subject with an expert"
    )
    learn_temperature: bool = _experts(True, "learn the temperature of the router's softmax")
    logit_temp: float = _experts(
        2.0, "temperature of the router's softmax at the start", above=0, at_most=1e6
    )
    time_warp_function: Literal["two_logistics", "beta_cdf"] = _experts(
        "two_logistics", "how adjustable_moe moves the time axis (beta_cdf: CPU only)"
    )
    moe_value_dim: int | None = _experts(
        None,
        "width of the value that personalized_moe gives its experts",
        at_least=1,
        at_most=1_000_000,
        shown_default="hidden_dim, rounded up to a multiple of the experts that share it",
    )
    moe_chunk_value_dim: bool = _experts(
        True, "split that value among the experts instead of giving each all of it"
    )

    cox_alpha: float = _cox(1e-3, "weight of the elastic net penalty", at_least=0, at_most=1e6)
    cox_l1_ratio: float = _cox(0.5, "share of the L1 norm in the penalty", above=0, at_most=1)

    coxnet_l1_ratio: float = _coxnet(0.5, "share of the L1 norm in the penalty", above=0, at_most=1)
    coxnet_folds: int = _coxnet(
        5, "folds of the training rows that choose the penalty", at_least=2, at_most=1000
    )
    coxnet_alphas: int = _coxnet(
        50, "weights of the penalty that are compared", at_least=2, at_most=1000
    )

    weibull_alpha: float = _weibull(
        0.01, "weight of the ridge penalty on log hazard ratios", at_least=0, at_most=1e6
    )

    rsf_n_estimators: int = _forest(100, "number of trees", at_least=1, at_most=1_000_000)
    rsf_min_samples_split: int = _forest(
        6, "training rows that a node needs to be split", at_least=2, at_most=10**9
    )
    rsf_max_features: str = _forest(
        "sqrt", "columns that are tried at each split: sqrt, log2, all or a whole number"
    )

    gbsa_n_estimators: int = _gbsa(100, "number of trees", at_least=1, at_most=100_000)
    gbsa_learning_rate: float = _gbsa(0.1, "share of each tree that is added", above=0, at_most=1)
    gbsa_max_depth: int = _gbsa(3, "levels of splits in a tree", at_least=1, at_most=1000)
    gbsa_min_samples_leaf: int = _gbsa(
        1, "training rows that a leaf needs", at_least=1, at_most=10**9
    )
    gbsa_subsample: float = _gbsa(
        1.0, "share of the training rows drawn for each tree", above=0, at_most=1
    )
    gbsa_max_features: str = _gbsa(
        "all", "columns that are tried at each split: sqrt, log2, all or a whole number"
    )

    xgb_n_estimators: int = _xgb(1000, "number of trees at most", at_least=1, at_most=100_000)
    xgb_early_stopping_rounds: int = _xgb(
        20,
        "trees without a better validation likelihood before it stops; 0 grows all",
        at_least=0,
        at_most=100_000,
    )
    xgb_learning_rate: float = _xgb(0.1, "share of each tree that is added", above=0, at_most=1)
    xgb_max_depth: int = _xgb(3, "levels of splits in a tree", at_least=1, at_most=50)
    xgb_min_child_weight: float = _xgb(
        1.0, "sum of second derivatives that a leaf needs", at_least=0, at_most=1e9
    )
    xgb_subsample: float = _xgb(
        1.0, "share of the training rows drawn for each tree", above=0, at_most=1
    )
    xgb_colsample_bytree: float = _xgb(
        1.0, "share of the columns drawn for each tree", above=0, at_most=1
    )
    xgb_reg_lambda: float = _xgb(
        1.0, "weight of the ridge penalty on leaves", at_least=0, at_most=1e9
    )
    xgb_aft_distribution: Literal["normal", "logistic", "extreme"] = _xgb(
        "normal", "distribution of the errors of log times (xgb_aft)"
    )
    xgb_aft_scale: float | None = _xgb(
        None,
        "scale of these errors (xgb_aft)",
        above=0,
        at_most=1e3,
        shown_default="that of the training rows' times without features",
    )

    survivalboost_n_iter: int = _survivalboost(100, "number of trees", at_least=1, at_most=100_000)
    survivalboost_learning_rate: float = _survivalboost(
        0.05, "share of each tree that is added", above=0, at_most=1
    )
    survivalboost_max_leaf_nodes: int = _survivalboost(
        31, "leaves of a tree at most", at_least=2, at_most=1_000_000
    )
    survivalboost_min_samples_leaf: int = _survivalboost(
        50,
        "rows that a leaf needs, each training row counted once a time",
        at_least=1,
        at_most=10**9,
    )
    survivalboost_horizons: int = _survivalboost(
        3, "times drawn for each training row and tree", at_least=1, at_most=1000
    )
    survivalboost_ipcw: Literal["alternating", "kaplan-meier"] = _survivalboost(
        "alternating",
        "how the distribution of censoring times is estimated: from the features, or the same for "
        "everybody",
    )

    dsm_components: int = _machines(
        4, "distributions that are mixed for each subject", at_least=1, at_most=1000
    )
    dsm_distribution: Literal["weibull", "lognormal"] = _machines("weibull", "their family")
    dsm_loss: Literal["elbo", "likelihood"] = _machines(
        "elbo",
        "what training maximises: the lower bound of the paper, or the likelihood of the mixture",
    )
    dsm_discount: float = _machines(
        1.0, "weight of a censored subject in training", at_least=0, at_most=1
    )
    dsm_prior: float = _machines(
        1e-8,
        "weight of the squared distance from the distribution that fits all training rows",
        at_least=0,
        at_most=1e6,
    )

    dcm_components: int = _cox_mixtures(
        3, "Cox models that are mixed for each subject", at_least=1, at_most=1000
    )
    dcm_intervals: int | None = _cox_mixtures(
        None,
        "intervals, between quantiles of the event times, in which a baseline hazard is constant",
        at_least=1,
        at_most=10_000,
        shown_default="one for each 20 events, from 5 to 50",
    )

    bart_backend: Literal["stochtree", "pymc"] = _bart(
        "stochtree", "engine: the fast C++ sampler, or pymc-bart's particle Gibbs"
    )
    bart_leaf_deviation: Literal["prior", "learned"] = _bart(
        "prior",
        "standard deviation of the leaves: that of the prior, or learned from the data",
    )
    bart_trees: int = _bart(50, "number of trees", at_least=1, at_most=100_000)
    bart_tune: int | None = _bart(
        None,
        "iterations of a chain that are thrown away",
        at_least=0,
        at_most=1_000_000,
        neutral=200,
        shown_default="200, or 90 on many rows",
    )
    bart_draws: int | None = _bart(
        None,
        "iterations of a chain that are kept",
        at_least=1,
        at_most=1_000_000,
        neutral=200,
        shown_default="200, or 130 on many rows",
    )
    bart_sweeps: int | None = _bart(
        None,
        "updates of every tree in one iteration (stochtree)",
        at_least=1,
        at_most=1_000_000,
        neutral=10,
        shown_default="10, or 1 on many rows",
    )
    bart_regrow: int | None = _bart(
        None,
        "trees that are also grown anew in every iteration (stochtree): with many rows the chains "
        "agree sooner, but only approximate the posterior",
        at_least=0,
        at_most=100_000,
        neutral=0,
        shown_default="0, or 12 of 50 trees on more than 20,000 rows of person-period data",
    )
    bart_chains: int = _bart(4, "number of chains", at_least=1, at_most=1000)
    bart_cores: int | None = _bart(
        None,
        "chains that run at a time",
        at_least=1,
        at_most=10_000,
        identity=False,
        shown_default="all processors",
    )
    bart_max_rows: int | None = _bart(
        None,
        "merge intervals of the grid until there are at most so many rows of person-period data",
        at_least=1,
        at_most=10**9,
        neutral=200_000,
        shown_default="65,000 with stochtree, 200,000 with pymc",
    )
    bart_subsample: int | None = _bart(
        None,
        "number of training subjects to fit on, drawn at random",
        at_least=2,
        at_most=10**9,
        shown_default="all",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("rsf_max_features", "gbsa_max_features"):
            value = getattr(self, name)
            if not re.fullmatch(r"sqrt|log2|all|[1-9]\d{0,8}", value, re.ASCII):
                raise InputError(
                    f"--{name} is '{value}'; it must be sqrt, log2, all or a whole number above 0"
                )
        if self.mixture_topk is not None and self.mixture_topk > self.mixture_components:
            raise InputError(
                f"--mixture_topk is {self.mixture_topk}, more than the "
                f"{self.mixture_components} experts of --mixture_components"
            )
