"""The journal of a search: nothing finished is lost, and what was begun is begun again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from survkit.checked_files import DamagedError
from survkit.models.search_spaces import Choices, Range
from survkit.search.study import JOURNAL, Ended, Study

SPACE = {"lr": Range(1e-4, 0.1, log=True), "hidden_dim": Choices((8, 16)), "epochs": Range(1, 50)}


def open_study(folder: Path, defaults: Mapping[str, Any] | None = None) -> Study:
    return Study(folder, SPACE, defaults=defaults, seed=1, maximize=False)


def value(parameters: Mapping[str, Any]) -> float:
    return abs(parameters["lr"] - 0.01) + parameters["hidden_dim"] / 100


def run(study: Study, trials: int) -> None:
    for _ in range(trials):
        trial = study.ask()
        study.tell(trial.number, Ended.COMPLETE, value=value(trial.parameters), runs=("r",))


def test_the_defaults_come_first(tmp_path: Path) -> None:
    study = open_study(tmp_path, {"lr": 0.005, "hidden_dim": 16})
    first = study.ask()
    assert {"lr": 0.005, "hidden_dim": 16}.items() <= first.parameters.items()
    assert 1 <= first.parameters["epochs"] <= 50


def test_a_search_in_pieces_tries_what_one_in_one_piece_tries(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole = open_study(tmp_path / "a")
    run(whole, 15)
    run(open_study(tmp_path / "b"), 4)
    interrupted = open_study(tmp_path / "b")
    begun = interrupted.ask()
    again = open_study(tmp_path / "b")
    assert again.ask(begun.number) == begun
    again.tell(begun.number, Ended.COMPLETE, value=value(begun.parameters), runs=("r",))
    run(again, 10)
    assert again.trials() == whole.trials()
    assert len(again.finished()) == 15


def test_a_kill_while_the_journal_is_written_costs_half_a_line(tmp_path: Path) -> None:
    run(open_study(tmp_path), 3)
    journal = tmp_path / JOURNAL
    whole = journal.read_bytes()
    before = open_study(tmp_path).trials()
    journal.write_bytes(whole + b'{"op_code":4,"wor')
    (tmp_path / f"{JOURNAL}.lock").symlink_to(journal)  # of the killed process
    study = open_study(tmp_path)
    assert study.trials() == before
    run(study, 1)
    assert len(open_study(tmp_path).finished()) == 4


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_trial_whose_parameters_were_not_all_chosen_is_completed(
    cut: int, tmp_path: Path
) -> None:
    study = open_study(tmp_path)
    run(study, 1)
    whole = study.ask()
    journal = tmp_path / JOURNAL
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-cut]))
    study = open_study(tmp_path)
    for trial in study.trials():
        if trial.ended is None:
            known = study.ask(trial.number)
            assert set(known.parameters) == set(SPACE)
            assert trial.parameters.items() <= known.parameters.items()
            assert trial.number == 0 or known == whole
            study.tell(trial.number, Ended.FAILED, note="no")
    assert all(trial.ended for trial in study.trials())


def test_how_trials_ended_is_kept(tmp_path: Path) -> None:
    study = open_study(tmp_path)
    for ended in (Ended.PRUNED, Ended.FAILED):
        study.tell(study.ask().number, ended, note=f"it {ended}")
    assert study.best() is None
    run(study, 2)
    values = [trial.value for trial in study.finished()]
    assert values[:2] == [None, None]
    assert [trial.note for trial in open_study(tmp_path).trials()[:2]] == ["it pruned", "it failed"]
    best = study.best()
    assert best is not None
    assert best.value == min(v for v in values if v is not None)


@pytest.mark.parametrize("content", [b"x\n", b'{"a": 1}\n', b"[]\n", b"\x00\n", b'"a"\nx\n'])
def test_a_damaged_journal_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_bytes(content)
    with pytest.raises(DamagedError, match=JOURNAL):
        open_study(tmp_path)
