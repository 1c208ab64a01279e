"""The command, from its file to its page, killed and started again."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from survkit.benchmark.__main__ import main
from survkit.benchmark.page import gather
from survkit.runs.record_files import read_result

BENCHMARK = """
datasets: [veteran, {dataset: csv, csv_path: TABLE, time_column: t, event_column: e, name: few}]
models: [kaplan_meier, {model: mtlr, epochs: 3, hidden_dim: 8}]
splits: 2
common: {device: cpu}
"""


def write(tmp_path: Path, *, events: int = 40) -> Path:
    rows = [{"t": i % 17 + 1, "e": int(i < events), "x": i % 5} for i in range(60)]
    pd.DataFrame(rows).to_csv(tmp_path / "table.csv", index=False)
    path = tmp_path / "tiny.yaml"
    path.write_text(BENCHMARK.replace("TABLE", str(tmp_path / "table.csv")))
    return path


def results(group: Path) -> dict[str, dict[str, object]]:
    found = {path.parent.name: read_result(path.parent) for path in group.glob("*/result.json")}
    return {name: {**result["test"]} for name, result in found.items() if result}


@pytest.mark.slow
def test_killed_at_any_time_it_ends_with_equal_records_and_page(tmp_path: Path) -> None:
    file = write(tmp_path)
    command = [sys.executable, "-m", "survkit.benchmark", "--config", str(file)]
    command += ["--runner", "process", "--max_subprocesses", "2", "--log_dir"]
    subprocess.run([*command, str(tmp_path / "whole")], check=True, timeout=300)
    whole = tmp_path / "whole" / "tiny"
    assert len(results(whole)) == 8
    for runs in (1, 3, 5):
        killed = subprocess.Popen([*command, str(tmp_path / "killed")])
        group = tmp_path / "killed" / "tiny"
        deadline = time.monotonic() + 200
        while len(list(group.glob("*/result.json"))) < runs and time.monotonic() < deadline:
            time.sleep(0.05)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert not (group / "benchmark.html").exists()
    subprocess.run([*command, str(tmp_path / "killed")], check=True, timeout=300)
    assert results(group) == results(whole)
    pages = [(folder / "benchmark.md").read_text() for folder in (group, whole)]
    assert pages[0] == pages[1]


@pytest.mark.slow
def test_a_dataset_that_cannot_be_used_is_named_and_stops_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, events=1)
    command = ["--config", str(file), "--runner", "process", "--log_dir", str(tmp_path / "logs")]
    assert main(command) == 1
    shown = capsys.readouterr()
    assert "cannot be made: few mtlr split_seed=0: " in shown.err
    assert "table.csv: the table has 1 event; at least 2 are needed" in shown.err
    group = tmp_path / "logs" / "tiny"
    page = (group / "benchmark.html").read_text()
    assert "4 of 8 runs have no record" in page
    table = pd.read_csv(group / "benchmark.csv")
    assert set(table.loc[table["why"].notna(), "dataset"]) == {"few"}
    assert gather(table.fillna({"why": ""}).assign(proportional=None), {}).comparisons
    assert main(command) == 1  # nothing is left to run, and the page is made again
    assert "0 to run, 4 finished before" in capsys.readouterr().out
    shutil.rmtree(group)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("", "name the file of a benchmark with --config"),
        ("--config nowhere.yaml", "nowhere.yaml"),
        ("--config FILE --split_seed 3", "--split_seed cannot be given here"),
        ("--config FILE --dataset lung", "--dataset cannot be given here"),
        ("--config FILE --seeds 1 2", "--seeds cannot be given here"),
        ("--config FILE --inner_folds 3", "--inner_folds cannot be given here"),
        ("--config FILE --no_evaluate_test", "models are compared on test rows"),
        ("--config FILE --group a/b", "a/b"),
        ("--config FILE --overwrite", "no run can be made; the first one: --overwrite"),
    ],
)
def test_what_cannot_be_is_one_line(
    flags: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = flags.replace("FILE", str(write(tmp_path)))
    assert main([*given.split(), "--log_dir", str(tmp_path / "logs")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("survkit.benchmark: error: ")
    assert error.count("\n") == 1
    assert not (tmp_path / "logs").exists()
