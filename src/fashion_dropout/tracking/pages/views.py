"""Views: MLflow's chart page, prepared. Which runs it shows, how it groups them, what comes first.

MLflow keeps a view that somebody shares as a tag of the experiment, JSON under a key that is part
of the page's address. The names in this JSON are MLflow's own and are documented nowhere; a test
looks for each of them in the JavaScript of the installed version. The UI also reads such a tag
compressed, as which it fits into the 5,000 characters that older servers take.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import mlflow

from fashion_dropout.config import metrics
from fashion_dropout.errors import TrackingError
from fashion_dropout.tracking.recording.delivery import once_more_if_there
from fashion_dropout.tracking.store import tags
from fashion_dropout.tracking.store.calls import asks_mlflow, one_line
from fashion_dropout.tracking.store.urls import SINGLE_RUNS

TAG = "mlflow.sharedViewState."
"""MLflow's own tag of an experiment: a view; its key is the rest of the tag's name."""

COMPRESSED = "deflate;"
"""How MLflow's UI marks such a tag as compressed; the rest is zlib's bytes in base64."""

# Section → (name, whether it is open). MLflow files its own charts under the last name.
_SECTIONS = {
    "curves": ("How the regimes differ", True),
    "end": ("At the end", True),
    "training": ("Speed and learning rate", False),
    "system": ("System metrics", False),
}


@dataclass(frozen=True)
class View:
    """One view of an experiment.

    Attributes:
        key: Names it in its experiment.
        runs: Which runs it shows, in MLflow's search language.
        primary: The metric of the first chart.
        parameters: The axes of the parallel coordinates before the metrics.
        grouped: One line a regime, the mean of its runs, with a band from the lowest to the
            highest; else one line a run, in the colour of its regime.
    """

    key: str
    runs: str
    primary: str = "gap/loss"
    parameters: tuple[str, ...] = ("dropout",)
    grouped: bool = True

    def text(self) -> str:
        """The view as a tag keeps it."""
        state = json.dumps(self.state(), separators=(",", ":")).encode()
        return COMPRESSED + base64.b64encode(zlib.compress(state, 9)).decode()

    def state(self) -> dict[str, Any]:
        """The view as MLflow's UI keeps it, JSON values."""
        regimes = {
            "aggregateFunction": "average",
            "groupByKeys": [{"mode": "tag", "groupByData": tags.REGIME}],
        }
        return {
            "searchFilter": self.runs,
            "orderByKey": "attributes.start_time",
            "orderByAsc": False,
            "startTime": "ALL",
            "lifecycleFilter": "Active",
            "modelVersionFilter": "All Runs",
            "datasetsFilter": [],
            "groupBy": regimes if self.grouped else None,
            "useGroupedValuesInCharts": self.grouped,
            "runsHiddenMode": "SHOW_ALL",
            "hideEmptyCharts": True,
            "isAccordionReordered": True,
            # Beside the charts. Servers of MLflow 3.1 show an error without these; later ones fill
            # in the same.
            "selectedColumns": [f"attributes.`{name}`" for name in ("Source", "Models", "Dataset")],
            "runsExpanded": {},
            "runsPinned": [],
            "runsHidden": [],
            "runsVisibilityMap": {},
            "groupsExpanded": {},
            "viewMaximized": False,
            "runListHidden": False,
            "compareRunSections": [
                {"uuid": uuid, "name": name, "display": opened, "isReordered": True}
                for uuid, (name, opened) in _SECTIONS.items()
            ],
            "compareRunCharts": list(self._charts()),
        }

    def _charts(self) -> Iterator[dict[str, Any]]:
        for metric in self._first_of(metrics.charted("curves")):
            yield _line("curves", metric)
        for metric in self._first_of(metrics.charted("end")):
            yield _chart("BAR", "end", metric)
        result = self.primary if metrics.of(self.primary).chart else metrics.charted("curves")[0]
        yield {
            **_card("PARALLEL", "end", "parallel coordinates"),
            # A group would have the mean of its seeds.
            "selectedParams": [*self.parameters, *(() if self.grouped else ("seed",))],
            "selectedMetrics": list(dict.fromkeys([result, "test/accuracy"])),
            "showAllRuns": True,
        }
        for metric in metrics.charted("training"):
            yield _line("training", metric)

    def _first_of(self, metrics: tuple[str, ...]) -> list[str]:
        """Metrics in the order of their charts: the primary one first, if it is among them."""
        return sorted(metrics, key=lambda metric: metric != self.primary)


def of_study(
    study: str,
    primary: str,
    parameters: Sequence[str],
    run_ids: Collection[str] | None = None,
) -> tuple[View, View]:
    """The two views of a study: one line a regime, and one line a run. They show the runs of these
    ids; without ids, all finished runs that carry the study's key. The parameters are those in
    which the regimes differ.
    """
    runs = finished_runs_of(study)
    if run_ids is not None:
        runs = "attributes.run_id IN ({})".format(", ".join(f"'{run}'" for run in sorted(run_ids)))
    return _both(View(study, runs, primary, tuple(parameters)))


def of_single_runs() -> tuple[View, View]:
    """The views of the runs that belong to no study: one line a regime, and one line a run."""
    runs = (
        f"tags.{tags.ROLE} = '{tags.RUN}' and tags.{tags.STUDY} IS NULL "
        "and attributes.status = 'FINISHED'"
    )
    return _both(View(SINGLE_RUNS, runs))


def _both(view: View) -> tuple[View, View]:
    return view, replace(view, key=f"{view.key}.every-run", grouped=False)


def finished_runs_of(study: str) -> str:
    """The finished runs of a study's cells, in MLflow's search language."""
    return (
        f"tags.{tags.STUDY} = '{study}' and tags.{tags.ROLE} = '{tags.RUN}' "
        "and attributes.status = 'FINISHED'"
    )


def prepare(experiment_id: str, views: Iterable[View]) -> str | None:
    """Write views into an experiment, unless they are there as they should be; returns why they
    could not be written, in one line, or None.
    """
    try:
        _write(experiment_id, views)
    except TrackingError as error:
        return one_line(error.__cause__ or error)
    return None


@asks_mlflow()
def _write(experiment_id: str, views: Iterable[View]) -> None:
    client = mlflow.MlflowClient()
    known = client.get_experiment(experiment_id).tags
    for view in views:
        if _state_in(known.get(TAG + view.key, "")) != view.state():
            write = partial(client.set_experiment_tag, experiment_id, TAG + view.key, view.text())
            once_more_if_there(write)


def _state_in(text: str) -> object:
    """The view that a tag keeps; None if it keeps none of ours. Not every zlib gives one text."""
    try:
        return json.loads(zlib.decompress(base64.b64decode(text.removeprefix(COMPRESSED))))
    except (ValueError, zlib.error):
        return None


@asks_mlflow()
def are_prepared(experiment_id: str, views: Iterable[View]) -> bool:
    """Whether an experiment has views of these keys, as they are or as they were before."""
    known = mlflow.MlflowClient().get_experiment(experiment_id).tags
    return all(TAG + view.key in known for view in views)


def _card(kind: str, section: str, name: str) -> dict[str, Any]:
    return {
        "type": kind,
        "uuid": f"{section}/{name}",
        "metricSectionId": section,
        "displayName": name,
        "runsCountToCompare": 10,
        "isGenerated": False,
        "deleted": False,
    }


def _chart(kind: str, section: str, metric: str) -> dict[str, Any]:
    card = _card(kind, section, metric)
    return {**card, "metricKey": metric, "selectedMetricKeys": [metric]}


def _line(section: str, metric: str) -> dict[str, Any]:
    return {
        **_chart("LINE", section, metric),
        "xAxisKey": "step",
        "xAxisScaleType": "linear",
        "scaleType": "linear",
        "lineSmoothness": 0,
        "useGlobalXaxisKey": False,
        "useGlobalLineSmoothing": False,
    }
