"""How often BART's 90 % intervals of survival hold the truth, on simulated data.

python -m benchmarks.bart_coverage                           # both engines, as in docs/results.md
python -m benchmarks.bart_coverage --backends stochtree --replicates 2

The truth is that of the fitted grid: survival at the times that end its intervals.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
from numpy.typing import NDArray

from survkit.bart.chains import SamplerSettings
from survkit.bart.model import Bart
from survkit.bart.simulate import Simulation, simulate_survival

REPLICATES = {"stochtree": 20, "pymc": 5}
ROWS = 400
END_OF_STUDY = 10.0
LEVEL = 0.9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backends", nargs="+", choices=REPLICATES, default=list(REPLICATES))
    parser.add_argument("--processes", nargs="+", choices=PROCESSES, default=list(PROCESSES))
    parser.add_argument("--replicates", type=int, help="20 of stochtree and 5 of pymc by default")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--tune", type=int, default=200)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--sweeps", type=int, default=SamplerSettings().sweeps)
    parser.add_argument("--regrow", type=int, default=0)
    arguments = parser.parse_args()
    for backend in arguments.backends:
        for process in arguments.processes:
            seeds = range(arguments.replicates or REPLICATES[backend])
            settings = SamplerSettings(
                backend=backend,
                tune=arguments.tune,
                draws=arguments.draws,
                sweeps=arguments.sweeps,
                regrow=arguments.regrow,
            )
            shares = np.array(
                [coverage(simulate(process, arguments.rows, seed), settings) for seed in seeds]
            )
            error = shares.std(ddof=1) / np.sqrt(len(shares)) if len(shares) > 1 else np.nan
            line = {
                "backend": backend,
                "process": process,
                "regrow": settings.regrow,
                "replicates": len(shares),
                "coverage": round(float(shares.mean()), 4),
                "standard_error": round(float(error), 4),
                "least": round(float(shares.min()), 4),
                "most": round(float(shares.max()), 4),
            }
            print(json.dumps(line), flush=True)


def proportional_scale(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log hazard linear in two covariates and bent in a third."""
    return 8.0 * np.exp(-(0.8 * x[:, 0] - 0.5 * x[:, 1] + 0.5 * x[:, 2] ** 2) / 1.5)


def crossing_shape(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Falling hazards in one group and rising ones in the other: survival curves cross."""
    return np.where(x[:, 1] > 0, 0.7, 2.0)


PROCESSES = {"proportional": 1.5, "nonproportional": crossing_shape}
"""The Weibull shape of each process."""


def simulate(process: str, rows: int, seed: int) -> Simulation:
    """Return subjects with two normal covariates, a binary one between them, and noise."""
    random = np.random.default_rng(10_000 + seed)
    features = random.normal(size=(rows, 4))
    features[:, 1] = random.integers(0, 2, rows)
    return simulate_survival(
        features,
        shape=PROCESSES[process],
        scale=proportional_scale,
        end_of_study=END_OF_STUDY,
        mean_censoring_time=20.0,
        seed=seed,
    )


def coverage(simulation: Simulation, settings: SamplerSettings) -> float:
    """Return the share of subjects and times whose interval holds the true survival."""
    model = Bart(settings=settings, split_rules={"x1": "one_hot"}).fit(simulation.data, scale=1.0)
    summary = model.summary(simulation.data, level=LEVEL)
    truth = simulation.survival(model.times)
    return float(((summary.low <= truth) & (truth <= summary.high)).mean())


if __name__ == "__main__":
    main()
