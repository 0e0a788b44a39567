"""One run of a study, and what it is called."""

from __future__ import annotations

from dataclasses import dataclass

from fashion_dropout.config.training import TrainingConfig


def cell_name(regime: str, seed: int) -> str:
    """What one run of a study is called."""
    return f"{regime}-seed{seed}"


@dataclass(frozen=True)
class Cell:
    """One run of a study: one regime with one seed.

    Attributes:
        study: The study's key.
        regime: The name of the regime.
        config: The parameters of the run, its seed among them.
    """

    study: str
    regime: str
    config: TrainingConfig

    @property
    def name(self) -> str:
        """The name of its run in MLflow."""
        return cell_name(self.regime, self.config.seed)
