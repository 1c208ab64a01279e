from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

import survkit
from survkit.training.checkpoint import load_checkpoint, save_checkpoint
from survkit.types import InputError

ROOT = Path(survkit.__file__).parent.parent


def test_arrays_tensors_and_plain_values_come_back(tmp_path: Path) -> None:
    state = {
        "array": np.arange(3.0),
        "tensor": torch.eye(2),
        "nested": {"list": [1, "a", None], "scalar": np.float64(0.1)},
    }
    save_checkpoint(tmp_path / "some.pt", state)
    loaded = load_checkpoint(tmp_path / "some.pt")
    assert loaded["array"].numpy().tolist() == [0, 1, 2]
    assert torch.equal(loaded["tensor"], torch.eye(2))
    assert loaded["nested"] == {"list": [1, "a", None], "scalar": 0.1}


def test_missing_and_damaged_files_are_explained(tmp_path: Path) -> None:
    path = tmp_path / "some.pt"
    with pytest.raises(InputError, match="there is no checkpoint"):
        load_checkpoint(path)
    save_checkpoint(path, {"a": torch.zeros(1000)})
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError, match="damaged"):
        load_checkpoint(path)


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.pt"
    torch.save({"a": test_missing_and_damaged_files_are_explained}, path)
    with pytest.raises(InputError, match="damaged"):
        load_checkpoint(path)


SAVE_ON_A_FULL_DISK = """
import resource, signal, sys, torch
from pathlib import Path
import survkit
from survkit.training.checkpoint import save_checkpoint
from survkit.types import InputError

# Writing past 1,000 bytes of a file fails, as it does on a full disk.
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    save_checkpoint(Path(sys.argv[1]), {"a": torch.zeros(1000)})
except InputError as error:
    print(error)
"""


@pytest.mark.slow
def test_a_full_disk_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "some.pt"
    path.write_bytes(b"old")
    done = subprocess.run(
        [sys.executable, "-c", SAVE_ON_A_FULL_DISK, str(path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert done.stdout.startswith(f"cannot write {path}: ")
    assert "make room" in done.stdout
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["some.pt"]


def test_a_flipped_bit_is_noticed_wherever_it_is(tmp_path: Path) -> None:
    """In weights, in the zip's own headers, directory and padding, and in the digest itself."""
    path = tmp_path / "some.pt"
    save_checkpoint(path, {"a": torch.arange(10.0), "b": [1, "x"]})
    content = path.read_bytes()
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="damaged"):
            load_checkpoint(path)
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match="damaged"):
            load_checkpoint(path)


def test_the_file_stays_one_that_torch_and_zip_can_read(tmp_path: Path) -> None:
    path = tmp_path / "some.pt"
    save_checkpoint(path, {"a": torch.arange(10.0)})
    assert torch.equal(torch.load(path, weights_only=True)["a"], torch.arange(10.0))
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.comment.startswith(b"survkit sha256 ")


def test_a_flipped_weight_of_an_earlier_version_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "some.pt"
    weights = torch.arange(1000.0)
    torch.save({"a": weights}, path)
    assert torch.equal(load_checkpoint(path)["a"], weights)
    content = bytearray(path.read_bytes())
    content[content.find(weights.numpy().tobytes()) + 2000] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"damaged .*checksum"):
        load_checkpoint(path)


def test_no_byte_of_an_earlier_version_gives_another_error(tmp_path: Path) -> None:
    path = tmp_path / "some.pt"
    torch.save({"a": torch.arange(10.0), "b": 3}, path)
    content = path.read_bytes()
    for place in range(0, len(content), 5):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            found = load_checkpoint(path)
        except InputError:
            continue
        assert torch.equal(found["a"], torch.arange(10.0))
        assert found["b"] == 3
