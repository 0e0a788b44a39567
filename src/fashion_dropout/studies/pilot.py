"""How much paired differences vary, as an earlier study shows: a recorded or the published one."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fashion_dropout
from fashion_dropout import provenance
from fashion_dropout.comparison.spread import chi_square_interval
from fashion_dropout.config.study import Study
from fashion_dropout.errors import UsageError
from fashion_dropout.files import LARGEST_RESULT, read_file
from fashion_dropout.learning import dataset as data
from fashion_dropout.texts import Count
from fashion_dropout.tracking.store import tags

_PACKAGE = Path(fashion_dropout.__file__).parent
_PUBLISHED = (
    _PACKAGE.parents[1] / "experiments/dropout/full/result.json",
    _PACKAGE / "published.json",  # the same file, in a wheel
)
_INSTEAD = "give a study of the same regimes by --pilot, or the standard deviation by --sd"


@dataclass(frozen=True)
class Spread:
    """How much paired differences vary from seed to seed.

    Attributes:
        source: Where this is known from, for a person.
        deviations: Metric → standard deviation of its differences; of several regimes the largest.
        pairs: From how many pairs that of the primary metric was estimated; None if it was given.
        differs: In what the study that it is known from differs from the one that is planned.
    """

    source: str
    deviations: Mapping[str, float]
    pairs: int | None = None
    differs: tuple[str, ...] = ()

    def interval(self, metric: str) -> tuple[float, float] | None:
        """The 95 % interval of a standard deviation, of normally distributed differences."""
        if self.pairs is None:
            return None
        return chi_square_interval(self.deviations[metric], self.pairs - 1)


def spread_of(study: Study, pilot: str | None = None, deviation: float | None = None) -> Spread:
    """How much the differences of a study that was not run yet will vary.

    Args:
        study: As declared.
        pilot: The run of an earlier study of the same regimes; None for the published one.
        deviation: The standard deviation of the differences in the primary metric, if it is known
            better. Those of the guards are of the pilot even then.

    Raises:
        UsageError: The deviation is no positive number, there is no such pilot, it has other
            regimes, other images or other code, or no differences in the primary metric.
    """
    primary = study.decision.primary
    if study.split_seeds:
        raise UsageError(
            "expected a study of one split, received split_seeds: how many pairs several splits "
            "need cannot be planned; plan the study with one split_seed"
        )
    if deviation is not None and not 0 < deviation < math.inf:
        raise UsageError(
            f"--sd: expected a number greater than 0, received {deviation:g}; give the standard "
            f"deviation of the paired differences in {primary}"
        )
    found = _recorded(pilot, study) if pilot else _published(study)
    if deviation is not None:
        return Spread("as given", {**found.deviations, primary: deviation})
    if not found.deviations.get(primary):
        raise UsageError(
            f"expected {found.source} to have two pairs or more that differ in {primary}, received "
            f"none; {_INSTEAD}"
        )
    return found


def _published(study: Study) -> Spread:
    path = next((path for path in _PUBLISHED if path.is_file()), None)
    if path is None:
        return Spread("the published study", {})
    result = json.loads(read_file(path, LARGEST_RESULT))
    source = f"the published study {result['study']}"
    if result["environment"]["dataset"] != [study.dataset]:
        return Spread(f"{source}, which is one of other images,", {})
    metrics: dict[str, list[Any]] = {}
    for difference in result["differences"]:
        metrics.setdefault(difference["metric"], []).append(difference["by_seed"])
    differs = tuple(_differing(result.get("regimes", {}), study))
    return _spread(source, metrics, study, differs)


def _recorded(run_id: str, study: Study) -> Spread:
    """The spread of a study in MLflow, its differences taken as the planned study declares them."""
    from fashion_dropout.comparison.regimes import compare_regimes
    from fashion_dropout.studies.found import read_cells

    found = read_cells(run_id)
    if found.declared.get("split_seeds"):
        raise UsageError(
            f"--pilot: expected a study of one split, received {found.key}, whose pairs are not "
            f"independent; {_INSTEAD}"
        )
    regimes = found.declared["regimes"]
    images = {of["dataset"] for of in regimes.values()} - {study.dataset}
    own = {found.declared.get("dataset_sha256", ""), study.dataset_sha256} - {""}
    if unlike := sorted(images - {data.FashionMnist.name}) or ["other"] * (len(own) > 1):
        raise UsageError(
            f"--pilot: expected a study of {study.dataset}, received one of {unlike[0]} images, "
            f"which vary differently; {_INSTEAD}"
        )
    if differs := list(_differing(regimes, study)):
        raise UsageError(
            f"--pilot: expected a study of the same regimes, received one with {differs[0]}; "
            f"{_INSTEAD}"
        )
    rule = study.decision.model_copy(update={"secondary": (), "looks": ()})
    comparison = compare_regimes(found.runs, found.histories, study.others, rule)
    metrics: dict[str, list[Any]] = {}
    for verdict in comparison.verdicts:
        for difference in (verdict.difference, *(guarded.difference for guarded in verdict.guards)):
            metrics.setdefault(difference.metric, []).append(difference.by_seed)
    spread = _spread(f"the pilot {found.key}", metrics, study)
    code = set(found.runs[tags.TRAINING_CODE]) - {provenance.training_code_sha256()}
    if code:
        raise UsageError(
            "--pilot: expected runs of this training code, received "
            f"{Count(len(code)):other version|other versions}, in which pairs may vary "
            "differently; if they do not, give their standard deviation: "
            f"--sd {spread.deviations.get(study.decision.primary, math.nan):.4g}"
        )
    return spread


def _spread(
    source: str,
    metrics: Mapping[str, Iterable[Mapping[Any, float]]],
    study: Study,
    differs: tuple[str, ...] = (),
) -> Spread:
    """The spread from metric → the differences of each regime by seed."""
    rule = study.decision
    known: dict[str, list[NDArray[np.float64]]] = {
        metric: [np.array(list(of.values())) for of in metrics.get(metric, ()) if len(of) > 1]
        for metric in (rule.primary, *rule.guards)
    }
    deviations = {
        metric: max(float(of.std(ddof=1)) for of in of_regimes)
        for metric, of_regimes in known.items()
        if of_regimes
    }
    pairs = min((len(of) for of in known[rule.primary]), default=0)
    return Spread(source, deviations, pairs, differs)


def _differing(regimes: Mapping[str, Mapping[str, Any]], study: Study) -> Iterator[str]:
    """In what recorded regimes differ from those of a study, in words."""
    for regime, wanted in study.resolved()["regimes"].items():
        if regime not in regimes:
            yield f"no regime {regime}"
            continue
        parameters = regimes[regime]
        for name in sorted(wanted.keys() | parameters.keys()):
            if wanted.get(name) != parameters.get(name):
                yield f"{name} {parameters.get(name)} instead of {wanted.get(name)} in {regime}"
