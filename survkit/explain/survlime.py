"""SurvLIME: the Cox model closest to any survival model around one subject."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import compress
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from tqdm import tqdm

from survkit.explain.checks import check_failures, replace_unseen, warn_of_constants, warn_of_fits
from survkit.explain.explanation import Cost, Explanation, MonteCarloExplanation
from survkit.explain.hazards import HazardReader, Kind
from survkit.explain.inputs import (
    as_column,
    as_matrix,
    as_names,
    as_outcomes,
    as_output_times,
    as_rows,
    as_whole,
    baseline_hazard,
    check_choice,
    check_positive,
    check_share,
)
from survkit.explain.local_models import LocalModels, Task
from survkit.explain.model_calls import ModelCalls, hazard_calls
from survkit.explain.neighbours import Neighbourhood, Weighting
from survkit.explain.norms import as_norm
from survkit.explain.objective import LOG_FLOOR, interval_lengths
from survkit.explain.size import explanation_need
from survkit.explain.weight_plots import WeightPlots
from survkit.system import check_memory
from survkit.types import Float64Array, InputError

Baseline = Literal["nelson-aalen", "model"]


class SurvLimeExplainer(WeightPlots):
    """Explains predictions of any survival model by local Cox models.

    The explainer draws neighbours of a subject, predicts their cumulative hazards with the model
    and finds the Cox model whose log hazards are closest to these (Kovalev et al. 2020;
    Pachón-García et al. 2024, whose package has the same constructor and methods).
    `docs/explain.md` says what is done where the paper is silent.

    Parameters
    ----------
    training_features : array or DataFrame, shape (n, p)
        Rows the model was trained on, as it takes them.
    training_events, training_times : array, list or Series, length n
        Their outcomes: 1 or True where the event was seen.
    model_output_times : array, shape (q,), optional
        Times of the columns that a prediction function returns; the distinct training times by
        default. Models that are passed themselves have their own.
    H0 : array, list or StepFunction, optional
        Baseline cumulative hazard at the m distinct training times.
    kernel_width : float, optional
        Width of the neighbourhood in standard deviations; Silverman's by default.
    functional_norm : float or "inf"
        The norm, at least 1, in which log hazards are compared.
    random_state : int, optional
        Makes the sequence of explanations reproducible.
    categorical_features : sequence of int or str
        Columns, or their names, that hold categories: neighbours take values seen in training.
    feature_names : sequence of str, length p, optional
        A DataFrame's columns by default.
    category_labels : mapping of name to mapping of value to text, optional
        Names of the values of categorical features.
    baseline : {"nelson-aalen", "model"}
        Where H0 is not given: the Nelson-Aalen estimate of the training rows, as in the paper, or
        the model's own hazard at the subject, with features counted from the subject. The first
        biases the coefficients wherever it is not the model's baseline; the second does not.
    weighting : {"density", "equal"}
        Weight neighbours by the kernel's density, as in the paper, or draw them more narrowly and
        weight them alike: the same in the limit, and much steadier with many features.
    log_floor : float
        |ln H| counts as at least this in the weight H / |ln H|, which is infinite at H = 1. The
        smaller, the nearer to the paper's weights.

    Raises
    ------
    InputError
        For inputs that do not fit together or cannot be used.
    """

    def __init__(
        self,
        training_features: Any,
        training_events: ArrayLike,
        training_times: ArrayLike,
        model_output_times: ArrayLike | None = None,
        H0: Any = None,  # noqa: N803, the paper's name
        kernel_width: float | None = None,
        functional_norm: float | str = 2,
        random_state: int | None = None,
        *,
        categorical_features: Sequence[int | str] = (),
        feature_names: Sequence[str] | None = None,
        category_labels: Mapping[str, Mapping[float, str]] | None = None,
        baseline: Baseline = "nelson-aalen",
        weighting: Weighting = "density",
        log_floor: float = LOG_FLOOR,
    ) -> None:
        features = as_matrix("training_features", training_features)
        self.training_names = as_names(training_features, feature_names, features.shape[1])
        outcomes = as_outcomes(training_events, training_times, len(features))
        self.times = np.unique(outcomes[1])
        self.model_output_times = as_output_times(model_output_times)
        self.norm = as_norm(functional_norm)
        check_choice("baseline", baseline, ("nelson-aalen", "model"))
        check_choice("weighting", weighting, ("density", "equal"))
        check_share("log_floor", log_floor)
        check_positive("kernel_width", kernel_width)
        seed = None if random_state is None else as_whole("random_state", random_state, at_least=0)
        self.log_floor = float(log_floor)
        self.baseline = baseline_hazard(H0, baseline, *outcomes)
        columns = [as_column(feature, self.training_names) for feature in categorical_features]
        labels = {
            as_column(name, self.training_names): text
            for name, text in (category_labels or {}).items()
        }
        self.neighbourhood = Neighbourhood.fit(
            features,
            self.training_names,
            categorical=columns,
            category_labels=labels,
            bandwidth=kernel_width,
            weighting=weighting,
        )
        warn_of_constants(self.neighbourhood)
        self._seeds = np.random.SeedSequence(seed)
        self.explanation = None
        self.montecarlo = None

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the coefficients, d of them."""
        return self.neighbourhood.names

    def explain_instance(
        self,
        data_row: Any,
        predict_fn: Any,
        type_fn: Kind = "cumulative",
        num_samples: int = 1000,
        max_difference_time_allowed: float | None = None,
        max_hazard_value_allowed: float | None = None,
        verbose: bool = False,
        *,
        batch_size: int | None = None,
    ) -> Explanation:
        """Explain the prediction for one subject.

        Parameters
        ----------
        data_row : array, list or Series, length p
            The subject.
        predict_fn : callable, model or path
            A function of features (n, p) that returns (n, q) values or step functions; or a
            model, or a run folder, as in `survkit.explain.models.predictor`.
        type_fn : {"cumulative", "survival"}
            What a function returns.
        num_samples : int
            Number of neighbours N.
        max_difference_time_allowed : float, optional
            Longer intervals between training times count as this long.
        max_hazard_value_allowed : float, optional
            Larger cumulative hazards count as this; by default 36.04, and 700 for models of
            survkit whose survival is exact however small (Cox regression, DeepSurv).
        verbose : bool
            Whether cvxpy's solvers show their messages.
        batch_size : int, optional
            Most rows in one call of the model.

        Raises
        ------
        InputError
            For a row or predictions that cannot be used, or where the solver fails.
        """
        rows = as_rows("data_row", data_row, self.training_names)
        if len(rows) != 1:
            raise InputError(f"data_row has {len(rows)} rows; montecarlo_explanation takes several")
        rows = replace_unseen(rows, self.neighbourhood, self.training_names)
        began = time.perf_counter()
        calls = self._model_calls(predict_fn, type_fn, max_hazard_value_allowed, batch_size)
        local = self._local_models(max_difference_time_allowed, verbose)
        tasks = self._tasks(rows, 1, num_samples)
        fits = local.fit(tasks, num_samples, calls)
        warn_of_fits(fits, self.neighbourhood, calls.reader, num_samples)
        if np.isnan(fits.coefficients).any():
            raise InputError(f"there are no coefficients: {fits.statuses[0]}")
        self.explanation = Explanation(
            coefficients=fits.coefficients[0],
            feature_names=self.feature_names,
            values=self.neighbourhood.design(rows)[0],
            neighbours=fits.last.features,
            weights=fits.last.weights,
            r_squared=float(fits.r_squared[0]),
            share_capped=float(fits.share_capped[0]),
            solver=fits.solvers[0],
            status=fits.statuses[0],
            residual=float(fits.residual[0]),
            cost=Cost(time.perf_counter() - began, calls.seconds, calls.count),
        )
        return self.explanation

    def montecarlo_explanation(
        self,
        data: Any,
        predict_fn: Any,
        type_fn: Kind = "cumulative",
        num_samples: int = 1000,
        num_repetitions: int = 10,
        max_difference_time_allowed: float | None = None,
        max_hazard_value_allowed: float | None = None,
        verbose: bool = False,
        *,
        batch_size: int | None = None,
        num_workers: int = 1,
        progress: bool = False,
    ) -> MonteCarloExplanation:
        """Explain subjects (h, p), each with `num_repetitions` sets of neighbours.

        Parameters are those of `explain_instance`, and

        data : DataFrame, Series, array or list
            One row or several.
        num_repetitions : int
            Sets of neighbours for each row.
        num_workers : int
            Threads that weigh the predictions; the answer does not depend on it.
        progress : bool
            Whether to show a progress bar.

        Raises
        ------
        InputError
            For rows or predictions that cannot be used, or where no row has an explanation. A
            row without one is named in a warning, and its coefficients are NaN.
        """
        rows = as_rows("data", data, self.training_names)
        rows = replace_unseen(rows, self.neighbourhood, self.training_names)
        began = time.perf_counter()
        calls = self._model_calls(predict_fn, type_fn, max_hazard_value_allowed, batch_size)
        local = self._local_models(max_difference_time_allowed, verbose)
        tasks = self._tasks(rows, as_whole("num_repetitions", num_repetitions), num_samples)
        with tqdm(
            total=len(tasks), disable=not progress, desc="explaining", unit="explanation"
        ) as bar:
            fits = local.fit(
                tasks,
                num_samples,
                calls,
                num_workers=as_whole("num_workers", num_workers),
                advance=bar.update,
            )
        warn_of_fits(fits, self.neighbourhood, calls.reader, num_samples)
        shape = (len(rows), num_repetitions)
        result = MonteCarloExplanation(
            repetitions=fits.coefficients.reshape(*shape, -1),
            feature_names=self.feature_names,
            values=self.neighbourhood.design(rows),
            r_squared=fits.r_squared.reshape(shape),
            effective_neighbours=fits.effective_neighbours.reshape(shape),
            share_capped=fits.share_capped.reshape(shape),
            failures=tuple(compress(fits.statuses, np.isnan(fits.coefficients[:, 0]))),
            cost=Cost(time.perf_counter() - began, calls.seconds, calls.count),
        )
        check_failures(result, fits.statuses)
        self.montecarlo = result
        return result

    def _tasks(self, rows: Float64Array, repetitions: int, num_samples: int) -> list[Task]:
        need = explanation_need(
            as_whole("num_samples", num_samples),
            len(rows) * repetitions,
            times=len(self.times),
            features=len(self.neighbourhood.design_columns),
            norm=self.norm,
        )
        check_memory(need)
        (call,) = self._seeds.spawn(1)
        seeds = iter(call.spawn(len(rows) * repetitions))
        return [(row, next(seeds)) for row in rows for _ in range(repetitions)]

    def _model_calls(
        self, model: Any, kind: Kind, max_hazard: float | None, batch_size: int | None
    ) -> ModelCalls[HazardReader]:
        return hazard_calls(
            model,
            kind,
            times=self.times,
            feature_names=self.training_names,
            output_times=self.model_output_times,
            max_hazard=max_hazard,
            batch_size=batch_size,
        )

    def _local_models(self, longest: float | None, verbose: bool) -> LocalModels:
        check_positive("max_difference_time_allowed", longest)
        lengths = interval_lengths(self.times, longest)
        return LocalModels(
            self.neighbourhood, lengths, self.baseline, self.norm, self.log_floor, verbose
        )
