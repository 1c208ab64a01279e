"""Every kind of file of a record, damaged in every way, under every command that reads it.

A group's report and ensembles lose the damaged record and name it; a command about one run ends
with one line. Records with digests notice any change; those of earlier versions, which have none,
notice what is no content of such a file.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sksurv.datasets import load_veterans_lung_cancer

from survkit.ensemble.__main__ import main as ensemble
from survkit.explain.__main__ import main as explain
from survkit.predict.__main__ import main as predict
from survkit.report.__main__ import main as report
from survkit.runs.folder import RunFolder
from survkit.runs.read import load_fitted, read_predictions
from survkit.runs.record_files import read_config, read_history, read_note, read_result
from survkit.runs.table import find_runs
from survkit.train import main as train
from survkit.training.checkpoint import load_checkpoint, save_checkpoint
from survkit.types import InputError
from tests.runs.damage import ANYHOW, Damage, changed, damages_of, flip
from tests.runs.records import change, result_of

FLAGS = "--dataset veteran --time_bins 8 --epochs 2 --hidden_dim 4 --mode disabled --bootstrap 0"
CHECKED = ("result.json", "config.json", "history.jsonl", "checkpoint.pt", "predictions_test.npz")
FLIPS = {f"flip at {place}": changed(lambda c, p=place: flip(c, p)) for place in (0.3, 0.7, 0.99)}
CONTENTS = ("empty", "half", "zeros", "noise", "not UTF-8")
UNREADABLE = {"folder", "link loop", "named pipe", "device"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs that an ensemble can combine."""
    logs = tmp_path_factory.mktemp("logs")
    flags = [*FLAGS.split(), "--model", "mtlr", "--group", "some"]
    assert train([*flags, "--seeds", "42", "43", "--log_dir", str(logs)]) == 0
    return logs / "some"


@pytest.fixture
def patients(tmp_path: Path) -> Path:
    path = tmp_path / "patients.csv"
    load_veterans_lung_cancer()[0].head(3).to_csv(path, index=False)
    return path


def without_digests(folder: Path) -> None:
    """Make a record one of a version that kept no digests."""
    (folder / "result.json").write_text(json.dumps(result_of(folder)))


def cases(kind: str, *, digests: bool) -> dict[str, Damage]:
    return damages_of(kind) | (FLIPS if digests else {})


def damaged_group(trained: Path, group: Path, kind: str, *, digests: bool) -> dict[str, Path]:
    """Copy the runs, and one of them for each damage; return the damaged copies by damage."""
    shutil.copytree(trained, group)
    first = min(path.parent for path in group.glob("*/result.json"))
    if not digests:
        for path in group.glob("*/result.json"):
            without_digests(path.parent)
    copies = {}
    for number, (name, damage) in enumerate(cases(kind, digests=digests).items()):
        copies[name] = Path(shutil.copytree(first, group / f"damaged{number:02d}"))
        damage(copies[name] / kind)
    return copies


def _history(folder: Path) -> list[str]:
    return (folder / "history.jsonl").read_text().splitlines()


def one_line(printed: str) -> str:
    (line,) = printed.splitlines()
    return line


@pytest.mark.parametrize("digests", [True, False])
@pytest.mark.parametrize("kind", ["result.json", "config.json", "predictions_test.npz"])
def test_a_report_leaves_out_damaged_records_and_names_them(
    kind: str, digests: bool, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copies = damaged_group(trained, tmp_path / "some", kind, digests=digests)
    assert report(["--log_dir", str(tmp_path), "--group", "some", "--bootstrap", "0"]) == 0
    printed = capsys.readouterr()
    lines = {line.split()[3]: line for line in printed.err.splitlines()}
    assert sorted(lines) == sorted(folder.name for folder in copies.values())
    page = (tmp_path / "some" / "report.html").read_text("utf-8")
    for folder in copies.values():
        assert lines[folder.name].startswith("left out: run ")
        assert str(folder / kind) in lines[folder.name]
        assert folder.name in page
    assert f"not complete: {len(copies)} damaged" in printed.out
    assert "2 finished runs of 1 models" in page


@pytest.mark.parametrize("kind", ["history.jsonl", "checkpoint.pt"])
def test_a_file_that_a_report_can_do_without_costs_its_figure(
    kind: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copies = damaged_group(trained, tmp_path / "some", kind, digests=True)
    assert report(["--log_dir", str(tmp_path), "--group", "some", "--bootstrap", "0"]) == 0
    assert capsys.readouterr().err == ""
    page = (tmp_path / "some" / "report.html").read_text("utf-8")
    assert f"{len(copies) + 2} finished runs of 1 models" in page
    for folder in copies.values():
        assert (str(folder / kind) in page) is (kind == "history.jsonl")


@pytest.mark.parametrize("digests", [True, False])
@pytest.mark.parametrize("kind", ["result.json", "config.json", "checkpoint.pt"])
def test_an_ensemble_leaves_out_damaged_records_and_names_them(
    kind: str, digests: bool, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copies = damaged_group(trained, tmp_path / "some", kind, digests=digests)
    names = {folder.name for folder in copies.values()}
    assert ensemble(["--log_dir", str(tmp_path), "--group", "some", "--bootstrap", "0"]) == 0
    printed = capsys.readouterr()
    assert "ensemble of 2 runs" in printed.out
    for folder in copies.values():
        assert str(folder / kind) in printed.err
    (made,) = {path.parent for path in (tmp_path / "some").glob("*/model_card.md")} - {
        path.parent
        for path in (tmp_path / "some").glob("*/model_card.md")
        if path.parent.name in names or (trained / path.parent.name).exists()
    }
    assert not names & set(json.loads((made / "result.json").read_text())["members"])


def readers(folder: Path, kind: str, patients: Path) -> Iterator[int]:
    """Run every command that is about one run and reads this kind of file."""
    if kind in ("result.json", "checkpoint.pt"):
        flags = ["--csv", str(patients), "--times", "30", "--similar", "0"]
        yield predict(["--run", str(folder), *flags])
        yield explain(["--run", str(folder), "--num_repetitions", "1", "--num_samples", "50"])


@pytest.mark.parametrize("digests", [True, False])
@pytest.mark.parametrize("kind", ["result.json", "checkpoint.pt"])
def test_a_command_about_one_run_names_its_damaged_file(
    kind: str,
    digests: bool,
    trained: Path,
    tmp_path: Path,
    patients: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    copies = damaged_group(trained, tmp_path / "logs" / "some", kind, digests=digests)
    for folder in copies.values():
        for status in readers(folder, kind, patients):
            assert status == 2
            line = one_line(capsys.readouterr().err)
            assert kind in line or str(folder) in line
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".csv"] == ["patients.csv"]


def test_the_checkpoint_of_another_run_is_refused(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "some")
    first, second = sorted(path.parent for path in (tmp_path / "some").glob("*/result.json"))
    without_digests(first)  # else the digest of the file is wrong
    shutil.copy(second / "checkpoint.pt", first)
    with pytest.raises(InputError, match=f"its 'run_id' is '{second.name}'"):
        load_fitted(first)


@pytest.mark.parametrize("kind", [*CHECKED, "model_card.md"])
def test_training_again_finds_or_mends_a_damaged_record(
    kind: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained, tmp_path / "some")
    folder = min(path.parent for path in (tmp_path / "some").glob("*/result.json"))
    seed = json.loads((folder / "result.json").read_text())["seed"]
    flags = [*FLAGS.split(), "--model", "mtlr", "--group", "some", "--seed", str(seed)]
    kept = tmp_path / "kept"
    shutil.copytree(folder, kept)
    for name, damage in cases(kind, digests=True).items():
        shutil.rmtree(folder)
        shutil.copytree(kept, folder)
        damage(folder / kind)
        capsys.readouterr()
        status = train([*flags, "--log_dir", str(tmp_path)])
        printed = capsys.readouterr()
        if name in UNREADABLE:
            assert (status, name) == (2, name)
            assert str(folder / kind) in one_line(printed.err)
        elif kind == "result.json":
            assert (status, name) == (0, name)
            assert "result.json is damaged: " in printed.err
            assert load_fitted(folder)
        else:
            assert (status, name) == (0, name)
            assert "is complete" in printed.out


@pytest.mark.parametrize("kind", CHECKED)
def test_a_changed_byte_anywhere_is_noticed(kind: str, trained: Path, tmp_path: Path) -> None:
    folder = next(trained.glob("*/result.json")).parent
    copy = Path(shutil.copytree(folder, tmp_path / "run"))
    content = (folder / kind).read_bytes()
    missed = []
    for place in range(0, len(content), max(1, len(content) // 60)):
        (copy / kind).write_bytes(flip(content, place / len(content), place % 8))
        try:
            read_result(copy)
            read_config(copy)
            read_history(copy)
            read_predictions(copy, "test")
            load_fitted(copy)
        except InputError:
            continue
        missed.append(place)
    assert missed == []


def test_a_record_works_in_another_folder(
    trained: Path, tmp_path: Path, patients: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = next(trained.glob("*/result.json")).parent
    copy = Path(shutil.copytree(folder, tmp_path / "elsewhere" / "group" / folder.name))
    assert predict(["--run", str(copy), "--csv", str(patients), "--times", "30"]) == 0
    runs, damaged = find_runs(tmp_path / "elsewhere", "group")
    assert runs is not None
    assert (len(runs), damaged) == (1, {})


def test_a_run_of_an_unknown_model_is_no_member(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained, tmp_path / "some")
    folder = next((tmp_path / "some").glob("*/result.json")).parent
    later = Path(shutil.copytree(folder, tmp_path / "some" / "later"))
    change(later, {**result_of(later), "run_id": "later", "model": "of a later version"})
    assert ensemble(["--log_dir", str(tmp_path), "--group", "some", "--bootstrap", "0"]) == 0
    printed = capsys.readouterr()
    assert "left out: run later is of 'of a later version', which this version" in printed.err
    assert "ensemble of 2 runs" in printed.out


@pytest.mark.parametrize("path", ["a\0b", "a" * 5000])
def test_a_path_that_no_folder_can_have_is_explained(
    path: str, patients: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for main, flags in (
        (predict, ["--run", path, "--csv", str(patients), "--times", "30"]),
        (explain, ["--run", path]),
        (report, ["--log_dir", path, "--group", "some"]),
        (ensemble, ["--log_dir", path, "--group", "some"]),
    ):
        assert main(flags) == 2
        assert one_line(capsys.readouterr().err)


@pytest.mark.parametrize("name", damages_of("note"))
def test_a_damaged_note_costs_nothing_but_itself(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "some" / "launcher" / "aa.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"status": "failed", "model": "mtlr", "seed": 42, "log": "aa.log"}')
    damages_of("note")[name](path)
    with pytest.raises(InputError, match=r"aa\.json"):
        read_note(path)
    assert report(["--log_dir", str(tmp_path), "--group", "some"]) == 0
    assert "not complete: 1 unknown" in capsys.readouterr().out
    assert "launcher/aa.json" in (tmp_path / "some" / "report.html").read_text("utf-8")


@pytest.mark.parametrize(
    "name", ["empty", "half", "zeros", "noise", "not UTF-8", "100,000 brackets"]
)
def test_a_run_with_a_damaged_history_goes_on(name: str, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for epoch in (1, 2, 3, 4):
        folder.log(epoch, {"train_loss": 1 / epoch})
    folder.save({"epoch": 3})
    damages_of("history.jsonl")[name](tmp_path / "history.jsonl")
    again = RunFolder(tmp_path)
    state = again.load()
    assert state is not None
    assert state["epoch"] == 3
    kept = [json.loads(line)["epoch"] for line in _history(tmp_path)]
    assert kept == ([1, 2] if name == "half" else [])
    lost = "1 of its epochs" if name == "half" else "3 of its epochs"
    assert again.warnings == [f"history.jsonl was damaged; {lost} up to 3 cannot be read"]


def test_one_torn_line_of_a_history_costs_one_epoch(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for epoch in (1, 2, 3):
        folder.log(epoch, {"train_loss": 1 / epoch})
    folder.save({"epoch": 3})
    lines = (tmp_path / "history.jsonl").read_bytes().split(b"\n")
    (tmp_path / "history.jsonl").write_bytes(b"\n".join([lines[0], b"\xff{", lines[2], b'{"ep']))
    again = RunFolder(tmp_path)
    assert again.load() is not None
    kept = [json.loads(line)["epoch"] for line in _history(tmp_path)]
    assert kept == [1, 3]
    assert len(again.warnings) == 1


@pytest.mark.parametrize("name", [*ANYHOW, "a list", "keys of numbers", "code", "compressed"])
def test_a_damaged_state_of_a_fit_is_refused(name: str, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "last.pt", {"epoch": 3})
    damages_of("checkpoint.pt")[name](tmp_path / "last.pt")
    with pytest.raises(InputError, match=r"last\.pt"):
        load_checkpoint(tmp_path / "last.pt")
