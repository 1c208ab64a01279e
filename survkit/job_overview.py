"""What a person sees while a sweep runs, and the table at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from survkit.jobs import Outcome, Status


class Overview:
    """Prints a line for every run that starts or ends.

    Parameters
    ----------
    total : int
        Number of runs that are going to end.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._ended = 0

    def started(self, name: str, note: str = "") -> None:
        """Tell that a run has started; `note` says where, as "GPU 0" or "job 17"."""
        self._print(f"started {name}{f' ({note})' if note else ''}")

    def ended(self, outcome: Outcome) -> None:
        """Tell that a run has ended."""
        self._ended += 1
        seconds = "" if outcome.seconds is None else f" after {outcome.seconds:.0f} s"
        note = f": {outcome.note}" if outcome.note else ""
        self._print(f"{outcome.status} {outcome.job.name}{seconds}{note}")

    def _print(self, text: str) -> None:
        print(f"{datetime.now():%H:%M:%S} [{self._ended}/{self._total}] {text}", flush=True)


def closing_table(outcomes: Sequence[Outcome]) -> str:
    """Return how many jobs ended how, and every one that did not end well with its last line."""
    counts = Counter(outcome.status for outcome in outcomes)
    lines = [", ".join(f"{counts[status]} {status}" for status in Status if counts[status])]
    for outcome in outcomes:
        if outcome.status in (Status.FAILED, Status.BLOCKED, Status.STOPPED):
            lines.append(f"{outcome.status}: {outcome.job.name}: {outcome.note}")
            lines += [f"    log: {outcome.job.log}"] if outcome.job.log.exists() else []
    return "\n".join(lines)
