"""The decision of the promotion gate about a candidate, with the checks and figures behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlflow.entities.model_registry import ModelVersion

from fashion_dropout.config.promotion import Policy
from fashion_dropout.escapes import markdown
from fashion_dropout.plain_table import plain_table
from fashion_dropout.promotion import gate
from fashion_dropout.promotion.candidate import Candidate
from fashion_dropout.promotion.gate import Check
from fashion_dropout.promotion.recheck import read_validation_predictions, recheck_model
from fashion_dropout.tracking.reading import queries
from fashion_dropout.tracking.store import tags


@dataclass(frozen=True)
class GateDecision:
    """What the gate has decided about a candidate.

    Attributes:
        champion: The version that the candidate was compared with; None if there is no champion.
        checks: All checks, in the order in which they were made.
        figures: The numbers behind the checks, under the names that MLflow shows.
    """

    policy: Policy
    champion: ModelVersion | None
    checks: tuple[Check, ...]
    figures: Mapping[str, float]

    @property
    def promoted(self) -> bool:
        """Whether every check has passed."""
        return all(check.passed for check in self.checks)

    @property
    def result(self) -> str:
        """``promoted`` or ``held back``."""
        return "promoted" if self.promoted else "held back"

    @property
    def reason(self) -> str:
        """The checks that have failed, or that all have passed."""
        failed = [
            f"{check.name}: expected {check.expected}, received {check.received}"
            for check in self.checks
            if not check.passed
        ]
        if failed:
            return "; ".join(failed)
        if self.champion is None:
            return "all checks and floors are passed, and there was no champion before"
        return f"all checks are passed, those against version {self.champion.version} among them"

    @property
    def headline(self) -> str:
        """Result and reason in one line of Markdown."""
        return f"**{self.result}**: {markdown(self.reason)}"

    @property
    def table(self) -> str:
        """The checks as a table, one line each, for a person."""
        rows = [("", "check", "expected", "received")] + [
            ("✓" if check.passed else "✗", check.name, check.expected, check.received)
            for check in self.checks
        ]
        return plain_table(rows).rstrip("\n")

    def version_tags(self) -> dict[str, str]:
        """Result, reason and every check, as tags of the version."""
        return {
            tags.DECISION: self.result,
            tags.DECISION_REASON: self.reason,
            **{
                tags.gate_check(check.name): (
                    f"{'passed' if check.passed else 'failed'}: {check.received}"
                )
                for check in self.checks
            },
        }

    def recorded(self) -> dict[str, Any]:
        """The whole decision as JSON values."""
        return {
            "decision": self.result,
            "reason": self.reason,
            "champion": str(self.champion.version) if self.champion else None,
            "checks": [asdict(check) for check in self.checks],
            "figures": dict(self.figures),
            "policy": self.policy.model_dump(mode="json"),
        }


def decide(
    candidate: Candidate, champion: ModelVersion | None, policy: Policy, data_dir: Path | None
) -> GateDecision:
    """Check a candidate's model against the floors of the policy and against the champion, if there
    is one. The folder of the data is as for `learning.dataset.open_dataset`.

    Raises:
        TrackingError: The candidate's model, or the recorded predictions of candidate or champion,
            are missing or damaged.
        DataError: The dataset is missing or damaged.
    """
    predictions = read_validation_predictions(candidate.run)
    checks = recheck_model(candidate, predictions, policy.largest_drift, data_dir)
    own = predictions.figures()
    checks += gate.floor_checks(own, policy.floors)
    figures = {f"gate/{name}": value for name, value in own.items()}
    if champion:
        theirs = read_validation_predictions(queries.get_run(champion.run_id))
        same = theirs.digests == predictions.digests
        checks.append(
            Check(
                "same images",
                same,
                f"dataset and split of version {champion.version}",
                "the same" if same else "others: the champion's training images may be among them",
            )
        )
        if same:
            paired = gate.paired_accuracy(predictions.correct, theirs.correct)
            checks += gate.champion_checks(paired, policy.against_champion)
            figures |= paired.figures()
    return GateDecision(policy, champion, tuple(checks), figures)
