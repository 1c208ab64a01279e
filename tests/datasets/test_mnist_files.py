import shutil
from pathlib import Path

import numpy as np
import pytest

from survkit.datasets import load_dataset, mnist_files
from survkit.datasets.mnist_files import FILES, IdxFile, download_file, read_mnist
from survkit.types import InputError

NAMES = list(FILES)
SMALL = {
    "train-images-idx3-ubyte": IdxFile(2051, (30, 28, 28)),
    "train-labels-idx1-ubyte": IdxFile(2049, (30,)),
    "t10k-images-idx3-ubyte": IdxFile(2051, (6, 28, 28)),
    "t10k-labels-idx1-ubyte": IdxFile(2049, (6,)),
}


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Return a folder of four whole files with few images; image i shows digit i % 10."""
    monkeypatch.setattr(mnist_files, "FILES", SMALL)
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, file in SMALL.items():
        values = np.arange(file.shape[0], dtype=np.uint8) % 10
        content = np.broadcast_to(values.reshape(-1, *(1,) * (len(file.shape) - 1)), file.shape)
        (raw / name).write_bytes(file.header + content.tobytes())
    return tmp_path


def test_files_are_those_of_mnist():
    sizes = [file.size for file in FILES.values()]
    assert sizes == [47_040_016, 60_008, 7_840_016, 10_008]


@pytest.mark.slow
def test_pixels_and_labels_in_the_files_order(small):
    pixels, label, num_train = read_mnist(small)
    assert pixels.shape == (36, 784)
    assert num_train == 30
    assert label.tolist() == [*(i % 10 for i in range(30)), *range(6)]
    np.testing.assert_array_equal(pixels, np.repeat(label[:, None], 784, axis=1))


@pytest.mark.parametrize("name", NAMES)
def test_a_cut_file_is_named(small, name):
    path = small / "MNIST" / "raw" / name
    path.write_bytes(path.read_bytes()[:-1])
    expected = rf"{name} has .* bytes, but MNIST's {name} has {SMALL[name].size:,}"
    with pytest.raises(InputError, match=expected):
        read_mnist(small)


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_magic_number_is_named(small, name):
    path = small / "MNIST" / "raw" / name
    path.write_bytes(b"\x1f\x8b\x08\x00" + path.read_bytes()[4:])
    with pytest.raises(InputError, match=rf"{name} begins with .*{SMALL[name].magic}"):
        read_mnist(small)


def test_labels_that_are_no_digits_are_refused(small):
    path = small / "MNIST" / "raw" / "t10k-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1] + b"\x25")
    with pytest.raises(InputError, match="hold 37 for image 35; labels are 0 to 9"):
        read_mnist(small)


def test_a_missing_file_is_downloaded_and_checked(small, monkeypatch):
    raw = small / "MNIST" / "raw"
    name = NAMES[1]
    whole = shutil.move(raw / name, small / "mirror")
    asked = []

    def fetch(url, folder, md5):
        asked.append((url, md5))
        if len(asked) == 1:
            raise OSError("no route to host")
        shutil.copy(whole, Path(folder, name))

    monkeypatch.setattr(mnist_files, "_fetch", fetch)
    read_mnist(small)
    assert [url.rpartition("/")[2] for url, _ in asked] == [f"{name}.gz"] * 2
    assert asked[0][1] == asked[1][1] == "d53e105ee54ea40749a09fcbcd1e9432"
    assert {p.name for p in raw.iterdir()} - {f".{name}.lock"} == set(NAMES)


def test_a_failed_download_says_what_to_do(tmp_path):
    def fetch(url, folder, md5):
        raise RuntimeError("File not found or corrupted")

    with pytest.raises(InputError, match=r"download failed .*corrupted.* by hand.*--data_dir"):
        download_file(NAMES[0], tmp_path / "x", fetch)
    assert not list(tmp_path.iterdir())


def test_nothing_is_downloaded_unless_wanted(small, monkeypatch):
    """Neither all four files nor the one that is missing."""
    monkeypatch.setattr(mnist_files, "_fetch", lambda *_: pytest.fail("it was fetched"))
    with pytest.raises(InputError, match=r"none.*ubyte is not there"):
        load_dataset("mnist", data_dir="none", download=False)
    (small / mnist_files.RAW / NAMES[2]).unlink()
    with pytest.raises(InputError, match=f"{NAMES[2]} is not there"):
        load_dataset("mnist", data_dir=small, download=False)
    assert not Path("none").exists()


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "MNIST").write_text("not a folder")
    with pytest.raises(InputError, match="cannot write"):
        load_dataset("mnist", data_dir=tmp_path)
