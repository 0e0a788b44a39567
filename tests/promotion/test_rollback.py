"""Back to the previous champion, and the history of all decisions."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from fashion_dropout.cli import cli
from fashion_dropout.errors import TrackingError, UsageError
from fashion_dropout.promotion.candidate import read_candidate
from fashion_dropout.promotion.history import describe_history
from fashion_dropout.promotion.rollback import roll_back
from fashion_dropout.tracking.models import save
from promotion.recorded_studies import MODEL, aliases, decisions, promoted

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tensorflow")]


def test_a_better_model_takes_over_and_can_be_rolled_back_and_the_history_tells_it(studies, client):
    promoted(studies.weak)
    outcome, said = promoted(studies.strong)
    assert outcome.promoted
    assert "version 2" in outcome.text
    assert "version 1 is previous" in outcome.text
    assert "✓  not inferior" in said
    assert aliases(client) == {"champion": "2", "previous": "1"}
    newest = decisions(client)[0].data.metrics
    assert newest["gate/accuracy_difference"] > 0.001
    assert (newest["gate/gained"] - newest["gate/lost"]) / newest["gate/images"] == pytest.approx(
        newest["gate/accuracy_difference"]
    )
    assert roll_back(MODEL, "shirts are coats").startswith(
        f"rolled back: version 1 of {MODEL} is the champion again, version 2 is previous"
    )
    assert aliases(client) == {"champion": "1", "previous": "2"}
    roll_back(MODEL)
    assert aliases(client) == {"champion": "2", "previous": "1"}
    told = describe_history(MODEL)
    head, *entries = told.split("\n\n")
    assert head == f"{MODEL}: champion = version 2, previous = version 1"
    assert [entry.partition("  ")[2].partition(",")[0] for entry in told.split("\n20")[1:]] == [
        "rolled back: version 2",
        "rolled back: version 1",
        "promoted: version 2",
        "promoted: version 1",
    ]
    assert "why: shirts are coats" in told
    assert "study strong-" in entries[0]


def test_the_verbs_roll_back_and_print_the_history(studies, client):
    promoted(studies.weak)
    promoted(studies.strong)
    named = ("--model-name", MODEL)
    for reason, back, left in (("shirts are coats", "1", "2"), ("", "2", "1")):
        done = CliRunner().invoke(cli, ["rollback", *named, "--reason", reason])
        assert done.exit_code == 0, done.output
        assert done.output.startswith(f"rolled back: version {back} of {MODEL} is the champion")
        assert aliases(client) == {"champion": back, "previous": left}
    done = CliRunner().invoke(cli, ["history", *named])
    assert done.exit_code == 0, done.output
    assert done.output == describe_history(MODEL) + "\n"
    assert done.output.index("why: back from version 1") < done.output.index("shirts are coats")


def test_an_empty_model_name_is_the_default_name(studies, client):
    for verb in ("rollback", "history"):
        refused = CliRunner().invoke(cli, [verb, "--model-name", ""])
        assert isinstance(refused.exception, UsageError)
        assert "of fashion-mnist-cnn, received no" in str(refused.exception)


def test_there_is_nothing_to_go_back_to_without_a_previous_champion(studies, client):
    with pytest.raises(UsageError, match=r"received no alias; there is nothing to go back to"):
        roll_back(MODEL)
    with pytest.raises(UsageError, match=r"expected a promotion .* received none"):
        describe_history(MODEL)
    promoted(studies.weak)
    with pytest.raises(UsageError, match="received champion = version 1; there is nothing"):
        roll_back(MODEL)


def test_a_damaged_previous_model_does_not_become_the_champion(studies, client):
    promoted(studies.weak)
    promoted(studies.strong)
    model_id = read_candidate(studies.weak).model_id
    location = client.get_logged_model(model_id).artifact_location
    weights = Path(location.removeprefix("file://")) / "data/model.keras"
    content = weights.read_bytes()
    try:
        weights.write_bytes(content[:1000])
        with pytest.raises(TrackingError, match=r"expected the model m-\w+ to be whole, received"):
            roll_back(MODEL)
    finally:
        weights.write_bytes(content)
    assert aliases(client) == {"champion": "2", "previous": "1"}
    assert len(decisions(client)) == 2


def test_a_promotion_that_was_faster_is_not_undone(studies, client, monkeypatch):
    """It comes while the previous model is loaded, which takes seconds."""
    promoted(studies.weak)
    promoted(studies.strong)
    load = save.load_logged

    def slowly(model_id):
        loaded = load(model_id)
        for alias, version in (("previous", "2"), ("champion", "1")):
            client.set_registered_model_alias(MODEL, alias, version)
        return loaded

    monkeypatch.setattr(save, "load_logged", slowly)
    with pytest.raises(
        TrackingError,
        match=r"expected champion = version 2, previous = version 1 of .* still, received "
        r"champion = version 1, previous = version 2: a promotion or another rollback was faster",
    ):
        roll_back(MODEL)
    assert aliases(client) == {"champion": "1", "previous": "2"}
    assert len(decisions(client)) == 2


def test_a_reason_is_no_markup_in_the_note(studies, client):
    promoted(studies.weak)
    promoted(studies.strong)
    roll_back(MODEL, "<b>shirts</b> *are* [coats](x)")
    note = decisions(client)[0].data.tags["mlflow.note.content"]
    assert r"&lt;b&gt;shirts&lt;/b&gt; \*are\* \[coats\](x)" in note
