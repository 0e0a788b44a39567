"""The reports of all studies of a store in one folder, with a page that links them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mlflow.entities import Run

from fashion_dropout.comparison.sentences import sentence
from fashion_dropout.errors import TrackingError, UsageError
from fashion_dropout.files import writable, write_whole
from fashion_dropout.reports import html
from fashion_dropout.studies.overview import overview
from fashion_dropout.studies.read import read_record
from fashion_dropout.studies.report import report_of
from fashion_dropout.texts import Language, texts
from fashion_dropout.tracking.reading.studies import all_studies, is_complete
from fashion_dropout.tracking.store import tags
from fashion_dropout.tracking.store.connect import connect_to_existing

_SUFFIX: dict[Language, str] = {"en": ".html", "ja": ".ja.html"}


def write_index(folder: Path, language: Language, warn: Callable[[str], object]) -> Iterator[Path]:
    """Write the report of each study, then the page that links them; each file when it is complete.

    The folder is made if it is not there; its other files stay as they are. The language is ``en``
    or ``ja``. `warn` is told which study has no report, and what a report lacks, a line each.

    Yields:
        The files that were written; ``index.html`` or ``index.ja.html`` is the last.

    Raises:
        UsageError: There is no study, or the folder cannot be written to.
        TrackingError: The store does not answer.
    """
    connect_to_existing()
    newest: dict[str, Run] = {}
    for run in sorted(all_studies(), key=is_complete, reverse=True):  # stable: the newest first
        newest.setdefault(run.data.tags[tags.STUDY], run)
    if not newest:
        raise UsageError("expected a study in the store, received none; run `compare` first")
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise UsageError(f"expected a folder to write to, received {folder}: {error}") from error
    index = writable(folder.absolute() / f"index{_SUFFIX[language]}")
    rows = []
    for run in sorted(newest.values(), key=lambda run: -run.info.start_time):
        of = overview(run)
        question = (language == "ja" and of.question_ja) or of.question
        row: dict[str, Any] = {**vars(of), "question": question, "sentences": [], "page": None}
        if of.state in ("finished", "incomplete"):
            try:
                name = re.sub(r"[^\w.-]", "_", of.key)
                path = writable(index.with_name(name + _SUFFIX[language]))
                text, row["sentences"] = _report(of.run_id, language, warn)
                write_whole(path, text.encode())
                row["page"] = quote(path.name)
                yield path
            except TrackingError as error:
                warn(f"{of.key} has no report: {error}")
        rows.append(row)
    page = html.template("index.html.j2")
    text = page.render(language=language, t=texts(language)["studies"], studies=rows)
    write_whole(index, text.encode())
    yield index


def _report(
    run_id: str, language: Language, warn: Callable[[str], object]
) -> tuple[str, list[str]]:
    """A report, and its verdicts in words."""
    record = read_record(run_id)
    for line in record.absent:
        warn(f"the report of {record.key} lacks {line}")
    comparison = record.compare()
    verdicts = [sentence(of, record.rule, language, advice=False) for of in comparison.verdicts]
    return report_of(record, comparison, language), verdicts
