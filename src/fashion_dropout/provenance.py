"""Where a run's numbers come from: code, packages and machine, as far as they can be known."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
import re
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import fashion_dropout

PACKAGES = ("fashion_dropout", "python", "tensorflow", "keras", "mlflow", "numpy")
"""The packages whose versions a run's bits depend on, Python itself among them."""

_DECIDING = ("seeds.py", *(f"config/{name}.py" for name in ("training", "augmentation", "vary")))
_GIT_TIMEOUT_SECONDS = 20
# A difference that `git apply` takes, whatever the user's own settings of git are.
_PLAIN = (
    *("-c", "diff.relative=false", "diff", "--unified=3", "--no-color", "--no-ext-diff"),
    *("--no-textconv", "--src-prefix=a/", "--dst-prefix=b/"),
)
_PROGRAM_BYTES = 0.5e9  # the memory of the program that waits for them
_RUN_BYTES = 1.3e9  # the memory of a process that trains, the largest seen


@dataclass(frozen=True)
class GitState:
    """The checkout that this package runs from.

    Attributes:
        commit: The full hash of HEAD.
        dirty: Whether anything differs from it, files that git does not know included.
        difference: ``git diff HEAD``, preceded by a comment line for each unknown file; empty
            for a clean checkout.
    """

    commit: str
    dirty: bool
    difference: str


def git_state() -> GitState | None:
    """The state of the checkout that holds this file, when this process asked first; None where git
    does not track it.
    """
    try:
        return _git_state()
    except (OSError, subprocess.SubprocessError):
        return None


@cache
def _git_state() -> GitState:
    folder = Path(__file__).resolve().parent
    _git(folder, "ls-files", "--error-unmatch", Path(__file__).name)
    commit = _git(folder, "rev-parse", "HEAD").strip()
    status = _git(folder, "status", "--porcelain", "--untracked-files=normal")
    difference = ""
    if status:
        unknown = [line[3:] for line in status.splitlines() if line.startswith("??")]
        difference = "".join(f"# not known to git: {name}\n" for name in unknown)
        difference += _git(folder, *_PLAIN, "HEAD")
    return GitState(commit, bool(status), difference)


def cpu() -> str:
    """The processor's name and the number of cores that this process may use."""
    name = platform.processor() or platform.machine()
    with suppress(OSError):
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        if found := re.search(r"^model name\s*:(.*)", text, re.MULTILINE):
            name = found[1].strip()
    return f"{name} ({platform.machine()}), {cores()} cores"


def cores() -> int:
    """How many cores this process may use: its affinity and the limits of a container count."""
    from dask.system import cpu_count

    return int(cpu_count())


def runs_at_once() -> int:
    """How many training runs this machine carries at once: one a core, as far as memory allows."""
    from distributed.system import memory_limit

    memory = memory_limit() - _PROGRAM_BYTES
    return max(1, min(cores(), int(memory // _RUN_BYTES)))


@cache
def versions() -> dict[str, str]:
    """The version of each of `PACKAGES`."""
    own = {"fashion_dropout": fashion_dropout.__version__, "python": platform.python_version()}
    return {name: own.get(name) or version(name) for name in PACKAGES}


@cache
def training_code_sha256() -> str:
    """SHA-256 of the source files that decide the bits of a training, hexadecimal.

    Between two releases the version stays the same, and the code does not.
    """
    package = Path(fashion_dropout.__file__).parent
    digest = hashlib.sha256()
    for path in (*sorted((package / "learning").glob("*.py")), *map(package.joinpath, _DECIDING)):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


@cache
def frozen_requirements() -> str:
    """Every installed distribution with its version, one a line, as ``pip freeze`` would say."""
    found: dict[str, tuple[str, str]] = {}
    for name, version in _readable(importlib.metadata.distributions()):
        found.setdefault(re.sub("[-_.]+", "-", name).lower(), (name, version))
    lines = sorted(found.values(), key=lambda line: line[0].lower())
    return "".join(f"{name}=={version}\n" for name, version in lines)


def version(package: str) -> str:
    """The version of an installed package.

    Raises:
        importlib.metadata.PackageNotFoundError: There is none.
    """
    for _, found in _readable(importlib.metadata.distributions(name=package)):
        return found
    raise importlib.metadata.PackageNotFoundError(package)


def _readable(
    distributions: Iterable[importlib.metadata.Distribution],
) -> Iterator[tuple[str, str]]:
    """Name and version of each distribution, in the order in which Python finds them.

    An installation that was broken off leaves folders without metadata. Python's own reader then
    says None; the one of the package importlib_metadata, which MLflow puts before it, raises.
    """
    for distribution in distributions:
        with suppress(OSError, LookupError, ValueError):
            name, found = distribution.metadata["Name"], distribution.version
            if name and found:
                yield name, found


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        encoding="utf-8",  # whatever the locale is
        errors="replace",
        timeout=_GIT_TIMEOUT_SECONDS,
    ).stdout
