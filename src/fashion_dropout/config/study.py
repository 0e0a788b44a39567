"""A study as a TOML file declares it before anything runs: validated, frozen, named by a hash."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fashion_dropout.config.cell import Cell
from fashion_dropout.config.decision import Decision, Promotion
from fashion_dropout.config.toml import check_keys, check_known, first_of, read_toml, suggestion
from fashion_dropout.config.training import TrainingConfig, expected
from fashion_dropout.config.values import Whole
from fashion_dropout.errors import UsageError
from fashion_dropout.escapes import brief, visible

_REGIME_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""Regimes name runs, metrics, columns and files: no spaces, commas, slashes or markup."""

_MOST_CELLS = 100_000
_OF_THE_STUDY = ("seed", "dataset", "split_seed")
_FIRST = ("dropout", "epochs", "batch_size", "learning_rate", "select", "dataset", "split_seed",
          "threads")  # fmt: skip


class Study(BaseModel):
    """Regimes × seeds, everything else equal, and the rule by which they are compared."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64)
    """Lower-case letters, digits and hyphens; the file has the same name."""
    question: str = Field(max_length=1_000)
    """What the study asks, for a person."""
    question_ja: str = Field(default="", max_length=1_000)
    """The same in Japanese, for the Japanese report and card; without it they show the other."""
    seeds: tuple[Whole, ...] = Field(min_length=1, max_length=10_000)
    """One run of every regime for each."""
    dataset: Literal["fashion-mnist", "synthetic"] = "fashion-mnist"
    """``fashion-mnist``, or ``synthetic``: small generated images."""
    split_seed: Whole = 0
    """Decides the split into training and validation images."""
    base: dict[str, Any] = {}
    """The parameters that all regimes share."""
    regimes: dict[str, dict[str, Any]] = Field(min_length=2)
    """Name → the parameters in which the regime differs."""
    decision: Decision
    """The rule of the verdict."""
    promotion: Promotion = Promotion()
    """What is offered to the registry."""

    def cells(self) -> list[Cell]:
        """Every regime with every seed; the runs of a pair are neighbours and finish together."""
        key = self.key
        return [
            Cell(key, regime, self.config(regime, seed))
            for seed in self.seeds
            for regime in self.regimes
        ]

    def seen_by(self, pairs: int) -> set[int]:
        """The seeds that a look after so many pairs sees: the smallest ones."""
        return set(sorted(self.seeds)[:pairs])

    def config(self, regime: str, seed: int) -> TrainingConfig:
        """The parameters of one cell."""
        return TrainingConfig(
            **{**self.base, **self.regimes[regime]},
            seed=seed,
            dataset=self.dataset,
            split_seed=self.split_seed,
        )

    def resolved(self) -> dict[str, Any]:
        """Everything that decides runs and verdict, defaults filled in, as JSON values.

        What becomes of the verdict is no part of it: the study stays the same study.
        """
        return {
            "regimes": {
                regime: _resolved(self.config(regime, 0)) for regime in sorted(self.regimes)
            },
            "seeds": sorted(self.seeds),
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


def _resolved(config: TrainingConfig) -> dict[str, Any]:
    """The parameters of a regime, without those that are younger than the first studies and at
    their default: a study keeps the key that it was recorded under.
    """
    younger = (
        TrainingConfig.model_fields.keys()
        - _FIRST
        - config.model_dump(exclude_defaults=True).keys()
    )
    return config.model_dump(exclude={"seed", *younger})


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
    _check(study)
    return study


def _check(study: Study) -> None:
    for name in ("question", "question_ja"):
        if visible(question := getattr(study, name)) != question:
            raise UsageError(
                f"{name}: expected one line of text without control characters, received "
                f"{brief(question)}"
            )
    if len(study.seeds) * len(study.regimes) > _MOST_CELLS:
        raise UsageError(
            f"expected at most {_MOST_CELLS:,} runs, received {len(study.regimes):,} regimes × "
            f"{len(study.seeds):,} seeds"
        )
    seed, times = Counter(study.seeds).most_common(1)[0]
    if times > 1:
        raise UsageError(f"seeds: expected each seed once, received {brief(seed)} {times} times")
    _check_rule(study)
    for regime in study.regimes:
        _check_config(study, regime, study.seeds[0])
    for seed in study.seeds:
        _check_config(study, study.decision.baseline, seed)
    for regime, rate in (("none", "0"), ("dropout", "above 0")):  # as texts call them
        if regime in study.regimes:
            received = study.config(regime, study.seeds[0]).dropout
            if (received == 0) != (rate == "0"):
                raise UsageError(
                    f"[regimes.{regime}]: expected dropout {rate}, as the name says, received "
                    f"{received:g}; name the regime otherwise"
                )


def _check_rule(study: Study) -> None:
    rule = study.decision
    if rule.baseline not in study.regimes:
        raise UsageError(
            f"decision.baseline: expected one of the regimes {', '.join(study.regimes)}, received "
            f"{brief(rule.baseline)}{suggestion(rule.baseline, study.regimes)}"
        )
    rule.check()
    rule.check_looks(len(study.seeds), len(study.others))
    check_known(
        [study.promotion.undecided],
        ("simpler", "nothing", *study.regimes),
        "value of promotion.undecided",
    )


def _check_config(study: Study, regime: str, seed: int) -> None:
    try:
        study.config(regime, seed).check()
    except UsageError as error:
        raise UsageError(f"[regimes.{regime}] {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise UsageError(
            f"[regimes.{regime}] {name}: expected {expected(name)}, received "
            f"{brief(first['input'])}"
        ) from error
