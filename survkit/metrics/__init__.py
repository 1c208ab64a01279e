"""Evaluation of survival predictions under censoring: pure functions of arrays.

`evaluate` computes everything for one prediction, `evaluate_against` for one of several of the
same `Outcomes`. The functions below them take `counts`, shape (b, n), and return one value a
resample; without it they return the point estimate, shape (1,).
"""

from survkit.metrics.evaluate import (
    Evaluation,
    evaluate,
    evaluate_against,
    renormalise_beyond_horizon,
)
from survkit.metrics.outcomes import Outcomes

__all__ = ["Evaluation", "Outcomes", "evaluate", "evaluate_against", "renormalise_beyond_horizon"]
