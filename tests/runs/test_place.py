"""The folder of a run: who may write into it, what is cleaned, and what a failure leaves."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from survkit.cli import RunsElsewhereError
from survkit.runs.folder import RunFolder
from survkit.runs.place import RECORD_FILES
from survkit.types import InputError


def fail(folder: RunFolder) -> None:
    def run() -> None:
        with folder.lock():
            folder.start({"lr": 0.1})
            folder.log(1, {"loss": 1.0})
            raise InputError("no good")

    with pytest.raises(InputError, match="no good"):
        run()


def refuse(path: Path) -> str:
    """Return why a folder cannot be locked."""
    with pytest.raises(InputError) as caught:
        RunFolder(path).lock().__enter__()
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_two_processes_do_not_train_one_run(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with folder.lock(), pytest.raises(RunsElsewhereError, match="another process is training"):
        RunFolder(tmp_path / "run").lock().__enter__()
    with RunFolder(tmp_path / "run").lock():
        pass


def test_a_run_that_never_began_leaves_nothing(tmp_path: Path) -> None:
    fail(RunFolder(tmp_path / "group" / "run"))
    assert list(tmp_path.iterdir()) == []


def test_a_failing_run_leaves_what_others_put_there(tmp_path: Path) -> None:
    run = tmp_path / "group" / "run"
    others = [
        run / "notes.txt",
        run / "figures" / "config.json",
        run / ".config.1.tmp.txt",
        run / "wandb" / "notes.txt",
        run.parent / "notes.txt",
    ]
    for path in others:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    (run / ".last.829.tmp.pt").write_text("half")
    tracked = run / "wandb" / "offline-run-20260101_000000-run"
    tracked.mkdir()
    (tracked / "run.wandb").write_text("of the tracking")
    fail(RunFolder(run))
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(others)
    assert {path.read_text() for path in others} == {"mine"}
    assert not tracked.exists()


def test_a_failing_run_leaves_folders_that_it_did_not_make(tmp_path: Path) -> None:
    (tmp_path / "group").mkdir()
    fail(RunFolder(tmp_path / "group" / "run"))
    assert list(tmp_path.rglob("*")) == [tmp_path / "group"]


@pytest.mark.parametrize("name", ["last.pt", "checkpoint.pt", "result.json"])
def test_a_failing_run_keeps_a_record_that_was_begun(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("{}")
    fail(RunFolder(tmp_path))
    # A finished record keeps its configuration until the new one is complete.
    begun = {"history.jsonl"} if name == "result.json" else {"config.json", "history.jsonl"}
    assert {path.name for path in tmp_path.iterdir()} == {".lock", name, *begun}


def test_what_killed_processes_left_is_removed_under_the_lock(tmp_path: Path) -> None:
    leftovers = [f".{Path(n).stem}.829.tmp{Path(n).suffix}" for n in RECORD_FILES]
    others = [
        ".last.tmp.pt",
        ".last.829.tmp.csv",
        ".mine.829.tmp.pt",
        "last.829.tmp.pt",
        "last.tmp",
    ]
    for name in (*leftovers, *others):
        (tmp_path / name).write_text("half")
    (tmp_path / ".checkpoint.1.tmp.pt").mkdir()
    RunFolder(tmp_path).result()  # readers hold no lock
    assert (tmp_path / leftovers[0]).exists()
    with RunFolder(tmp_path).lock():
        pass
    assert {path.name for path in tmp_path.iterdir()} == {".lock", ".checkpoint.1.tmp.pt", *others}


def test_a_temporary_file_is_written_through_no_link(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / f".config.{os.getpid()}.tmp.json").symlink_to(tmp_path / "mine")
    RunFolder(tmp_path).start({})
    assert (tmp_path / "mine").read_text() == "mine"


def make_file(path: Path) -> None:
    path.write_text("a file")


def make_dangling_link(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere")


def make_loop(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize("part", ["logs", "logs/group", "logs/group/run"])
@pytest.mark.parametrize(
    ("make", "what"),
    [
        (make_file, "a file"),
        (make_dangling_link, "a link that leads nowhere"),
        (make_loop, "a link that leads nowhere"),
        (os.mkfifo, "no ordinary file"),
    ],
)
def test_what_is_in_the_way_of_the_folder_is_named(
    make: Callable[[Path], None], what: str, part: str, tmp_path: Path
) -> None:
    in_the_way = tmp_path / part
    in_the_way.parent.mkdir(parents=True, exist_ok=True)
    make(in_the_way)
    run = tmp_path / "logs" / "group" / "run"
    assert refuse(run) == (
        f"cannot write to {run}: {in_the_way} is {what}, not a folder; choose another --log_dir"
    )
    assert os.path.lexists(in_the_way)


@pytest.mark.parametrize("name", RECORD_FILES)
@pytest.mark.parametrize(
    ("make", "what"),
    [
        (Path.mkdir, "a folder"),
        (make_dangling_link, "a link that leads nowhere"),
        (make_loop, "a link that leads nowhere"),
        (os.mkfifo, "no ordinary file"),
    ],
)
def test_what_has_the_name_of_a_file_is_named(
    make: Callable[[Path], None], what: str, name: str, tmp_path: Path
) -> None:
    make(tmp_path / name)
    assert f"{tmp_path / name} is {what}, and a file of the record has that name" in refuse(
        tmp_path
    )
    assert os.path.lexists(tmp_path / name)


@pytest.mark.parametrize("make", [Path.mkdir, make_dangling_link, make_loop])
def test_a_lock_that_is_no_file_is_refused(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / ".lock")
    assert "choose another --log_dir" in refuse(tmp_path)


def test_a_link_to_a_folder_is_a_folder(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "group" / "run"
    target.mkdir()
    link.parent.mkdir()
    link.symlink_to(target)
    fail(RunFolder(link))
    assert link.is_symlink()
    assert list(target.iterdir()) == []
    with RunFolder(link).lock():
        RunFolder(link).start({})
        with pytest.raises(RunsElsewhereError):
            RunFolder(target).lock().__enter__()
    assert (target / "config.json").exists()


def replace_with_folder(path: Path) -> None:
    path.rename(path.with_name("moved"))
    path.mkdir()


def replace_with(make: Callable[[Path], None]) -> Callable[[Path], None]:
    def replace(path: Path) -> None:
        shutil.rmtree(path)
        make(path)

    return replace


WRITES: dict[str, Callable[[RunFolder], object]] = {
    "start": lambda folder: folder.start({"lr": 0.1}),
    "log": lambda folder: folder.log(2, {"loss": 1.0}),
    "save": lambda folder: folder.save({"epoch": 2}),
    "write": lambda folder: folder.write("model_card.md", b"# Card"),
    "write_checkpoint": lambda folder: folder.write_checkpoint({}),
    "write_result": lambda folder: folder.write_result({"run_id": "0123"}),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize(
    "damage",
    [
        shutil.rmtree,
        lambda path: shutil.rmtree(path.parent),
        replace_with_folder,
        replace_with(make_file),
        replace_with(make_dangling_link),
        replace_with(make_loop),
    ],
)
def test_a_folder_that_goes_during_the_run_ends_it(
    write: str, damage: Callable[[Path], None], tmp_path: Path
) -> None:
    """A folder made anew would hold half a record, and nobody would hold its lock."""
    run = tmp_path / "logs" / "run"
    folder = RunFolder(run)
    left: list[Path] = []

    def go_on() -> None:
        with folder.lock():
            folder.start({})
            folder.log(1, {"loss": 1.0})
            damage(run)
            left.extend(sorted(tmp_path.rglob("*")))
            WRITES[write](folder)

    with pytest.raises(InputError) as caught:
        go_on()
    assert str(caught.value) == (
        f"{run} was removed or replaced during the run; run the same command to start it again"
    )
    assert sorted(tmp_path.rglob("*")) == left


@pytest.mark.parametrize("write", [*WRITES, "drop_unfinished"])
def test_a_folder_that_becomes_read_only_ends_the_run(write: str, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    steps = {**WRITES, "drop_unfinished": RunFolder.drop_unfinished}

    def go_on() -> None:
        with folder.lock():
            folder.start({})
            folder.save({"epoch": 1})
            folder.path.chmod(0o500)
            if os.access(folder.path, os.W_OK):
                pytest.skip("nothing is read-only for root")
            steps[write](folder)

    try:
        with pytest.raises(InputError, match="Permission denied"):
            go_on()
    finally:
        folder.path.chmod(0o700)
