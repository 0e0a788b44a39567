"""One registered model, and image files to predict."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from PIL import Image

from conftest import FinishedRun
from fashion_dropout.learning.dataset import Synthetic
from registered import Registered, register


@pytest.fixture(scope="session")
def registry(finished_run: FinishedRun, tmp_path_factory: pytest.TempPathFactory) -> Registered:
    """The model of a real run in a store of its own; tests only read it."""
    return register(finished_run, tmp_path_factory.mktemp("registry"))


@pytest.fixture(scope="session")
def idx_images() -> bytes:
    """The first 1,000 test images as the content of an IDX file."""
    images = Synthetic().test().images
    return struct.pack(">4I", 0x00000803, *images.shape[:3]) + images.tobytes()


@pytest.fixture
def images(workdir: Path, idx_images: bytes) -> Path:
    """A folder with the first test images: two as PNG files, three in an IDX file."""
    header, size = struct.pack(">4I", 0x00000803, 3, 28, 28), 28 * 28
    (workdir / "images-idx3-ubyte").write_bytes(header + idx_images[16 : 16 + 3 * size])
    for number in range(2):
        pixels = idx_images[16 + number * size :][:size]
        Image.frombytes("L", (28, 28), pixels).save(workdir / f"{number}.png")
    return workdir
