"""The four official Fashion-MNIST archives: where they are, and whether they are intact."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pooch
from filelock import FileLock, Timeout

from fashion_dropout.errors import DataError
from fashion_dropout.escapes import shortened
from fashion_dropout.files import beginning_of, open_file, user_path

SHA256 = {
    "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    "train-images-idx3-ubyte.gz": (
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
    ),
    "train-labels-idx1-ubyte.gz": (
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"
    ),
}
"""Name of each archive → SHA-256 of its bytes, in the order in which a shell lists them."""

MIRRORS = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
)
"""The dataset's own place, then the one that Keras uses."""

DIRECTORY_VARIABLE = "FASHION_MNIST_DIR"

CHECKOUT = Path(__file__).resolve().parents[3] / "data" / "fashion-mnist"
"""Where a checkout of the repository has the archives; no such folder if the package is installed
from a wheel.
"""
_TIMEOUT_SECONDS = 30
_LOCK_SECONDS = 900
_LFS_POINTER = b"version https://git-lfs"


def dataset_sha256() -> str:
    """One digest for the dataset: what ``sha256sum *.gz | sha256sum`` prints in its folder."""
    listing = "".join(f"{digest}  {name}\n" for name, digest in SHA256.items())
    return hashlib.sha256(listing.encode()).hexdigest()


def locate(
    data_dir: Path | None = None,
    *,
    mirrors: Sequence[str] = MIRRORS,
    say: Callable[[str], None] = lambda message: None,
) -> Path:
    """The folder that contains the four verified archives, downloaded if need be.

    The first of these is used: `data_dir`; the folder that ``FASHION_MNIST_DIR`` names; the
    checkout that this package runs from; the user's cache. Only the cache is written to: what is
    missing or damaged in it is downloaded.

    Args:
        data_dir: A folder with the four archives; None to look in the usual places.
        mirrors: Where to download from, tried in this order.
        say: Called with a line before each download.

    Raises:
        DataError: An archive is missing or has another checksum, and none could be downloaded.
    """
    variable = os.environ.get(DIRECTORY_VARIABLE)
    given = data_dir or (user_path(variable) if variable else None)
    if given is not None:
        return _verified(
            given,
            "put the four archives of Fashion-MNIST there, leave out --data-dir and "
            f"{DIRECTORY_VARIABLE}, or name images of your own with --dataset idx",
        )
    if any((CHECKOUT / name).exists() for name in SHA256):
        return _verified(
            CHECKOUT,
            f"restore it with `git checkout -- data/fashion-mnist`, or set {DIRECTORY_VARIABLE} to "
            "a folder with the four archives",
        )
    cache = Path(pooch.os_cache("fashion-mnist-dropout"))
    if _missing(cache):
        with _only_download(cache):
            for name in _missing(cache):  # another process may have been faster
                _download(name, cache, mirrors, say)
    return cache


def _missing(cache: Path) -> list[str]:
    """The archives that the cache lacks, or has damaged."""
    names = []
    for name in SHA256:
        try:
            _verify(cache / name, "it is downloaded again")
        except DataError:
            names.append(name)
    return names


@contextmanager
def _only_download(cache: Path) -> Iterator[None]:
    """While this is open, no other process downloads; what killed ones left half-way is removed."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache.with_name(f"{cache.name}.lock"), timeout=_LOCK_SECONDS):
            for left in cache.glob("tmp*"):  # as Pooch calls them
                left.unlink()
            yield
    except Timeout as error:
        raise DataError(
            f"expected the download into {cache} that another process has begun to end within "
            f"{_LOCK_SECONDS // 60} minutes, but it goes on; end it, or set {DIRECTORY_VARIABLE} "
            "to a folder with the four archives"
        ) from error
    except OSError as error:
        raise DataError(
            f"expected to write to {cache}, received: {error.strerror}; set {DIRECTORY_VARIABLE} "
            "to a folder with the four archives"
        ) from error


def _verified(folder: Path, advice: str) -> Path:
    for name in SHA256:
        _verify(folder / name, advice)
    return folder


def _verify(path: Path, advice: str) -> None:
    try:
        with open_file(path) as stream:
            lfs_pointer = stream.read(len(_LFS_POINTER)) == _LFS_POINTER
            stream.seek(0)
            received = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        received = "no such file" if error.errno == errno.ENOENT else str(error.strerror)
        raise DataError(
            f"expected the archive {path}, received {received}{beginning_of(path)}; {advice}"
        ) from error
    if lfs_pointer:
        raise DataError(
            f"{path}: expected the archive, received a pointer of Git LFS; fetch the file with "
            f"`git lfs pull`, or {advice}"
        )
    if received != SHA256[path.name]:
        raise DataError(
            f"{path}: expected SHA-256 {SHA256[path.name]}, received {received}: the file is "
            f"damaged or another one; {advice}"
        )


def _download(name: str, cache: Path, mirrors: Sequence[str], say: Callable[[str], None]) -> None:
    # Pooch writes to a temporary name beside the final one, checks, and renames.
    failures = []
    for mirror in mirrors:
        say(f"downloading {mirror}{name}")
        try:
            pooch.retrieve(
                url=mirror + name,
                known_hash=f"sha256:{SHA256[name]}",
                fname=name,
                path=cache,
                downloader=pooch.HTTPDownloader(timeout=_TIMEOUT_SECONDS),
            )
            return
        except (OSError, ValueError) as error:
            failures.append(f"{mirror}: {_brief(error)}")
    raise DataError(
        f"could not download {name} into {cache} ({'; '.join(failures)}); get the four archives of "
        f"Fashion-MNIST by other means and set {DIRECTORY_VARIABLE} to their folder"
    )


def _brief(error: Exception) -> str:
    return shortened((str(error).splitlines() or [type(error).__name__])[0], 300)
