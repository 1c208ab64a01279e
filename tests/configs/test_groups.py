"""The names of groups: one rule for the command that makes runs and for all that read them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from survkit.ensemble.__main__ import main as ensemble
from survkit.grid_search import main as grid_search
from survkit.report import load_runs
from survkit.report.__main__ import main as report
from survkit.train import main as train
from survkit.types import InputError

REFUSED = (
    *("/etc", "../m1/g", "..", ".", "", "a/b", "a/", "./a", "a/../b"),
    *("a\0b", "a\nb", "a\u2028b", "\udcff", "a" * 256, "ü" * 128),
)


@pytest.mark.parametrize("group", REFUSED)
@pytest.mark.parametrize("main", [train, report, ensemble, grid_search])
def test_no_command_leaves_the_log_folder(
    main: Callable[[Sequence[str]], int],
    group: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--log_dir", str(tmp_path), "--group", group]) == 2
    (line,) = capsys.readouterr().err.split("\n")[:-1]
    assert "--group" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("group", REFUSED)
def test_nor_does_the_function_that_reads_runs(group: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be the name of one folder"):
        load_runs(tmp_path, group)


def test_a_group_is_a_name_and_no_pattern(log_dir: Path) -> None:
    for group in ("*", "som?", "[s]ome", "**"):
        with pytest.raises(InputError, match="no finished run in"):
            load_runs(log_dir, group)
    assert len(load_runs(log_dir, "some")) == 3
