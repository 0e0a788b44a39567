"""Row 63: what `compare` advises can be followed where there is no checkout."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from conftest import ROOT, clean_environment
from fashion_dropout.cli import main
from fashion_dropout.config.promotion import POLICY_FILE, read_policy, standard_policy
from fashion_dropout.config.study import read_study
from recorded import record_study

SMOKE = ROOT / "experiments/dropout/smoke.toml"


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def test_the_standard_conditions_are_those_of_the_checkout():
    assert standard_policy() == ROOT / POLICY_FILE
    assert read_policy(standard_policy()).floors.accuracy == 0.9


@pytest.mark.usefixtures("store")
def test_promote_takes_the_standard_conditions_and_says_so(workdir, capsys):
    study = record_study(read_study(SMOKE))
    _, out, err = refused(capsys, "promote", study, "--dry-run")
    assert out.startswith("conditions: the standard ones, which come with the program\n")
    assert "promotion.toml" not in err  # it ends for want of the model, which nobody has trained


@pytest.mark.usefixtures("store")
def test_a_folder_may_have_conditions_of_its_own(workdir, capsys):
    (workdir / "experiments").mkdir()
    shutil.copy(ROOT / POLICY_FILE, workdir / POLICY_FILE)
    study = record_study(read_study(SMOKE))
    _, out, _ = refused(capsys, "promote", study, "--dry-run")
    assert "conditions:" not in out
    (workdir / POLICY_FILE).write_text("flors = 1")
    code, _, err = refused(capsys, "promote", study, "--dry-run")
    assert code == 2
    assert err.startswith(f"Error: {POLICY_FILE}: expected a key")
    code, _, err = refused(capsys, "promote", study, "--policy", "mine.toml")
    assert code == 2
    assert "expected a promotion file mine.toml, received: No such file" in err


def test_compare_alone_says_where_its_study_is(workdir, capsys):
    code, out, err = refused(capsys, "compare")
    assert (code, out) == (2, "")
    assert err == (
        "Error: expected a study file, received none: experiments/dropout/quick.toml is in a "
        f"checkout of the project, and {workdir} is none; go to one, or name a study file of your "
        "own\n"
    )
    assert list(workdir.iterdir()) == []


@pytest.mark.slow
def test_an_installed_package_has_the_conditions(tmp_path):
    subprocess.run(
        ["uv", "build", "--quiet", "--wheel", "--out-dir", tmp_path], cwd=ROOT, check=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site-packages"
    with zipfile.ZipFile(wheel) as content:
        content.extractall(site)
    packaged = site / "fashion_dropout/config/promotion.toml"
    assert packaged.read_bytes() == (ROOT / POLICY_FILE).read_bytes()
    code = "from fashion_dropout.config import promotion as p; print(p.standard_policy())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=clean_environment(PYTHONPATH=str(site)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(done.stdout.strip()) == packaged
