"""SurvSHAP(t): how each feature moves a subject's survival curve, at every time."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from survkit.explain.coalition_worth import (
    Background,
    coalition_worth,
    differing_players,
)
from survkit.explain.explanation import Cost
from survkit.explain.hazards import Kind
from survkit.explain.inputs import as_matrix, as_names, as_output_times, as_rows, as_whole
from survkit.explain.model_calls import BATCH_VALUES, ModelCalls
from survkit.explain.models import loaded, own_times, predictor
from survkit.explain.players import Players
from survkit.explain.shapley import (
    OrderedCoalitions,
    ShapleyValues,
    all_coalitions,
    draw_orders,
    exact_values,
    pairs_within,
    values_of_orders,
)
from survkit.explain.survival_reader import SurvivalReader
from survkit.explain.survshap_explanation import SurvShapExplanation
from survkit.system import MemoryNeed, check_memory
from survkit.types import BoolArray, Float64Array, InputError

MAX_COALITIONS = 2048
"""Coalitions computed for a subject unless another number is given: all, of 11 features."""

LEAST_PAIRS = 2
"""Pairs of orders that a standard error takes."""

DEFAULT_PAIRS = 4
"""Pairs of orders at least, where the number of coalitions is not given."""


class SurvShapExplainer:
    """Explains predictions of any survival model by Shapley values at every time.

    The worth of a set of features at time t is the mean predicted survival of background rows in
    which these features take the subject's values (interventional). A feature's value is what it
    adds to that on average, over all orders in which features can be added (Krzyzinski et al.
    2023). Where all 2^d coalitions of the d features that differ from the background are within
    `max_coalitions`, values are exact; otherwise they come from random orders, in pairs of an order
    and its reverse, with standard errors. In both cases they sum to the subject's curve less the
    background's mean.

    Parameters
    ----------
    model : callable, model or path
        As in `SurvLimeExplainer.explain_instance`: a fitted model, a run folder, or a function of
        features (n, p) that returns (n, T) values or step functions.
    background : array or DataFrame, shape (b, p)
        Rows that stand for the population, such as 100 training rows drawn at random.
    times : array, shape (T,), optional
        Where curves are explained; needed for functions that return arrays, whose columns they
        are, and for XGBoost. A model's own times by default; between these, curves of survkit are
        read as they are defined, all others as step functions.
    type_fn : {"survival", "cumulative"}
        What a function returns.
    groups : mapping of str to sequence of int or str, optional
        Columns that belong together, such as the indicators of a category: each group is one
        feature. Other columns are features of their own.
    feature_names : sequence of str, length p, optional
        A DataFrame's columns by default.
    max_coalitions : int, optional
        Most coalitions to compute for a subject; `MAX_COALITIONS` by default, or those of four
        pairs of orders where that is more.
    random_state : int, optional
        Makes the orders reproducible; all subjects have the same ones then.

    Raises
    ------
    InputError
        For inputs that do not fit together, or a model that predicts no survival curves.
    """

    def __init__(
        self,
        model: Any,
        background: Any,
        times: ArrayLike | None = None,
        *,
        type_fn: Kind = "survival",
        groups: Mapping[str, Sequence[int | str]] | None = None,
        feature_names: Sequence[str] | None = None,
        max_coalitions: int | None = None,
        random_state: int | None = None,
    ) -> None:
        sample = as_matrix("background", background)
        self.background_names = as_names(background, feature_names, sample.shape[1])
        self.background = Background.of(sample)
        self.players = Players.of_groups(self.background_names, groups or {})
        self.max_coalitions = (
            None if max_coalitions is None else as_whole("max_coalitions", max_coalitions)
        )
        self._seed = (
            None if random_state is None else as_whole("random_state", random_state, at_least=0)
        )
        model, first = loaded(model), self.background.rows[:1]
        known = as_output_times(times)
        if known is None:
            known = own_times(model, first)
        self._predict = predictor(
            model,
            kind=type_fn,
            times=np.ones(1) if known is None else known,
            feature_names=self.background_names,
            ask_survival=True,
        )
        if known is None:
            known = self._predict(first).times
        if known is None:
            raise InputError("times are needed: those of the columns that the function returns")
        self.times: Float64Array = known

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features that are told apart, d of them."""
        return self.players.names

    def explain_instance(
        self, data_row: Any, *, batch_size: int | None = None
    ) -> SurvShapExplanation:
        """Explain the prediction for one subject.

        Parameters
        ----------
        data_row : array, list or Series, length p
            The subject.
        batch_size : int, optional
            Most rows in one call of the model; by default those of four million values.

        Raises
        ------
        InputError
            For a row or predictions that cannot be used, or `max_coalitions` too few.
        """
        rows = as_rows("data_row", data_row, self.background_names)
        if len(rows) != 1:
            raise InputError(f"data_row has {len(rows)} rows; explain takes several")
        return self.explain(rows, batch_size=batch_size)[0]

    def explain(self, data: Any, *, batch_size: int | None = None) -> list[SurvShapExplanation]:
        """Explain the predictions for subjects (h, p), one by one.

        Parameters
        ----------
        data : DataFrame, Series, array or list
            One row or several.
        batch_size : int, optional
            As in `explain_instance`.

        Raises
        ------
        InputError
            As `explain_instance`.
        """
        rows = as_rows("data", data, self.background_names)
        at_once = max(1, BATCH_VALUES // len(self.times))
        if batch_size is not None:
            at_once = as_whole("batch_size", batch_size)
        return [self._explain(row, at_once) for row in rows]

    def _explain(self, row: Float64Array, rows_at_once: int) -> SurvShapExplanation:
        began = time.perf_counter()
        differs = differing_players(row, self.background, self.players)
        # The others change no prediction, so that their values are 0 and those of the rest do not
        # depend on them.
        active = np.flatnonzero(differs.any(axis=0))
        plan = self._plan(len(active), rows_at_once)
        calls = ModelCalls(self._predict, SurvivalReader(self.times), rows_at_once)
        worth = coalition_worth(
            plan.coalitions,
            row,
            self.background,
            active[:, None] == self.players.of_column,
            calls.read,
            rows_at_once=rows_at_once,
        )
        values, error = (np.zeros((len(self.feature_names), len(self.times))) for _ in range(2))
        values[active], error[active] = plan.values(worth)
        return SurvShapExplanation(
            values=values,
            standard_error=error,
            feature_names=self.feature_names,
            times=self.times,
            prediction=worth[-1],
            baseline=worth[0],
            exact=plan.drawn is None,
            num_coalitions=len(plan.coalitions),
            cost=Cost(time.perf_counter() - began, calls.seconds, calls.count),
        )

    def _plan(self, players: int, rows_at_once: int) -> _Plan:
        """Choose the coalitions of the features that differ from the background."""
        most = MAX_COALITIONS if self.max_coalitions is None else self.max_coalitions
        if 2**players <= most:
            self._check_memory(2**players, players, rows_at_once)
            return _Plan(all_coalitions(players), None)
        pairs = pairs_within(players, most)
        if self.max_coalitions is None:
            pairs = max(pairs, DEFAULT_PAIRS)
        if pairs < LEAST_PAIRS:
            least = min(2**players, 2 + 2 * LEAST_PAIRS * (players - 1))
            raise InputError(
                f"max_coalitions is {most}; the {players} features in which the subject differs "
                f"from the background take at least {least}"
            )
        self._check_memory(2 * pairs * players, players, rows_at_once)
        drawn = draw_orders(players, pairs, np.random.default_rng(self._seed))
        return _Plan(drawn.coalitions, drawn)

    def _check_memory(self, coalitions: int, players: int, rows_at_once: int) -> None:
        # Worth and gains of the coalitions, and the rows of a call with their predictions.
        values = (3 * coalitions + 2 * (rows_at_once + coalitions)) * len(self.times)
        features = 2 * (rows_at_once + coalitions) * len(self.background_names)
        check_memory(
            MemoryNeed(
                8 * (values + features) / 1e9,
                f"{coalitions:,} coalitions of {players} features at {len(self.times):,} times",
                "lower max_coalitions",
            )
        )


class _Plan(NamedTuple):
    """The coalitions to compute, and the orders they come from; None where they are all."""

    coalitions: BoolArray
    drawn: OrderedCoalitions | None

    def values(self, worth: Float64Array) -> ShapleyValues:
        return exact_values(worth) if self.drawn is None else values_of_orders(worth, self.drawn)
