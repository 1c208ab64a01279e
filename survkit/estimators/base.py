"""What the estimators share: they fit, predict and score like those of scikit-survival.

Fields of the dataclasses are the parameters, named as the command's flags.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from sksurv.base import SurvivalAnalysisMixin
from sksurv.metrics import concordance_index_censored

from survkit.configs.train import TrainConfig
from survkit.datasets.assemble import time_grid
from survkit.datasets.preprocessing import CategoryColumn, Preprocessor
from survkit.estimators.curves import CurvePredictions, function_times
from survkit.estimators.inputs import (
    as_pandas,
    as_table,
    boolean_columns,
    categorical_columns,
    hold_out,
    with_kinds,
)
from survkit.estimators.outcomes import as_outcome, as_written
from survkit.training.neural_model import NeuralSurvivalModel
from survkit.types import Float64Array, InputError, SurvivalData, SurvivalPrediction


@dataclass(kw_only=True, eq=False, repr=False)
class NeuralSurvival(CurvePredictions, SurvivalAnalysisMixin, BaseEstimator):  # type: ignore[misc]
    """What all estimators share; `MTLRSurvival` describes the parameters."""

    head: ClassVar[str]
    _network: ClassVar[type[NeuralSurvivalModel]] = NeuralSurvivalModel

    time_bins: int | None = None
    quantile_event_times: bool | None = None
    labeling_floor_mode: bool = False
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

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        """Fit the network; the rows held out choose the epoch whose weights are kept.

        Everything given is training data: imputing, scaling, the codes of categories, the time
        grid and `unique_times_` come from all rows.

        Parameters
        ----------
        X : DataFrame (of pandas or Polars) or array, shape (n, p)
            Numbers and categories: the columns of a DataFrame that hold text, objects, booleans
            or pandas' categories, and those of an array of objects that are not numbers. Missing
            values (NaN, None) are imputed and indicated as by
            `survkit.datasets.preprocessing.Preprocessor`; a warning names what it leaves out.
        y : structured array, shape (n,), or DataFrame or array, shape (n, 2)
            Whether the event was seen, and the time of the event or of censoring, a number in a
            unit of your choosing; names do not matter.

        Raises
        ------
        InputError
            For a parameter out of range, an outcome or features that cannot be used, or rows
            that are all censored.
        """
        parameters = self._parameters()
        data = self._training_data(X, y)
        random = check_random_state(self.random_state)
        seed = self.random_state
        if not isinstance(seed, int | np.integer):
            seed = random.randint(2**32, dtype=np.int64)
        model = self._network(
            self.head,
            grid=time_grid(
                data.time,
                data.event,
                n=len(data),
                time_bins=parameters["time_bins"],
                quantile_event_times=self.quantile_event_times,
                labeling_floor_mode=self.labeling_floor_mode,
            ),
            parameters=parameters,
            seed=int(seed),
            device=self.device or ("cuda" if torch.cuda.is_available() else "cpu"),
        )
        train, held_out = hold_out(data.event, self.validation_fraction, random)
        with _one_thread():
            model.fit(data.subset(train), data.subset(held_out))
        # On the CPU, wherever it was trained, so that a pickle opens on any machine.
        self.model_ = self._network.from_state(model.state())
        self.n_iter_ = model.fit_summary.epochs_trained
        self.best_epoch_ = model.fit_summary.best_epoch
        return self

    def _training_data(self, X: Any, y: Any) -> SurvivalData:  # noqa: N803
        """Check X and y, fit the preprocessing and learn the times of functions."""
        X = as_pandas(X)  # noqa: N806
        table = as_table(X)
        validate_data(self, X, y, skip_check_array=True)
        event, time = as_outcome(as_pandas(y))
        if len(table) != len(event):
            raise InputError(
                f"X has {len(table)} rows and y {len(event)}; there must be one outcome per row"
            )
        if len(table) < 2:
            raise InputError("n_samples = 1; one row is held out, so at least 2 are needed")
        if not event.any():
            raise InputError(f"all {len(table)} rows of y are censored; events are needed")
        categorical = categorical_columns(X, table)
        self.boolean_columns_ = boolean_columns(table, categorical)
        self.preprocessor_ = Preprocessor.fit(table, categorical=categorical)
        _warn(self.preprocessor_.warnings)
        self.unique_times_ = function_times(time, event)
        self.largest_time_ = float(time.max())
        return SurvivalData(
            features=self.preprocessor_.transform(table)[0],
            event=event,
            time=as_written(time),
            feature_names=self.preprocessor_.feature_names,
            categorical=self.preprocessor_.categorical,
        )

    def _parameters(self) -> dict[str, Any]:
        """Return a value for every flag: the estimator's parameters, checked, and defaults."""
        if not 0 < self.validation_fraction < 1:
            raise InputError(
                f"validation_fraction is {self.validation_fraction}; it must be above 0 and below 1"
            )
        flags = {field.name for field in fields(TrainConfig)}
        given = {name: v for name, v in self.get_params(deep=False).items() if name in flags}
        # A grid over np.arange gives numpy's numbers; the configuration takes plain ones.
        plain = {name: v.item() if isinstance(v, np.generic) else v for name, v in given.items()}
        return asdict(TrainConfig(**plain))

    def _predict(self, X: Any, times: Float64Array | None = None) -> SurvivalPrediction:  # noqa: N803
        check_is_fitted(self)
        X = as_pandas(X)  # noqa: N806
        table = as_table(X)
        validate_data(self, X, reset=False, skip_check_array=True)
        default = [f"x{j}" for j in range(self.n_features_in_)]  # as in `as_table`
        table = table.set_axis(list(getattr(self, "feature_names_in_", default)), axis=1)
        coded = self.preprocessor_.coded
        values = {c.name: c.values for c in coded if isinstance(c, CategoryColumn)}
        # A pickle of an earlier version does not know them.
        booleans: frozenset[str] = getattr(self, "boolean_columns_", frozenset())
        features, notes = self.preprocessor_.transform(with_kinds(table, values, booleans))
        _warn(notes)
        return self.model_.predict(features, self.model_.knots.times if times is None else times)

    def score(self, X: Any, y: Any) -> float:  # noqa: N803
        """Return Harrell's concordance of the risk scores with outcomes as in `fit`."""
        event, time = as_outcome(as_pandas(y))
        return float(concordance_index_censored(event, as_written(time), self.predict(X))[0])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags


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


def _warn(messages: tuple[str, ...]) -> None:
    for message in messages:
        warnings.warn(message, UserWarning, stacklevel=4)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Train as the command does: batches of these networks are too small to share."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
