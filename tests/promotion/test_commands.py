"""The verbs `promote`, `rollback` and `history`: which options they take."""

from __future__ import annotations

import pytest

from fashion_dropout.errors import UsageError
from fashion_dropout.tracking.models.registry import Registry

STUDY = "0" * 32


@pytest.mark.parametrize("arguments", [(), ("",), ("", "--dry-run", "--model-name", "")])
def test_promote_without_a_study_says_what_to_do(command, tmp_path, arguments):
    done = command("promote", *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "Error: expected as STUDY latest, the name of a study, or the id of its own run, received "
        "none; `fashion-dropout studies` lists them\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("promote", "--rollback"),
        ("promote", "--history"),
        ("promote", STUDY, "--reason", "why"),
        ("rollback", "--dry-run"),
        ("rollback", "--policy", "gate.toml"),
        ("history", "--reason", "why"),
        ("history", "--dry-run"),
    ],
)
def test_an_option_of_another_verb_is_refused(command, tmp_path, arguments):
    done = command(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: No such option")
    assert any(word in line for word in arguments if word.startswith("--"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", ["rollback", "history"])
def test_a_study_is_not_an_argument_of_the_other_verbs(command, tmp_path, verb):
    done = command(verb, STUDY)
    assert done.returncode == 2
    assert STUDY in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["team/clothes", "a:b", " "])
def test_a_name_that_no_registered_model_can_have_is_refused_before_anything_is_asked(name):
    with pytest.raises(UsageError, match="expected as name of a registered model a text without"):
        Registry(name)
