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


CAUSES = ("relapse", "death")


def tied_causes(n, seed):
    """`tied_outcomes` whose events have two causes, 1 and 2, with 0 for censoring."""
    time, event = tied_outcomes(n, seed)
    return time, np.where(event, 1 + (np.random.default_rng(seed + 10).random(n) < 0.4), 0)


def tied_incidence(n, cuts, seed):
    """Cumulative incidences of two causes, shape (n, 2, k), of curves that tie."""
    share = np.random.default_rng(seed + 1).choice([0.3, 0.5, 0.8], n)
    fallen = 1 - tied_survival(n, cuts, seed)
    return np.stack([share[:, None] * fallen, (1 - share)[:, None] * fallen], axis=1)


def with_incidence(times, incidence, **optional):
    survival = 1 - incidence.sum(axis=1)
    return SurvivalPrediction(times, survival, cumulative_incidence=incidence, **optional)


def causes_data(time, cause, **optional):
    return survival_data(time, cause > 0, cause=cause, cause_names=CAUSES, **optional)


def tied_causes_problem(n=80, n_train=300, seed=0, **optional):
    """As `tied_problem`, with two causes."""
    grid = TimeGrid(np.arange(13.0))
    train_time, train_cause = tied_causes(n_train, seed + 1)
    prediction = with_incidence(grid.cuts, tied_incidence(n, grid.cuts, seed + 2))
    data = causes_data(*tied_causes(n, seed), **optional)
    return prediction, data, grid, (train_time, train_cause > 0)


def well_specified_causes(n, seed, cuts):
    """Two exponential cause-specific hazards, predicted by their true incidences."""
    rng = np.random.default_rng(seed)
    rates = np.exp(rng.normal(-2.2, 0.8, (n, 2)))
    total = rates.sum(axis=1)
    incidence = (rates / total[:, None])[:, :, None] * (1 - np.exp(-total[:, None] * cuts))[:, None]
    event_time, censoring_time = rng.exponential(1 / total), rng.exponential(10, n)
    cause = np.where(rng.random(n) < rates[:, 0] / total, 1, 2)
    cause[event_time > censoring_time] = 0
    return with_incidence(cuts, incidence), causes_data(
        np.minimum(event_time, censoring_time), cause
    )
