"""Verdicts and warnings in words, in each language: what was measured, never just "better"."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fashion_dropout.comparison.equal_fit import OVER_RANGE
from fashion_dropout.comparison.guards import Guarded
from fashion_dropout.comparison.power import POWER, seeds_needed
from fashion_dropout.comparison.record import StudyRecord
from fashion_dropout.comparison.verdict import Verdict
from fashion_dropout.config.cell import are_crossed, pair_text
from fashion_dropout.config.decision import Decision
from fashion_dropout.config.metrics import GAIN
from fashion_dropout.texts import Count, Language, Signed, metric_label, regime_label, texts

_BETTER = ("better", "mixed", "better, harm not excluded")
_LESS = ("better, by less than matters", "worse, by less than matters")
_GUARDS = ("harm", "harm not excluded", "no harm that matters", "improved")


def sentence(
    verdict: Verdict, rule: Decision, language: Language = "en", *, advice: bool = True
) -> str:
    """One verdict in words, with the values that it rests on; with `advice` also what a study
    would need to show more.
    """
    words = texts(language)
    phrases = words["verdict"]
    difference, equivalence = verdict.difference, verdict.equivalence
    kind = "gap_comparatives" if rule.primary.startswith("gap/") else "comparatives"
    # Of a difference that is shown, both ends of the interval have its sign, and none is needed.
    near, far = sorted((abs(difference.low), abs(difference.high)))
    needed = _seeds_needed(verdict, rule) if advice else None
    known: dict[str, Any] = {
        "regime": regime_label(difference.regime, language),
        "baseline": regime_label(rule.baseline, language),
        "noun": metric_label(rule.primary, language),
        "comparative": phrases[kind]["lower" if difference.mean < 0 else "higher"],
        "mean": Signed(difference.mean),
        "size": abs(difference.mean),
        "near": near,
        "far": far,
        "confidence": 100 * difference.confidence,
        "low": Signed(difference.low),
        "high": Signed(difference.high),
        "p_name": phrases["p" if verdict.comparisons == 1 else "adjusted_p"],
        "p": difference.p_holm,
        "n": difference.n,
        "smallest": rule.smallest_difference,
        "equivalence_confidence": 100 * verdict.equivalence_confidence,
        "equivalence_low": Signed(equivalence[0]) if equivalence else None,
        "equivalence_high": Signed(equivalence[1]) if equivalence else None,
        "least": verdict.smallest_p,
        "power": 100 * POWER,
        "seeds": needed,
        "adjusted": Signed(math.nan if verdict.adjusted is None else verdict.adjusted),
        "undefined": ", ".join(map(pair_text, verdict.undefined)),
    }
    parts = [part for part in _parts(verdict, rule, needed) if advice or part != "too_few"]
    text = phrases["between"].join(phrases[part].format(**known) for part in parts)
    if verdict.kind in (*_BETTER, _LESS[0]):
        text += phrases["between"] + _guards(verdict.guards, language)
    return str(text)


def _seeds_needed(verdict: Verdict, rule: Decision) -> int | None:
    """How many pairs a new study needs where this one has shown nothing; None if it has, if it had
    as many, if its own next look comes first, or if it has several splits.
    """
    values = list(verdict.difference.by_seed.values())
    waiting = verdict.look < len(rule.looks) or are_crossed(verdict.difference.by_seed)
    if verdict.kind != "not shown" or len(values) < 2 or waiting:
        return None
    needed = seeds_needed(float(np.std(values, ddof=1)), rule, verdict.comparisons)
    return needed if needed > len(values) else None


def _parts(verdict: Verdict, rule: Decision, needed: int | None) -> Iterator[str]:
    """Which texts say a verdict."""
    pairs = verdict.difference.n
    if verdict.kind in (*_BETTER, *_LESS, "worse"):
        yield "change"
        if verdict.kind in _LESS:
            yield "less"
        elif verdict.kind in _BETTER:
            yield "beyond" if verdict.beyond else "not_beyond"
    elif verdict.kind == "not shown":
        if pairs < 2:
            yield ("no_pair", "one_pair")[pairs]
        else:  # pairs of one seed, or of one split, have no interval
            yield "not shown" if math.isfinite(verdict.difference.low) else "no_interval"
        if verdict.smallest_p > rule.alpha and pairs > 1 and verdict.look == len(rule.looks):
            yield "too_few"
        if needed is not None:
            yield "seeds_needed"
    else:
        yield verdict.kind
    if verdict.adjusted is not None:
        yield "early_regime" if verdict.went_on else "early"
    if verdict.undefined:
        why = "undefined_range" if rule.primary == OVER_RANGE else "undefined"
        yield "undefined_splits" if are_crossed(verdict.undefined) else why


def _guards(guards: Sequence[Guarded], language: Language) -> str:
    """What is known of harm to the metrics that must not suffer."""
    words = texts(language)
    phrases = words["guards"]
    if not guards:
        return str(phrases["none"])
    parts = []
    for kind in _GUARDS:
        items = [
            phrases["items"]["unknown" if math.isnan(guarded.high) else kind].format(
                noun=metric_label(guarded.difference.metric, language),
                low=Signed(guarded.low),
                high=Signed(guarded.high),
                margin=guarded.margin,
            )
            for guarded in guards
            if ("improved" if guarded.high < 0 else guarded.kind) == kind
        ]
        if items:
            parts.append(phrases[kind].format(items=listed(items, language)))
    return str(words["verdict"]["between"].join(parts))


def listed(items: Sequence[str], language: Language) -> str:
    """One name or several, with the commas of the language: ``a``, ``a and b``, ``a, b and c``."""
    phrases = texts(language)["guards"]
    *most, last = items or [""]
    return str(phrases["comma"].join(most) + phrases["and"] + last) if most else last


def change_warning(record: StudyRecord, language: Language = "en") -> str | None:
    """What a reader must know of a study that was declared with results known; None if nothing."""
    if (changed := record.changed) is None:
        return None
    words = texts(language)["changed"]
    what = words["comma"].join(words["parts"][part] for part in changed.what)
    return str(
        words["changed" if changed.what else "declared"].format(
            when=changed.when,
            finished=changed.finished,
            runs=len(record.runs) + record.unused,  # those that no look has seen were known, too
            what=what,
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
        "cells": Count(record.not_run - record.unused),
        "unused": Count(record.unused),
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


def guard_warnings(record: StudyRecord, language: Language = "en") -> list[str]:
    """What a reader must know of guards that can hardly fail.

    A guard on the last epoch does not bite where the baseline itself has already lost more than
    the margin since its best epoch: a regime then passes by losing a little less.
    """
    runs, rule = record.runs, record.rule
    baseline = runs[runs["regime"] == rule.baseline]
    found = []
    for metric, margin in rule.guards.items():
        best = f"best/{metric.replace('/', '_')}"
        direction = rule.direction_of(metric)
        if direction is None or not {metric, best} <= set(runs):
            continue
        lost = GAIN[direction] * float((baseline[best] - baseline[metric]).mean())
        if lost > margin:
            words = texts(language)
            known = {
                "noun": metric_label(metric, language),
                "baseline": regime_label(rule.baseline, language),
                "lost": lost,
                "margin": margin,
                "best": best,
            }
            found.append(str(words["guards"]["overfitted"].format(**known)))
    return found


def kernel_warning(mixed_pairs: Sequence[int] | None, language: Language = "en") -> str | None:
    """What a reader must know of runs that were computed with different kernels, by what
    `pairing.mixed_pairs` gives; None if nothing.
    """
    if mixed_pairs is None:
        return None
    words = texts(language)["kernels"]
    if not mixed_pairs:
        return str(words["between_pairs"])
    return str(words["within_pairs"].format(seeds=", ".join(map(pair_text, mixed_pairs))))
