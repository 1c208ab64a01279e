"""Regressions and trees of the registry as estimators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from survkit.estimators.base import SurvivalEstimator


class KaplanMeierSurvival(SurvivalEstimator):
    """The Kaplan-Meier curve of the rows, for everybody.

    All parameters and attributes are those of `WeibullAFTSurvival`.
    """

    model_name = "kaplan_meier"


class AalenJohansenSurvival(SurvivalEstimator):
    """The Aalen-Johansen cumulative incidences of the rows, for everybody.

    All parameters and attributes are those of `WeibullAFTSurvival`.
    """

    model_name = "aalen_johansen"


@dataclass(kw_only=True, eq=False, repr=False)
class CoxPHSurvival(SurvivalEstimator):
    """Cox regression with an elastic net penalty.

    Parameters
    ----------
    alpha : float
        Weight of the penalty.
    l1_ratio : float
        Share of the L1 norm in it, above 0.

    All further parameters and attributes are those of `WeibullAFTSurvival`.
    """

    model_name = "coxph"

    alpha: float = 1e-3
    l1_ratio: float = 0.5


@dataclass(kw_only=True, eq=False, repr=False)
class WeibullAFTSurvival(SurvivalEstimator):
    """Weibull regression: features act on the scale of a Weibull distribution.

    Parameters
    ----------
    alpha : float
        Weight of the ridge penalty on log hazard ratios.

    `time_bins`, `quantile_event_times`, `labeling_floor_mode` and all attributes but those of
    networks are those of `MTLRSurvival`.
    """

    model_name = "weibull_aft"

    alpha: float = 0.01


@dataclass(kw_only=True, eq=False, repr=False)
class SeededSurvival(SurvivalEstimator):
    """What the estimators with a seed share."""

    random_state: int | np.random.RandomState | None = 42


@dataclass(kw_only=True, eq=False, repr=False)
class CoxnetSurvival(SeededSurvival):
    """Cox regression whose elastic net penalty is chosen by cross-validation.

    Parameters
    ----------
    l1_ratio : float
        Share of the L1 norm in the penalty, above 0.
    folds : int
        Folds of the training rows that choose its weight.
    alphas : int
        Weights that are compared.
    random_state : int, RandomState or None
        Seed of the folds.

    All further parameters and attributes are those of `WeibullAFTSurvival`.
    """

    model_name = "coxnet"

    l1_ratio: float = 0.5
    folds: int = 5
    alphas: int = 50


@dataclass(kw_only=True, eq=False, repr=False)
class RandomForestSurvival(SeededSurvival):
    """A random survival forest (Ishwaran et al. 2008).

    Parameters
    ----------
    n_estimators : int
        Number of trees.
    min_samples_split : int
        Training rows that a node needs to be split.
    max_features : str
        Columns that are tried at each split: "sqrt", "log2", "all" or a whole number in a string.
    random_state : int, RandomState or None
        Seed of the rows, columns and splits drawn.

    All further parameters and attributes are those of `WeibullAFTSurvival`.
    """

    model_name = "rsf"

    n_estimators: int = 100
    min_samples_split: int = 6
    max_features: str = "sqrt"


class ExtraTreesSurvival(RandomForestSurvival):
    """A forest of survival trees whose splits are drawn at random.

    All parameters and attributes are those of `RandomForestSurvival`.
    """

    model_name = "extra_survival_trees"


@dataclass(kw_only=True, eq=False, repr=False)
class GradientBoostingSurvival(SeededSurvival):
    """Gradient boosting of the Cox partial likelihood.

    Parameters
    ----------
    n_estimators : int
        Number of trees.
    learning_rate : float
        Share of each tree that is added to the sum.
    max_depth, min_samples_leaf : int
        Levels of splits in a tree, and training rows that a leaf needs.
    subsample : float
        Share of the training rows drawn for each tree.
    max_features : str
        Columns that are tried at each split: "sqrt", "log2", "all" or a whole number in a string.
    random_state : int, RandomState or None
        Seed of the rows and columns drawn.

    All further parameters and attributes are those of `WeibullAFTSurvival`.
    """

    model_name = "gbsa"

    n_estimators: int = 100
    learning_rate: float = 0.1
    max_depth: int = 3
    min_samples_leaf: int = 1
    subsample: float = 1.0
    max_features: str = "all"


@dataclass(kw_only=True, eq=False, repr=False)
class XGBCoxSurvival(SeededSurvival):
    """XGBoost on the Cox partial likelihood, with Breslow's baseline hazard.

    Parameters
    ----------
    n_estimators : int
        Number of trees at most.
    early_stopping_rounds : int
        Trees without a better likelihood of the rows held out before it stops; 0 grows all.
    learning_rate : float
        Share of each tree that is added to the sum.
    max_depth : int
        Levels of splits in a tree.
    min_child_weight : float
        Sum of second derivatives that a leaf needs.
    subsample, colsample_bytree : float
        Shares of the training rows and of the columns drawn for each tree.
    reg_lambda : float
        Weight of the ridge penalty on leaves.
    validation_fraction : float
        Share of the rows held out, the same of those with and without an event.
    random_state : int, RandomState or None
        Seed of the rows held out, and of the rows and columns drawn.

    All further parameters and attributes are those of `WeibullAFTSurvival`.
    """

    model_name = "xgb_cox"

    n_estimators: int = 1000
    early_stopping_rounds: int = 20
    learning_rate: float = 0.1
    max_depth: int = 3
    min_child_weight: float = 1.0
    subsample: float = 1.0
    colsample_bytree: float = 1.0
    reg_lambda: float = 1.0
    validation_fraction: float = 0.1


@dataclass(kw_only=True, eq=False, repr=False)
class XGBAFTSurvival(XGBCoxSurvival):
    """XGBoost on the likelihood of an accelerated failure time model.

    Parameters
    ----------
    aft_distribution : {"normal", "logistic", "extreme"}
        Distribution of the errors of log times.
    aft_scale : float, optional
        Their scale; that of the training rows' times without features where not given.

    All further parameters and attributes are those of `XGBCoxSurvival`.
    """

    model_name = "xgb_aft"

    aft_distribution: Literal["normal", "logistic", "extreme"] = "normal"
    aft_scale: float | None = None


@dataclass(kw_only=True, eq=False, repr=False)
class SurvivalBoostSurvival(SeededSurvival):
    """Boosted trees that classify at random times who has had the event (Alberge et al. 2025).

    Parameters
    ----------
    n_iter : int
        Number of trees.
    learning_rate : float
        Share of each tree that is added to the sum.
    max_leaf_nodes, min_samples_leaf : int
        Leaves of a tree at most, and rows that a leaf needs, each training row counted once a time.
    horizons : int
        Times drawn for each training row and tree.
    ipcw : {"alternating", "kaplan-meier"}
        How the distribution of censoring times is estimated: from the features, or the same for
        everybody.
    random_state : int, RandomState or None
        Seed of the times drawn.

    All further parameters and attributes are those of `WeibullAFTSurvival`.
    """

    model_name = "survivalboost"

    n_iter: int = 100
    learning_rate: float = 0.05
    max_leaf_nodes: int = 31
    min_samples_leaf: int = 50
    horizons: int = 3
    ipcw: Literal["alternating", "kaplan-meier"] = "alternating"


@dataclass(kw_only=True, eq=False, repr=False)
class BARTSurvival(SeededSurvival):
    """Bayesian additive regression trees in discrete time (Sparapani et al. 2016).

    Parameters
    ----------
    backend : {"stochtree", "pymc"}
        What samples the trees.
    leaf_deviation : {"prior", "learned"}
        Whether the deviation of the leaves stays at its prior.
    trees : int
        Number of trees.
    tune, draws : int, optional
        Iterations of a chain that are dropped and kept; by the number of rows where not given.
    sweeps : int, optional
        Updates of every tree in one iteration (stochtree).
    regrow : int, optional
        Trees that are also grown anew in every iteration (stochtree).
    chains : int
        Number of chains.
    cores : int, optional
        Chains that run at a time; all processors where not given.
    max_rows : int, optional
        Intervals of the grid are merged until there are at most so many rows of person-period data.
    subsample : int, optional
        Subjects to fit on, drawn at random; all where not given.
    random_state : int, RandomState or None
        Seed of the chains.

    All further parameters and attributes are those of `WeibullAFTSurvival`.
    """

    model_name = "bart"

    backend: Literal["stochtree", "pymc"] = "stochtree"
    leaf_deviation: Literal["prior", "learned"] = "prior"
    trees: int = 50
    tune: int | None = None
    draws: int | None = None
    sweeps: int | None = None
    regrow: int | None = None
    chains: int = 4
    cores: int | None = None
    max_rows: int | None = None
    subsample: int | None = None
