"""docs/adapt.md, done as it says, in a copy of the package."""

from __future__ import annotations

import re
import shutil

import pytest

from conftest import ROOT, run_command

BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
AMOUNTS, FUNCTIONS, ENTRY = range(3)


def _blocks(page: str) -> list[str]:
    return BLOCK.findall((ROOT / "docs" / page).read_text(encoding="utf-8"))


def test_both_languages_have_the_same_code():
    assert _blocks("adapt.md") == _blocks("adapt.ja.md")
    assert len(_blocks("adapt.md")) == 3


@pytest.mark.slow
def test_an_augmentation_is_added_as_the_page_says(tmp_path):
    package = tmp_path / "src/fashion_dropout"
    shutil.copytree(ROOT / "src/fashion_dropout", package)
    blocks = _blocks("adapt.md")

    def change(name: str, before: str, added: str) -> None:
        path = package / name
        text = path.read_text(encoding="utf-8")
        assert text.count(before) == 1
        path.write_text(text.replace(before, added + before), encoding="utf-8")

    change("config/augmentation.py", '}\n"""Name → amounts', blocks[AMOUNTS])
    change("learning/augmentation.py", "AUGMENTATIONS: ", blocks[FUNCTIONS] + "\n\n")
    change("learning/augmentation.py", '}\n"""Name → what it does', blocks[ENTRY])

    copied = {"PYTHONPATH": str(tmp_path / "src")}
    command = ("train", "--dataset", "synthetic", "--epochs", "1", "--augment")
    refused = run_command(*command, "cutmix:11", cwd=tmp_path, environment=copied)
    assert refused.returncode == 2
    assert "cutmix:1 (0.01 to 10 of a beta distribution)" in refused.stderr
    done = run_command(*command, "flip+cutmix", cwd=tmp_path, environment=copied)
    assert done.returncode == 0, done.stderr
    assert "training dropout-and-augment-seed0-synthetic on 2,500 images" in done.stdout


@pytest.mark.parametrize("page", ["adapt.md", "adapt.ja.md"])
def test_whatever_is_added_ends_in_the_reference(page):
    _, *sections = (ROOT / "docs" / page).read_text(encoding="utf-8").split("\n## ")
    augmentation, parameter, metric, *_ = sections
    for section in (augmentation, parameter, metric):
        assert "uv run python .ci/reference.py" in section
