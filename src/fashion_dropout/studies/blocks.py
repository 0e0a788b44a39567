"""What pages show of a study: whole blocks, and single values inside a sentence.

A page marks both with comments, which no reader sees::

    <!-- full: table -->
    …
    <!-- end -->

    The gap is <!-- full: gap/loss none -->0.3369<!-- end --> without dropout.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from fashion_dropout.comparison.detail import (
    at_best_epoch,
    recalibrated,
    second_evidence,
    share_left,
    temperatures,
)
from fashion_dropout.comparison.figures import number, with_interval
from fashion_dropout.comparison.pair_details import half_width_without_pairs
from fashion_dropout.comparison.record import StudyRecord
from fashion_dropout.comparison.regimes import Comparison
from fashion_dropout.comparison.sentences import change_warning, looks_sentence, sentence
from fashion_dropout.comparison.splits import scope
from fashion_dropout.comparison.statistics import Difference, mean_interval
from fashion_dropout.comparison.summary import intervals, summary_table, table_notes
from fashion_dropout.errors import UsageError
from fashion_dropout.texts import Language, Signed, metric_title, regime_label, texts

KINDS = ("verdict", "table", "short")
"""``verdict``: the sentences; ``table``: every metric; ``short``: `SHORT` with plain names."""

SHORT = ("gap/loss", "val/loss_over_equal_fit", "best/val_loss", "val/accuracy", "test/accuracy")
"""The metrics of the short table, if the study compares them."""

_BLOCK = re.compile(r"<!-- (?P<study>[a-z0-9-]+): (?P<kind>\w+) -->\n.*?<!-- end -->", re.DOTALL)
_VALUE = re.compile(r"<!-- (?P<study>[a-z0-9-]+): (?P<name>[^>\n]+?) -->[^<\n]*<!-- end -->")


def blocks(record: StudyRecord, comparison: Comparison, language: Language) -> dict[str, str]:
    """The blocks of a study: kind → Markdown."""
    summary = summary_table(record.runs, list(record.regimes), comparison, language)
    return {
        "verdict": "\n>\n".join(f"> {line}" for line in _sentences(record, comparison, language)),
        "table": markdown_table(summary) + "\n\n" + " ".join(table_notes(comparison, language)),
        "short": markdown_table(_short(record, comparison, language), code=False),
    }


def values(record: StudyRecord, comparison: Comparison) -> dict[str, str]:
    """The single values of a study: name → text.

    Names are ``<metric> <regime>`` for the mean of a regime's runs, ``<metric> <regime> interval``
    for its interval, and, of a regime that is compared with the baseline, ``<metric> <regime>
    difference``, ``… size`` (without its sign), ``… difference interval``, ``… half`` (how far
    that interval reaches to each side), ``… unpaired`` (how far it would without pairs), ``…
    relative`` (the size as a share of the baseline's mean), ``… images`` (the interval for images
    like these), ``… p`` and ``… p holm``. ``temperature <regime>`` is a mean; ``<metric> <regime>
    left`` and ``… left interval`` say how much of a gain is left at that temperature, ``…
    recalibrated difference`` and ``… recalibrated difference interval`` the difference there.
    Metrics of the best epoch have means and differences also where they are not declared.
    """
    found: dict[str, str | None] = {}
    means = intervals(record.runs, list(record.regimes), comparison)
    for metric, places in means.items():
        for regime, (mean, low, high) in places.items():
            found[f"{metric} {regime}"] = _known(metric, mean)
            found[f"{metric} {regime} interval"] = _ends(metric, low, high)
    for of in comparison.differences:
        metric, place = of.metric, f"{of.metric} {of.regime}"
        found[f"{place} difference"] = _known(metric, of.mean, "+")
        found[f"{place} size"] = _known(metric, abs(of.mean))
        found[f"{place} difference interval"] = _ends(metric, of.low, of.high, "+")
        found[f"{place} half"] = _known(metric, (of.high - of.low) / 2)
        unpaired = half_width_without_pairs(record, comparison, of)
        found[f"{place} unpaired"] = _known(metric, unpaired)
        base = means.get(metric, {}).get(comparison.rule.baseline, (math.nan,))[0]
        found[f"{place} relative"] = _percent(abs(of.mean / base) if base else math.nan)
        images = record.image_intervals.get((of.regime, metric), (math.nan, math.nan))
        found[f"{place} images"] = _ends(metric, *images, "+")
        found[f"{place} p"] = _shown(of.p, ".2g")
        found[f"{place} p holm"] = _shown(of.p_holm, ".2g")
    for metric, differences in at_best_epoch(record).items():
        for regime in record.regimes:
            mean = mean_interval(record.runs, regime, metric)[0]
            found[f"{metric} {regime}"] = _known(metric, mean)
        for difference in differences:
            found |= _difference(f"{metric} {difference.regime}", metric, difference)
    for regime, temperature in temperatures(record).items():
        found[f"temperature {regime}"] = _shown(temperature, ".2f")
    pairs = recalibrated(record)
    for (metric, regime), (_, after) in pairs.items():
        found |= _difference(f"{metric} {regime} recalibrated", metric, after)
    for (metric, regime), pair in pairs.items():
        if share := share_left(*pair):
            found[f"{metric} {regime} left"] = _percent(share.value)
            ends = _percent(share.low), _percent(share.high)
            interval = f"[{ends[0]}, {ends[1]}]" if all(ends) else None
            found[f"{metric} {regime} left interval"] = interval
    return {name: text for name, text in found.items() if text is not None}


def filled(page: str, results: Mapping[str, Any], language: str) -> str:
    """A page, Markdown, with the blocks and values of the published results.

    The results are by study, each as `publish.as_result` gives it. One that was published before a
    kind of block, or a value, was known leaves it as it is.

    Raises:
        UsageError: A block is of an unknown kind, or a value has an unknown name.
    """

    def block(found: re.Match[str]) -> str:
        result, kind = results.get(found["study"]), found["kind"]
        if result is None:
            return found[0]
        if kind not in KINDS:
            raise UsageError(f"expected a block of {', '.join(KINDS)}, received {kind!r}")
        content = result["blocks"][language].get(kind)
        if content is None:
            return found[0]
        return f"<!-- {found['study']}: {kind} -->\n{content}\n<!-- end -->"

    def value(found: re.Match[str]) -> str:
        result, name = results.get(found["study"]), found["name"]
        if result is None or "values" not in result:
            return found[0]
        if name not in result["values"]:
            raise UsageError(f"expected the name of a published value, received {name!r}")
        return f"<!-- {found['study']}: {name} -->{result['values'][name]}<!-- end -->"

    return _VALUE.sub(value, _BLOCK.sub(block, page))


def markdown_table(table: pd.DataFrame, *, code: bool = True) -> str:
    """A table of texts in Markdown; with `code`, its first column has names, set as code."""
    rows = [list(table.columns), ["---"] * len(table.columns)]
    for row in table.itertuples(index=False):
        rows.append([f"`{row[0]}`" if code else row[0], *row[1:]])
    cells = [[str(cell).replace("|", r"\|").replace("\n", " ") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def _short(record: StudyRecord, comparison: Comparison, language: Language) -> pd.DataFrame:
    words = texts(language)
    means = intervals(record.runs, list(record.regimes), comparison)
    rows = []
    for metric in SHORT:
        if metric not in means:
            continue
        row = {words["short"]["metric"]: metric_title(metric, language)}
        for regime, (mean, _, _) in means[metric].items():
            row[regime_label(regime, language)] = _known(metric, mean) or "–"
        for difference in comparison.differences:
            if difference.metric == metric and difference.n:
                name = words["short"]["difference"].format(confidence=100 * difference.confidence)
                if len(comparison.verdicts) > 1:
                    name = f"{regime_label(difference.regime, language)}: {name}"
                row[name] = with_interval(difference)
        rows.append(row)
    return pd.DataFrame(rows).fillna("–")


def _sentences(record: StudyRecord, comparison: Comparison, language: Language) -> Iterator[str]:
    for verdict in comparison.verdicts:
        yield sentence(verdict, record.rule, language)
    yield from scope(record, comparison, language)
    if looks := looks_sentence(record, language):
        yield looks
    yield from second_evidence(record, language)
    if warning := change_warning(record, language):
        yield warning


def _difference(place: str, metric: str, difference: Difference) -> dict[str, str | None]:
    return {
        f"{place} difference": _known(metric, difference.mean, "+"),
        f"{place} difference interval": _ends(metric, difference.low, difference.high, "+"),
    }


def _known(metric: str, value: float, sign: str = "") -> str | None:
    return number(metric, value, sign) if math.isfinite(value) else None


def _ends(metric: str, low: float, high: float, sign: str = "") -> str | None:
    finite = math.isfinite(low) and math.isfinite(high)
    return f"[{number(metric, low, sign)}, {number(metric, high, sign)}]" if finite else None


def _percent(share: float) -> str | None:
    return f"{Signed(round(100 * share)):.0f} %" if math.isfinite(share) else None


def _shown(value: float, form: str) -> str | None:
    return f"{value:{form}}" if math.isfinite(value) else None
