"""Finding, verifying and downloading, against a real web server on this machine."""

from __future__ import annotations

import functools
import hashlib
import http.server
import os
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import pytest

from fashion_dropout.errors import DataError
from fashion_dropout.learning import archives

NOWHERE = "http://127.0.0.1:9/"  # the discard port: nobody listens


class Handler(http.server.SimpleHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    folder = tmp_path / "served"
    folder.mkdir()
    Handler.asked = []
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=folder)
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", folder
    server.shutdown()
    server.server_close()


@pytest.fixture
def cache(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache, for a package that does not run from a checkout."""
    monkeypatch.setattr(archives, "CHECKOUT", workdir / "no checkout")
    monkeypatch.setenv("XDG_CACHE_HOME", str(workdir / "cache"))
    return workdir / "cache" / "fashion-mnist-dropout"


@pytest.fixture
def small_archives(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Four small files that stand for the archives: the code does not know their checksums."""
    files = {name: os.urandom(200_000) for name in archives.SHA256}
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    monkeypatch.setattr(archives, "SHA256", digests)
    return files


def put(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


def test_an_empty_cache_is_filled_once(cache, served, small_archives):
    mirror, folder = served
    put(folder, small_archives)
    said: list[str] = []
    assert archives.locate(mirrors=[mirror], say=said.append) == cache
    assert said == [f"downloading {mirror}{name}" for name in archives.SHA256]
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == small_archives
    asked = len(Handler.asked)
    archives.locate(mirrors=[mirror])
    assert len(Handler.asked) == asked


def test_of_two_programs_at_once_one_downloads(cache, served, small_archives):
    mirror, folder = served
    put(folder, small_archives)
    with ThreadPoolExecutor(2) as programs:
        found = list(programs.map(lambda _: archives.locate(mirrors=[mirror]), range(2)))
    assert found == [cache, cache]
    assert sorted(Handler.asked) == [f"/{name}" for name in sorted(archives.SHA256)]


def test_the_second_place_is_tried_when_the_first_is_down(cache, served, small_archives):
    mirror, folder = served
    put(folder, small_archives)
    archives.locate(mirrors=[NOWHERE, mirror])
    assert len(list(cache.iterdir())) == 4


def test_a_file_with_another_checksum_never_gets_its_name(cache, served, small_archives):
    mirror, folder = served
    put(folder, {**small_archives, "train-images-idx3-ubyte.gz": b"something else"})
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz.*FASHION_MNIST_DIR"):
        archives.locate(mirrors=[mirror])
    assert not (cache / "train-images-idx3-ubyte.gz").exists()


def test_a_damaged_file_in_the_cache_is_fetched_again(cache, served, small_archives):
    mirror, folder = served
    put(folder, small_archives)
    put(cache, {**small_archives, "t10k-labels-idx1-ubyte.gz": b"half of it"})
    archives.locate(mirrors=[mirror])
    assert Handler.asked == ["/t10k-labels-idx1-ubyte.gz"]
    assert (cache / "t10k-labels-idx1-ubyte.gz").read_bytes() == small_archives[
        "t10k-labels-idx1-ubyte.gz"
    ]


def test_a_whole_cache_needs_no_network(cache, small_archives):
    put(cache, small_archives)
    assert archives.locate(mirrors=[NOWHERE]) == cache


def test_no_network_and_no_cache_is_one_clear_line(cache, small_archives):
    with pytest.raises(DataError) as refused:
        archives.locate(mirrors=[NOWHERE])
    message = str(refused.value)
    assert "\n" not in message
    assert NOWHERE in message
    assert archives.DIRECTORY_VARIABLE in message
    assert not list(cache.glob("*.gz"))


def test_a_given_folder_is_verified_and_never_written_to(workdir, small_archives):
    folder = workdir / "given"
    put(folder, small_archives)
    assert archives.locate(folder) == folder
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(b"changed")
    with pytest.raises(DataError, match="expected SHA-256"):
        archives.locate(folder)
    assert (folder / "train-labels-idx1-ubyte.gz").read_bytes() == b"changed"
    (folder / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match="no such file"):
        archives.locate(folder)


def test_the_environment_names_the_folder_and_the_argument_wins(
    workdir, small_archives, monkeypatch
):
    for name in ("by_environment", "by_argument"):
        put(workdir / name, small_archives)
    monkeypatch.setenv(archives.DIRECTORY_VARIABLE, str(workdir / "by_environment"))
    assert archives.locate() == workdir / "by_environment"
    assert archives.locate(workdir / "by_argument") == workdir / "by_argument"


def test_the_checkout_comes_before_the_cache_and_after_the_environment(
    cache, small_archives, monkeypatch
):
    checkout, by_environment = cache.parent / "checkout", cache.parent / "by_environment"
    for folder in (checkout, cache, by_environment):
        put(folder, small_archives)
    monkeypatch.setattr(archives, "CHECKOUT", checkout)
    assert archives.locate(mirrors=[NOWHERE]) == checkout
    monkeypatch.setenv(archives.DIRECTORY_VARIABLE, str(by_environment))
    assert archives.locate(mirrors=[NOWHERE]) == by_environment


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"damaged", r"t10k-labels.*expected SHA-256 .*git checkout -- data/fashion-mnist"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "pointer of Git LFS.*git lfs pull"),
        (None, r"expected the archive .*t10k-labels.*git checkout -- data/fashion-mnist"),
    ],
    ids=["damaged", "a pointer of Git LFS", "missing"],
)
def test_a_damaged_checkout_is_refused_and_never_downloaded(
    cache, served, small_archives, monkeypatch, content, message
):
    mirror, folder = served
    put(folder, small_archives)
    checkout = cache.parent / "checkout"
    put(checkout, small_archives)
    path = checkout / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(content) if content else path.unlink()
    monkeypatch.setattr(archives, "CHECKOUT", checkout)
    with pytest.raises(DataError, match=message) as refused:
        archives.locate(mirrors=[mirror])
    assert "\n" not in str(refused.value)
    assert Handler.asked == []


@pytest.mark.real_data
def test_the_real_archives_have_the_published_digest(data_dir):
    listing = subprocess.run(
        "sha256sum *.gz | sha256sum", shell=True, cwd=data_dir, capture_output=True, check=True
    )
    assert listing.stdout.decode().split()[0] == archives.dataset_sha256()
