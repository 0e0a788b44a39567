"""How a study was made, in a few paragraphs for a paper, with every number that belongs there."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from fashion_dropout.comparison import sentences
from fashion_dropout.comparison.attainable import EXACT_UP_TO, RESAMPLES
from fashion_dropout.comparison.detail import second_evidence
from fashion_dropout.comparison.record import StudyRecord
from fashion_dropout.comparison.regimes import Comparison
from fashion_dropout.comparison.splits import sources_sentence, sources_warnings, splits_sentences
from fashion_dropout.config.augmentation import amounts
from fashion_dropout.config.cell import seed_and_split
from fashion_dropout.config.metrics import described, of_pairs
from fashion_dropout.escapes import visible
from fashion_dropout.provenance import PACKAGES, version
from fashion_dropout.reports.html import rule_sentence
from fashion_dropout.texts import Count, Language, regime_label, texts

_IMAGES = {"fashion-mnist": "data", "synthetic": "generated"}
_SHOWN_DIGITS = 12
"""Of a SHA-256."""


def methods(
    record: StudyRecord, comparison: Comparison, images: Mapping[str, int], language: Language
) -> list[str]:
    """The methods, a paragraph each: what was trained on what; how it was decided; with what.

    The images are ``training``, ``validation`` and ``test`` → their number; empty if the runs do
    not say it.

    Returns:
        Pandoc's Markdown: citations are ``[@key]``, with the keys of ``references.bib``.
    """
    words = texts(language)["paper"]["methods"]
    known = _known(record, comparison, images, language)
    known["terms"] = _terms(record, words["terms"])
    paragraphs = (_trained(record, images), _decided(record, comparison), ("software", "machine"))
    return [
        texts(language)["verdict"]["between"].join(
            known[part] if part in ("rule", "terms") else str(words[part].format(**known))
            for part in parts
            if part != "terms" or known["terms"]
        )
        for parts in paragraphs
    ]


def results(record: StudyRecord, comparison: Comparison, language: Language) -> list[str]:
    """What was found, a paragraph for each verdict and for whatever a reader of it must know."""
    rule = record.rule
    found = [sentences.sentence(of, rule, language, advice=False) for of in comparison.verdicts]
    found += splits_sentences(record, comparison, language)
    found += second_evidence(record, language)
    more = (
        sentences.looks_sentence(record, language),
        sentences.change_warning(record, language),
        sentences.kernel_warning(record.mixed_kernels, language),
        *sources_warnings(record, language),
    )
    return [*found, *sentences.guard_warnings(record, language), *filter(None, more)]


def _terms(record: StudyRecord, words: Mapping[str, str]) -> str:
    """What the regularizers that some run has mean, in one sentence; empty without any."""
    used = {name for of in (record.common, *record.regimes.values()) for name in _used(of)}
    means = [meaning for name, meaning in words.items() if name in used]
    return words["all"].format(terms=words["between"].join(means)) if means else ""


def _used(parameters: Mapping[str, Any]) -> Iterator[str]:
    """The names of what regularizes or schedules such a run, augmentations among them."""
    yield from (name for name, value in parameters.items() if value not in (0, "none"))
    yield str(parameters.get("schedule"))
    yield from amounts(str(parameters.get("augment", "none")))


def _trained(record: StudyRecord, images: Mapping[str, int]) -> Iterator[str]:
    yield "regimes"
    yield "terms"
    yield "network"
    yield _IMAGES.get(record.common.get("dataset", ""), "own")
    if record.splits:
        yield "splits"
    elif "split" in record.sources:
        yield "split_varies"
    else:
        yield "split" if images else "split_unknown"
    yield "seeds" if sources_sentence(record) is None else "seeds_vary"
    yield "measured"


def _decided(record: StudyRecord, comparison: Comparison) -> Iterator[str]:
    rule = record.rule
    yield "rule"
    yield "statistics_splits" if record.splits else "statistics"
    if len(comparison.verdicts) > 1:
        yield "simultaneous"
    if sum(not described(difference.metric) for difference in comparison.secondary) > 1:
        yield "adjusted"
    yield "equivalence_splits" if record.splits else "equivalence"
    if rule.looks:
        yield "looks"
    if any(of_pairs(difference.metric) for difference in comparison.differences):
        yield "equal_fit"
    if record.image_intervals:
        yield "images"
    if record.results is not None and not record.results.recalibrated.empty:
        yield "recalibration"


def _known(
    record: StudyRecord, comparison: Comparison, images: Mapping[str, int], language: Language
) -> dict[str, Any]:
    """The values of all sentences."""
    words, rule = texts(language)["paper"], record.rule
    pairs = max((verdict.difference.n for verdict in comparison.verdicts), default=0)
    patterns = words["methods"]["exact" if pairs <= EXACT_UP_TO else "drawn"]
    tested = [difference for difference in comparison.secondary if not described(difference.metric)]
    seeds = sorted({seed_and_split(pair)[0] for pair in record.runs["seed"]})
    unrecorded = str(words["unrecorded"])
    recorded = defaultdict[str, str](lambda: unrecorded)
    for name, values in record.environment.items():
        recorded[name] = visible(", ".join(values)) or unrecorded
    return {
        **images,
        "regimes": "; ".join(
            f"{regime_label(regime, language)} ({_parameters(of)})"
            for regime, of in record.regimes.items()
        ),
        "count": Count(len(record.regimes)),
        "common": _parameters(record.common),
        "dataset": record.common.get("dataset", unrecorded),
        "dataset_sha256": _digits(recorded["dataset.sha256"]),
        "split_sha256": _digits(recorded["split.sha256"]),
        "split_seed": record.common.get("split_seed", unrecorded),
        "seeds": ", ".join(map(str, seeds)),
        "splits": ", ".join(map(str, record.splits)),
        "split_count": Count(len(record.splits)),
        "decided": sources_sentence(record, language),
        "seed_count": Count(len(seeds)),
        "pairs": Count(pairs),
        "pair": words["methods"]["pair_splits" if record.splits else "pair"],
        "baseline": regime_label(rule.baseline, language),
        "confidence": 100 * (1 - rule.alpha),
        "simultaneous": 100 * (1 - rule.alpha / max(1, len(comparison.verdicts))),
        "comparisons": len(comparison.verdicts),
        "patterns": patterns.format(patterns=2**pairs, n=pairs, resamples=RESAMPLES),
        "secondary": len(tested),
        "alpha": rule.alpha,
        "smallest": rule.smallest_difference,
        "resamples": RESAMPLES,
        "rule": rule_sentence(record, language),
        "versions": ", ".join(f"{name} {recorded[f'version.{name}']}" for name in PACKAGES),
        "scipy": version("scipy"),
        "commit": _digits(recorded["git.commit"]),
        "uncommitted": words["uncommitted"] if "True" in recorded["git.dirty"] else "",
        "code": _digits(recorded["code.training.sha256"]),
        "cpu": recorded["cpu"],
        "device": recorded["device"],
        "onednn": recorded["kernels.onednn"],
        "isa": recorded["kernels.isa"],
        "threads": recorded["threads"],
        "key": record.key,
        "run_id": record.run_id,
        "begun": record.begun,
    }


def _digits(digest: str) -> str:
    """The first digits of a digest; several digests, or none, as they are."""
    return f"{digest[:_SHOWN_DIGITS]}…" if re.fullmatch("[0-9a-f]+", digest) else digest


def _parameters(of: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in of.items())
