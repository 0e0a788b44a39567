"""The command as a user types it: real processes, real exit codes, one line for what is wrong."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import click
import mlflow
import pytest
from click.testing import CliRunner

from conftest import ROOT, clean_environment
from fashion_dropout.cli import cli
from fashion_dropout.errors import UsageError
from fashion_dropout.learning import archives
from fashion_dropout.tracking.recording.opening import experiment_id

VERBS = sorted(cli.commands)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example_that_parses(verb):
    result = CliRunner().invoke(cli, [verb, "--help"])
    assert result.exit_code == 0
    _, _, examples = result.output.partition("Examples:\n")
    lines = [shlex.split(line) for line in examples.partition("\n\n")[0].splitlines()]
    assert lines
    for program, name, *arguments in lines:
        assert (program, name) == ("fashion-dropout", verb)
        cli.commands[verb].make_context(verb, list(arguments))


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_alone_is_parsed_or_refused(verb):
    try:
        cli.commands[verb].make_context(verb, [])
    except click.UsageError as error:
        assert "Missing argument" in error.format_message()


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from fashion_dropout.cli import main\n"
        "try: main(['train', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'tensorflow', 'keras', 'mlflow', 'matplotlib', 'pandas', 'numpy'}\n"
        "sys.exit(str(sorted(heavy & sys.modules.keys())) if heavy & sys.modules.keys() else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def failure(done: subprocess.CompletedProcess[str], exit_code: int) -> str:
    """The one line that a failed command printed."""
    assert done.returncode == exit_code, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ")
    return line


def test_bad_values_end_in_one_line_and_leave_nothing_behind(command, tmp_path):
    bad = {"dropout": "-0.1", "epochs": "0", "batch_size": "1.5", "select": "first", "seed": "-1"}
    for name, text in bad.items():
        option = f"--{name.replace('_', '-')}"
        line = failure(command("train", f"{option}={text}"), 2)
        assert option in line
        assert "expected" in line
        assert repr(text) in line
    assert "--dropuot" in failure(command("train", "--dropuot", "0.5"), 2)
    assert "tarin" in failure(command("tarin"), 2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [" ", "x" * 501, "a\nb", "\x1b[31mred", "\u202etxt", "\ud800"])
def test_a_name_that_no_experiment_can_have_is_one_line(command, tmp_path, name):
    study = str(ROOT / "experiments/dropout/smoke.toml")
    for verb in (("train", "--dataset", "synthetic"), ("compare", study)):
        line = failure(command(*verb, "--experiment-name", name), 2)
        assert "expected as name of an experiment 1 to 500 characters that can be seen" in line
        assert "give another with --experiment-name" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MLFLOW_EXPERIMENT_NAME", "x" * 501),
        ("MLFLOW_EXPERIMENT_ID", "nonsense"),
        ("MLFLOW_EXPERIMENT_ID", "77"),
    ],
)
def test_an_experiment_that_cannot_be_is_a_usage_error(store, monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(UsageError, match=f"received '{value[:10]}") as refused:
        experiment_id(None)
    assert variable in str(refused.value)


def test_missing_data_is_one_line_and_no_run(command, tmp_path):
    line = failure(command("train", "--data-dir", str(tmp_path / "nowhere")), 1)
    assert str(tmp_path / "nowhere") in line
    assert "FASHION_MNIST_DIR" in line
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert mlflow.search_runs(search_all_experiments=True, output_format="list") == []


@pytest.mark.slow  # MLflow tries again for seconds
def test_an_unreachable_server_is_one_line(command, tmp_path):
    began = time.monotonic()
    environment = {"MLFLOW_TRACKING_URI": "http://me:tiger@127.0.0.1:9"}
    line = failure(command("train", "--dataset", "synthetic", environment=environment), 1)
    assert time.monotonic() - began < 30
    assert "http://me:***@127.0.0.1:9" in line
    assert "tiger" not in line
    assert "refused" in line
    assert list(tmp_path.iterdir()) == []


def test_data_prints_counts_classes_and_checksums(command):
    said = command("data", "--dataset", "synthetic").stdout
    assert "3,000 training and 1,000 test images" in said
    assert "pattern 9" in said
    assert said.count("300    100") == 10


@pytest.mark.real_data
def test_data_verifies_the_real_archives(command, data_dir, tmp_path):
    said = command("data", "--data-dir", str(data_dir)).stdout
    assert "Ankle boot" in said
    for name, digest in archives.SHA256.items():
        assert f"{digest}  {name}" in said
    damaged = tmp_path / "damaged"
    shutil.copytree(data_dir, damaged)
    path = damaged / "train-images-idx3-ubyte.gz"
    path.chmod(0o644)
    with path.open("r+b") as stream:
        stream.seek(1_000_000)
        stream.write(b"\0\1\2")
    line = failure(command("data", environment={"FASHION_MNIST_DIR": str(damaged)}), 1)
    assert str(path) in line
    assert "expected SHA-256" in line


@pytest.mark.slow
def test_a_terminal_sees_a_bar_and_the_epochs(tmp_path):
    """`script` gives the command a real pseudo-terminal."""
    done = subprocess.run(
        ["script", "-qec", f"{sys.executable} -m fashion_dropout train --dataset synthetic "
         "--epochs 2", "/dev/null"],
        cwd=tmp_path,
        env=clean_environment(TERM="xterm", COLUMNS="100", PYTHONPATH=str(ROOT / "src")),
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "epoch 2/2  training" in done.stdout
    assert "━" in done.stdout


def test_a_checkout_runs_without_being_installed(tmp_path: Path):
    """As MLflow does it, in an environment that has the packages but not this one."""
    packages = [path for path in sys.path if "site-packages" in path]
    script = ROOT / "src" / "fashion_dropout"
    code = (
        f"import runpy, sys; sys.path += {packages!r}; sys.argv[1:] = ['--version'];"
        f"runpy.run_path({str(script)!r}, run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],  # -S: no .pth file that knows where the package is
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "fashion-dropout, version" in done.stdout
