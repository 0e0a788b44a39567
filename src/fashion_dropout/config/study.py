"""A study as a TOML file declares it before anything runs: validated, frozen, named by a hash."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from fashion_dropout.config.cell import Cell
from fashion_dropout.config.decision import Decision, Promotion
from fashion_dropout.config.study_checks import check_study
from fashion_dropout.config.toml import Declaration, check_keys, check_known, first_of, read_toml
from fashion_dropout.config.training import TrainingConfig
from fashion_dropout.config.values import Whole
from fashion_dropout.config.vary import USUAL, joined
from fashion_dropout.errors import UsageError
from fashion_dropout.escapes import brief
from fashion_dropout.texts import headings

_REGIME_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""Regimes name runs, metrics, columns and files: no spaces, commas, slashes or markup."""

_OF_THE_STUDY = ("seed", "dataset", "split_seed", "vary")


class Study(Declaration):
    """Regimes × seeds, everything else equal, and the rule by which they are compared."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64)
    """Lower-case letters, digits and hyphens. ``publish`` expects the file to have this name."""
    question: str = Field(max_length=1_000)
    """What the study asks, for a person."""
    question_ja: str = Field(default="", max_length=1_000)
    """The same in Japanese, for the Japanese report and card; without it they show the other."""
    seeds: tuple[Whole, ...] = Field(min_length=1, max_length=10_000)
    """One run of every regime for each."""
    dataset: Literal["fashion-mnist", "synthetic", "idx"] = "fashion-mnist"
    """``fashion-mnist``; ``synthetic``: small generated images; ``idx``: your own (--data-dir)."""
    dataset_sha256: str = ""
    """With ``idx``: the digest that ``data`` prints; the study then takes no other images."""
    split_seed: Whole = 0
    """Decides the split into training and validation images."""
    split_seeds: tuple[Whole, ...] = ()
    """Several splits instead of ``split_seed``, each with every seed. A pair is then a seed with a
    split, and the intervals cover other seeds and other splits.
    """
    vary: tuple[str, ...] = tuple(USUAL.split("+"))
    """What a seed decides: ``init``, ``order``, ``masks``, ``augment``, ``split``. All else is the
    same in all runs, and recorded digests show it. With ``split``, seed and split are one number.
    """
    base: dict[str, Any] = Field(default={})
    """The parameters that all regimes share."""
    regimes: dict[str, dict[str, Any]] = Field(min_length=2)
    """Name → the parameters in which the regime differs."""
    decision: Decision
    """The rule of the verdict."""
    promotion: Promotion = Promotion()
    """What is offered to the registry."""

    def cells(self) -> list[Cell]:
        """Every regime with every seed and split; the runs of a pair are neighbours and finish
        together.
        """
        key, crossed = self.key, bool(self.split_seeds)
        return [
            Cell(key, regime, self.config(regime, seed, split), crossed)
            for seed in self.seeds
            for split in self.splits
            for regime in self.regimes
        ]

    @property
    def splits(self) -> tuple[int, ...]:
        """The seeds of all its splits."""
        return self.split_seeds or (self.split_seed,)

    @property
    def looks(self) -> tuple[int, ...]:
        """After how many pairs it is compared; without declared looks, when all have been run."""
        return self.decision.looks or (len(self.seeds),)

    def seen_by(self, pairs: int) -> set[int]:
        """The seeds that a look after so many pairs sees: the smallest ones."""
        return set(sorted(self.seeds)[:pairs])

    def config(self, regime: str, seed: int, split: int | None = None) -> TrainingConfig:
        """The parameters of one cell; without a split those of the first."""
        return TrainingConfig(
            **{**self.base, **self.regimes[regime]},
            seed=seed,
            dataset=self.dataset,
            split_seed=self.splits[0] if split is None else split,
            vary=joined(self.vary),
        )

    def of_images(self, sha256: str) -> Study:
        """The study of these images: each set of a user's own images makes one of its own."""
        return self.model_copy(update={"dataset_sha256": sha256} if self.dataset == "idx" else {})

    def resolved(self) -> dict[str, Any]:
        """Everything that decides runs and verdict, defaults filled in, as JSON values.

        What becomes of the verdict is no part of it: the study stays the same study.
        """
        crossed = ("split_seed",) if self.split_seeds else ()  # then none is a regime's parameter
        return {
            **({"dataset_sha256": self.dataset_sha256} if self.dataset_sha256 else {}),
            "regimes": {
                regime: self.config(regime, 0).essential(*crossed)
                for regime in sorted(self.regimes)
            },
            "seeds": sorted(self.seeds),
            **({"split_seeds": sorted(self.split_seeds)} if self.split_seeds else {}),
            "decision": self.decision.resolved(),
        }

    def recorded(self) -> dict[str, Any]:
        """All that is declared, as JSON values, for the study's own run.

        `resolved` sorts the regimes, so that their order does not change the key; ``regime_order``
        is the order in which tables and figures show them.
        """
        return {
            **self.resolved(),
            "regime_order": list(self.regimes),
            "promotion": self.promotion.model_dump(mode="json"),
        }

    @property
    def key(self) -> str:
        """The study's name with the first 12 digits of the SHA-256 of what it resolves to."""
        text = json.dumps(self.resolved(), sort_keys=True, separators=(",", ":"))
        return f"{self.name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    @property
    def others(self) -> list[str]:
        """The regimes that are compared with the baseline."""
        return [regime for regime in self.regimes if regime != self.decision.baseline]


def read_study(path: Path) -> Study:
    """The study that a TOML file declares.

    Raises:
        UsageError: The file is missing, is not TOML, or declares no study; says in one line what
            was expected and received, with a suggestion for a misspelt name.
    """
    declared = read_toml(path, "a study file")
    try:
        return parse_study(declared)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def parse_study(declared: Mapping[str, Any]) -> Study:
    """The study in a parsed TOML document; the errors are those of `read_study`."""
    check_keys(declared, Study)
    parameters = [name for name in TrainingConfig.model_fields if name not in _OF_THE_STUDY]
    tables = {"base": declared.get("base", {})}
    regimes = declared.get("regimes", {})
    if isinstance(regimes, dict):
        for name in regimes:
            if not _REGIME_NAME.fullmatch(name):
                raise UsageError(
                    "regimes: expected a name of at most 64 lower-case letters, digits, '.', '_' "
                    f"and '-' that begins with a letter or digit, received {brief(name)}"
                )
            if name in headings():
                raise UsageError(
                    f"regimes: expected another name than {brief(name)}, which is a heading of the "
                    "tables"
                )
        tables |= {f"regimes.{name}": table for name, table in regimes.items()}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise UsageError(f"expected a table [{name}], received {brief(table)}")
        for key in table.keys() & set(_OF_THE_STUDY):
            raise UsageError(
                f"[{name}]: {key} is the same for all regimes of a study; give it at the top"
                + (" as seeds" if key == "seed" else "")
            )
        check_known(table, parameters, f"parameter of [{name}]")
    try:
        study = Study.model_validate(declared)
    except ValidationError as error:
        raise UsageError(first_of(error)) from error
    check_study(study)
    return study
