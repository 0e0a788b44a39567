"""The files of an exported study: name → bytes, which are the same at each export of the study."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import jinja2

from fashion_dropout import __version__
from fashion_dropout.comparison.record import StudyRecord
from fashion_dropout.comparison.regimes import Comparison
from fashion_dropout.config.metrics import described
from fashion_dropout.reports.paper import latex, methods, tables
from fashion_dropout.texts import Count, Language, difference_label, texts

CHECKSUMS = "SHA256SUMS"
"""What ``sha256sum --check`` reads: the digest of every other file."""

CRATE = "ro-crate-metadata.json"
ENGINES: Mapping[Language, str] = {"en": "pdflatex", "ja": "lualatex"}
"""What compiles ``paper.tex``."""

_TYPES = {
    "bib": "application/x-bibtex", "csv": "text/csv", "md": "text/markdown",
    "pdf": "application/pdf", "svg": "image/svg+xml", "tex": "application/x-tex",
}  # fmt: skip


def paper_files(
    record: StudyRecord,
    comparison: Comparison,
    figures: Mapping[str, Mapping[str, bytes]],
    images: Mapping[str, int],
    language: Language,
) -> dict[str, bytes]:
    """Everything that a paper needs of a study: name, with ``/`` for its folder → content.

    The figures of `figures.study_figures` are files as of `pictures.for_paper`; the images are as
    for `methods.methods`. In CSV files names are those of the study, whatever the language.
    """
    text = {
        "methods": methods.methods(record, comparison, images, language),
        "results": methods.results(record, comparison, language),
    }
    shown = _latex_tables(record, comparison, language)
    written = {
        **{f"{name}.tex": _paragraphs(of, language) for name, of in text.items()},
        "methods.md": _markdown(text, language),
        **{f"tables/{name}.tex": of for name, of in shown.items()},
        **{
            f"tables/{name}.csv": of.to_csv(index=False, lineterminator="\n")
            for name, of in tables.tidy_tables(record, comparison).items()
        },
        "references.bib": _references(),
        "paper.tex": _document(record, list(shown), list(figures), language),
    }
    found = {name: of.encode() for name, of in sorted(written.items())}
    for name, files_of in figures.items():
        found |= {f"figures/{name}.{kind}": content for kind, content in files_of.items()}
    found[CRATE] = _crate(found, record, language)
    sums = "".join(f"{_sha256(content)}  {name}\n" for name, content in sorted(found.items()))
    return {**found, CHECKSUMS: sums.encode()}


def _latex_tables(
    record: StudyRecord, comparison: Comparison, language: Language
) -> dict[str, str]:
    words, rule = texts(language)["paper"], comparison.rule
    regimes = [of.difference.regime for of in comparison.verdicts]
    regime = regimes[0] if len(regimes) == 1 else texts(language)["report"]["regime"]
    caption = words["differences_splits" if record.splits else "differences"].format(
        difference=difference_label(regime, rule.baseline, language),
        primary=rule.primary,
        comparisons=Count(sum(not described(of.metric) for of in comparison.secondary)),
    )
    metrics = tables.metrics_table(record, comparison, language)
    of_metrics = words["metrics_splits" if record.splits else "metrics"]
    differences = tables.differences_for_reader(comparison, language)
    return {
        "metrics": latex.table(metrics, of_metrics, "tab:metrics", language),
        "differences": latex.table(differences, caption, "tab:differences", language),
    }


def _paragraphs(paragraphs: list[str], language: Language) -> str:
    return "\n\n".join(latex.cited(of, language) for of in paragraphs) + "\n"


def _markdown(text: Mapping[str, list[str]], language: Language) -> str:
    words = texts(language)["paper"]
    parts = [
        part
        for name, paragraphs in text.items()
        for part in (f"# {words[f'{name}_title']}", *paragraphs)
    ]
    return "\n\n".join(parts) + "\n"


def _references() -> str:
    program = (
        "@misc{fashion_mnist_dropout,\n  author = {Kanno, Takuto},\n"
        f"  title = {{fashion-mnist-dropout}},\n  note = {{Version {__version__}}},\n"
        "  year = {2026}\n}\n"
    )
    return (files(__package__) / "references.bib").read_text(encoding="utf-8") + f"\n{program}"


def _document(record: StudyRecord, shown: list[str], figures: list[str], language: Language) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("fashion_dropout.reports", "paper"),
        autoescape=False,  # noqa: S701 - no HTML; `latex` has escaped what is put in
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<#",
        comment_end_string="#>",
    )
    words = texts(language)
    question = (language == "ja" and record.question_ja) or record.question
    return environment.get_template("paper.tex.j2").render(
        language=language,
        engine=ENGINES[language],
        words=words["paper"],
        title=latex.prose(question, language),
        date=record.begun[:10],
        tables=shown,
        figures=[
            {
                "name": name,
                "caption": latex.prose(
                    words["paper"]["caption"].format(**words["figures"][name]), language
                ),
            }
            for name in figures
        ],
    )


def _crate(contents: Mapping[str, bytes], record: StudyRecord, language: Language) -> bytes:
    """RO-Crate 1.1 (https://w3id.org/ro/crate/1.1): what the folder is, and each of its files."""
    words = texts(language)["paper"]
    described_files = [
        {
            "@id": name,
            "@type": "File",
            "name": name,
            "encodingFormat": _TYPES[name.rpartition(".")[2]],
            "contentSize": str(len(content)),
            "sha256": _sha256(content),
        }
        for name, content in sorted(contents.items())
    ]
    graph: list[dict[str, Any]] = [
        {
            "@id": CRATE,
            "@type": "CreativeWork",
            "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
            "about": {"@id": "./"},
        },
        {
            "@id": "./",
            "@type": "Dataset",
            "name": record.question,
            "description": words["crate"].format(key=record.key, version=__version__),
            "identifier": record.run_id,
            "datePublished": record.begun[:10],
            "license": words["licence"],
            "hasPart": [{"@id": of["@id"]} for of in described_files],
        },
        *described_files,
    ]
    context = ["https://w3id.org/ro/crate/1.1/context", {"sha256": "https://schema.org/sha256"}]
    crate = {"@context": context, "@graph": graph}
    return f"{json.dumps(crate, indent=2, ensure_ascii=False)}\n".encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
