"""A study as a folder for a paper."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from fashion_dropout.errors import UsageError
from fashion_dropout.files import read_file, write_folder
from fashion_dropout.reports.figures import study_figures
from fashion_dropout.reports.paper.folder import CHECKSUMS, paper_files
from fashion_dropout.reports.pictures import for_paper
from fashion_dropout.studies.read import read_finished
from fashion_dropout.studies.report import computing_intervals
from fashion_dropout.texts import Language
from fashion_dropout.tracking.reading import queries

_LARGEST = 2**30  # bytes of a file


def export_study(
    run_id: str, folder: Path, language: Language, warn: Callable[[str], object]
) -> list[str]:
    """Write figures, tables and text of a study into a folder, from MLflow alone.

    The folder is as `usable` gives it. It appears when it is complete, or stays as it was. The
    language is ``en`` or ``ja``. `warn` is told what the export lacks, a line each. Returned are
    the names of the files.

    Raises:
        UsageError: There is no such study, it has not finished, or the folder cannot be written.
        TrackingError: The store does not answer, or does not say what was declared.
    """
    record = read_finished(run_id)
    for line in record.absent:
        warn(f"the export lacks {line}")
    comparison = record.compare()
    with computing_intervals(record):
        drawn = study_figures(record, comparison, language)
        figures = {name: for_paper(figure) for name, figure in drawn}
    some_run = queries.get_run(str(record.runs["run_id"].iloc[0]))
    contents = paper_files(record, comparison, figures, queries.image_counts(some_run), language)
    write_folder(folder, contents)
    return list(contents)


def usable(folder: Path) -> Path:
    """The folder, without links, if it is not there, is empty, or holds an earlier export as it was
    written, which a new one replaces; another one is refused before any work is done.

    Raises:
        UsageError: It is no folder, holds other files, or no folder can be made there.
    """
    folder = Path(os.path.realpath(folder))
    reason = ""
    if Path.cwd().is_relative_to(folder):
        reason = "is where this command works"
    elif not folder.parent.is_dir():
        reason = "would be in a folder that is not there"
    elif folder.is_symlink():  # any other link has been followed
        reason = "is a link to itself"
    elif folder.exists() and not folder.is_dir():
        reason = "is a file"
    elif folder.is_dir() and (others := _not_exported(folder)):
        reason = f"holds {others[0]}" + (f" and {len(others) - 1} more" if others[1:] else "")
    if reason:
        raise UsageError(
            "expected a new or an empty folder, or an export that nobody has changed, received "
            f"{folder}, which {reason}; name another one with --to"
        )
    return folder


def _not_exported(folder: Path) -> list[str]:
    """The files of a folder that no earlier export has written, or that were changed since."""
    try:
        lines = read_file(folder / CHECKSUMS, _LARGEST).decode().splitlines()
    except (OSError, ValueError):
        lines = []
    written = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    return [
        str(path.relative_to(folder))
        for path in sorted(folder.rglob("*"))
        if not (path.is_dir() and not path.is_symlink())
        and not (path.name == CHECKSUMS and path.parent == folder and written)
        and not _is(path, written.get(path.relative_to(folder).as_posix()))
    ]


def _is(path: Path, digest: str | None) -> bool:
    try:
        return digest == hashlib.sha256(read_file(path, _LARGEST)).hexdigest()
    except OSError:
        return False
