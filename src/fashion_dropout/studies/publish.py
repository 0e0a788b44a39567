"""A study's figures and table as files of the repository, and whether they still match it.

``experiments/<question>/<study>/`` holds the figures and ``result.json``; the pages around them
contain blocks and values that are written from it; see `blocks`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fashion_dropout.comparison.record import StudyRecord
from fashion_dropout.comparison.regimes import Comparison
from fashion_dropout.comparison.result import SCHEMA_VERSION, numbers
from fashion_dropout.config.cell import cell_name
from fashion_dropout.config.study import read_study
from fashion_dropout.errors import OutdatedError, UsageError
from fashion_dropout.escapes import brief
from fashion_dropout.files import LARGEST_RESULT, read_file
from fashion_dropout.studies.blocks import blocks, filled, values
from fashion_dropout.texts import LANGUAGES, Language

RESULT = "result.json"

OF_A_STUDY: Mapping[Language, Language] = {language: language for language in LANGUAGES}
"""Language → the words in which a study of this program is told."""


def publish_study(run_id: str, folder: Path, warn: Callable[[str], object]) -> list[Path]:
    """Write a study's figures and result, and every block that shows it, from MLflow alone.

    Args:
        run_id: The study's own run.
        folder: The folder of the study file, e.g. ``experiments/dropout``.
        warn: Told what the published files lack, a line each.

    Returns:
        The files that were written.

    Raises:
        UsageError: There is no such study, or the folder has no study file of its name, or one
            that declares another study.
        TrackingError: The store does not answer, or does not say what was declared.
    """
    from fashion_dropout.reports.pictures import draw
    from fashion_dropout.studies.read import read_record

    record = read_record(run_id)
    for line in record.absent:
        warn(f"what is published lacks {line}")
    comparison = record.compare()
    figures = {name: drawn.png for name, drawn in draw(record, comparison, "en").items()}
    name = record.key.rpartition("-")[0]
    declared = read_study(folder / f"{name}.toml")
    if declared.key != record.key:
        raise UsageError(
            f"expected the study that {folder / name}.toml declares, {declared.key}, received "
            f"{record.key}; run `compare` on the file as it is now"
            + ("; of your own images it declares dataset_sha256" * (declared.dataset == "idx"))
        )
    result = as_result(record, comparison, declared.resolved()["regimes"], figures)
    home = folder / name
    contents = {home / f"{figure}.png": png for figure, png in figures.items()}
    contents[home / RESULT] = as_json(result)
    results = {name: result}
    for page in _pages(folder):
        before = page.read_text(encoding="utf-8")
        if (after := filled(before, results, _language(page))) != before:
            contents[page] = after.encode()
    home.mkdir(exist_ok=True)
    for old in home.glob("*.png"):
        old.unlink()
    for path, content in contents.items():
        path.write_bytes(content)
    return list(contents)


def as_result(
    record: StudyRecord,
    comparison: Comparison,
    regimes: Mapping[str, Any],
    figures: Mapping[str, bytes],
    words: Mapping[Language, Language] = OF_A_STUDY,
) -> dict[str, Any]:
    """What a ``result.json`` holds, JSON values; see `comparison.result` for its schema.

    Of each regime all parameters are given, of each figure the PNG file, of each language the words
    of its texts.
    """
    cells = record.cells
    names = map(cell_name, cells["regime"], cells["seed"])
    runs = dict(zip(names, cells["run_id"], strict=True))
    return {
        "study": record.key,
        "regimes": dict(regimes),
        "run_id": record.run_id or None,
        "begun": record.begun or None,
        "environment": dict(record.environment),
        "runs": {name: run_id for name, run_id in runs.items() if run_id},
        **numbers(record, comparison),
        "blocks": {of: blocks(record, comparison, words[of]) for of in LANGUAGES},
        "values": values(record, comparison),
        "figures": {f"{name}.png": _sha256(png) for name, png in figures.items()},
    }


def as_json(result: Mapping[str, Any]) -> bytes:
    """A result as the bytes of its file."""
    text = json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode()


def check(folder: Path) -> list[str]:
    """Check the published files of a folder against its study files; give the keys of the studies.

    Raises:
        UsageError: Nothing is published there.
        OutdatedError: A study file, a figure or a page has changed since.
    """
    results = {path.parent.name: _read_result(path) for path in _results(folder)}
    if not results:
        raise UsageError(f"expected published results ({RESULT}) in {folder}, received none")
    declared = {read_study(path).key for path in sorted(folder.glob("*.toml"))}
    wrong = []
    for name, result in results.items():
        if result["study"] not in declared:
            wrong.append(f"no study file of {folder} declares {result['study']}")
        for figure, digest in result["figures"].items():
            path = folder / name / figure
            if not path.is_file() or _sha256(path.read_bytes()) != digest:
                wrong.append(f"{path} is not the figure that was published")
    for page in _pages(folder):
        text = page.read_text(encoding="utf-8")
        if filled(text, results, _language(page)) != text:
            wrong.append(f"{page} shows other values than were published")
    if wrong:
        raise OutdatedError(
            f"expected what is published to belong to its study, received: {'; '.join(wrong)}; "
            "run the study and publish it again"
        )
    return [result["study"] for result in results.values()]


def _read_result(path: Path) -> dict[str, Any]:
    try:
        result: dict[str, Any] = json.loads(read_file(path, LARGEST_RESULT))
    except (OSError, ValueError, RecursionError) as error:
        raise OutdatedError(f"{path}: expected a published result, received: {error}") from error
    if not isinstance(result, dict) or {"study", "blocks", "figures"} - result.keys():
        raise OutdatedError(f"{path}: expected a published result, received {brief(result)}")
    if result.get("schema_version", 1) not in (1, SCHEMA_VERSION):
        raise OutdatedError(
            f"{path}: expected a result of schema version 1 to {SCHEMA_VERSION}, received "
            f"{brief(result['schema_version'])}; read it with the program that wrote it"
        )
    return result


def _pages(folder: Path) -> list[Path]:
    """The pages of the folder, and those of the project two levels above it."""
    project = folder.resolve().parents[1]
    around = (*project.glob("README*.md"), *project.glob("docs/*.md"))
    return [*sorted(folder.glob("*.md")), *sorted(around)]


def _results(folder: Path) -> list[Path]:
    try:
        return sorted(folder.glob(f"*/{RESULT}"))
    except ValueError as error:  # a null character, since Python 3.13
        raise UsageError(f"expected a folder, received {brief(str(folder))}: {error}") from error


def _language(page: Path) -> Language:
    return "ja" if page.name.endswith(".ja.md") else "en"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
