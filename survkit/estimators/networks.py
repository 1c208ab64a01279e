"""Networks as estimators: the heads, and the networks of continuous time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch

from survkit.estimators.base import SurvivalEstimator
from survkit.estimators.fit_monitor import EstimatorMonitor
from survkit.types import FitSummary, Float64Array


@dataclass(kw_only=True, eq=False, repr=False)
class NeuralSurvival(SurvivalEstimator):
    """What the networks share; `MTLRSurvival` describes the parameters."""

    hidden_dim: int = 128
    num_hidden_layers: int = 2
    dropout: float = 0.0
    embedding_dimension: int = 4
    numeric_inputs: Literal["scaled", "normal_scores"] = "scaled"
    one_hot_embed: bool = False
    epochs: int = 1000
    lr: float = 5e-4
    batch_size: int = 64
    optimizer: Literal["Adam", "AdamW", "SGD"] = "Adam"
    early_stopping_patience: int = 10
    validation_fraction: float = 0.1
    random_state: int | np.random.RandomState | None = 42
    device: str | None = None
    verbose: bool = False
    warm_start: bool = False

    def _device(self) -> str:
        return self.device or ("cuda" if torch.cuda.is_available() else "cpu")

    def _monitor(self, parameters: Mapping[str, Any]) -> EstimatorMonitor:
        before = getattr(self, "_state", None) if self.warm_start else None
        return EstimatorMonitor(
            epochs=parameters["epochs"],
            verbose=self.verbose,
            keeps_state=self.warm_start,
            state=before,
            history=None if before is None else self.history_.to_dict("records"),
        )

    def _note_fit(self, summary: FitSummary, monitor: EstimatorMonitor) -> None:
        self.n_iter_ = summary.epochs_trained
        self.best_epoch_ = summary.best_epoch
        self.history_ = pd.DataFrame(monitor.history)
        self._state = monitor.state


class ExpertWeights(NeuralSurvival):
    """What all mixtures offer: the weights that a subject's curves are mixed with."""

    def predict_expert_weights(self, X: Any) -> Float64Array:  # noqa: N803
        """Return the weights of the experts or components, shape (n, E); each row sums to 1."""
        weights = self._predict(X).expert_weights
        assert weights is not None  # a mixture has them
        return weights


@dataclass(kw_only=True, eq=False, repr=False)
class MixtureSurvival(ExpertWeights):
    """What the mixtures of experts share; `FixedMoESurvival` describes the parameters."""

    mixture_components: int = 10
    mixture_topk: int | None = None
    expert_metric: Literal["dot", "euclidean"] = "dot"
    learn_temperature: bool = True
    logit_temp: float = 2.0
    group_ent_lambda: float = 0.01
    instance_ent_lambda: float = 0.0
    cosine_anneal_group_ent_lambda: bool = False
    cosine_anneal_hold_epochs: int = 0
    cosine_anneal_epochs: int = 2
    cosine_anneal_min_lambda_multiplier: float = 0.0


class MTLRSurvival(NeuralSurvival):
    """Multi-task logistic regression (Yu et al. 2011) on a feed-forward network.

    Parameters
    ----------
    time_bins : int, optional
        Cuts of the time grid, from 0 to the largest time; 100, or 20 below 1,000 rows, where not
        given.
    quantile_event_times : bool, optional
        Cuts at quantiles of the event times instead of evenly spaced ones; where not given, for
        fewer than 1,000 rows.
    labeling_floor_mode : bool
        Label a time by the cut at or before it, not at or after it.
    hidden_dim, num_hidden_layers : int
        Units of a hidden layer, and their number.
    dropout : float
        Share of units dropped before each layer while training.
    embedding_dimension : int
        Width of a categorical column's learned embedding.
    numeric_inputs : {"scaled", "normal_scores"}
        How the network reads numbers: as they are scaled, or by rank, as normal scores of the
        training rows, which suits columns with heavy tails or many tied values.
    one_hot_embed : bool
        One-hot categorical columns instead of learned embeddings.
    epochs : int
        Passes over the data at most.
    lr : float
        Learning rate.
    batch_size : int
        Subjects in a batch.
    optimizer : {"Adam", "AdamW", "SGD"}
        Optimiser.
    early_stopping_patience : int
        Epochs without a lower loss of the held-out rows before training stops.
    validation_fraction : float
        Share of the rows held out for that, the same of those with and without an event. With 0
        all rows are trained on, and their own loss decides.
    random_state : int, RandomState or None
        Seed of the rows held out, of initialisation and of the data's order.
    device : str, optional
        Torch device to train on; cuda where there is one, else the CPU, where not given.
        Predictions are made on the CPU.
    verbose : bool
        Whether to show a progress bar with the losses.
    warm_start : bool
        Go on from where the last fit ended, up to `epochs` epochs in all. A fit that had stopped
        early stays as it is.

    Attributes
    ----------
    unique_times_ : array, shape (m,)
        The distinct event times of the rows given to `fit`, at which functions step; 1,000 of them,
        evenly spaced by rank from the first to the last, where there are more.
    largest_time_ : float
        The largest time given to `fit`, of an event or of censoring: where curves end.
    n_iter_, best_epoch_ : int
        Epochs trained, and the one whose weights are kept (counted from 1).
    history_ : DataFrame
        A row for each epoch: losses, the norm of the gradient, temperatures.
    n_features_in_, feature_names_in_
        As in scikit-learn.
    preprocessor_ : survkit.datasets.preprocessing.Preprocessor
        How features are made from the columns.
    model_ : survkit.training.neural_model.NeuralSurvivalModel
        The network.
    """

    model_name = "mtlr"


class FixedMoESurvival(MixtureSurvival):
    """Mixture of experts that are survival curves, shared by all subjects.

    Parameters
    ----------
    mixture_components : int
        Number of experts E.
    mixture_topk : int, optional
        Experts kept for each subject; all where not given.
    expert_metric : {"dot", "euclidean"}
        How the router compares a subject with an expert.
    learn_temperature : bool
        Learn the temperature of the router's softmax.
    logit_temp : float
        That temperature at the start.
    group_ent_lambda : float
        Weight of equal use of the experts in a batch.
    instance_ent_lambda : float
        Weight of the entropy of a subject's routing.
    cosine_anneal_group_ent_lambda : bool
        Let `group_ent_lambda` fall along a cosine: after `cosine_anneal_hold_epochs` (int), over
        `cosine_anneal_epochs` (int), down to `cosine_anneal_min_lambda_multiplier` (float) of it.

    All further parameters and attributes are those of `MTLRSurvival`.
    """

    model_name = "fixed_moe"


@dataclass(kw_only=True, eq=False, repr=False)
class AdjustableMoESurvival(MixtureSurvival):
    """Mixture of shared survival curves whose time axis each subject stretches.

    Parameters
    ----------
    time_warp_function : {"two_logistics", "beta_cdf"}
        How the time axis is moved (`beta_cdf`: on the CPU only).

    All further parameters are those of `FixedMoESurvival` and `MTLRSurvival`.
    """

    model_name = "adjustable_moe"

    time_warp_function: Literal["two_logistics", "beta_cdf"] = "two_logistics"


@dataclass(kw_only=True, eq=False, repr=False)
class PersonalizedMoESurvival(MixtureSurvival):
    """Mixture of experts that each draw a survival curve for the subject.

    Parameters
    ----------
    hidden_dim : int
        Units of a hidden layer: 160 by default, the width of the published runs.
    moe_value_dim : int, optional
        Width of the value that the experts read; where not given `hidden_dim`, rounded up to a
        multiple of the experts that share it.
    moe_chunk_value_dim : bool
        Split it among the experts instead of giving each all of it.

    All further parameters are those of `FixedMoESurvival` and `MTLRSurvival`.
    """

    model_name = "personalized_moe"

    hidden_dim: int = 160
    moe_value_dim: int | None = None
    moe_chunk_value_dim: bool = True


@dataclass(kw_only=True, eq=False, repr=False)
class DeepWeibullSurvival(NeuralSurvival):
    """A Weibull distribution for each subject, whose scale and shape a network gives.

    The distribution is fitted to the times themselves, and survival is exact at any time. Medians,
    quantiles and means read the curves linearly between `time_bins` cuts and 200 further times.
    `labeling_floor_mode` has no effect.

    All parameters and attributes are those of `MTLRSurvival`.
    """

    model_name = "deep_weibull"


@dataclass(kw_only=True, eq=False, repr=False)
class DeepSurvivalMachinesSurvival(ExpertWeights):
    """Deep Survival Machines (Nagpal, Li, Dubrawski 2021): a mixture of distributions of the time.

    Survival is exact at any time, as of `DeepWeibullSurvival`.

    Parameters
    ----------
    dsm_components : int
        Number of distributions K.
    dsm_distribution : {"weibull", "lognormal"}
        Their family.
    dsm_loss : {"elbo", "likelihood"}
        What training maximises: the lower bound of the paper, or the likelihood of the mixture.
    dsm_discount : float
        Weight of a censored subject in training, from 0 to 1.
    dsm_prior : float
        Weight of the squared distance from the distribution that fits all training rows.

    All further parameters and attributes are those of `MTLRSurvival`.
    """

    model_name = "deep_survival_machines"

    dsm_components: int = 4
    dsm_distribution: Literal["weibull", "lognormal"] = "weibull"
    dsm_loss: Literal["elbo", "likelihood"] = "elbo"
    dsm_discount: float = 1.0
    dsm_prior: float = 1e-8


@dataclass(kw_only=True, eq=False, repr=False)
class DeepCoxMixturesSurvival(ExpertWeights):
    """Deep Cox Mixtures (Nagpal et al. 2021): a mixture of Cox models, each with its own baseline.

    Survival is known at any time: medians, quantiles and means read the curves linearly between
    `time_bins` cuts and 200 further times. `labeling_floor_mode` has no effect.

    Parameters
    ----------
    dcm_components : int
        Number of Cox models K.
    dcm_intervals : int, optional
        Intervals, between quantiles of the event times, in which a baseline hazard is constant; one
        for each 20 events, from 5 to 50, where not given.

    All further parameters and attributes are those of `MTLRSurvival`.
    """

    model_name = "deep_cox_mixtures"

    dcm_components: int = 3
    dcm_intervals: int | None = None


class DeepSurvSurvival(NeuralSurvival):
    """DeepSurv (Katzman et al. 2018): a network in place of the linear predictor of Cox regression.

    All parameters and attributes are those of `MTLRSurvival`.
    """

    model_name = "deepsurv"


class DeepHitSurvival(NeuralSurvival):
    """DeepHit (Lee et al. 2018): the likelihood of the time classes, and a ranking loss.

    All parameters and attributes are those of `MTLRSurvival`.
    """

    model_name = "deephit"


class LogisticHazardSurvival(NeuralSurvival):
    """Logistic hazard (Gensheimer & Narasimhan 2019): a probability of the event for each class.

    All parameters and attributes are those of `MTLRSurvival`.
    """

    model_name = "logistic_hazard"
