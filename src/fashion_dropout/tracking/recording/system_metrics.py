"""What the machine does while a run goes on, recorded with the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

from fashion_dropout.errors import TrackingError

_SECONDS = 5


class _Monitor(SystemMetricsMonitor):  # type: ignore[misc]
    """MLflow's monitor, but for where it writes: it would ask the store each time whether the run
    goes on, and stop for good when the store is away; and at the start which step comes next, for
    as long as the answer takes.
    """

    def __init__(self, run_id: str, write: Callable[..., None], *, first_step: int) -> None:
        super().__init__(run_id, sampling_interval=_SECONDS)
        self._write, self._logging_step = write, first_step

    def monitor(self) -> None:
        # psutil counts processor use from the last question of the same thread.
        self._sample()
        first_step = self._logging_step
        with suppress(TrackingError):  # which the run itself meets, too
            while not self._shutdown_event.wait(self.sampling_interval):
                self.publish_metrics(self._sample())
            if self._logging_step == first_step:  # a run that is over sooner has a sample, too
                self.publish_metrics(self._sample())

    def _sample(self) -> dict[str, Any]:
        for monitor in self.monitors:
            monitor.clear_metrics()
        self.collect_metrics()
        return cast("dict[str, Any]", self.aggregate_metrics())

    def publish_metrics(self, metrics: dict[str, Any]) -> None:
        named = {f"{self._metrics_prefix}{name}": value for name, value in metrics.items()}
        self._write(named, step=self._logging_step)
        self._logging_step += 1


@contextmanager
def system_metrics(run_id: str, write: Callable[..., None], *, first_step: int) -> Iterator[None]:
    """While this is open, the use of processors, memory, disk and network is recorded every 5 s,
    and once at the end of what is over sooner. They are written by name, with their ``step``.
    """
    monitor = _Monitor(run_id, write, first_step=first_step)
    monitor.start()
    try:
        yield
    finally:
        monitor.finish()
