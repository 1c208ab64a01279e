"""What a person sees of a search: each trial and the best so far, and the tables at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from survkit.launch.overview import Overview
from survkit.runs.metric_text import SUMMARY, format_mean, scale_of
from survkit.runs.record_files import read_result
from survkit.search.study import Ended, Trial

MOST_ROWS = 5
"""Trials that the closing table shows."""


class SearchOverview(Overview):
    """An overview that also says how many trials have ended, and the best so far.

    Parameters
    ----------
    trials : int
        Trials of the search.
    metric : str
        What it compares by.
    maximize : bool
        Whether more of it is better.
    """

    def __init__(self, trials: int, metric: str, *, maximize: bool) -> None:
        super().__init__(trials)
        self._trials, self._metric = trials, metric
        self._maximize = maximize
        self._finished = 0
        self._best: Trial | None = None

    def begun(self, finished: int, best: Trial | None, runs: int) -> None:
        """Note where an interrupted search stands; `runs` are still to come."""
        self._finished, self._best, self._total = finished, best, runs
        if finished:
            self.tell(f"continuing: {self._standing()}")

    def tried(self, trial: Trial, best: Trial | None) -> None:
        """Report a trial that has ended."""
        self._finished += 1
        self._best = best
        how = f"{self._metric} {trial.value:.5g}" if trial.value is not None else str(trial.ended)
        note = f" ({trial.note})" if trial.ended is Ended.FAILED and trial.note else ""
        self.tell(f"trial {trial.number}: {how}{note}; {self._standing()}")

    def _standing(self) -> str:
        counted = f"{self._finished} of {self._trials} trials"
        if self._best is None:
            return counted
        return f"{counted}, best {self._metric} {self._best.value:.5g} (trial {self._best.number})"

    def _summary(self) -> str:
        return f"{self._standing()}; {super()._summary()}"


def trials_table(trials: Sequence[Trial], record: Mapping[str, Any], metric: str) -> str:
    """Return the best trials with their parameters, and what was chosen and why."""
    complete = [trial for trial in trials if trial.value is not None]
    best_value = record["chosen"]["value"]
    best = sorted(complete, key=lambda t: (abs((t.value or 0.0) - best_value), t.number))
    rows = [("trial", metric, "parameters")]
    rows += [
        (str(trial.number), f"{trial.value:.5g}", _parameters(trial.parameters))
        for trial in best[:MOST_ROWS]
    ]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    lines = [f"{a:>{widths[0]}}  {b:>{widths[1]}}  {c}" for a, b, c in rows]
    failed = [trial for trial in trials if trial.ended is Ended.FAILED]
    lines += [f"failed: trial {trial.number}: {trial.note}" for trial in failed]
    chosen = record["chosen"]
    lines.append(f"chosen: trial {chosen['trial']}, {record['reason']}")
    return "\n".join(lines)


def final_table(folders: Sequence[Path]) -> str:
    """Return the test metrics of the chosen configuration, as means over its seeds."""
    results = [result for folder in folders if (result := read_result(folder)) is not None]
    if not results:
        return "no final run is complete"
    seeds = "1 seed" if len(results) == 1 else f"mean ± sd of {len(results)} seeds"
    lines = [f"{'test metric':<18}{seeds}"]
    for metric in SUMMARY:
        scale = scale_of(metric)
        values = [
            scale * value for result in results if (value := result["test"].get(metric)) is not None
        ]
        deviation = stdev(values) if len(values) > 1 else float("nan")
        text = format_mean(metric, fmean(values), deviation) if values else "-"
        lines.append(f"{metric:<18}{text}{' %' if scale > 1 and values else ''}")
    return "\n".join(lines)


def _parameters(parameters: Mapping[str, Any]) -> str:
    return " ".join(
        f"{flag}={value:.4g}" if isinstance(value, float) else f"{flag}={value}"
        for flag, value in parameters.items()
    )
