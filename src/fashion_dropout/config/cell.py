"""One run of a study, what it is called, and the number of its pair."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fashion_dropout.config.training import TrainingConfig

_BEYOND_SEEDS = 2**32
MOST_SPLIT = 2**31 - 2
"""The largest split seed in a study of several splits: the number of a pair has 64 bits."""


def pair_number(seed: int, split: int) -> int:
    """The number of a pair in a study of several splits, where a pair is a seed with a split.

    Tables of runs have it where those of other studies have the seed. It is above every seed, so
    that it says itself what it is: (split + 1) · 2³² + seed.
    """
    return (split + 1) * _BEYOND_SEEDS + seed


def seed_and_split(pair: int) -> tuple[int, int | None]:
    """The seed and the split of a pair; the split is None in a study of one split."""
    beyond, seed = divmod(int(pair), _BEYOND_SEEDS)
    return seed, beyond - 1 if beyond else None


def are_crossed(pairs: Iterable[int]) -> bool:
    """Whether pairs are of a study of several splits."""
    return any(int(pair) >= _BEYOND_SEEDS for pair in pairs)


def pair_text(pair: int) -> str:
    """A pair for a person: its seed, ``3``, or its seed and its split, ``3/1``."""
    seed, split = seed_and_split(pair)
    return f"{seed}" if split is None else f"{seed}/{split}"


def cell_name(regime: str, pair: int) -> str:
    """What one run of a study is called: ``none-seed3``, ``none-seed3-split1``."""
    seed, split = seed_and_split(pair)
    return f"{regime}-seed{seed}" + ("" if split is None else f"-split{split}")


@dataclass(frozen=True)
class Cell:
    """One run of a study: one regime with one seed and one split.

    Attributes:
        study: The study's key.
        config: The parameters of the run, its seed among them.
        crossed: Whether the study has several splits.
    """

    study: str
    regime: str
    config: TrainingConfig
    crossed: bool = False

    @property
    def name(self) -> str:
        """The name of its run in MLflow."""
        seed, split = self.config.seed, self.config.split_seed
        return cell_name(self.regime, pair_number(seed, split) if self.crossed else seed)
