"""Whether the chains agree on what matters: survival of subjects at some times."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_RHAT = 1.1
"""Largest R-hat that counts as agreement."""

MIN_SHARE = 0.95
"""Share of the predictions that must agree."""


class Convergence(NamedTuple):
    """Agreement of the chains on survival at q times, the quartiles of the event times.

    `rhat` is the rank-normalised split R-hat (Vehtari et al. 2021) and `ess` the bulk effective
    sample size of all chains, both (n, q) for n sampled subjects; NaN where there are too few draws
    to tell, or the chains never move.
    """

    times: NDArray[np.float64]
    rhat: NDArray[np.float64]
    ess: NDArray[np.float64]

    @property
    def share(self) -> NDArray[np.float64]:
        """Share of the subjects with an R-hat of at most `MAX_RHAT`, shape (q,)."""
        agree: NDArray[np.float64] = (self.rhat <= MAX_RHAT).mean(axis=0)  # NaN: no agreement
        return agree

    @property
    def converged(self) -> bool:
        """Whether the chains agree at every one of the times, for `MIN_SHARE` of the subjects."""
        return bool((self.share >= MIN_SHARE).all())

    def values(self) -> dict[str, float]:
        """Return the figures of a record: by time, and over all of them."""
        labels = ("rhat_ok@25", "rhat_ok@50", "rhat_ok@75")
        return {
            **dict(zip(labels, self.share.tolist(), strict=False)),
            "rhat_median": float(np.median(self.rhat)),
            "rhat_p95": float(np.quantile(self.rhat, 0.95)),
            "ess_median": float(np.median(self.ess)),
            "ess_min": float(np.min(self.ess)),
        }

    def __str__(self) -> str:
        shares = ", ".join(
            f"{share:.0%} at {time:g}" for time, share in zip(self.times, self.share, strict=True)
        )
        return (
            f"R-hat of survival is at most {MAX_RHAT} for {shares} of {len(self.rhat)} subjects "
            f"(95th percentile {np.quantile(self.rhat, 0.95):.3f}); effective sample size "
            f"{np.median(self.ess):.0f} (median), {np.min(self.ess):.0f} (least)"
        )

    def warning(self) -> str | None:
        """Return what a record says of a fit that has not converged; None for one that has."""
        if self.converged:
            return None
        return (
            f"not converged: {self}; more tuning or draws may help, or on many rows regrown trees"
        )


def check_convergence(
    survival: NDArray[np.float64], times: NDArray[np.float64], *, chains: int
) -> Convergence:
    """Compare the chains by draws of survival (chains * draws, n, q) at q times, chain by chain.

    The halves of a single chain are compared. Fewer than 4 draws per chain tell nothing: NaN.
    """
    from arviz_stats.base import array_stats  # type: ignore[attr-defined]

    if chains == 1:
        chains, survival = 2, survival[len(survival) % 2 :]
    draws = survival.reshape(chains, -1, *survival.shape[1:])
    if draws.shape[1] < 4:
        unknown = np.full(survival.shape[1:], np.nan)
        return Convergence(times, unknown, unknown)
    by_prediction, axes = np.moveaxis(draws, (0, 1), (-2, -1)), {"chain_axis": -2, "draw_axis": -1}
    statistics: Any = array_stats
    with np.errstate(divide="ignore", invalid="ignore"):  # chains that never move: NaN
        rhat, ess = statistics.rhat(by_prediction, **axes), statistics.ess(by_prediction, **axes)
    return Convergence(times, np.asarray(rhat), np.asarray(ess))
