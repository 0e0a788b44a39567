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
from fashion_dropout.reports.pictures import draw
from fashion_dropout.studies.predictions import DISAGREEMENTS_FILE, write_disagreements
from fashion_dropout.texts import Language

REPORT_FILE = "report.html"
"""The report that a study's run has, in English; in Japanese it is made when it is asked for."""


def write_study_files(record: StudyRecord, comparison: Comparison, folder: Path) -> None:
    """Write the files of a study's run that people read: figures, and the report."""
    with computing_intervals(record):
        drawn = draw(record, comparison, "en")
    for name, picture in drawn.items():
        (folder / f"{name}.png").write_bytes(picture.png)
    text = html.render(record, comparison, drawn, "en")
    (folder / REPORT_FILE).write_text(text, encoding="utf-8")
    if record.results and record.results.disagreements:
        write_disagreements(record.results.disagreements, folder / DISAGREEMENTS_FILE)


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
    """Build the report of a study from MLflow alone; the language is ``en`` or ``ja``.

    The file is as `files.writable` gives it; it appears when it is complete, or stays as it was.
    `warn` is told what the report lacks, a line each. Returned is the size in bytes.

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
    with computing_intervals(record):
        drawn = draw(record, comparison, language)
    return html.render(record, comparison, drawn, language)
