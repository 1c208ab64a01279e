import os
import subprocess
import sys
from pathlib import Path

import pytest

from survkit.datasets.__main__ import main
from tests.datasets.sepsis_fixtures import many, write_set

ROOT = Path(__file__).parents[2]


def test_cards_are_printed_and_caches_made(tmp_path, capsys):
    write_set(tmp_path, many(30))
    command = ["prepare", "Sepsis", "digits", "--data_dir", str(tmp_path), "--landmark_hours", "6"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "sepsis: " in printed
    assert "Landmark at hour 6" in printed
    assert "warning: Read from training_setB (30 patients); training_setA was not" in printed
    assert "rows: train 1,437, validation 180, test 180; 64 features" in printed
    assert (tmp_path / "cache" / "sepsis.npz").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the command is 'list' or 'prepare NAME ...'"),
        (["digits"], "the command is 'list' or 'prepare NAME ...'"),
        (["prepare"], "name the datasets to prepare: support2, mnist"),
        (["prepare", "digits", "sepsi"], "unknown dataset 'sepsi' (did you mean sepsis?)"),
        (["prepare", "digits", "--data_dri", "x"], "unknown flag --data_dri"),
        (["prepare", "csv"], "dataset csv needs --csv_path"),
        (["prepare", "digits", "--csv_path", "x"], "--csv_path: not read by digits"),
        (["prepare", "digits", "--mnist_means", "1", "2"], "--mnist_means has 2 numbers"),
    ],
)
def test_bad_commands_end_with_status_2_and_no_traceback(words, message, capsys):
    assert main(words) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""


@pytest.mark.slow
def test_eight_processes_at_once_leave_one_intact_copy(tmp_path):
    write_set(tmp_path, many(40))
    command = [sys.executable, "-m", "survkit.datasets", "prepare", "sepsis"]
    command += ["--data_dir", str(tmp_path)]
    processes = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    ended = [(*process.communicate(timeout=240), process.returncode) for process in processes]
    assert ended == [ended[0]] * 8
    output, errors, status = ended[0]
    assert (status, errors) == (0, "")
    assert "sepsis: 40 subjects" in output
    left = {path.name for path in (tmp_path / "cache").iterdir()}
    assert left - {".sepsis.npz.lock"} == {"sepsis.npz"}
    # The copy is read as it is: a damaged one would be built anew, with a warning.
    before = (tmp_path / "cache" / "sepsis.npz").stat().st_mtime_ns
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert again.stdout == output
    assert (tmp_path / "cache" / "sepsis.npz").stat().st_mtime_ns == before
