from __future__ import annotations

import io
import re
import time
from pathlib import Path

import pytest
from rich.console import Console

from survkit.launch.jobs import Job, Outcome, Status
from survkit.launch.overview import Overview, closing_table, last_epoch
from tests.launch.job_fixtures import make_job


def job(name: str, folder: Path = Path("/nowhere")) -> Job:
    return make_job(folder, name)


def live_overview(total: int) -> tuple[Overview, io.StringIO]:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, color_system=None)
    return Overview(total, console), screen


def test_without_a_terminal_every_start_and_end_is_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Overview(2) as overview:
        overview.started("a [1]", "GPU 0")
        overview.postponed("b", "another process trains it")
        overview.postponed("b", "another process trains it")
        overview.ended(Outcome(job("a [1]"), Status.DONE, seconds=12.3))
        overview.ended(Outcome(job("b"), Status.FAILED, note="[red]no[/red]"))
    lines = [line.split(" ", 1)[1] for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "[0/2] started a [1] (GPU 0)",
        "[0/2] postponed b: another process trains it",
        "[1/2] done a [1] after 12 s",
        "[2/2] failed b: [red]no[/red]",
    ]


def test_a_terminal_shows_what_runs_where_and_at_which_epoch(tmp_path: Path) -> None:
    (tmp_path / "history.jsonl").write_text('{"epoch": 7, "validation_loss": 1.23456}\n')
    overview, screen = live_overview(4)
    with overview:
        overview.started("first [x]", "slot 1", tmp_path)
        overview.started("second", "slot 2", tmp_path / "nothing yet")
        overview.ended(Outcome(job("third [y]"), Status.DONE, seconds=100.0))
        time.sleep(0.7)
    shown = screen.getvalue()
    assert "1 done, 2 running, 1 waiting; about 2:" in shown
    assert re.search(r"first \[x\] +slot 1 +\d s +7 +1\.2346", shown)
    assert re.search(r"second +slot 2 +\d s *\n", shown.replace("\r", ""))
    assert "[1/4] done third [y] after 100 s" in shown
    assert "started" not in shown


def wait_for(text: str, screen: io.StringIO) -> None:
    """Wait until the live view, drawn twice a second, shows a text."""
    for _ in range(100):
        if text in screen.getvalue():
            return
        time.sleep(0.05)
    pytest.fail(f"'{text}' is not in the live view:\n{screen.getvalue()}")


def test_the_time_left_shares_the_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    overview, screen = live_overview(7)
    clock = 1000.0
    monkeypatch.setattr("survkit.launch.overview.time.monotonic", lambda: clock)
    with overview:
        overview.started("a")
        overview.started("b")
        wait_for("2 running, 5 waiting", screen)
        assert "left" not in screen.getvalue()
        overview.ended(Outcome(job("c"), Status.DONE, seconds=10.0))
        overview.ended(Outcome(job("d"), Status.FAILED, seconds=1000.0))
        wait_for("about 25 s left", screen)  # (2 x 10 + 3 x 10) / 2
        clock += 4
        wait_for("about 21 s left", screen)  # (2 x 6 + 3 x 10) / 2
        clock += 100
        wait_for("about 15 s left", screen)  # 3 x 10 / 2


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        (None, ("", "")),
        ("", ("", "")),
        ('{"epoch": 1, "valid', ("", "")),
        ('{"epoch": 1, "validation_loss": 2}\n{"epoch": 2, "va', ("1", "2.0000")),
        ('{"epoch": 1, "validation_loss": null}\n', ("", "")),
        (f'{{"epoch": 1, "other": "{"x" * 9000}"}}\n' * 3, ("", "")),
        (
            f'{{"other": "{"x" * 9000}"}}\n{{"epoch": 5, "validation_loss": 0.5}}\n',
            ("5", "0.5000"),
        ),
    ],
)
def test_the_last_whole_line_of_a_history_counts(
    history: str | None, expected: tuple[str, str], tmp_path: Path
) -> None:
    if history is not None:
        (tmp_path / "history.jsonl").write_text(history)
    assert last_epoch(tmp_path) == expected
    assert last_epoch(None) == ("", "")


def test_the_closing_table_names_every_failure_with_its_log(tmp_path: Path) -> None:
    failed = job("bad", tmp_path)
    failed.log.parent.mkdir()
    failed.log.write_text("it broke\n")
    outcomes = [
        Outcome(job("a"), Status.DONE, 10.0, 500.4),
        Outcome(job("b"), Status.DONE, 4000.0, 700.0),
        Outcome(job("c"), Status.DONE, note="by another process"),
        Outcome(job("d"), Status.SKIPPED, note="its record is complete"),
        Outcome(failed, Status.FAILED, 3.0, 90.0, note="it broke"),
        Outcome(job("e"), Status.BLOCKED, note="needs bad (failed)"),
    ]
    assert closing_table(outcomes).splitlines() == [
        "         runs  median time    longest  peak memory",
        "done        3    33:25 min  1:06:40 h      700 MiB",
        "skipped     1",
        "failed      1          3 s        3 s       90 MiB",
        "blocked     1",
        "failed: bad: it broke",
        f"    log: {failed.log}",
        "blocked: e: needs bad (failed)",
    ]
