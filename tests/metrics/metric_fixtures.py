"""Samples with ties in times and in predictions, for comparison with other implementations."""

from __future__ import annotations

import numpy as np

from survkit.types import SurvivalData, SurvivalPrediction, TimeGrid


def tied_outcomes(n, seed, latest=12):
    """Whole-number times, so that events and censorings tie; none at time 0."""
    rng = np.random.default_rng(seed)
    event_time = np.ceil(rng.weibull(1.3, n) * 6)
    censoring_time = np.ceil(rng.exponential(9, n))
    time = np.minimum(np.minimum(event_time, censoring_time), latest)
    return time, (event_time <= censoring_time) & (event_time <= latest)


def tied_survival(n, cuts, seed):
    """Curves of only eight kinds, so that predictions tie."""
    rates = np.array([0.02, 0.05, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5])
    rate = rates[np.random.default_rng(seed).integers(len(rates), size=n)]
    return np.exp(-np.asarray(cuts)[None] * rate[:, None])


def survival_data(time, event, **optional):
    return SurvivalData(np.zeros((len(time), 1)), event, time, **optional)


def tied_problem(n=80, n_train=300, seed=0, **optional):
    """Prediction, data, grid and training outcomes on whole-number times 0..12."""
    grid = TimeGrid(np.arange(13.0))
    time, event = tied_outcomes(n, seed)
    train_time, train_event = tied_outcomes(n_train, seed + 1)
    prediction = SurvivalPrediction(grid.cuts, tied_survival(n, grid.cuts, seed + 2))
    return prediction, survival_data(time, event, **optional), grid, (train_time, train_event)


def well_specified(n, seed, cuts=None):
    """Exponential event times predicted by their true curves, with independent censoring."""
    rng = np.random.default_rng(seed)
    rate = np.exp(rng.normal(-1.5, 0.8, n))
    true_time, censoring_time = rng.exponential(1 / rate), rng.exponential(10, n)
    cuts = np.linspace(0, 12, 41) if cuts is None else cuts
    prediction = SurvivalPrediction(cuts, np.exp(-rate[:, None] * cuts))
    time = np.minimum(true_time, censoring_time)
    return prediction, survival_data(time, true_time <= censoring_time, true_time=true_time)
