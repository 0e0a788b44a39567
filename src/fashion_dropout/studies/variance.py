"""Several studies that differ only in what their seeds decide: where the spread comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fashion_dropout.comparison.equal_fit import at_equal_fit
from fashion_dropout.comparison.pairing import misplaced
from fashion_dropout.comparison.spread import Place, Variance, variance
from fashion_dropout.comparison.spread_words import (
    metrics_of,
    named,
    of_shares,
    of_the_split,
    spread_table,
)
from fashion_dropout.comparison.statistics import paired_differences
from fashion_dropout.config.decision import Decision
from fashion_dropout.config.metrics import of_pairs
from fashion_dropout.config.vary import USUAL, joined
from fashion_dropout.errors import UsageError
from fashion_dropout.plain_table import plain_table
from fashion_dropout.reports import html
from fashion_dropout.reports.pictures import picture
from fashion_dropout.reports.plots.variance import spread_by_source
from fashion_dropout.sameness import changes
from fashion_dropout.studies.found import FoundCells, read_cells
from fashion_dropout.studies.read import check_finished, seeds_behind
from fashion_dropout.texts import Language, texts
from fashion_dropout.tracking.reading import studies
from fashion_dropout.tracking.store import tags

BESIDE = ("val/loss", "val/accuracy", "test/accuracy")
"""The metrics whose spread is shown beside that of the primary one."""


@dataclass(frozen=True)
class VarianceStudy:
    """One of the studies: what its seeds decide, joined by +, its own run, and its cells."""

    sources: str
    run_id: str
    found: FoundCells

    @property
    def shared(self) -> dict[str, Any]:
        """What it must have in common with the others, by names for a person."""
        runs, declared = self.found.runs, self.found.declared
        return {
            **{
                f"{name} of {regime}": value
                for regime, of in declared["regimes"].items()
                for name, value in of.items()
                if name != "vary"
            },
            **{name: declared["decision"][name] for name in ("primary", "baseline")},
            "regimes": sorted(declared["regimes"]),
            "seeds": declared["seeds"],
            **{name: sorted(set(runs[name])) for name in (tags.DATASET_SHA256, tags.TRAINING_CODE)},
        }


@dataclass(frozen=True)
class VarianceOf:
    """What the studies say together.

    Attributes:
        studies: By their sources, single ones first.
        rule: Of all of them, as far as they share it.
        misplaced: The keys of the studies whose digests are not as declared.
    """

    studies: Sequence[VarianceStudy]
    rule: Decision
    variance: Variance
    misplaced: tuple[str, ...]

    def text(self) -> str:
        """What was found, for a terminal."""
        found, primary = self.variance, self.rule.primary
        parts = []
        for metric in metrics_of(found):
            table = spread_table(found, metric)
            rows = plain_table([list(table.columns), *table.to_numpy().tolist()])
            parts.append(f"{metric}\n{rows}\n")
        sentences = (
            *of_the_split(found, primary),
            *of_shares(found, primary),
            *self.warnings("en"),
        )
        return "".join(parts) + "\n".join(sentences)

    def page(self, language: Language) -> str:
        """The same with a figure, HTML; the same studies give the same bytes."""
        found, primary = self.variance, self.rule.primary
        return html.template("variance.html.j2").render(
            language=language,
            t=texts(language)["variance"],
            split=list(of_the_split(found, primary, language)),
            warnings=self.warnings(language),
            picture=picture(spread_by_source(found, language)),
            tables={name: spread_table(found, name, language) for name in metrics_of(found)},
            shares=list(of_shares(found, primary, language)),
            studies=[
                {"name": named(of.sources, found, language), "key": of.found.key, "run": of.run_id}
                for of in self.studies
            ],
            kernels=self.kernels,
        )

    def warnings(self, language: Language) -> list[str]:
        """What a reader must know first."""
        words, comma = texts(language)["variance"], texts(language)["guards"]["comma"]
        found = []
        if self.misplaced:
            found.append(words["misplaced"].format(keys=comma.join(self.misplaced)))
        if len(self.kernels) > 1:
            found.append(words["kernels"].format(kernels="; ".join(self.kernels)))
        return found

    @property
    def kernels(self) -> list[str]:
        """With what the runs were computed; several if it was not the same for all."""
        columns = [tags.CPU, *tags.KERNELS]
        tables = [study.found.runs[columns] for study in self.studies]
        rows = pd.concat(tables).drop_duplicates().sort_values(columns)
        return [", ".join(map(str, row)) for row in rows.itertuples(index=False)]


def read_variance(run_ids: Sequence[str], warn: Callable[[str], object]) -> VarianceOf:
    """Read finished studies, by their own runs, that differ only in what their seeds decide; `warn`
    is told what a reader must know, a line each.

    Raises:
        UsageError: One has not finished, two differ otherwise or move the same, or none moves all
            that the others move.
        TrackingError: The store does not answer, or does not say what was declared.
    """
    read = [_read(run_id) for run_id in run_ids]
    everything = joined(source for study in read for source in study.sources.split("+"))
    _check(read, everything)
    rule = Decision.model_validate(read[0].found.declared["decision"])
    found = variance(
        rule.baseline, {study.sources: _values(study, rule) for study in read}, everything
    )
    wrong = tuple(study.found.key for study in read if _misplaced(study))
    for key in wrong:
        warn(f"{key}: digests of its runs are not as declared; `report` says which")
    places = [of.sources for of in next(iter(found.spreads.values()))]
    ordered = sorted(read, key=lambda study: places.index(study.sources))
    return VarianceOf(ordered, rule, found, wrong)


def _read(run_id: str) -> VarianceStudy:
    run, found = studies.study_run(run_id), read_cells(run_id)
    looks, unfinished = found.looks, (found.cells["state"] != "FINISHED").any()
    if unfinished and looks.over and looks.seen and len(looks.seen[-1]) < len(found.seeds):
        raise UsageError(
            f"expected studies with all their pairs, received {found.key}, which has ended at a "
            f"look after {len(looks.seen[-1])} of {len(found.seeds)}; declare it without looks, "
            "and `compare` takes its runs over"
        )
    check_finished(run, found.cells)
    regimes = found.declared["regimes"].values()
    return VarianceStudy(next(iter(regimes)).get("vary", USUAL), run_id, found)


def _check(read: Sequence[VarianceStudy], everything: str) -> None:
    first = read[0]
    for study in read:
        if study.found.declared.get("split_seeds"):
            raise UsageError(
                f"expected studies of one split each, received {study.found.key} with several; "
                "in a study of the split, it varies with the seed"
            )
        if differs := [change.name for change in changes(first.shared, study.shared)]:
            raise UsageError(
                f"expected studies that differ only in vary, received {study.found.key}, which "
                f"differs from {first.found.key} in {', '.join(differs[:3])}"
            )
    moved = [study.sources for study in read]
    twice = next((sources for sources in moved if moved.count(sources) > 1), None)
    if twice is not None:
        raise UsageError(f"expected studies in which other sources vary, received two of {twice}")
    if len(read) < 2 or everything not in moved:
        raise UsageError(
            f"expected two studies or more, one of which varies all that the others vary "
            f"({everything}), received {', '.join(moved)}"
        )


def _values(study: VarianceStudy, rule: Decision) -> Mapping[Place, list[float]]:
    """Place → its values by seed."""
    runs, histories, declared = study.found.runs, study.found.histories, study.found.declared
    regimes = [rule.baseline, *(of for of in declared["regime_order"] if of != rule.baseline)]
    found: dict[Place, list[float]] = {}
    for metric in dict.fromkeys((rule.primary, *BESIDE)):
        tables = dict.fromkeys(regimes, runs)
        if of_pairs(metric):
            tables |= {of: at_equal_fit(histories, of, rule.baseline) for of in regimes[1:]}
            # The baseline's values depend on the regime that it is paired with.
            tables[rule.baseline] = tables[regimes[1]] if len(regimes) == 2 else runs[:0]
        for regime, table in tables.items():
            if metric in table and len(own := table[table["regime"] == regime]):
                values = own.sort_values("seed")[metric].to_numpy(dtype=float)
                found[Place(metric, regime, False)] = values[np.isfinite(values)].tolist()
        for regime in regimes[1:]:
            if metric in tables[regime]:
                pairs = paired_differences(tables[regime], metric, regime, rule.baseline)
                found[Place(metric, regime, True)] = list(pairs.values())
    return found


def _misplaced(study: VarianceStudy) -> bool:
    common = next(iter(study.found.declared["regimes"].values()))
    return bool(misplaced(study.found.runs, seeds_behind(study.found.runs, common), tags.SOURCES))
