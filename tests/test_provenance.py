from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from conftest import ROOT
from fashion_dropout import provenance

PRINT = (
    "from fashion_dropout import provenance as p; s = p.git_state();"
    "print(None if s is None else (s.commit, s.dirty, s.difference))"
)


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout


def state(folder: Path, **variables: str):
    done = subprocess.run(
        [sys.executable, "-c", PRINT],
        cwd=folder,
        env={"PYTHONPATH": str(folder / "src"), "PATH": "/usr/bin:/bin", **variables},
        check=True,
        capture_output=True,
        text=True,
    )
    return eval(done.stdout)


def checkout(folder: Path) -> Path:
    package = folder / "src" / "fashion_dropout"
    package.mkdir(parents=True)
    for name in ("__init__.py", "provenance.py"):
        (package / name).write_text((ROOT / "src/fashion_dropout" / name).read_text())
    (folder / ".gitignore").write_text("__pycache__/\n")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "all")
    return folder


def test_a_clean_checkout_has_its_commit_and_no_difference(tmp_path):
    folder = checkout(tmp_path)
    assert state(folder) == (git(folder, "rev-parse", "HEAD").strip(), False, "")


def test_a_dirty_checkout_has_the_difference_and_names_unknown_files(tmp_path):
    folder = checkout(tmp_path)
    with (folder / "src/fashion_dropout/__init__.py").open("a") as stream:
        stream.write("# changed\n")
    (folder / "new.py").write_text("x = 1\n")
    _, dirty, difference = state(folder)
    assert dirty
    assert "+# changed" in difference
    assert "# not known to git: new.py" in difference


def test_a_package_that_git_does_not_track_claims_no_commit(tmp_path):
    """As one installed into the environment of somebody else's repository."""
    folder = checkout(tmp_path)
    git(folder, "rm", "-rq", "--cached", "src")
    git(folder, "commit", "-qm", "without the package")
    assert state(folder) is None


def test_requirements_are_frozen_one_a_line():
    lines = provenance.frozen_requirements().splitlines()
    assert lines == sorted(lines, key=lambda line: line.partition("==")[0].lower())
    assert any(line.startswith("tensorflow==") for line in lines)


def test_who_may_use_one_core_trains_one_run_at_once():
    """As in a container: the machine has more, and dividing it by its cores would take too long."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert (provenance.cores(), provenance.runs_at_once()) == (1, 1)
    finally:
        os.sched_setaffinity(0, allowed)


def test_the_difference_is_whole_whatever_git_is_told_to_show(tmp_path):
    folder = checkout(tmp_path)
    with (folder / ".gitignore").open("a") as stream:
        stream.write("*.log\n")
    _, _, plain = state(folder)
    assert "+*.log" in plain
    git(folder, "config", "diff.relative", "true")
    git(folder, "config", "diff.context", "0")
    assert state(folder) == (git(folder, "rev-parse", "HEAD").strip(), True, plain)


def test_the_difference_is_in_utf_8_whatever_the_locale_is(tmp_path):
    folder = checkout(tmp_path)
    (folder / ".gitignore").write_text("__pycache__/\n# − ü\n", encoding="utf-8")
    told = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    _, _, difference = state(folder, **told, PYTHONIOENCODING="ascii:backslashreplace")
    assert "+# − ü" in difference
