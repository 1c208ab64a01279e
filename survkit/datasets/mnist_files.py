"""MNIST's four files: downloaded where they are not there, checked, and read."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from survkit.datasets.storage import download_timeout, ensure_file
from survkit.types import InputError

RAW = Path("MNIST", "raw")
SIDE = 28


class IdxFile(NamedTuple):
    """An IDX file as it must be: its magic number and the length of each axis."""

    magic: int
    shape: tuple[int, ...]

    @property
    def header(self) -> bytes:
        """The bytes before the values, of one byte each: big-endian numbers of four bytes."""
        return np.array([self.magic, *self.shape], dtype=">i4").tobytes()

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self.header) + math.prod(self.shape)


FILES = {
    "train-images-idx3-ubyte": IdxFile(2051, (60_000, SIDE, SIDE)),
    "train-labels-idx1-ubyte": IdxFile(2049, (60_000,)),
    "t10k-images-idx3-ubyte": IdxFile(2051, (10_000, SIDE, SIDE)),
    "t10k-labels-idx1-ubyte": IdxFile(2049, (10_000,)),
}


class Mnist(NamedTuple):
    """Training images and then test images: pixels (n, 784), digits (n,)."""

    pixels: NDArray[np.uint8]
    label: NDArray[np.int64]
    num_train: int


def read_mnist(data_dir: Path | str, *, download: bool = True) -> Mnist:
    """Read MNIST by torchvision's loader, downloading the files that are not there, if wanted.

    InputError where one is missing, cannot be downloaded, or is not MNIST's.
    """
    from torchvision.datasets import MNIST

    raw = Path(data_dir) / RAW
    for name in FILES:
        check = partial(_check, name)
        check(ensure_file(raw / name, partial(download_file, name) if download else None, check))
    parts = [MNIST(str(data_dir), train=train) for train in (True, False)]
    label = np.concatenate([part.targets.numpy() for part in parts])
    if label.max() >= 10:
        row = int(np.argmax(label))
        raise InputError(
            f"the label files in {raw.absolute()} hold {label[row]} for image {row}; "
            "labels are 0 to 9"
        )
    pixels = np.concatenate([part.data.numpy().reshape(-1, SIDE * SIDE) for part in parts])
    return Mnist(pixels, label.astype(np.int64), len(parts[0]))


def _check(name: str, path: Path) -> None:
    expected = FILES[name]
    size = path.stat().st_size
    if size != expected.size:
        raise InputError(
            f"{path.absolute()} has {size:,} bytes, but MNIST's {name} has {expected.size:,}; "
            "remove it, and it is downloaded again"
        )
    with path.open("rb") as file:
        found = np.frombuffer(file.read(len(expected.header)), dtype=">i4").tolist()
    wanted = [expected.magic, *expected.shape]
    if found != wanted:
        raise InputError(
            f"{path.absolute()} begins with the numbers {found}, but MNIST's {name} with {wanted} "
            "(the magic number and the shape); remove it, and it is downloaded again"
        )


def download_file(
    name: str, path: Path, fetch: Callable[[str, str, str], None] | None = None
) -> None:
    """Download a file of `FILES` from the mirrors that torchvision knows, checked by its MD5.

    `fetch` takes the URL of an archive, a folder for it and for what it holds, and the MD5.
    """
    from torchvision.datasets import MNIST

    (md5,) = [md5 for archive, md5 in MNIST.resources if archive == f"{name}.gz"]
    failures = []
    with TemporaryDirectory(dir=path.parent) as folder, download_timeout():
        for mirror in MNIST.mirrors:
            try:
                (fetch or _fetch)(f"{mirror}{name}.gz", folder, md5)
            # urllib, ssl, sockets and torchvision each raise errors of their own.
            except Exception as error:
                failures.append(f"{mirror}: {error}")
            else:
                Path(folder, name).replace(path)
                return
    raise InputError(
        f"{(path.parent / name).absolute()} is not there, and its download failed "
        f"({'; '.join(failures)}). Put MNIST's four files there by hand, unpacked, or name the "
        f"folder that holds {RAW} with --data_dir"
    )


def _fetch(url: str, folder: str, md5: str) -> None:
    from torchvision.datasets.utils import download_and_extract_archive

    download_and_extract_archive(url, folder, md5=md5)
