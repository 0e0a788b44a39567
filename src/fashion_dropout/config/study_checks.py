"""What a study file must keep to beyond the types of its values."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from pydantic import ValidationError

from fashion_dropout.config.cell import MOST_SPLIT
from fashion_dropout.config.toml import check_known, suggestion
from fashion_dropout.config.training import expected
from fashion_dropout.config.vary import SOURCES
from fashion_dropout.errors import UsageError
from fashion_dropout.escapes import brief, visible

if TYPE_CHECKING:
    from fashion_dropout.config.study import Study

_MOST_CELLS = 100_000


def check_study(study: Study) -> None:
    """Refuse a study that cannot be run or decided as it is declared.

    Raises:
        UsageError: Says what was expected and received.
    """
    if not study.question.strip():
        raise UsageError(
            f"question: expected what the study asks, received {brief(study.question)}"
        )
    for name in ("question", "question_ja"):
        if visible(question := getattr(study, name)) != question:
            raise UsageError(
                f"{name}: expected one line of text without control characters, received "
                f"{brief(question)}"
            )
    if len(study.seeds) * len(study.regimes) * len(study.splits) > _MOST_CELLS:
        crossed = f" × {len(study.splits):,} splits" if study.split_seeds else ""
        raise UsageError(
            f"expected at most {_MOST_CELLS:,} runs, received {len(study.regimes):,} regimes × "
            f"{len(study.seeds):,} seeds{crossed}"
        )
    seed, times = Counter(study.seeds).most_common(1)[0]
    if times > 1:
        raise UsageError(f"seeds: expected each seed once, received {brief(seed)} {times} times")
    if study.dataset_sha256 and study.dataset != "idx":
        raise UsageError(f'dataset_sha256: expected dataset = "idx", received {study.dataset}')
    if not re.fullmatch(r"([0-9a-f]{64})?", study.dataset_sha256):
        raise UsageError(
            "dataset_sha256: expected 64 hexadecimal digits, as `data` prints them, received "
            f"{brief(study.dataset_sha256)}"
        )
    _check_sources(study)
    _check_splits(study)
    _check_rule(study)
    for regime in study.regimes:
        _check_config(study, regime, study.seeds[0])
    _check_moving(study)
    _check_process(study)
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


def _check_splits(study: Study) -> None:
    """Refuse splits that cannot be crossed with the seeds, and what takes pairs for independent."""
    if not (splits := study.split_seeds):
        return
    split, times = Counter(splits).most_common(1)[0]
    if "split" in study.vary:
        raise UsageError(
            "split_seeds: expected none beside a split that varies with the seed, received "
            f"{', '.join(map(brief, splits[:3]))}"
        )
    if "split_seed" in study.model_fields_set:
        raise UsageError("expected either split_seed or split_seeds, received both")
    if len(splits) < 2:
        raise UsageError(
            f"split_seeds: expected two splits or more, received only {brief(splits[0])}; one "
            "split is split_seed"
        )
    if times > 1:
        raise UsageError(f"split_seeds: expected each once, received {brief(split)} {times} times")
    if not 0 <= min(splits) <= max(splits) <= MOST_SPLIT:
        wrong = next(split for split in splits if not 0 <= split <= MOST_SPLIT)
        raise UsageError(
            f"split_seeds: expected whole numbers from 0 to {MOST_SPLIT}, received {brief(wrong)}"
        )
    if study.decision.looks:
        raise UsageError(
            "decision.looks: expected none beside split_seeds, received some: looks take pairs for "
            "independent, and those of one split are not"
        )


def _check_sources(study: Study) -> None:
    """Refuse sources of randomness that there are not, none, and one twice."""
    check_known(study.vary, SOURCES, "source of vary")
    source, times = Counter(study.vary).most_common(1)[0] if study.vary else ("", 0)
    if times != 1:
        received = f"{brief(source)} {times} times" if times else "none"
        raise UsageError(
            f"vary: expected one source or more ({', '.join(SOURCES)}), each once, received "
            f"{received}"
        )


def _check_moving(study: Study) -> None:
    """Refuse a study in which nothing moves with the seed."""
    configs = [study.config(regime, study.seeds[0]) for regime in study.regimes]
    moves = {
        "masks": any(config.dropout for config in configs),
        "augment": any(config.augment != "none" for config in configs),
    }
    if not any(moves.get(source, True) for source in study.vary):
        raise UsageError(
            f"vary: expected a source that moves something, received {' and '.join(study.vary)}, "
            "which no regime draws"
        )


def _check_process(study: Study) -> None:
    """Refuse regimes that no one process can train: TensorFlow starts once in it, with these."""
    configs = [study.config(regime, study.seeds[0]) for regime in study.regimes]
    for name in ("threads", "kernels", "device"):
        found = dict.fromkeys(str(getattr(config, name)) for config in configs)
        if len(found) > 1:
            raise UsageError(
                f"{name}: expected the same in all regimes, because a worker trains cells of each "
                f"in one process, received {' and '.join(found)}; give it in [base]"
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
