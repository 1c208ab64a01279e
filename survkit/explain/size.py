"""How much memory explanations need, known before any of it is taken."""

from __future__ import annotations

from survkit.system import MemoryNeed

COPIES_OF_HAZARDS = 4
"""Of the cumulative hazards (N, m) of a set of neighbours, while its local model is fitted."""

COPIES_IN_OTHER_NORMS = 8
"""The same where the norm is not 2, and the solver keeps terms of its own."""

COPIES_OF_FEATURES = 4
"""Of the neighbours (N, p)."""

BYTES_AN_EXPLANATION = 4_000
"""What is kept of each set of neighbours, besides its normal equations."""

BYTES = 8


def explanation_need(
    num_samples: int, num_explanations: int, *, times: int, features: int, norm: float
) -> MemoryNeed:
    """Estimate what explanations need.

    Parameters
    ----------
    num_samples : int
        Neighbours N in a set.
    num_explanations : int
        Sets of neighbours.
    times : int
        Distinct training times m.
    features : int
        Unknowns of a local model.
    norm : float
        The norm that compares log hazards.
    """
    copies = COPIES_OF_HAZARDS if norm == 2 else COPIES_IN_OTHER_NORMS
    neighbours = BYTES * num_samples * (copies * times + COPIES_OF_FEATURES * features)
    kept = num_explanations * (BYTES_AN_EXPLANATION + BYTES * features**2)
    return MemoryNeed(
        (neighbours + kept) / 1e9,
        f"explanations ({num_explanations:,}, each from {num_samples:,} neighbours at {times:,} "
        "times)",
        "lower num_samples or num_repetitions",
    )
