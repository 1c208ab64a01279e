"""What an explanation is: coefficients that behave like an array, and how far to trust them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import DTypeLike, NDArray

from survkit.explain.neighbours import effective_number
from survkit.types import Float64Array, InputError


class Cost(NamedTuple):
    """What an explanation took.

    Parameters
    ----------
    seconds : float
        From call to answer.
    model_seconds : float
        Of these, spent in the model's own predictions.
    num_model_calls : int
        How often the model was called.
    """

    seconds: float
    model_seconds: float
    num_model_calls: int


class _ArrayLike(NDArrayOperatorsMixin):
    """Indexes, iterates and computes as its `coefficients` do.

    It has the attributes and methods of an array (`mean`, `argsort`, `reshape`, `dtype`, `tolist`
    and so on), those of `coefficients`.
    """

    coefficients: Float64Array

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.coefficients, dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        arrays = [i.coefficients if isinstance(i, _ArrayLike) else i for i in inputs]
        return getattr(ufunc, method)(*arrays, **kwargs)

    if not TYPE_CHECKING:  # or a misspelt attribute would pass

        def __getattr__(self, name: str) -> Any:
            # Copying and unpickling ask before there are coefficients; numpy asks for protocols.
            if name.startswith("_") or name == "coefficients":
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            return getattr(self.coefficients, name)

    def __getitem__(self, index: Any) -> Any:
        return self.coefficients[index]

    def __len__(self) -> int:
        return len(self.coefficients)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.coefficients)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the coefficients."""
        return self.coefficients.shape

    @property
    def ndim(self) -> int:
        """Number of axes of the coefficients."""
        return self.coefficients.ndim


@dataclass(frozen=True, eq=False)
class Explanation(_ArrayLike):
    """The local Cox model around one subject.

    Parameters
    ----------
    coefficients : array, shape (d,)
        Log hazard ratios; positive raises the hazard. d is the number of features p where no
        categorical feature has more than two values.
    feature_names : tuple of str, length d
        What each belongs to.
    values : array, shape (d,)
        The subject's features, as the local model sees them.
    neighbours : array, shape (N, p)
        The neighbours that were drawn.
    weights : array, shape (N,)
        Their weights, at most 1.
    r_squared : float
        Fit of the local model to the model's log hazards, weighted as in expression (9); below 0
        it fits worse than a constant, NaN where the log hazards do not vary.
    share_capped : float
        Share of the neighbours' predicted values that count as a cap: survival too small to tell
        from 0, or hazards above the largest that is allowed. What features change there is lost.
    solver, status : str
        Which solver found the coefficients, and what it says of them.
    residual : float
        Norm of the l2 normal equations' residual, relative to their right-hand side; for other
        norms the objective's excess over the l2 solution's, relative (below 0 where it is lower).
    cost : Cost
        Seconds and model calls.
    """

    coefficients: Float64Array
    feature_names: tuple[str, ...]
    values: Float64Array
    neighbours: Float64Array
    weights: Float64Array
    r_squared: float
    share_capped: float
    solver: str
    status: str
    residual: float
    cost: Cost

    @property
    def effective_neighbours(self) -> float:
        """How many neighbours of equal weight the weighted ones are worth."""
        return effective_number(self.weights)

    def to_frame(self) -> pd.DataFrame:
        """Return a table with one row per unknown: value, coefficient and their product."""
        return pd.DataFrame(
            {
                "value": self.values,
                "coefficient": self.coefficients,
                "contribution": self.coefficients * self.values,
            },
            index=pd.Index(self.feature_names, name="feature"),
        )


@dataclass(frozen=True, eq=False)
class MonteCarloExplanation(_ArrayLike):
    """Explanations of h subjects, repeated R times with other neighbours.

    Parameters
    ----------
    repetitions : array, shape (h, R, d)
        The coefficients of every repetition; NaN in a repetition that has none.
    feature_names : tuple of str, length d
        What each coefficient belongs to.
    values : array, shape (h, d)
        The subjects' features, as the local model sees them.
    r_squared : array, shape (h, R)
        Fit of each local model; NaN in a repetition that has none.
    effective_neighbours, share_capped : array, shape (h, R)
        As in `Explanation`.
    failures : tuple of str
        Why each repetition that has no coefficients has none.
    cost : Cost
        Seconds and model calls of all.
    """

    repetitions: Float64Array
    feature_names: tuple[str, ...]
    values: Float64Array
    r_squared: Float64Array
    effective_neighbours: Float64Array
    share_capped: Float64Array
    failures: tuple[str, ...]
    cost: Cost

    @property
    def num_solved(self) -> NDArray[np.int64]:
        """Repetitions that have an answer, shape (h,)."""
        return np.asarray((~np.isnan(self.repetitions[:, :, 0])).sum(axis=1))

    @property
    def coefficients(self) -> Float64Array:  # type: ignore[override]
        """Mean over the repetitions, shape (h, d); NaN for a subject that has no answer."""
        count = np.where(self.num_solved > 0, self.num_solved, np.nan)[:, None]
        return np.asarray(np.nansum(self.repetitions, axis=1) / count)

    @property
    def mean_r_squared(self) -> Float64Array:
        """Mean fit of the repetitions that have one, shape (h,); NaN where none has."""
        count = (~np.isnan(self.r_squared)).sum(axis=1)
        return np.asarray(np.nansum(self.r_squared, axis=1) / np.where(count > 0, count, np.nan))

    @property
    def samples(self) -> Float64Array:
        """What a plot shows: the subjects' means (h, d), or a single subject's repetitions.

        Subjects and repetitions without an answer are left out.
        """
        if len(self.repetitions) > 1:
            return self.coefficients[self.num_solved > 0]
        return np.asarray(self.repetitions[0][~np.isnan(self.repetitions[0, :, 0])])

    @property
    def standard_error(self) -> Float64Array:
        """Standard error of that mean, shape (h, d); NaN for fewer than two repetitions."""
        count = np.where(self.num_solved > 1, self.num_solved, np.nan)[:, None]
        squares = np.nansum(np.square(self.repetitions - self.coefficients[:, None]), axis=1)
        return np.asarray(np.sqrt(squares / (count - 1) / count))

    def to_frame(self, rows: Sequence[object] | None = None) -> pd.DataFrame:
        """Return a table with one row per subject and unknown.

        The index has the subject (its place among those explained, or its entry in `rows`) and
        the feature; the columns are value, coefficient, standard_error and contribution
        (coefficient times value).

        Raises
        ------
        InputError
            Where `rows` are not as many as the subjects.
        """
        subjects = list(range(len(self.values)) if rows is None else rows)
        if len(subjects) != len(self.values):
            raise InputError(f"rows are {len(subjects)} for {len(self.values)} subjects")
        columns = {
            "value": self.values,
            "coefficient": self.coefficients,
            "standard_error": self.standard_error,
            "contribution": self.coefficients * self.values,
        }
        index = pd.MultiIndex.from_product([subjects, self.feature_names], names=["row", "feature"])
        return pd.DataFrame({name: array.ravel() for name, array in columns.items()}, index=index)

    def global_importance(self) -> pd.DataFrame:
        """Summarise the coefficients of all subjects, the most important feature first.

        Columns: mean_absolute (of the coefficients, the order of the rows), mean, median,
        deviation over subjects, share_positive, and mean_absolute_contribution, of coefficient
        times value: for features that are not standardised. Subjects without an answer are left
        out.
        """
        solved = self.num_solved > 0
        coefficients = self.coefficients[solved]
        table = pd.DataFrame(
            {
                "mean_absolute": np.abs(coefficients).mean(axis=0),
                "mean": coefficients.mean(axis=0),
                "median": np.median(coefficients, axis=0),
                "deviation": coefficients.std(axis=0),
                "share_positive": (coefficients > 0).mean(axis=0),
                "mean_absolute_contribution": np.abs(coefficients * self.values[solved]).mean(
                    axis=0
                ),
            },
            index=pd.Index(self.feature_names, name="feature"),
        )
        return table.sort_values("mean_absolute", ascending=False, kind="stable")
