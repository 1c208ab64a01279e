"""Differences of Brier scores under dependent censoring: ordinary weights and those of a copula.

Event times are exponential with a rate that one feature decides. One model knows their curves, the
other misjudges the feature. Censoring times depend on event times either among all subjects (then
on the feature only through the event time), or among subjects with the same feature. The tau of the
weights is the one among all subjects in both.

python -m benchmarks.dependent_censoring
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau
from statsmodels.distributions.copula.api import ClaytonCopula, FrankCopula

from survkit.metrics.brier import integration_weights
from survkit.metrics.dependent_censoring import ScoredPair, difference_contributions

TIMES = np.array([0.0, 0.3, 0.6, 1.0, 1.4])
SETTINGS = (
    ("clayton", 0.2),
    ("clayton", 0.5),
    ("frank", 0.4),
    ("frank", -0.2),
    ("frank", -0.4),
)


class Drawn(NamedTuple):
    """Two predictions of n subjects, the tau of all subjects, and the true differences (q,)."""

    pair: ScoredPair
    tau: float
    truth: NDArray[np.float64]


def dependent_times(
    n: int, family: str, tau: float, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw exponential event and censoring times whose survival copula is one of statsmodels'.

    The rates are 1 and 0.8. A negative tau turns the censoring times of a positive one round.
    """
    kind = {"frank": FrankCopula, "clayton": ClaytonCopula}[family]
    copula = kind(kind().theta_from_tau(abs(tau)))
    u, v = copula.rvs(n, (), np.random.default_rng(seed)).T
    return -np.log(u), -np.log(1 - v if tau < 0 else v) / 0.8


def draw(n: int, family: str, tau: float, *, given_features: bool, seed: int = 0) -> Drawn:
    """Draw subjects of the process above.

    Parameters
    ----------
    n : int
        How many.
    family, tau
        The copula of event and censoring time.
    given_features : bool
        Whether it is that among subjects with the same feature, or else among all.
    seed : int
        Of the draws.

    Returns
    -------
    Drawn
        Scored by the integrated Brier score, and at the third and the last of `TIMES`.
    """
    rng = np.random.default_rng(seed)
    rate = np.exp(rng.normal(0, 0.8, n))
    event_time, censoring_time = dependent_times(n, family, tau, seed + 1)
    if given_features:
        event_time = event_time / rate
    else:  # the same ranks of event times, with times and rates that go together
        drawn = rng.exponential(size=n) / rate
        by_time, rank = np.argsort(drawn), np.argsort(np.argsort(event_time))
        event_time, rate = drawn[by_time][rank], rate[by_time][rank]
    first, second = (np.exp(-TIMES * r[:, None]) for r in (rate, 1.2 * rate**0.4))
    scores = np.column_stack([integration_weights(TIMES), *np.eye(len(TIMES))[[2, 4]]])
    time, event = np.minimum(event_time, censoring_time), event_time <= censoring_time
    free = event_time[:, None] > TIMES
    truth = (((first - free) ** 2 - (second - free) ** 2) @ scores).mean(axis=0)
    marginal = float(kendalltau(event_time, censoring_time).statistic)
    return Drawn(ScoredPair(first, second, time, event, TIMES, scores), marginal, truth)


def main() -> None:
    """Print a table of mean differences in percent, with their standard deviations."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tiny", action="store_true", help="few draws, to see that it works")
    tiny = parser.parse_args().tiny
    draws, n = (2, 200) if tiny else (100, 1000)
    print("| copula | among | tau of all | truth | ordinary weights | weights at that tau |")
    print("|---|---|---|---|---|---|")
    for given_features in (False, True):
        for family, tau in SETTINGS:
            of_all = draw(20 * n, family, tau, given_features=given_features).tau
            rows = []
            for seed in range(draws):
                own = draw(n, family, tau, given_features=given_features, seed=1000 + 2 * seed)
                found = [
                    difference_contributions(
                        own.pair, own.pair.time, own.pair.event, family=family, tau=each
                    ).mean(axis=0)[0]
                    for each in (0.0, of_all)
                ]
                rows.append([own.truth[0], *found])
            mean, spread = 100 * np.mean(rows, axis=0), 100 * np.std(rows, axis=0, ddof=1)
            cells = [f"{m:.2f} ± {s:.2f}" for m, s in zip(mean, spread, strict=True)]
            among = "one feature" if given_features else "all"
            print(f"| {family} {tau} | {among} | {of_all:.2f} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
