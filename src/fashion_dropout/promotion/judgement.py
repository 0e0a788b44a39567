"""What the promotion gate says of an offered model, and on what grounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlflow.entities.model_registry import ModelVersion

from fashion_dropout.comparison import gate
from fashion_dropout.comparison.gate import Check
from fashion_dropout.promotion import examination
from fashion_dropout.promotion.examination import Answers
from fashion_dropout.promotion.offer import Offer
from fashion_dropout.promotion_file import Policy
from fashion_dropout.tracking import queries


@dataclass(frozen=True)
class Judgement:
    """What the gate says.

    Attributes:
        policy: The gate.
        champion: The version that the offer was held against; None if there is no champion.
        checks: All of them, in the order in which they were made.
        figures: What they rest on, under the names that MLflow shows.
    """

    policy: Policy
    champion: ModelVersion | None
    checks: tuple[Check, ...]
    figures: Mapping[str, float]

    @property
    def promoted(self) -> bool:
        """Whether every check is passed."""
        return all(check.passed for check in self.checks)

    @property
    def decision(self) -> str:
        """``promoted`` or ``held back``."""
        return "promoted" if self.promoted else "held back"

    @property
    def reason(self) -> str:
        """The checks that are not passed, or that all are."""
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
    def table(self) -> str:
        """Every check, a line each, for a person."""
        rows = [("", "check", "expected", "received")] + [
            ("✓" if check.passed else "✗", check.name, check.expected, check.received)
            for check in self.checks
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        return "\n".join(
            "  ".join([cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True)])
            + f"  {row[3]}"
            for row in rows
        )

    def tags(self) -> dict[str, str]:
        """Decision, reason and every check, for a version of the model."""
        return {
            "decision": self.decision,
            "decision.reason": self.reason,
            **{
                f"gate.{check.name.replace(' ', '_')}": (
                    f"{'passed' if check.passed else 'failed'}: {check.received}"
                )
                for check in self.checks
            },
        }

    def recorded(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            "decision": self.decision,
            "reason": self.reason,
            "champion": str(self.champion.version) if self.champion else None,
            "checks": [asdict(check) for check in self.checks],
            "figures": dict(self.figures),
            "policy": self.policy.model_dump(mode="json"),
        }


def judge(
    offer: Offer, champion: ModelVersion | None, policy: Policy, data_dir: Path | None
) -> Judgement:
    """Hold an offered model against the floors and against the champion.

    Args:
        offer: The run that a study offers.
        champion: The version to hold it against; None if there is none.
        policy: The gate.
        data_dir: A folder with the four archives; None to look in the usual places.

    Raises:
        TrackingError: The model, or what it or the champion has predicted, is missing or damaged.
        DataError: The dataset cannot be had.
    """
    recorded = examination.answers(offer.run)
    checks = examination.check_model(
        offer.run, offer.model_id, offer.config, recorded, policy.largest_drift, data_dir
    )
    own = recorded.figures()
    checks += gate.floor_checks(own, policy.floors)
    figures = {f"gate/{name}": value for name, value in own.items()}
    if champion:
        against, of_the_pair = _against(champion, recorded, policy)
        checks += against
        figures |= of_the_pair
    return Judgement(policy, champion, tuple(checks), figures)


def _against(
    champion: ModelVersion, recorded: Answers, policy: Policy
) -> tuple[list[Check], dict[str, float]]:
    theirs = examination.answers(queries.get_run(champion.run_id))
    same = theirs.images == recorded.images
    together = Check(
        "same images",
        same,
        f"dataset and split of version {champion.version}",
        "the same" if same else "others: the champion's training images may be among them",
    )
    if not same:
        return [together], {}
    paired = gate.paired_accuracy(recorded.correct, theirs.correct)
    return [together, *gate.champion_checks(paired, policy.against_champion)], paired.figures()
