from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import survkit
from survkit.runs.folder import UNFINISHED_FORM, RunFolder, provenance
from survkit.runs.read import read_predictions
from survkit.training.checkpoint import save_checkpoint
from survkit.types import InputError, SurvivalData, SurvivalPrediction
from tests.runs.records import result_of, small_result


def test_predictions_come_back(tmp_path: Path) -> None:
    prediction = SurvivalPrediction(
        np.array([0.0, 1.0]), np.array([[0.9, 0.2], [0.8, 0.1]]), np.array([[0.5, 0.5], [1, 0]])
    )
    data = SurvivalData(
        np.zeros((2, 1)), np.array([True, False]), np.array([0.5, 2.0]), label=np.array([3, 4])
    )
    RunFolder(tmp_path).write_predictions("test", prediction, data)
    read, outcome = read_predictions(tmp_path, "test")
    np.testing.assert_array_equal(read.survival, prediction.survival)
    np.testing.assert_array_equal(read.expert_weights, prediction.expert_weights)
    np.testing.assert_array_equal(outcome.event, data.event)
    np.testing.assert_array_equal(outcome.label, data.label)
    assert outcome.true_time is None


def test_missing_and_damaged_predictions_are_explained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*predictions_test"):
        read_predictions(tmp_path, "test")
    (tmp_path / "predictions_test.npz").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(InputError, match=r"predictions_test.npz is damaged"):
        read_predictions(tmp_path, "test")


def test_a_resume_cuts_the_history_back_to_the_saved_epoch(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    heard: list[int] = []
    folder.listeners.append(lambda epoch, values: heard.append(epoch))
    folder.log(1, {"loss": 3.0})
    folder.warn("something")
    folder.save({"epoch": 1})
    folder.log(2, {"loss": float("nan")})
    history = tmp_path / "history.jsonl"
    assert json.loads(history.read_text().splitlines()[1]) == {"epoch": 2, "loss": None}
    assert heard == [1, 2]

    again = RunFolder(tmp_path)
    state = again.load()
    assert state is not None
    assert state["epoch"] == 1
    assert again.warnings == ["something"]
    assert history.read_text() == '{"epoch": 1, "loss": 3.0}\n'


def test_states_are_kept_once_a_second_and_where_they_must_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [10.0]
    monkeypatch.setattr("survkit.runs.folder.time.monotonic", lambda: seconds[0])
    folder, kept = started(tmp_path), []
    for epoch, (passed, always) in enumerate(
        [(0.0, False), (0.4, False), (0.5, False), (0.2, False), (0.1, True)], start=1
    ):
        seconds[0] += passed
        folder.save({"epoch": epoch}, always=always)
        kept.append(torch.load(tmp_path / "last.pt", weights_only=True)["epoch"])
    assert kept == [1, 1, 1, 4, 5]


def test_a_damaged_state_starts_again_with_a_warning(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.log(1, {"loss": 3.0})
    (tmp_path / "last.pt").write_bytes(b"half a file")
    assert folder.load() is None
    assert (tmp_path / "history.jsonl").read_text() == ""
    assert folder.warnings == ["last.pt was damaged; training started again"]


def test_an_unfinished_state_of_another_version_starts_again(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "last.pt", {"epoch": 3, "warnings": []})
    folder = RunFolder(tmp_path)
    assert folder.load() is None
    assert folder.warnings == ["last.pt is of another version; training started again"]


def started(path: Path, run_id: str = "0123") -> RunFolder:
    folder = RunFolder(path)
    folder.start({"run_id": run_id, "epochs": 10})
    return folder


def test_a_state_of_another_run_starts_again(tmp_path: Path) -> None:
    started(tmp_path).save({"epoch": 3})
    assert started(tmp_path).load() is not None
    other = started(tmp_path, "4567")
    assert other.load() is None
    assert other.warnings == ["last.pt is of another run; training started again"]


@pytest.mark.parametrize(
    "content",
    [
        [1, 2],
        torch.zeros(2),
        {"form": torch.zeros(2), "run_id": "0123"},
        {"form": UNFINISHED_FORM, "run_id": torch.zeros(2)},
        {"form": UNFINISHED_FORM, "run_id": "0123"},
        {"form": UNFINISHED_FORM, "run_id": "0123", "epoch": 3},
        {"form": UNFINISHED_FORM, "run_id": "0123", "epoch": 10**9, "warnings": []},
        {"form": UNFINISHED_FORM, "run_id": "0123", "epoch": torch.zeros(2), "warnings": []},
        {"form": UNFINISHED_FORM, "run_id": "0123", "epoch": "3", "warnings": []},
        {
            "form": UNFINISHED_FORM,
            "run_id": "0123",
            "epoch": 3,
            "seeds_together": 1,
            "warnings": [1],
        },
    ],
)
def test_a_state_that_is_none_starts_again(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "last.pt")
    folder = started(tmp_path)
    assert folder.load() is None
    (warning,) = folder.warnings
    assert warning.startswith("last.pt ")
    assert warning.endswith("; training started again")
    folder.save({"epoch": 1})
    assert started(tmp_path).load() is not None


@pytest.mark.parametrize(
    ("content", "lost"),
    [
        (b'{"epoch": 1}\n{"epoch": 2}\n{"epoch": 3}\n{"epo', 0),
        (b'{"epoch": 1}\n{"epoch": 2}\n{"epoch": 3}', 0),
        (b'{"epoch": 1}\n{"epo', 2),
        (b'{"epoch": 1}\n\xff\xfe\n{"epoch": 3}\n', 1),
        (b"[" * 100_000, 3),
        (b"", 3),
    ],
)
def test_a_damaged_history_loses_no_more_than_the_damaged_lines(
    content: bytes, lost: int, tmp_path: Path
) -> None:
    started(tmp_path).save({"epoch": 3})
    (tmp_path / "history.jsonl").write_bytes(content)
    folder = started(tmp_path)
    assert folder.load() is not None
    epochs = "1 of its epochs" if lost == 1 else f"{lost} of its epochs"
    warning = f"history.jsonl was damaged; {epochs} up to 3 cannot be read"
    assert folder.warnings == ([warning] if lost else [])
    folder.log(4, {})
    lines = (tmp_path / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines][-1] == 4
    assert len(lines) == 4 - lost


def test_a_fit_that_begins_again_begins_its_history_again(tmp_path: Path) -> None:
    """The state can turn out to be of no use after it was loaded."""
    folder = started(tmp_path)
    for epoch in (1, 2, 3):
        folder.log(epoch, {})
    folder.save({"epoch": 3})
    again = started(tmp_path)
    assert again.load() is not None
    again.log(1, {"loss": 2.0})
    assert (tmp_path / "history.jsonl").read_text() == '{"epoch": 1, "loss": 2.0}\n'


def test_the_result_completes_the_record(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert folder.result() is None
    folder.save({"epoch": 1})
    folder.warn("odd data")
    values = {"loss": np.float64(1.5), "ece": float("nan")}
    written = folder.write_result(small_result(run_id="0123", test=values))
    expected = small_result(run_id="0123", test={"loss": 1.5, "ece": None}, warnings=["odd data"])
    assert result_of(tmp_path) == expected
    assert set(written) - set(expected) == {"files", "sha256"}
    assert folder.result() == written
    assert not (tmp_path / "last.pt").exists()

    for content in ('{"test": ', "{}", "[1]"):
        (tmp_path / "result.json").write_text(content)
        damaged = RunFolder(tmp_path)
        assert damaged.result() is None
        assert "is damaged" in damaged.warnings[0]


def test_a_history_on_a_full_disk_is_explained(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.log(1, {"loss": 1.0})
    (tmp_path / "history.jsonl").unlink()
    (tmp_path / "history.jsonl").symlink_to("/dev/full")
    with pytest.raises(InputError, match=r"cannot write .*history.jsonl: No space left"):
        folder.log(2, {"loss": 1.0})


def test_provenance_names_versions() -> None:
    found = provenance()
    assert found["survkit_version"] == survkit.__version__
    assert found["package_versions"]["numpy"] == np.__version__
