"""Evaluation of survival predictions under censoring: pure functions of arrays.

`evaluate` computes everything for one prediction. The functions below it take `counts`, shape
(b, n), and return one value a resample; without it they return the point estimate, shape (1,).
"""

from survkit.metrics.evaluate import Evaluation, evaluate, renormalise_beyond_horizon

__all__ = ["Evaluation", "evaluate", "renormalise_beyond_horizon"]
