"""The times of metrics in a table, the subjects at risk at them, and which metrics are missing.

A metric at a time is missing where too few test subjects are still at risk then. Records from
before `--min_at_risk` have values there, which say nothing; tables treat them as missing too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from survkit.metrics.outcomes import MIN_AT_RISK, PERCENTAGES
from survkit.runs.metric_text import MAIN_AT_A_TIME, MetricTime, suffix_of
from survkit.runs.read import read_predictions
from survkit.runs.table import seed_text
from survkit.runs.variants import min_at_risk
from survkit.types import InputError, SurvivalData, SurvivalPrediction, TimeGrid

_TRUE = "brier_true"
"""First word of the metrics that need subjects whose true event time is later."""


def least_at_risk(runs: pd.DataFrame) -> int:
    """Return how many subjects must be at risk at a time on which a comparison rests.

    It is the number of the runs themselves, and `MIN_AT_RISK` where they record none: they left
    out no time, or come from before there was such a number.
    """
    return min_at_risk(runs) or MIN_AT_RISK


def recorded_metrics(runs: pd.DataFrame) -> list[str]:
    """Return the names of the test metrics of runs."""
    tests = [str(name).removeprefix("test_") for name in runs if str(name).startswith("test_")]
    return [name for name in tests if not name.startswith(("details_", "interval_"))]


def metric_times(runs: pd.DataFrame, metrics: Sequence[str]) -> list[MetricTime]:
    """Return the times of metrics at one time, in the order of the metrics.

    Parameters
    ----------
    runs : DataFrame
        From `load_runs`, comparable. Where they do not tell, as earlier records, the recorded
        predictions do; where there are none either, nothing is known of that time.
    metrics : sequence of str
        Names of test metrics; those that stand at no single time do not count.
    """
    suffixes = list(dict.fromkeys(filter(None, map(suffix_of, metrics))))
    known = {suffix: _recorded(runs, suffix) for suffix in suffixes}
    if None in known.values():
        computed = {time.suffix: time for time in _computed(runs)}
        known = {suffix: time or computed.get(suffix) for suffix, time in known.items()}
    return [time for time in known.values() if time is not None]


def without_unreliable(runs: pd.DataFrame) -> pd.DataFrame:
    """Return runs whose metrics at times with too few subjects at risk are missing, with reasons.

    The published conventions use every time, and stay as they are.
    """
    if not _is_standard(runs):
        return runs
    columns: dict[str, Any] = {}
    timed = [name for name in recorded_metrics(runs) if suffix_of(name)]
    needed = least_at_risk(runs)
    at_risk = {time.suffix: time for time in metric_times(runs, timed)}
    true = any(name.startswith(_TRUE) for name in timed) and not min_at_risk(runs)
    true_at_risk = _true_at_risk(runs, at_risk) if true else {}
    for name in timed:
        times = true_at_risk if name.startswith(_TRUE) else at_risk
        time = times.get(suffix_of(name))
        if time is not None and time.at_risk < needed and runs[f"test_{name}"].notna().any():
            columns[f"test_{name}"] = math.nan
            columns[f"test_details_{name}_reason"] = _reason(name, time, needed)
    return runs.assign(**columns)


def _is_standard(runs: pd.DataFrame) -> bool:
    return "evaluation" in runs and bool((runs["evaluation"] == "standard").all())


def _reason(metric: str, time: MetricTime, needed: int) -> str:
    subjects = f"test subject{' is' if time.at_risk == 1 else 's are'} still at risk"
    if metric.startswith(_TRUE):
        times = f"true event time{' is' if time.at_risk == 1 else 's are'}"
        subjects = f"{times} later than {time.time:g}"
    return f"{time.at_risk} {subjects}, fewer than {needed}"


def missing_notes(
    runs: pd.DataFrame, labels: pd.Series, metrics: Sequence[str]
) -> tuple[list[str], dict[str, list[str]]]:
    """Return sentences on metrics that all models lack, and phrases on those that a model lacks.

    Parameters
    ----------
    runs : DataFrame
        From `load_runs`, through `without_unreliable`.
    labels : Series
        The model of each run, from `variant_labels`.
    metrics : sequence of str
        Names of test metrics.

    Returns
    -------
    list of str
        "brier@75, auc@75 are missing: fewer than 10 test subjects are still at risk then"
    dict of model to list of str
        "loss is missing in 1 of 3 runs (seed 43) and so has no mean: ..."
    """
    too_few = _too_few(runs, metrics)
    lacks = {
        str(label): {
            metric: how
            for metric in dict.fromkeys(metrics)
            if (how := _how_missing(own, metric, too_few.get(metric)))
        }
        for label, own in runs.groupby(labels, sort=False)
    }
    first = next(iter(lacks.values()), {})
    shared = {
        metric: how
        for metric, how in first.items()
        if all(own.get(metric) == how for own in lacks.values())
    }
    notes = {
        model: _phrases({metric: how for metric, how in own.items() if metric not in shared})
        for model, own in lacks.items()
    }
    return [f"{phrase}." for phrase in _phrases(shared)], {
        m: own for m, own in notes.items() if own
    }


def _too_few(runs: pd.DataFrame, metrics: Sequence[str]) -> dict[str, str]:
    """Return one reason for all metrics at times with too few subjects at risk."""
    if not _is_standard(runs):
        return {}
    needed = least_at_risk(runs)
    few = {time.suffix for time in metric_times(runs, metrics) if time.at_risk < needed}
    why = f"fewer than {needed} test subjects are still at risk then"
    return {m: why for m in metrics if suffix_of(m) in few and not m.startswith(_TRUE)}


def _how_missing(runs: pd.DataFrame, metric: str, known: str | None) -> str:
    """Return in how many of a model's runs a metric is missing, and why; "" where in none.

    `known` is a reason to give in place of those that the records have.
    """
    column = f"test_{metric}"
    missing = runs[column].isna() if column in runs else pd.Series(False, index=runs.index)
    if not missing.any():
        return ""
    recorded = f"test_details_{metric}_reason"
    reasons = list(runs.loc[missing, recorded].dropna()) if recorded in runs else []
    reasons = [known] if known else reasons
    why = f": {'; '.join(dict.fromkeys(map(str, reasons)))}" if reasons else ""
    if missing.all():
        return f"missing{why}"
    seeds = [seed_text(seed) for seed in runs.loc[missing, "seed"]]
    which = f"seed{'s' if len(seeds) > 1 else ''} {', '.join(seeds)}"
    return f"missing in {len(seeds)} of {len(runs)} runs ({which}) and so has no mean{why}"


def _phrases(missing: Mapping[str, str]) -> list[str]:
    """Return a phrase for all metrics that are missing in the same way."""
    metrics: dict[str, list[str]] = {}
    for metric, how in missing.items():
        metrics.setdefault(how, []).append(metric)
    return [
        f"{', '.join(own)} {'is' if len(own) == 1 else 'are'} "
        f"{how if len(own) == 1 else how.replace('and so has', 'and so have')}"
        for how, own in metrics.items()
    ]


def _recorded(runs: pd.DataFrame, suffix: str) -> MetricTime | None:
    """Return a time that the records tell, None where they do not."""
    for metric in MAIN_AT_A_TIME:
        names = [f"test_details_{metric}@{suffix}_{what}" for what in ("time", "at_risk")]
        if set(names) <= set(runs.columns):
            known = runs[names].dropna()
            if not known.empty:
                time, at_risk = known.iloc[0]
                return MetricTime(suffix, float(time), int(at_risk))
    return None


def _computed(runs: pd.DataFrame) -> list[MetricTime]:
    """Return the times at the percentages of the grid, from recorded predictions at its cuts."""
    found = _read_any(runs)
    if found is None or len(found[0].times) < 2 or found[0].times[0] != 0:
        return []
    grid = TimeGrid(found[0].times)
    cuts = {p: float(grid.cuts[p * len(grid.cuts) // 100]) for p in PERCENTAGES}
    time = grid.snap(found[1].time)
    data = replace(found[1], time=time, entry=grid.snap_entry(found[1].entry, time))
    return [MetricTime(f"{p}", cut, int(data.at_risk(cut)[0])) for p, cut in cuts.items()]


def _true_at_risk(runs: pd.DataFrame, times: Mapping[str, MetricTime]) -> dict[str, MetricTime]:
    """Return at each time the subjects whose true event time is later, where that is recorded."""
    found = _read_any(runs)
    true_time = None if found is None else found[1].true_time
    if true_time is None:
        return {}
    return {
        suffix: time._replace(at_risk=int((true_time > time.time).sum()))
        for suffix, time in times.items()
    }


def _read_any(runs: pd.DataFrame) -> tuple[SurvivalPrediction, SurvivalData] | None:
    """Return the first recorded test predictions that can be read, and their outcomes."""
    for path in runs["path"].dropna() if "path" in runs else ():
        try:
            return read_predictions(Path(path), "test")
        except InputError:
            continue
    return None
