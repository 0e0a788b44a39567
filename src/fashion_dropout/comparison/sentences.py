"""Verdicts and warnings in words, in each language: what was measured, never just "better"."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fashion_dropout.comparison.guards import Guarded, Harm
from fashion_dropout.comparison.power import POWER, seeds_needed
from fashion_dropout.comparison.record import Changed, StudyRecord
from fashion_dropout.comparison.verdict import Verdict
from fashion_dropout.config.decision import Decision
from fashion_dropout.texts import Language, Signed, regime_label, texts

_BETTER = ("better", "mixed", "better, harm not excluded")
_LESS = ("better, by less than matters", "worse, by less than matters")
_GUARDS: tuple[Harm, ...] = ("harm", "harm not excluded", "no harm that matters")


def sentence(verdict: Verdict, rule: Decision, language: Language = "en") -> str:
    """One verdict in words, with the values that it rests on."""
    words = texts(language)
    said = words["verdict"]
    difference = verdict.difference
    too_few = verdict.smallest_p > rule.alpha and difference.n > 1
    moved = "lower" if difference.mean < 0 else "higher"
    known: dict[str, Any] = {
        "regime": regime_label(difference.regime, language),
        "baseline": regime_label(rule.baseline, language),
        "noun": words["metrics"][rule.primary],
        "verb": said["gap_verbs" if rule.primary.startswith("gap/") else "verbs"][moved],
        "mean": Signed(difference.mean),
        "size": abs(difference.mean),
        "confidence": 100 * difference.confidence,
        "low": Signed(difference.low),
        "high": Signed(difference.high),
        "p_name": said["p" if verdict.comparisons == 1 else "adjusted_p"],
        "p": difference.p_holm,
        "n": difference.n,
        "smallest": rule.smallest_difference,
        "equivalence_confidence": 100 * (1 - 2 * rule.alpha / verdict.comparisons),
        "equivalence_low": Signed(verdict.equivalence[0]) if verdict.equivalence else None,
        "equivalence_high": Signed(verdict.equivalence[1]) if verdict.equivalence else None,
        "least": verdict.smallest_p,
        "power": 100 * POWER,
        "undefined": ", ".join(map(str, verdict.undefined)),
    }
    if verdict.kind in (*_BETTER, *_LESS, "worse"):
        parts = [said["change"]]
        if verdict.kind in _LESS:
            parts.append(said["less"])
        elif verdict.kind in _BETTER:
            parts.append(said["beyond" if verdict.beyond else "not_beyond"])
    elif verdict.kind == "no difference that matters":
        parts = [said[verdict.kind]]
    else:
        parts = [said[("no_pair", "one_pair")[difference.n] if difference.n < 2 else "not shown"]]
        if too_few:
            parts.append(said["too_few"])
        last = verdict.look == len(rule.looks)  # before it, its next look is what comes
        if last and difference.n > 1:
            deviation = float(np.std(list(difference.by_seed.values()), ddof=1))
            known["seeds"] = seeds_needed(deviation, rule, verdict.comparisons)
            parts += [said["seeds_needed"]] if known["seeds"] > difference.n else []
    if verdict.undefined:
        parts.append(said["undefined"])
    text = said["between"].join(part.format(**known) for part in parts)
    if verdict.kind in (*_BETTER, _LESS[0]):
        text += said["between"] + _guards(verdict.guards, language)
    return str(text)


def _guards(guards: Sequence[Guarded], language: Language) -> str:
    """What is known of harm to the metrics that must not suffer."""
    words = texts(language)
    said = words["guards"]
    if not guards:
        return str(said["none"])
    parts = []
    for kind in _GUARDS:
        items = [
            said["items"][_known(one)].format(
                noun=words["metrics"][one.difference.metric],
                low=Signed(one.low),
                high=Signed(one.high),
                margin=one.margin,
            )
            for one in guards
            if one.kind == kind
        ]
        if items:
            parts.append(said[kind].format(items=said["comma"].join(items)))
    return str(words["verdict"]["between"].join(parts))


def _known(one: Guarded) -> str:
    """Which words say how large the harm may be."""
    if not math.isfinite(one.high):
        return "unknown"
    return "improves" if one.high < 0 else one.kind


def change_warning(changed: Changed | None, runs: int, language: Language = "en") -> str | None:
    """What a reader must know of a study that was declared with results known; None if nothing.

    Args:
        changed: As the study's record has it.
        runs: How many finished runs the study compares.
        language: The language of the sentence.
    """
    if changed is None:
        return None
    words = texts(language)["changed"]
    what = words["comma"].join(words["parts"][part] for part in changed.what)
    return str(
        words["changed" if changed.what else "declared"].format(
            when=changed.when, finished=changed.finished, runs=runs, what=what
        )
    )


def looks_sentence(record: StudyRecord, language: Language = "en") -> str | None:
    """After how many pairs the study was decided; None if it declares no looks."""
    looks, words = record.looks, texts(language)["looks"]
    if not record.rule.looks:
        return None
    seen = len(looks.seen[-1]) if looks.seen else 0
    known = {
        "pairs": seen,
        "seeds": len(record.seeds),
        "cells": record.not_run - record.unused,
        "unused": record.unused,
        "next": next((pairs for pairs in record.rule.looks if pairs > seen), seen),
    }
    if not looks.over:
        parts = ["waiting"]
    elif record.not_run:
        parts = ["decided" if seen < record.rule.looks[-1] else "last"]
    else:
        parts = ["all"]
    if record.unused:
        parts.append("unused")
    return str(words["between"].join(words[part] for part in parts).format(**known))


def kernel_warning(mixed_pairs: Sequence[int] | None, language: Language = "en") -> str | None:
    """What a reader must know of runs that were computed with different kernels; None if nothing.

    Args:
        mixed_pairs: As `pairing.mixed_pairs` gives it.
        language: The language of the sentence.
    """
    if mixed_pairs is None:
        return None
    words = texts(language)["kernels"]
    if not mixed_pairs:
        return str(words["between_pairs"])
    return str(words["within_pairs"].format(seeds=", ".join(map(str, mixed_pairs))))
