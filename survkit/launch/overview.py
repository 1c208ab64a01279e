"""What a person sees while a sweep runs, and the table at its end."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING, NamedTuple, Self

from survkit.checked_files import open_regular
from survkit.launch.jobs import Outcome, Status

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

BAD = tuple(status for status in Status if status.is_bad)
HISTORY_BYTES = 8192
"""More than the last line of a history takes."""


class _Running(NamedTuple):
    where: str
    since: float
    folder: Path | None


class Overview:
    """Reports every run that starts or ends: a live view on a terminal, else a line for each.

    The live view of the `total` runs is shown while the overview is entered as a context; without
    it, or where the output is no terminal, every start and end is one line.
    """

    def __init__(self, total: int, console: Console | None = None) -> None:
        self._total = total
        self._console = console
        self._live: Live | None = None
        self._running: dict[str, _Running] = {}
        self._postponed: set[str] = set()
        self._ended: list[Outcome] = []

    def __enter__(self) -> Self:
        from rich.console import Console
        from rich.live import Live

        console = self._console or Console()
        if console.is_terminal and not console.is_dumb_terminal:
            self._live = Live(
                console=console, get_renderable=self._view, refresh_per_second=2, transient=True
            )
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def expect(self, total: int) -> None:
        """Set how many runs there are."""
        self._total = total

    def started(self, name: str, note: str = "", folder: Path | None = None) -> None:
        """Report that a run has started, and where, such as "GPU 0" or "job 17".

        Its folder is for the last epoch in the live view.
        """
        self._running[name] = _Running(note, time.monotonic(), folder)
        if self._live is None:
            self.tell(f"started {name}{f' ({note})' if note else ''}")

    def ended(self, outcome: Outcome) -> None:
        """Report that a run has ended."""
        self._running.pop(outcome.job.name, None)
        self._ended.append(outcome)
        seconds = "" if outcome.seconds is None else f" after {outcome.seconds:.0f} s"
        note = f": {outcome.note}" if outcome.note else ""
        self.tell(f"{outcome.status} {outcome.job.name}{seconds}{note}")

    def postponed(self, name: str, why: str) -> None:
        """Report, once, that a run waits although it could start or has started."""
        self._running.pop(name, None)
        if name not in self._postponed:
            self._postponed.add(name)
            self.tell(f"postponed {name}: {why}")

    def tell(self, text: str) -> None:
        """Print a line."""
        line = f"{datetime.now():%H:%M:%S} [{len(self._ended)}/{self._total}] {text}"
        if self._live is not None:
            self._live.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            print(line, flush=True)

    def _view(self) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        running = sorted(self._running.items(), key=lambda item: item[1].since)
        table = Table(box=None, pad_edge=False)
        for title in ("run", "where", "time", "epoch", "validation loss"):
            table.add_column(title, justify="left" if title in ("run", "where") else "right")
        for name, run in running:
            seconds = time.monotonic() - run.since
            table.add_row(Text(name), Text(run.where), _duration(seconds), *last_epoch(run.folder))
        return Group(Text(self._summary()), table) if running else Text(self._summary())

    def _summary(self) -> str:
        ended = Counter(outcome.status for outcome in self._ended)
        counts = {
            **{str(status): ended[status] for status in (Status.DONE, *BAD)},
            "running": len(self._running),
            "waiting": self._total - len(self._ended) - len(self._running),
        }
        left = self._seconds_left()
        about = "" if left is None else f"; about {_duration(left)} left"
        return ", ".join(f"{count} {what}" for what, count in counts.items() if count) + about

    def _seconds_left(self) -> float | None:
        """Estimate the time left: every run takes the mean of those that are done."""
        known = [o.seconds for o in self._ended if o.status is Status.DONE and o.seconds]
        if not (known and self._running):
            return None
        mean, now = fmean(known), time.monotonic()
        begun = [max(0.0, mean - (now - run.since)) for run in self._running.values()]
        waiting = self._total - len(self._ended) - len(begun)
        return (sum(begun) + waiting * mean) / len(begun)


def last_epoch(folder: Path | None) -> tuple[str, str]:
    """Return the last epoch of a run and its validation loss, '' where there is none."""
    if folder is None:
        return "", ""
    try:
        with open_regular(folder / "history.jsonl") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - HISTORY_BYTES))
            lines = file.read().split(b"\n")
        values = json.loads(lines[-2])  # after the last newline, a line is half written
        return str(values["epoch"]), f"{values['validation_loss']:.4f}"
    except (OSError, ValueError, IndexError, KeyError, TypeError):  # no epoch, or a loss of NaN
        return "", ""


def closing_table(outcomes: Sequence[Outcome]) -> str:
    """Return how many jobs ended how, and every one that did not end well with its last line."""
    rows = [("", "runs", "median time", "longest", "peak memory")]
    for status in Status:
        these = [outcome for outcome in outcomes if outcome.status is status]
        if not these:
            continue
        seconds = [outcome.seconds for outcome in these if outcome.seconds is not None]
        memory = [o.peak_memory_mb for o in these if o.peak_memory_mb is not None]
        times = (_duration(median(seconds)), _duration(max(seconds))) if seconds else ("", "")
        peak = f"{max(memory):.0f} MiB" if memory else ""
        rows.append((str(status), str(len(these)), *times, peak))
    lines = _aligned(rows)
    for outcome in outcomes:
        if outcome.status.is_bad:
            lines.append(f"{outcome.status}: {outcome.job.name}: {outcome.note}")
            lines += [f"    log: {outcome.job.log}"] if outcome.job.log.exists() else []
    return "\n".join(lines)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lay out rows as lines: the first column left-aligned, the others right-aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([first.ljust(widths[0]), *map(str.rjust, others, widths[1:])]).rstrip()
        for first, *others in rows
    ]


def _duration(seconds: float) -> str:
    """Write a duration for people: 42 s, 3:05 min, 2:10:00 h."""
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02} h" if hours else f"{minutes}:{seconds:02} min"
