import multiprocessing
import socket
import time
from pathlib import Path

import numpy as np
import pytest

from survkit.datasets.storage import cache_folder, download_timeout, ensure_file, load_cached
from survkit.files import write_atomically, write_bytes
from survkit.types import InputError

PROCESSES = 8


def _slow_fetch(path: Path) -> None:
    (path.parent / "fetched").open("a").write("x")
    with path.open("w") as file:
        for _ in range(20):
            file.write("good\n")
            file.flush()
            time.sleep(0.01)


def _fetch_and_read(path: Path, barrier, results) -> None:
    barrier.wait()
    results.put(ensure_file(path, _slow_fetch).read_text())


def _build_and_read(path: Path, barrier, results) -> None:
    def build():
        (path.parent / "fetched").open("a").write("x")
        return {"a": np.arange(1000)}

    barrier.wait()
    results.put(int(load_cached(path, build, key="k")[0]["a"].sum()))


@pytest.mark.parametrize(
    ("work", "expected"), [(_fetch_and_read, "good\n" * 20), (_build_and_read, 499500)]
)
def test_eight_processes_leave_one_good_file(tmp_path, work, expected):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["survkit.datasets.storage"])
    barrier, results = context.Barrier(PROCESSES), context.Queue()
    path = tmp_path / "data" / "file.npz"
    path.parent.mkdir()
    workers = [
        context.Process(target=work, args=(path, barrier, results)) for _ in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    read = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join(timeout=60)
        assert worker.exitcode == 0
    assert read == [expected] * PROCESSES
    assert (path.parent / "fetched").read_text() == "x"
    left = {each.name for each in path.parent.iterdir()}
    assert left - {".file.npz.lock"} == {"file.npz", "fetched"}


def test_a_failed_write_or_check_leaves_nothing(tmp_path):
    path = tmp_path / "file.txt"

    def breaks(temporary):
        temporary.write_text("half")
        raise KeyError("broken")

    def refuses(temporary):
        raise InputError(f"bad content {temporary.read_text()}")

    with pytest.raises(KeyError):
        ensure_file(path, breaks)
    with pytest.raises(InputError, match="bad content all"):
        ensure_file(path, lambda temporary: temporary.write_text("all"), refuses)
    assert not [each for each in tmp_path.iterdir() if each.suffix != ".lock"]
    path.write_text("old")
    with pytest.raises(KeyError):
        write_atomically(path, breaks)
    assert path.read_text() == "old"


def test_a_full_disk_is_a_clear_error(tmp_path):
    def full(temporary):
        raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match=r"cannot write .*file.txt: No space left on device"):
        ensure_file(tmp_path / "file.txt", full)


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(InputError, match=r"cannot write .*x\.csv"):
        ensure_file(tmp_path / "file" / "x.csv", _slow_fetch)


def test_cache_is_read_back_and_rebuilt_when_stale(tmp_path):
    path = tmp_path / "cache.npz"
    assert load_cached(path, lambda: {"a": np.arange(3)}, key="1")[1] == ()
    arrays, warnings = load_cached(path, lambda: pytest.fail("built twice"), key="1")
    assert warnings == ()
    assert list(arrays) == ["a"]
    np.testing.assert_array_equal(arrays["a"], [0, 1, 2])
    arrays, warnings = load_cached(path, lambda: {"a": np.arange(4)}, key="2")
    assert warnings == ()
    assert len(arrays["a"]) == 4


def _cut(path):
    path.write_bytes(path.read_bytes()[:-30])


def _flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 255
    path.write_bytes(content)


def _pickled(path):
    np.savez(path, a=np.array([object()]), cache_key="1")


@pytest.mark.parametrize(
    "damage",
    [
        _cut,
        _flip,
        _pickled,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("no archive"),
        lambda path: np.savez(path, a=np.arange(3)),
    ],
)
def test_a_damaged_cache_is_rebuilt_with_a_warning(tmp_path, damage):
    path = tmp_path / "cache.npz"
    load_cached(path, lambda: {"a": np.arange(1000)}, key="1")
    damage(path)
    arrays, warnings = load_cached(path, lambda: {"a": np.arange(1000)}, key="1")
    np.testing.assert_array_equal(arrays["a"], np.arange(1000))
    assert len(warnings) == 1
    assert "was damaged" in warnings[0]
    assert load_cached(path, lambda: pytest.fail("not repaired"), key="1")[1] == ()


def test_a_cache_that_cannot_be_kept_is_a_warning(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    path = tmp_path / "file" / "cache.npz"
    arrays, warnings = load_cached(path, lambda: {"a": np.arange(3)}, key="1")
    assert len(arrays["a"]) == 3
    assert "no cache is kept" in warnings[0]


def test_caches_stay_out_of_a_read_only_data_directory(tmp_path, monkeypatch):
    data, user = tmp_path / "data", tmp_path / "user"
    data.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(user))
    assert cache_folder(data) == data / "cache"
    data.chmod(0o555)
    elsewhere = cache_folder(data)
    assert elsewhere.parent == user / "survkit"
    other = tmp_path / "other"
    other.mkdir(mode=0o555)
    assert cache_folder(other) != elsewhere
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(user))
    assert cache_folder(data).parent == user / ".cache" / "survkit"


def test_folders_are_made_for_a_file(tmp_path):
    write_bytes(tmp_path / "a" / "b" / "file", b"content")
    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"content"
    assert len(list((tmp_path / "a" / "b").iterdir())) == 1


def test_downloads_have_a_time_limit():
    assert socket.getdefaulttimeout() is None
    with download_timeout():
        assert socket.getdefaulttimeout() == 60
    assert socket.getdefaulttimeout() is None
