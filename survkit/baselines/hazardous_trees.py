"""The histogram trees that hazardous grows, with a seed and with bins that take no time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from hazardous import SurvivalBoost, _ipcw, _survival_boost
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from survkit.baselines.regression_trees import BoostedScore, RegressionTrees
from survkit.types import FloatArray, IntArray


class _UnweightedBins(HistGradientBoostingClassifier):  # type: ignore[misc]
    """Bins at quantiles of the rows, all of one weight.

    scikit-learn 1.9 weights the rows, and computes each of 254 quantiles by itself. hazardous
    bins anew for each tree: 100 trees on the 109 training rows of veteran took 46 s, and take 5 s
    with this.
    """

    def _bin_data(self, X: Any, *weights: Any, is_training_data: bool) -> Any:  # noqa: N803
        unweighted = [None for _ in weights]
        return super()._bin_data(X, *unweighted, is_training_data=is_training_data)


@contextmanager
def _trees_of_seed(seed: int) -> Iterator[None]:
    """Let hazardous, which gives its trees no seed, build these."""
    modules, name = (_survival_boost, _ipcw), HistGradientBoostingClassifier.__name__
    for module in modules:
        setattr(module, name, partial(_UnweightedBins, random_state=seed))
    try:
        yield
    finally:
        for module in modules:
            setattr(module, name, HistGradientBoostingClassifier)


def grow(
    matrix: NDArray[np.float32], cause: IntArray, time: FloatArray, *, seed: int, **parameters: Any
) -> list[BoostedScore]:
    """Fit hazardous' `SurvivalBoost`.

    Parameters
    ----------
    matrix : array, shape (n, q)
        Features.
    cause, time : array, shape (n,)
        The outcomes: 1 to C for an event of each cause, 0 where censored.
    seed : int
        Of the times and rows drawn.
    **parameters
        Those of `SurvivalBoost`.

    Returns
    -------
    list of BoostedScore
        For one cause one score, the log odds of an event by a time; for several the score of no
        event, then that of each cause, whose softmax are the probabilities by a time.

    Raises
    ------
    ValueError
        Where nobody has had the event, of one of the causes, at the times drawn for a tree.
    """
    booster = SurvivalBoost(show_progressbar=False, random_state=seed, **parameters)
    with threadpool_limits(1, user_api="openmp"), _trees_of_seed(seed):
        booster.fit(matrix, {"event": cause, "duration": time})
    estimator = booster.estimator_
    starts = estimator._baseline_prediction.ravel().tolist()
    by_score = zip(*estimator._predictors, strict=True)
    grown = (RegressionTrees.of(_arrays(tree.nodes) for tree in trees) for trees in by_score)
    return [BoostedScore(*score) for score in zip(starts, grown, strict=True)]


def _arrays(nodes: NDArray[Any]) -> dict[str, Any]:
    """Return the nodes of a tree of scikit-learn, as `RegressionTrees.of` takes them."""
    return {
        "left": nodes["left"],
        "right": nodes["right"],
        "feature": np.where(nodes["is_leaf"], -1, nodes["feature_idx"].astype(np.int64)),
        "threshold": nodes["num_threshold"],
        "value": nodes["value"],
    }
