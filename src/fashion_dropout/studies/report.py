"""The figures and the report of a study as files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

from fashion_dropout.comparison.record import StudyRecord
from fashion_dropout.comparison.regimes import Comparison
from fashion_dropout.files import write_whole
from fashion_dropout.reports import html
from fashion_dropout.reports.pictures import Picture, draw
from fashion_dropout.studies.predictions import DISAGREEMENTS_FILE, write_disagreements
from fashion_dropout.texts import Language

REPORT_FILE = "report.html"
"""The report that a study's run has, in English; in Japanese it is made when it is asked for."""


def write_study_files(record: StudyRecord, comparison: Comparison, folder: Path) -> None:
    """Write the files of a study's run that people read: figures, and the report."""
    drawn = _drawn(record, comparison, "en")
    for name, picture in drawn.items():
        (folder / f"{name}.png").write_bytes(picture.png)
    text = html.render(record, comparison, drawn, "en")
    (folder / REPORT_FILE).write_text(text, encoding="utf-8")
    if record.results and record.results.disagreements:
        write_disagreements(record.results.disagreements, folder / DISAGREEMENTS_FILE)


def _drawn(record: StudyRecord, comparison: Comparison, language: Language) -> dict[str, Picture]:
    """The figures."""
    with computing_intervals(record):
        return draw(record, comparison, language)


@contextmanager
def computing_intervals(record: StudyRecord) -> Iterator[None]:
    """While figures are drawn, a thread computes the intervals for images like these.

    It leaves Python to the drawing for most of its time. Who interrupts the drawing does not wait
    for it, and its error is raised where the intervals are shown.
    """

    def compute() -> None:
        with suppress(Exception):
            getattr(record, "image_intervals")  # noqa: B009

    thread = Thread(target=compute, daemon=True)
    thread.start()
    yield
    thread.join()


def write_report(
    run_id: str, language: Language, output: Path, warn: Callable[[str], object]
) -> int:
    """Build the report of a study from MLflow alone.

    Args:
        run_id: The study's own run.
        language: ``en`` or ``ja``.
        output: As `files.writable` gives it; it appears when it is complete, or stays as it was.
        warn: Told what the report lacks, a line each.

    Returns:
        Its size in bytes.

    Raises:
        UsageError: There is no such study, or the file cannot be written.
        TrackingError: The store does not answer, or does not say what was declared.
    """
    from fashion_dropout.studies.read import read_record

    record = read_record(run_id)
    for line in record.absent:
        warn(f"the report lacks {line}")
    return write_whole(output, report_of(record, record.compare(), language).encode())


def report_of(record: StudyRecord, comparison: Comparison, language: Language) -> str:
    """The report of a study, HTML."""
    return html.render(record, comparison, _drawn(record, comparison, language), language)


def publish_study(run_id: str, folder: Path, warn: Callable[[str], object]) -> list[Path]:
    """Write a study's figures and table beside its study file, from MLflow alone.

    Args:
        run_id: The study's own run.
        folder: The folder of the study file.
        warn: Told what the published files lack, a line each.

    Returns:
        The files that were written.

    Raises:
        UsageError: There is no such study, or it is not the one that the file declares.
        TrackingError: The store does not answer, or does not say what was declared.
    """
    from fashion_dropout.studies.publish import publish
    from fashion_dropout.studies.read import read_record

    record = read_record(run_id)
    for line in record.absent:
        warn(f"what is published lacks {line}")
    comparison = record.compare()
    pictures = {name: drawn.png for name, drawn in draw(record, comparison, "en").items()}
    return publish(record, comparison, pictures, folder)
