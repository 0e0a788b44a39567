"""The use of the machine that is recorded with a run."""

import time

import psutil

from fashion_dropout.tracking.recording import system_metrics as recording

CPU = "system/cpu_utilization_percentage"


def _record(seconds: float, *, interval: float, monkeypatch) -> list[dict[str, float]]:
    """What is written while this thread computes for that long."""
    monkeypatch.setattr(recording, "_SECONDS", interval)
    monkeypatch.setattr(
        psutil, "_last_cpu_times", {}
    )  # a thread of before may have had the same number
    written = []

    def write(metrics, *, step):
        written.append({**metrics, "step": step})

    with recording.system_metrics("none", write, first_step=0):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            pass
    return written


def test_a_run_that_is_over_before_the_first_sample_has_one(monkeypatch):
    (sample,) = _record(0.3, interval=60, monkeypatch=monkeypatch)
    assert sample["step"] == 0
    assert sample[CPU] > 0


def test_the_first_sample_counts_the_processors_as_every_other(monkeypatch):
    samples = _record(1.0, interval=0.3, monkeypatch=monkeypatch)
    assert [sample["step"] for sample in samples] == list(range(len(samples)))
    assert len(samples) >= 2
    assert all(sample[CPU] > 0 for sample in samples)
