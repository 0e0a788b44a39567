"""Row 38: paths that cannot be: one line, exit code 1 or 2, no traceback, no hang."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT, clean_environment, run_here
from fashion_dropout.cli import main
from fashion_dropout.errors import DataError, UsageError
from fashion_dropout.prediction.pictures import image_files, read_pictures
from faulty import obeying_rights, refusal
from registered import using

LONG, NOBODY = "x" * 300, "~nosuchuser"
PATHS = {"a long name": LONG, "a long path": "x/" * 5_000, "nobody's home": f"{NOBODY}/x"}
RULE = ("--baseline", "none", "--metric", "val/loss", "--smallest-difference", "0.01")
COMMANDS = {
    "data": ("data", "--data-dir", "{}"),
    "train": ("train", "--data-dir", "{}"),
    "compare": ("compare", "{}"),
    "report": ("report", "0" * 32, "--output", "{}"),
    "publish": ("publish", "{}", "--check"),
    "judge": ("judge", "{}", *RULE),
    "judge, output": ("judge", "none.csv", *RULE, "--output", "{}"),
    "promote": ("promote", "0" * 32, "--policy", "{}"),
    "predict, image": ("predict", "{}"),
    "predict, model": ("predict", "none.png", "--model", "{}/model.keras"),
}


def ends_in_one_line(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Run the command in this process; the one line that it prints."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code in (1, 2)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("Error: ")
    return line


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_a_path_that_cannot_be_is_one_line(workdir, capsys, arguments, path):
    ends_in_one_line(*(word.format(path) for word in arguments), capsys=capsys)
    assert list(workdir.iterdir()) == []


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_a_null_character_in_a_path_is_one_line(workdir, capsys, arguments):
    ends_in_one_line(*(word.format("a\0b") for word in arguments), capsys=capsys)
    assert list(workdir.iterdir()) == []


@pytest.mark.parametrize("path", ["pipe", "/dev/zero", "/dev/full"])
def test_a_pipe_or_a_device_is_refused_and_not_read(workdir, capsys, path):
    os.mkfifo(workdir / "pipe")
    with pytest.raises(DataError, match="instead of a file"):
        read_pictures(image_files(workdir / path, print)[0])
    assert "instead of a file" in ends_in_one_line("compare", path, capsys=capsys)
    policy = ("promote", "0" * 32, "--policy", path)
    assert "instead of a file" in ends_in_one_line(*policy, capsys=capsys)
    (workdir / "data").mkdir()
    (workdir / "data" / "t10k-images-idx3-ubyte.gz").symlink_to(workdir / path)
    line = ends_in_one_line("data", "--data-dir", "data", capsys=capsys)
    assert "instead of a file" in line
    (workdir / "model.keras").symlink_to(workdir / path)
    line = ends_in_one_line("predict", "none.png", "--model", "./model.keras", capsys=capsys)


def test_an_endless_list_of_images_is_refused(workdir):
    with Path("/dev/zero").open("rb") as endless:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "fashion_dropout",
                "predict",
                "-",
                "--model",
                str(workdir) + "/",
            ],
            stdin=endless,
            env=clean_environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert "16,777,216 bytes" in refusal(done)


ALL_OF_THEM = """
import json, sys
from pathlib import Path
from conftest import run_here
for arguments in json.loads(sys.argv[1]):
    done = run_here(*arguments, cwd=Path.cwd())
    print(json.dumps([done.returncode, done.stderr]))
"""
"""Commands by one process: what its user may not read is the same for each."""


@pytest.mark.slow  # processes of another user
def test_without_rights_there_is_one_line_and_no_traceback(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir()
    (closed / "study.toml").write_text("")
    (tmp_path / "closed.toml").write_text("")
    (tmp_path / "closed.toml").chmod(0)
    closed.chmod(0)
    commands = (
        ("compare", "closed/study.toml"),
        ("compare", "closed.toml"),
        ("data", "--data-dir", "closed"),
        ("report", "0" * 32, "--output", "closed/report.html"),
        ("publish", "closed", "--check"),
        ("predict", "closed/1.png", "closed", "closed.toml", "--model", "closed/model.keras"),
    )
    done = subprocess.run(
        [*obeying_rights(), sys.executable, "-c", ALL_OF_THEM, json.dumps(commands)],
        cwd=tmp_path,
        env=clean_environment(PYTHONPATH=str(ROOT / "tests")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    for arguments, line in zip(commands, done.stdout.splitlines(), strict=True):
        code, said = json.loads(line)
        assert code in (1, 2), (arguments, said)
        assert "Permission denied" in said or "closed" in said
        assert all(line.startswith("Error: ") for line in said.splitlines()), said


def test_a_working_directory_that_is_gone_is_one_line(tmp_path):
    for arguments in ("train --dataset synthetic", "data", "predict x.png", "history", "ui"):
        script = f'mkdir gone; cd gone; rmdir ../gone; exec "$0" -m fashion_dropout {arguments}'
        done = subprocess.run(
            ["sh", "-c", script, sys.executable],
            cwd=tmp_path,
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert "working directory" in refusal(done)


def test_a_working_directory_whose_name_is_not_utf8_is_one_line(tmp_path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/name\xe9"))
    folder.mkdir()
    for arguments in (["train", "--dataset", "synthetic"], ["status"], ["history"]):
        line = refusal(run_here(*arguments, cwd=folder))
        assert "in UTF-8" in line
        assert "name\\udce9" in line
    assert list(folder.iterdir()) == []


def test_help_into_a_full_device_is_one_line():
    for arguments in (["--help"], ["train", "--help"], ["--version"]):
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "fashion_dropout", *arguments],
                env=clean_environment(),
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        assert "No space left on device" in refusal(done, 1)


def test_no_arguments_print_the_help(command):
    none, asked = command(), command("--help")
    assert (none.returncode, none.stdout) == (2, "")
    assert none.stderr == asked.stdout


@pytest.mark.parametrize(
    "arguments", [("report", "0" * 32), ("promote", "0" * 32, "--policy", "{policy}"),
                  pytest.param(("ui", "0" * 32), marks=pytest.mark.slow), ("verify", "0" * 32),
                  ("history",), ("rollback",)]
)  # fmt: skip
def test_who_only_asks_makes_no_store(workdir, capsys, arguments):
    policy = str(ROOT / "experiments/promotion.toml")
    words = (word.format(policy=policy) for word in arguments)
    with using(f"sqlite:///{workdir / 'mlflow.db'}"):
        assert "expected an MLflow store" in ends_in_one_line(*words, capsys=capsys)
    assert list(workdir.iterdir()) == []


def test_a_study_nested_too_deeply_is_refused(tmp_path):
    from fashion_dropout.config.toml import read_toml

    (tmp_path / "deep.toml").write_text("x = " + "[" * 100_000)
    with pytest.raises(UsageError, match="expected TOML"):
        read_toml(tmp_path / "deep.toml", "a study file")
    (tmp_path / "large.toml").write_bytes(b"#" * (2**20 + 1))
    with pytest.raises(UsageError, match="more than 1,048,576 bytes"):
        read_toml(tmp_path / "large.toml", "a study file")
