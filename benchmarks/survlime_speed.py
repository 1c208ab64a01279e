"""Time and memory of SurvLIME explanations, without the model's own predictions, as JSON lines.

python -m benchmarks.survlime_speed                # p = 5, 20, 60 and N = 100 to 10,000
python -m benchmarks.survlime_speed --what norms   # 1, 1.5, 3 and inf; p = 5, N = 1,000
python -m benchmarks.survlime_speed --what many    # 100 repetitions x 100 rows, set 1 with Cox

The floor is one pass over the neighbours' cumulative hazards.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import measured_rates, timing
from survkit.explain import RandomSurvivalData, SurvLimeExplainer
from survkit.system import peak_memory_mb

TRAINING_ROWS, NEIGHBOURS = 900, 1000
SIZES = [(p, n) for p in (5, 20, 60) for n in (100, 1000, 10_000)]
NORMS: tuple[float | str, ...] = (1, 1.5, 3, "inf")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--what", choices=("sizes", "norms", "many"), default="sizes")
    parser.add_argument("--repetitions", type=int, default=100, help="of --what many")
    parser.add_argument("--rows", type=int, default=100, help="of --what many")
    parser.add_argument("--num_workers", type=int, default=2, help="of --what many")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        p, n, norm = arguments.one
        print(json.dumps(single(int(p), int(n), norm if norm == "inf" else float(norm))))
    elif arguments.what == "many":
        report(many(arguments), explanations=arguments.repetitions * arguments.rows)
    else:
        cases = [(p, n, 2.0) for p, n in SIZES]
        if arguments.what == "norms":
            cases = [(5, 1000, norm) for norm in NORMS]  # type: ignore[misc]
        for case in cases:
            in_fresh_process(*case)


def in_fresh_process(*case: object) -> None:
    """Measure one case where no other has raised the peak memory before."""
    command = [sys.executable, "-m", "benchmarks.survlime_speed", "--one", *map(str, case)]
    report(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def report(row: dict[str, Any], *, explanations: int = 1) -> None:
    """Print a row, its times next to the floor of so many explanations."""
    hazards = 8 * row["neighbours"] * row["times"] * explanations
    timed = timing(row.pop("all_seconds"), measured_rates().floor(bytes_moved=hazards))
    print(json.dumps({"what": row.pop("what"), **row, **timed}), flush=True)


def single(p: int, n: int, norm: float | str) -> dict[str, Any]:
    """Explain one subject, several times."""
    explainer, predict = simulated(p, norm)
    before = peak_memory_mb()
    seconds = []
    for _ in range(2 if norm != 2.0 else 15 if n < 10_000 else 5):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # few neighbours for many features: timed all the same
            found = explainer.explain_instance(np.zeros(p), predict, num_samples=n)
        seconds.append(found.cost.seconds - found.cost.model_seconds)
    return {
        "what": "one explanation",
        "features": p,
        "neighbours": n,
        "times": TRAINING_ROWS,
        "norm": norm,
        "all_seconds": seconds,
        "solver": found.solver,
        "status": found.status,
        "memory_before_mb": before,
        "peak_memory_mb": peak_memory_mb(),
    }


def many(arguments: argparse.Namespace) -> dict[str, Any]:
    """Explain many subjects of set 1 with scikit-survival's Cox model, as the paper does."""
    from sksurv.linear_model import CoxPHSurvivalAnalysis
    from sksurv.util import Surv

    features, times, events = simulate(5, TRAINING_ROWS + arguments.rows)
    train = slice(None, TRAINING_ROWS)
    model = CoxPHSurvivalAnalysis()
    model.fit(features[train], Surv.from_arrays(events[train], times[train]))
    explainer = SurvLimeExplainer(features[train], events[train], times[train], random_state=0)
    cpu = time.process_time()
    found = explainer.montecarlo_explanation(
        features[TRAINING_ROWS:],
        model,
        num_repetitions=arguments.repetitions,
        num_samples=NEIGHBOURS,
        num_workers=arguments.num_workers,
    )
    return {
        "what": f"{arguments.repetitions} repetitions of {arguments.rows} rows",
        "features": 5,
        "neighbours": NEIGHBOURS,
        "times": TRAINING_ROWS,
        "workers": arguments.num_workers,
        "all_seconds": [found.cost.seconds - found.cost.model_seconds],
        "model_seconds": round(found.cost.model_seconds, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "peak_memory_mb": peak_memory_mb(),
    }


def simulate(p: int, n: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    coefficients = np.zeros(p)
    coefficients[1:3] = 0.1, -0.15
    data = RandomSurvivalData(
        np.zeros(p).tolist(), 8, coefficients.tolist(), 0.9, 1e-5, 2, time_cap=None, random_seed=0
    )
    return data.random_survival_data(n)


def simulated(p: int, norm: float | str) -> tuple[SurvLimeExplainer, Any]:
    """Return an explainer, and the true cumulative hazards bent a little by the last feature."""
    features, times, events = simulate(p, TRAINING_ROWS)
    explainer = SurvLimeExplainer(features, events, times, functional_norm=norm, random_state=0)
    baseline = 1e-5 * np.unique(times) ** 2

    def predict(x: NDArray[np.float64]) -> NDArray[np.float64]:
        risk = 0.1 * x[:, 1] - 0.15 * x[:, 2] + 0.2 * np.sin(x[:, -1])
        return np.outer(np.exp(risk), baseline)

    return explainer, predict


if __name__ == "__main__":
    main()
