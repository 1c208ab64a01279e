"""Files that are not what they seem, read without harm: no wait, no memory, one message."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from survkit.checked_files import DamagedError, parse_arrays, parse_json, read_bytes
from survkit.datasets.storage import load_cached
from survkit.types import InputError
from tests.runs.damage import ANYHOW, STRUCTURE

PATH = Path("some")
ARRAYS = {"times": np.arange(3.0), "survival": np.ones((2, 3)), "event": np.array([True, False])}


def packed(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def test_a_file_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert read_bytes(tmp_path / "a") is None
    (tmp_path / "file").write_bytes(b"x")
    assert read_bytes(tmp_path / "file" / "a") is None
    (tmp_path / "nowhere").symlink_to("a")
    assert read_bytes(tmp_path / "nowhere") is None
    assert read_bytes(tmp_path / "file") == b"x"


@pytest.mark.parametrize("name", ["folder", "link loop", "named pipe", "device", "1 TB"])
def test_what_is_no_small_regular_file_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    ANYHOW[name](tmp_path / "a")
    with pytest.raises(InputError, match=r"/a(:| is damaged:) "):
        read_bytes(tmp_path / "a")


@pytest.mark.parametrize("path", ["a\0b", "a" * 300])
def test_a_path_that_no_file_can_have_is_refused(path: str) -> None:
    with pytest.raises(InputError, match="cannot read"):
        read_bytes(Path(path))


@given(st.binary(max_size=200))
def test_bytes_are_json_or_damaged(content: bytes) -> None:
    try:
        found = parse_json(content, PATH)
    except DamagedError:
        return
    assert isinstance(found, dict)


def test_an_error_is_one_line() -> None:
    assert str(DamagedError(PATH, "a\n  b")) == "some is damaged: a b"


def test_arrays_come_back_as_they_were() -> None:
    more = {
        "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "none": np.empty((0, 4), np.float32),
        "one": np.array(3),
        "big": np.arange(3, dtype=">i4"),
    }
    content = packed(**ARRAYS, **more)
    for name, array in parse_arrays(io.BytesIO(content), PATH).items():
        np.testing.assert_array_equal(array, {**ARRAYS, **more}[name])
        assert array.flags.writeable


def test_text_and_objects_are_refused_unless_allowed() -> None:
    text = packed(a=np.array(["x"]))
    with pytest.raises(DamagedError, match="not of numbers"):
        parse_arrays(io.BytesIO(text), PATH)
    assert parse_arrays(io.BytesIO(text), PATH, kinds="U")["a"].tolist() == ["x"]
    objects = packed(a=np.array([None]))
    with pytest.raises(DamagedError, match="not of numbers"):
        parse_arrays(io.BytesIO(objects), PATH, kinds="OU")


def test_more_than_the_limit_is_not_unpacked() -> None:
    content = packed(a=np.zeros(1000), b=np.zeros(1000))
    assert len(content) < 2000
    with pytest.raises(DamagedError, match=r"16,256 bytes, more than 16,000"):
        parse_arrays(io.BytesIO(content), PATH, limit=16_000)


@given(st.data())
def test_changed_archives_give_the_arrays_or_are_damaged(data: st.DataObject) -> None:
    content = bytearray(packed(**ARRAYS))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    try:
        found = parse_arrays(io.BytesIO(content), PATH)
    except DamagedError:
        return
    for name, array in found.items():
        if name in ARRAYS:  # the name itself may have changed
            np.testing.assert_array_equal(array, ARRAYS[name])


@pytest.mark.parametrize("name", ["zip bomb", "header of 8 PB", "encrypted", "claims 4 GB"])
def test_a_damaged_cache_is_built_anew(name: str, tmp_path: Path) -> None:
    path = tmp_path / "cache.npz"
    load_cached(path, lambda: ARRAYS, key="k")
    STRUCTURE["predictions_test.npz"][name](path)
    found, warnings = load_cached(path, lambda: ARRAYS, key="k")
    np.testing.assert_array_equal(found["survival"], ARRAYS["survival"])
    assert "damaged" in warnings[0]
    assert load_cached(path, lambda: ARRAYS, key="k")[1] == ()
