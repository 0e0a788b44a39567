"""What ``judge`` writes of a table: the report alone, or a folder with all that it found."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

from fashion_dropout.comparison.judging import Judged
from fashion_dropout.errors import UsageError
from fashion_dropout.escapes import brief
from fashion_dropout.files import writable, write_folder, write_whole
from fashion_dropout.texts import OF_A_TABLE, Language, texts

_REPORT, _RESULT, _VERDICT = "report.html", "result.json", "verdict.txt"


def place(output: Path) -> Path:
    """Where to write: an HTML file, or a folder; refused before any work is done if it cannot be.

    Raises:
        UsageError: It can only fail, or is a folder that holds files of others.
    """
    never = "\0" in str(output) or output.name == "-"
    if output.suffix.lower() in (".html", ".htm") and not never:
        return writable(output)
    output = output if never else Path(os.path.realpath(output))
    if (
        never
        or (output.exists() and not output.is_dir())
        or not output.parent.is_dir()
        or not os.access(output.parent, os.W_OK)
    ):
        raise UsageError(
            "expected an .html file, or a folder, in a folder that exists and can be written to, "
            f"received {output}"
        )
    if Path.cwd().is_relative_to(output):
        raise UsageError(
            f"expected another folder than the one where this command works, received {output}"
        )
    own = {_REPORT, _RESULT, _VERDICT, *(f"{name}.png" for name in texts("en")["figures"])}
    others = sorted({path.name for path in output.iterdir()} - own) if output.exists() else []
    if others:
        raise UsageError(
            f"expected a new or empty folder, received {output} with {brief(others[0])}; name "
            "another one"
        )
    return output


def write_judged(judged: Judged, output: Path, language: Language) -> list[Path]:
    """Draw the figures and write the report, of a folder also figures, numbers and verdict.

    The output is as `place` gives it. It appears when it is complete, or stays as it was. The
    language is ``en`` or ``ja``. Returned are the files that were written.

    Raises:
        UsageError: They cannot be written.
    """
    from fashion_dropout.reports import html
    from fashion_dropout.reports.pictures import draw
    from fashion_dropout.studies.publish import as_json, as_result

    record, comparison, words = judged.record, judged.comparison, OF_A_TABLE[language]
    with warnings.catch_warnings():
        # A name in a script that no font here has, or one that leaves little room.
        warnings.simplefilter("ignore", UserWarning)
        figures = draw(record, comparison, words)
    report = html.render(record, comparison, figures, words).encode()
    if output.suffix.lower() in (".html", ".htm"):
        write_whole(output, report)
        return [output]
    pictures = {name: picture.png for name, picture in figures.items()}
    result = as_result(record, comparison, record.regimes, pictures, OF_A_TABLE)
    contents = {
        _REPORT: report,
        _RESULT: as_json(result),
        _VERDICT: f"{judged.text}\n".encode(),
        **{f"{name}.png": png for name, png in pictures.items()},
    }
    write_folder(output, contents)
    return [output / name for name in contents]
