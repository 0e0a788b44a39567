from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from fashion_dropout.promotion.decision import GateDecision
from fashion_dropout.promotion.gate import Check
from promotion.recorded_studies import POLICY

PASSED = Check("calibration error", True, "at most 0.1000", "0.0500")
FAILED = Check("accuracy", False, "at least 0.9000", "0.8999")
CHAMPION = SimpleNamespace(version=7)


def test_a_candidate_that_fails_a_check_is_held_back_for_that_reason():
    decision = GateDecision(POLICY, CHAMPION, (PASSED, FAILED, FAILED), {"gate/accuracy": 0.8999})
    assert not decision.promoted
    assert decision.result == "held back"
    assert decision.reason == "; ".join(["accuracy: expected at least 0.9000, received 0.8999"] * 2)
    assert decision.headline == f"**held back**: {decision.reason}"
    assert decision.version_tags() == {
        "decision": "held back",
        "decision.reason": decision.reason,
        "gate.calibration_error": "passed: 0.0500",
        "gate.accuracy": "failed: 0.8999",
    }
    recorded = decision.recorded()
    assert json.loads(json.dumps(recorded)) == recorded
    assert (recorded["decision"], recorded["champion"]) == ("held back", "7")
    assert recorded["checks"][0] == {
        "name": "calibration error",
        "passed": True,
        "expected": "at most 0.1000",
        "received": "0.0500",
    }
    assert recorded["figures"] == {"gate/accuracy": 0.8999}
    assert recorded["policy"] == POLICY.model_dump()


@pytest.mark.parametrize(
    ("champion", "reason", "recorded"),
    [
        (None, "all checks and floors are passed, and there was no champion before", None),
        (CHAMPION, "all checks are passed, those against version 7 among them", "7"),
    ],
)
def test_a_candidate_that_passes_every_check_is_promoted(champion, reason, recorded):
    decision = GateDecision(POLICY, champion, (PASSED,), {})
    assert decision.promoted
    assert decision.result == decision.recorded()["decision"] == "promoted"
    assert decision.reason == reason
    assert decision.recorded()["champion"] == recorded


def test_the_table_has_a_line_for_each_check_and_aligned_columns():
    assert GateDecision(POLICY, None, (PASSED, FAILED), {}).table.splitlines() == [
        "   check              expected         received",
        "✓  calibration error  at most 0.1000   0.0500",
        "✗  accuracy           at least 0.9000  0.8999",
    ]
