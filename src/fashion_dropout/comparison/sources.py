"""What a seed decides in a study, in words, and whether its runs show it."""

from __future__ import annotations

from collections.abc import Iterable

from fashion_dropout.comparison.record import StudyRecord
from fashion_dropout.comparison.regimes import Comparison
from fashion_dropout.comparison.sentences import listed
from fashion_dropout.comparison.splits import splits_sentences
from fashion_dropout.config.vary import SOURCES, USUAL
from fashion_dropout.texts import Language, texts


def named(sources: Iterable[str], language: Language) -> str:
    """Sources of randomness as a sentence names them: “the initial weights and the split”."""
    words = texts(language)["vary"]["sources"]
    return listed([words[source] for source in SOURCES if source in set(sources)], language)


def sources_sentence(record: StudyRecord, language: Language = "en") -> str | None:
    """What a seed decides, and what it does not; None where it is all but the split, as usual."""
    moving, words = set(record.sources), texts(language)["vary"]
    if moving == set(USUAL.split("+")):
        return None
    still = set(SOURCES) - moving - ({"split"} if record.splits else set())
    return str(words["some" if still else "all"]).format(
        moving=named(moving, language), still=named(still, language)
    )


def scope(record: StudyRecord, comparison: Comparison, language: Language = "en") -> list[str]:
    """Whom the intervals speak of, where that is not other seeds that decide all but the split."""
    said = sources_sentence(record, language)
    return [*([said] if said else []), *splits_sentences(record, comparison, language)]


def sources_warnings(record: StudyRecord, language: Language = "en") -> list[str]:
    """A line if recorded digests show that something moved that should not, and one if something
    should have moved and did not.
    """
    words = texts(language)["vary"]
    return [
        str(words[kind]).format(sources=named(sources, language))
        for kind, sources in record.misplaced.items()
    ]
