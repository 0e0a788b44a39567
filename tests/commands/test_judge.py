"""``judge``: the command, what it writes, and what it leaves alone."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from comparison import recomputed
from conftest import ROOT, Command, clean_environment
from fashion_dropout.texts import texts

OPTIONS = ("--baseline", "none", "--metric", "val/loss", "--smallest-difference", "0.01")
HOSTILE = "$a$ <b>&|=1"


def write_table(path: Path, seeds: int = 6, epochs: int = 4, other: str = HOSTILE) -> None:
    rng = np.random.default_rng(0)
    epoch = np.arange(1, epochs + 1)
    tables = []
    for regime, effect in (("none", 0.0), (other, 0.05)):
        for seed in range(seeds):
            train = 4 / epoch + 0.01 * rng.normal(size=epochs)
            values = {
                "train/loss": train,
                "val/loss": train + (0.5 - effect) * epoch / epochs + 0.005 * rng.normal(),
                "train/accuracy": 100 - 10 * train,
                "val/accuracy": 90 - 10 * train + rng.normal(),
            }
            of = {"seed": seed, "regime": regime, "epoch": epoch}
            tables += [
                pd.DataFrame({**of, "metric": metric, "value": value})
                for metric, value in values.items()
            ]
    pd.concat(tables).to_csv(path, index=False)


@pytest.mark.slow  # draws all figures, twice
def test_the_folder_holds_report_figures_and_numbers_that_can_be_recomputed(
    command: Command, tmp_path
):
    write_table(tmp_path / "r.csv")
    more = ("--guard", "val/accuracy=1", "--output", "found")
    done = command("judge", "r.csv", *OPTIONS, *more)
    assert done.returncode == 0, done.stderr
    assert f"verdict: With {HOSTILE}, val/loss is 0.0" in done.stdout
    folder = tmp_path / "found"
    figures = ("study_curves", "paired_differences", "equal_fit", "gap_over_epochs")
    drawn = {f"{name}.png" for name in (*figures, "accuracy_curves")}
    assert {of.name for of in folder.iterdir()} == drawn | {
        *("report.html", "result.json", "verdict.txt")
    }
    assert recomputed.check((folder / "result.json").read_bytes()) == ["better"]
    assert (folder / "verdict.txt").read_text() == done.stdout.rpartition("wrote ")[0]
    english = (folder / "report.html").read_text(encoding="utf-8")
    done = command("judge", "r.csv", *OPTIONS, *more, "--lang", "ja")
    assert done.returncode == 0, "its own files may be replaced"
    japanese = (folder / "report.html").read_text(encoding="utf-8")
    for language, report in (("en", english), ("ja", japanese)):
        assert report.count('src="data:image/') == len(drawn)
        assert "$a$ &lt;b&gt;&amp;|=1" in report
        assert texts(language)["figures"]["equal_fit"]["title"] in report
        # What is true of the studies of this program, and nobody knows of other numbers.
        ours = re.findall(
            r"no dropout|ドロップアウト|MLflow|nats|Fashion|same weights|初期重み|images\b|画像",
            report,
        )
        assert ours == []
    assert sorted(of.name for of in tmp_path.iterdir()) == ["found", "r.csv"]


def test_what_cannot_be_used_is_one_line_and_leaves_nothing(command: Command, tmp_path):
    write_table(tmp_path / "r.csv", epochs=1)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/thesis.txt").write_text("mine")
    for arguments, words in (
        (("--output", "full"), "expected a new or empty folder, received"),
        (("--output", "no/where"), "no/where"),
        (("--output", "no/report.html"), "no/report.html"),
        (("--output", "r.csv"), "an .html file, or a folder"),
        (("--baseline", "nonne"), "did you mean 'none'?"),
        (("--metric", "val/los"), "did you mean 'val/loss'?"),
        (("--guard", "val/accuracy"), "such as val/accuracy=0.003"),
        (("--guard", "val/acc=1"), "did you mean 'val/accuracy'?"),
        (("--secondary", "bleu"), "received 'bleu'"),
        (("--direction", "up"), "--direction: expected lower or higher"),
        (("--direction", "higher"), "expected 'lower' for val/loss"),
        (("--direction", "lower", "--direction", "val/loss=higher"), "received lower and higher"),
        (("--guard", "val/accuracy=1", "--guard", "val/accuracy=2"), "received 'val/accuracy=2'"),
        (("--alpha", "0.5"), "alpha: "),
        (("--smallest-difference", "0"), "smallest_difference: "),
        (("--looks", "7;10"), "--looks: expected numbers of pairs"),
        (("--looks", "3,6"), "looks: expected at least 7 pairs"),
        (("--regime-column", "arm"), "without 'arm'"),
    ):
        done = command("judge", "r.csv", *OPTIONS, *arguments)
        assert done.returncode == 2, (arguments, done.stderr)
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert done.stdout == ""
    missing = command("judge", "nothing.csv", *OPTIONS)
    assert (missing.returncode, "nothing.csv" in missing.stderr) == (2, True)
    assert sorted(of.name for of in tmp_path.rglob("*")) == ["full", "r.csv", "thesis.txt"]
    done = command("judge", "r.csv", *OPTIONS, "--secondary", "val/accuracy")
    assert done.returncode == 0, done.stderr
    assert "train/loss" not in done.stdout


@pytest.mark.slow  # a process that imports pandas, SciPy and Matplotlib
def test_neither_mlflow_nor_keras_is_imported_and_figures_only_when_they_are_drawn(tmp_path):
    write_table(tmp_path / "r.csv", seeds=3, other="b")
    code = (
        "import sys\nfrom fashion_dropout.cli import main\n"
        "for more in ([], ['--output', 'report.html']):\n"
        "    main(['judge', 'r.csv', *sys.argv[1:], *more])\n"
        "    heavy = {'mlflow', 'tensorflow', 'keras', 'sklearn', 'distributed', 'matplotlib'}\n"
        "    print('imported:', *sorted(heavy & sys.modules.keys()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *OPTIONS],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.findall("^imported:(.*)$", done.stdout, re.MULTILINE) == ["", " matplotlib"]
    assert done.stderr == ""
    assert sorted(of.name for of in tmp_path.iterdir()) == ["r.csv", "report.html"]


@pytest.mark.parametrize("page", ["judge.md", "judge.ja.md"])
def test_the_example_of_the_documents_prints_what_they_show(page, workdir, command, capsys):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    table, shown, printed = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    exec(compile(program, page, "exec"), {})
    assert capsys.readouterr().out == printed
    assert (workdir / "results.csv").read_text().startswith(table)
    (line,) = re.findall(r"uv run fashion-dropout (judge .*) --output judged\n", text)
    done = command(*shlex.split(line))
    assert (done.stdout, done.stderr, done.returncode) == (shown, "", 0)
