"""Seconds of the evaluation, next to the time that moving its arrays once would take, as JSON.

python -m benchmarks.evaluation_speed           # about a minute
python -m benchmarks.evaluation_speed --tiny    # seconds: shows that it runs

One thread. A floor is the bytes that must be moved at least (every input once, resamples and null
draws written and read once) over the memory bandwidth measured in the same process; the final
evaluation is bound by arithmetic, so that its ratio is far from 1.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.machine import measured_rates, seconds_of, timing
from survkit.metrics import Outcomes, evaluate_against
from survkit.metrics.brier import brier_contributions
from survkit.metrics.calibration import (
    equal_mass_bins,
    equal_width_bins,
    expected_calibration_error,
)
from survkit.metrics.concordance import concordance, concordance_td
from survkit.types import SurvivalData, SurvivalPrediction, TimeGrid

CUTS = 100
SUPPORT2_ROWS = 911
SUPPORT2_TRAINING_ROWS = 7283
RESAMPLES = 1000
NULL_DRAWS = 200


class Sample(NamedTuple):
    """Predictions of n subjects, their outcomes, and those of n_train others."""

    prediction: SurvivalPrediction
    data: SurvivalData
    train: SurvivalData
    grid: TimeGrid

    def outcomes(self) -> Outcomes:
        return Outcomes(self.data, self.train.time, self.train.event, self.grid)


class Clock:
    """Times calls, and compares them with the time of moving bytes."""

    def __init__(self, *, tiny: bool) -> None:
        self.repeats = 2 if tiny else 7
        self.rates = measured_rates()

    def __call__(self, call: Callable[[], object], *, moved: int) -> dict[str, float]:
        call()  # warms up
        seconds = seconds_of(call, self.repeats)
        return timing(seconds, self.rates.floor(bytes_moved=moved))


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--tiny", action="store_true", help="small samples, to see that it runs")
    for row in measure(tiny=parser.parse_args().tiny):
        print(json.dumps(row), flush=True)


def measure(*, tiny: bool) -> Iterator[dict[str, Any]]:
    """Time the metrics that cost most, the scoring of an epoch and the final evaluation."""
    with threadpool_limits(1):
        clock = Clock(tiny=tiny)
        sizes = (300, 1000) if tiny else (1000, 3162, 10_000, 31_623, 100_000)
        yield brier_ece_ipcw(clock, 500 if tiny else 10_000)
        for n in sizes:
            yield from concordances(clock, n)
        rows = 100 if tiny else SUPPORT2_ROWS
        yield epoch_scoring(clock, rows)
        yield final_evaluation(clock, rows, tiny=tiny)


def brier_ece_ipcw(clock: Clock, n: int) -> dict[str, Any]:
    """Censoring weights, the Brier score and both calibration errors at all cuts."""
    sample = simulated(n, n)

    def call() -> None:
        outcomes = sample.outcomes()
        upto = outcomes.weights.last_cut + 1
        survival = sample.prediction.survival[:, :upto]
        happened, weights = outcomes.happened, outcomes.at_cuts
        brier_contributions(survival, happened, weights).mean(axis=0)
        predicted = 1.0 - survival
        for bins in (equal_width_bins(predicted), equal_mass_bins(predicted)):
            expected_calibration_error(predicted, happened, weights, bins)

    return {
        "what": "censoring weights, Brier score, both calibration errors",
        "subjects": n,
        "cuts": CUTS,
        **clock(call, moved=curves(n) + 2 * outcomes_of(n)),
    }


def concordances(clock: Clock, n: int) -> Iterator[dict[str, Any]]:
    """Harrell's, Uno's and Antolini's index, as n grows."""
    sample = simulated(n, n)
    observed, event = sample.data.time, sample.data.event
    risk, survival = sample.prediction.risk_score(), sample.prediction.survival
    uno = (sample.outcomes().weights.at_event ** 2)[:, None]
    calls: dict[str, tuple[Callable[[], object], int]] = {
        "Harrell": (lambda: concordance(risk, observed, event, np.ones((n, 1))), 8 * n),
        "Uno": (lambda: concordance(risk, observed, event, uno), 16 * n),
        "Antolini": (
            lambda: concordance_td(survival, sample.grid.cuts, observed, event),
            curves(n),
        ),
    }
    for index, (call, moved) in calls.items():
        timed = clock(call, moved=moved + outcomes_of(n))
        yield {"what": f"concordance, {index}", "subjects": n, **timed}


def epoch_scoring(clock: Clock, n: int) -> dict[str, Any]:
    """Score the validation split as each epoch of a network's training does."""
    sample = simulated(n, SUPPORT2_TRAINING_ROWS)
    outcomes = sample.outcomes()

    def call() -> None:
        evaluate_against(sample.prediction, outcomes, bootstrap=0, null_draws=0)

    timed = clock(call, moved=curves(n) + outcomes_of(n))
    return {"what": "validation metrics of an epoch", "subjects": n, "cuts": CUTS, **timed}


def final_evaluation(clock: Clock, n: int, *, tiny: bool) -> dict[str, Any]:
    """Evaluate both splits with null draws, the test split with resamples, as a run's end does."""
    validation, test = (simulated(n, SUPPORT2_TRAINING_ROWS, seed) for seed in (0, 1))
    resamples = 20 if tiny else RESAMPLES

    def call() -> None:
        evaluate_against(validation.prediction, validation.outcomes(), bootstrap=0)
        evaluate_against(test.prediction, test.outcomes(), bootstrap=resamples)

    moved = 2 * (curves(n) + outcomes_of(n) + outcomes_of(SUPPORT2_TRAINING_ROWS))
    moved += 2 * 4 * resamples * n  # counts, in float32
    moved += 2 * 2 * 2 * 8 * NULL_DRAWS * n  # two splits, two random numbers an outcome
    timed = clock(call, moved=moved)
    what = f"everything, {resamples:,} resamples"
    return {"what": what, "subjects": n, "cuts": CUTS, **timed}


def curves(n: int) -> int:
    """Bytes of n curves."""
    return 8 * CUTS * n


def outcomes_of(n: int) -> int:
    """Bytes of n times and event indicators."""
    return 9 * n


def simulated(n: int, n_train: int, seed: int = 0) -> Sample:
    """Exponential event times, a third of them censored, predicted with an error."""
    rng = np.random.default_rng(seed)
    rate = np.exp(rng.normal(-1.5, 0.8, n + n_train))
    event_time, censoring_time = rng.exponential(1 / rate), rng.exponential(10, n + n_train)
    observed, event = np.minimum(event_time, censoring_time), event_time <= censoring_time
    grid = TimeGrid.evenly_spaced(float(np.quantile(observed, 0.95)), CUTS)
    predicted = rate[:n] * np.exp(rng.normal(0, 0.3, n))
    prediction = SurvivalPrediction(grid.cuts, np.exp(-predicted[:, None] * grid.cuts))
    features = np.zeros((n + n_train, 1), dtype=np.float32)
    parts = (slice(n), slice(n, None))
    evaluated, train = (SurvivalData(features[p], event[p], observed[p]) for p in parts)
    return Sample(prediction, evaluated, train, grid)


if __name__ == "__main__":
    main()
