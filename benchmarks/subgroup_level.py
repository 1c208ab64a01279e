"""How often two equal subgroups are found to differ, on simulated data.

python -m benchmarks.subgroup_level                  # as in docs/results.md
python -m benchmarks.subgroup_level --tiny

Event times are exponential with a rate that depends on a covariate; censoring is independent. The
subgroup is drawn at random, so that nothing differs. `all` is the share of simulations in which any
metric is significant after Holm's method, and the other shares are those of single p values.
"""

from __future__ import annotations

import argparse
import json
from typing import NamedTuple

import numpy as np

from survkit.metrics import Outcomes
from survkit.metrics.subgroup_tests import LEVEL
from survkit.metrics.subgroups import SUBGROUP_METRICS, Grouping, SubgroupScores, score_subgroups
from survkit.types import SurvivalData, SurvivalPrediction, TimeGrid

CUTS = np.linspace(0.0, 6.0, 13)
TRAINING_ROWS = 1000


class Setting(NamedTuple):
    """Rows of each subgroup, and how the prediction is wrong: predicted over true log hazard."""

    rows: tuple[int, ...]
    slope: float = 1.0
    shift: float = 0.0


SETTINGS = {
    "equal sizes": Setting((200, 200)),
    "small and large": Setting((60, 540)),
    "few subjects": Setting((50, 50)),
    "three subgroups": Setting((100, 200, 300)),
    "miscalibrated alike": Setting((100, 400), slope=1.6, shift=-0.5),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--simulations", type=int, default=200)
    parser.add_argument("--bootstrap", type=int, default=400)
    parser.add_argument("--tiny", action="store_true", help="two simulations of one setting")
    arguments = parser.parse_args()
    if arguments.tiny:
        arguments.settings, arguments.simulations, arguments.bootstrap = ["few subjects"], 2, 20
    for name in arguments.settings:
        shares = rejections(SETTINGS[name], arguments.simulations, arguments.bootstrap)
        print(json.dumps({"setting": name, "simulations": arguments.simulations, **shares}))


def rejections(setting: Setting, simulations: int, bootstrap: int) -> dict[str, float]:
    """Return the share of simulations with a significant difference: of any metric, and of each."""
    scores = [simulated(setting, seed, bootstrap) for seed in range(simulations)]
    found = {"all": [any(c.adjusted < LEVEL for c in own.comparisons) for own in scores]}
    for metric in SUBGROUP_METRICS:
        # Of two subgroups the second's comparison is the first's.
        first = [next(c for c in own.comparisons if c.metric == metric) for own in scores]
        found[metric] = [c.p < LEVEL for c in first if not np.isnan(c.p)]
    return {name: round(float(np.mean(own)), 3) for name, own in found.items() if own}


def simulated(setting: Setting, seed: int, bootstrap: int) -> SubgroupScores:
    """Score random subgroups of one simulated sample."""
    rng = np.random.default_rng(seed)
    n = sum(setting.rows)
    log_rate = -1.5 + 0.9 * rng.normal(size=n + TRAINING_ROWS)
    event_time = rng.exponential(np.exp(-log_rate))
    censored_at = np.minimum(rng.exponential(9.0, len(event_time)), CUTS[-1])
    time, event = np.minimum(event_time, censored_at), event_time <= censored_at
    predicted_rate = np.exp(-1.5 + setting.shift + setting.slope * (log_rate[:n] + 1.5))
    outcomes = Outcomes(
        SurvivalData(np.zeros((n, 1)), event[:n], time[:n]), time[n:], event[n:], TimeGrid(CUTS)
    )
    names = tuple("abc"[: len(setting.rows)])
    return score_subgroups(
        SurvivalPrediction(CUTS, np.exp(-predicted_rate[:, None] * CUTS)),
        outcomes,
        Grouping("group", names, np.repeat(np.arange(len(names)), setting.rows)),
        bootstrap=bootstrap,
        seed=seed,
        null_draws=0,
    )


if __name__ == "__main__":
    main()
