"""What the estimators share: they fit, predict and score like those of scikit-survival.

Fields of the dataclasses are the parameters, named as the command's flags.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from sksurv.base import SurvivalAnalysisMixin
from sksurv.metrics import concordance_index_censored

from survkit.configs.train import TrainConfig
from survkit.datasets.assemble import time_grid
from survkit.datasets.preprocessing import CategoryColumn, Preprocessor
from survkit.estimators.curves import CurvePredictions, function_times
from survkit.estimators.fit_monitor import EstimatorMonitor
from survkit.estimators.inputs import (
    as_pandas,
    as_table,
    boolean_columns,
    categorical_columns,
    hold_out,
    with_kinds,
)
from survkit.estimators.outcomes import as_outcome, as_written
from survkit.models.cause_specific import for_causes
from survkit.models.registry import MODELS
from survkit.models.states import rebuild_registered
from survkit.types import (
    BoolArray,
    FitSummary,
    Float64Array,
    FloatArray,
    InputError,
    IntArray,
    SurvivalData,
    SurvivalModel,
    SurvivalPrediction,
)


@dataclass(kw_only=True, eq=False, repr=False)
class SurvivalEstimator(CurvePredictions, SurvivalAnalysisMixin, BaseEstimator):  # type: ignore[misc]
    """What all estimators share; `MTLRSurvival` describes the parameters."""

    model_name: ClassVar[str]
    """The model's name in the registry, and for `--model`."""

    time_bins: int | None = None
    quantile_event_times: bool | None = None
    labeling_floor_mode: bool = False

    def fit(self, X: Any, y: Any, *, eval_set: tuple[Any, Any] | None = None) -> Self:  # noqa: N803
        """Fit the model.

        Everything given is training data: imputing, scaling, the codes of categories, the time
        grid and `unique_times_` come from all rows. Where there is a `validation_fraction`, that
        share of the rows is held out and decides when the fit stops, and nothing else; the rows of
        an `eval_set` decide it in their place.

        Parameters
        ----------
        X : DataFrame (of pandas or Polars) or array, shape (n, p)
            Numbers and categories: the columns of a DataFrame that hold text, objects, booleans
            or pandas' categories, and those of an array of objects that are not numbers. Missing
            values (NaN, None) are imputed and indicated as by
            `survkit.datasets.preprocessing.Preprocessor`; a warning names what it leaves out.
        y : structured array, shape (n,), DataFrame or array, shape (n, 2), or two arrays
            Whether the event was seen, and the time of the event or of censoring, a number in a
            unit of your choosing. Fields or columns that are called `event` and `time` may come in
            any order. Of competing causes the first says which:
            0 for censored rows, else 1, 2, ..., C.
        eval_set : tuple of X and y, optional
            Other rows, with the columns of X, which decide when the fit stops.

        Raises
        ------
        InputError
            For a parameter out of range, an outcome or features that cannot be used, or rows
            that are all censored.
        """
        entry = MODELS[self.model_name]
        flags = {flag: keyword for flag, keyword in entry.parameters.items() if flag != keyword}
        with named_as_parameters(flags):
            parameters = self._parameters(flags)
            data = self._training_data(X, y)
            random = check_random_state(getattr(self, "random_state", 0))
            grid = time_grid(
                data.time,
                data.event,
                n=len(data),
                time_bins=parameters["time_bins"],
                quantile_event_times=self.quantile_event_times,
                labeling_floor_mode=self.labeling_floor_mode,
            )
            parameters |= entry.resolve(parameters, data, grid)
            seed, device = self._seed(random), self._device()

            def build() -> SurvivalModel:
                return entry.build(grid=grid, parameters=parameters, seed=seed, device=device)

            model = for_causes(data.num_causes, entry, build)
            rows, monitor = self._rows(data, eval_set, random), self._monitor(parameters)
            with _one_thread(), closing(monitor):
                model.fit(*rows, monitor=monitor)
        # On the CPU, wherever it was trained, so that a pickle opens on any machine.
        self.model_ = rebuild_registered(model.state())
        self._note_fit(model.fit_summary, monitor)
        return self

    def _monitor(self, parameters: Mapping[str, Any]) -> EstimatorMonitor:
        """Return what follows the fit; a model without epochs has nothing to show."""
        return EstimatorMonitor(epochs=0, verbose=False, keeps_state=False)

    def _rows(
        self, data: SurvivalData, eval_set: tuple[Any, Any] | None, random: np.random.RandomState
    ) -> tuple[SurvivalData, SurvivalData]:
        """Return the rows to train on and those that decide when the fit stops."""
        fraction = getattr(self, "validation_fraction", None)
        if eval_set is not None:
            if fraction is None:
                raise InputError(f"{type(self).__name__} looks at no other rows; omit eval_set")
            return data, self._evaluation_data(*eval_set)
        if not fraction:  # a model that looks at no other rows, or whose own loss decides
            return data, data
        train, held_out = hold_out(data.event, fraction, random)
        return data.subset(train), data.subset(held_out)

    def _seed(self, random: np.random.RandomState) -> int:
        seed = getattr(self, "random_state", 0)
        if not isinstance(seed, int | np.integer):
            seed = random.randint(2**32, dtype=np.int64)
        return int(seed)

    def _device(self) -> str:
        return "cpu"

    def _note_fit(self, summary: FitSummary, monitor: EstimatorMonitor) -> None:
        """Keep what the fit says of itself."""

    def _training_data(self, X: Any, y: Any) -> SurvivalData:  # noqa: N803
        """Check X and y, fit the preprocessing and learn the times of functions."""
        X = as_pandas(X)  # noqa: N806
        table = as_table(X)
        validate_data(self, X, y, skip_check_array=True)
        seen, time = as_outcome(as_pandas(y), causes=bool(MODELS[self.model_name].causes))
        event = seen > 0
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
        self.n_causes_ = int(seen.max()) if seen.dtype != np.bool_ else 1
        self.unique_times_ = function_times(time, event)
        self.largest_time_ = float(time.max())
        return self._data(self.preprocessor_.transform(table)[0], seen, time)

    def _data(
        self, features: NDArray[np.float32], seen: BoolArray | IntArray, time: FloatArray
    ) -> SurvivalData:
        """Return encoded rows (n, p) with their outcomes (n,)."""
        several = self.n_causes_ > 1
        return SurvivalData(
            features=features,
            event=np.asarray(seen > 0),
            time=as_written(time),
            feature_names=self.preprocessor_.feature_names,
            categorical=self.preprocessor_.categorical,
            cause=seen.astype(np.int64) if several else None,
            cause_names=tuple(f"cause_{c + 1}" for c in range(self.n_causes_ * several)),
        )

    def _evaluation_data(self, X: Any, y: Any) -> SurvivalData:  # noqa: N803
        """Return other rows, encoded as those of the fit."""
        features = self._features(X)
        seen, time = as_outcome(as_pandas(y), causes=bool(MODELS[self.model_name].causes))
        if len(features) != len(seen):
            raise InputError(
                f"the eval_set has {len(features)} rows of X and {len(seen)} of y; there must be "
                "one outcome per row"
            )
        if int(seen.max()) > self.n_causes_:
            raise InputError(
                f"the eval_set has the cause {int(seen.max())}; the rows to fit have "
                f"{self.n_causes_}"
            )
        return self._data(features, seen, time)

    def _parameters(self, flags: Mapping[str, str]) -> dict[str, Any]:
        """Return a value for every flag: the estimator's parameters, checked, and defaults.

        `flags` has those that are called otherwise here.
        """
        fraction = getattr(self, "validation_fraction", None)
        if fraction is not None and not 0 <= fraction < 1:
            raise InputError(
                f"validation_fraction is {fraction}; it must be at least 0 and below 1"
            )
        flag_of = {keyword: flag for flag, keyword in flags.items()}
        known = {field.name for field in fields(TrainConfig)}
        named = {flag_of.get(name, name): v for name, v in self.get_params(deep=False).items()}
        given = {name: value for name, value in named.items() if name in known}
        # A grid over np.arange gives numpy's numbers; the configuration takes plain ones.
        plain = {name: v.item() if isinstance(v, np.generic) else v for name, v in given.items()}
        return asdict(TrainConfig(**plain))

    def _predict(self, X: Any, times: Float64Array | None = None) -> SurvivalPrediction:  # noqa: N803
        check_is_fitted(self)
        features = self._features(X)
        return self.model_.predict(features, self.model_.knots.times if times is None else times)

    def _features(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        """Return other rows as the model reads them, with warnings of what is new in them."""
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
        return features

    def score(self, X: Any, y: Any) -> float:  # noqa: N803
        """Return Harrell's concordance of the risk scores with outcomes as in `fit`.

        Of competing causes any is the event.
        """
        seen, time = as_outcome(as_pandas(y), causes=bool(MODELS[self.model_name].causes))
        return float(concordance_index_censored(seen > 0, as_written(time), self.predict(X))[0])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags


def _warn(messages: tuple[str, ...]) -> None:
    for message in messages:
        warnings.warn(message, UserWarning, stacklevel=4)


@contextmanager
def named_as_parameters(flags: Mapping[str, str]) -> Iterator[None]:
    """Let messages about flags speak of parameters; `flags` maps the one to the other."""
    try:
        yield
    except InputError as error:
        message = str(error)
        for flag, name in flags.items():
            message = re.sub(rf"--{flag}\b", name, message)
        if message == str(error):
            raise
        raise InputError(message) from None


@contextmanager
def _one_thread() -> Iterator[None]:
    """Train as the command does: batches of these networks are too small to share."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
