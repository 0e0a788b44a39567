from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt

from fashion_dropout.learning.dataset import DATASETS
from fashion_dropout.promotion.model_card import LONGEST, ModelCard, render, wilson_interval
from fashion_dropout.texts import LANGUAGES, texts

REGISTRY_LIMIT = 5_000
REGIME, BASELINE = "dropout-0.5-batch-512-slow", "no-dropout-batch-512-slow"
RUN_ID, STUDY_RUN_ID = "0123456789abcdef" * 2, "fedcba9876543210" * 2
DATASET, SPLIT, COMMIT = (
    "4208722e2f95" + 52 * "a",
    "6927af1aa707" + 52 * "b",
    "4e2de3908a10" + 28 * "c",
)
CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
FIGURES = (
    ("val/loss", 0.25321, 0.25334, 0.24625, 0.26028),
    ("val/accuracy", 0.9176, 0.91751, 0.91532, 0.91973),
    ("gap/loss", 0.16632, 0.16501, 0.15853, 0.17154),
    ("test/accuracy", 0.9149, 0.9134, 0.9109, 0.9159),
    ("test/nll", 0.27219, 0.27218, 0.26467, 0.27962),
    ("test/ece", 0.0303, 0.03024, 0.02733, 0.03304),
    ("test/f1_macro", 0.91422, 0.9133, 0.91074, 0.91581),
)


def make_card(**changes: object) -> ModelCard:
    hits = np.array([842, 983, 871, 921, 879, 977, 743, 965, 985, 962])
    said = {
        "en": f"{REGIME} narrows the gap by 0.1719 against {BASELINE} (95 % interval of the "
        "difference −0.1886 to −0.1553; p = 0.002; n = 10 pairs).",
        "ja": f"{REGIME}では{BASELINE}に比べて、汎化ギャップが 0.1719 縮まります"
        "(差の 95 % 信頼区間 −0.1886 ～ −0.1553、p = 0.002、n = 10 ペア)。",
    }
    return ModelCard(
        **{
            "model": "fashion-mnist-cnn",
            "uri": "models:/fashion-mnist-cnn/12",
            "regime": REGIME,
            "seed": 7,
            "study": "full-98c080aa3e5c",
            "study_run_id": STUDY_RUN_ID,
            "run_id": RUN_ID,
            "question": "Does dropout change how the network overfits Fashion-MNIST in 20 epochs?",
            "question_ja": "",
            "verdicts": {language: [sentence] for language, sentence in said.items()},
            "regime_choice": {
                "en": f"regime {REGIME}: the verdict names it",
                "ja": f"条件 {REGIME}: 判定が選んだ条件",
            },
            "runs": 10,
            "dataset": "fashion-mnist",
            "dataset_sha256": DATASET,
            "split_sha256": SPLIT,
            "images": {"training": 55_000, "validation": 5_000, "test": 10_000},
            "parameters": {
                "dropout": 0.5,
                "seed": 7,
                "epochs": 20,
                "batch_size": 512,
                "learning_rate": 0.0005,
                "select": "last",
                "dataset": "fashion-mnist",
                "split_seed": 0,
                "threads": 1,
            },
            "epoch": 19,
            "figures": pd.DataFrame(FIGURES, columns=["metric", "value", "mean", "low", "high"]),
            "classes": pd.DataFrame(
                {
                    "label": range(10),
                    "class": CLASSES,
                    "precision": 0.8 + np.arange(10) / 64,
                    "recall": hits / 1000,
                    "f1": 0.7 + np.arange(10) / 64,
                    "support": 1000,
                }
            ),
            "environment": {
                "version.python": "3.11.7",
                "version.tensorflow": "2.21.0",
                "version.keras": "3.15.1",
                "version.mlflow": "3.17.2",
                "version.numpy": "2.4.6",
                "cpu": "Intel(R) Xeon(R) Platinum 8370C CPU @ 2.80GHz (x86_64), 16 cores",
                "threads": "1",
                "git.commit": COMMIT,
                "git.dirty": "True",
            },
            **changes,
        }  # type: ignore[arg-type]
    )


class Page:
    """A card as a Markdown reader sees it: what is text, what is code, what a table's cells are."""

    def __init__(self, markdown: str) -> None:
        tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(markdown)
        self.kinds = [inner.type for token in tokens for inner in (token, *(token.children or ()))]
        self.headings = [
            (token.tag, self._text(tokens[place + 1]))
            for place, token in enumerate(tokens)
            if token.type == "heading_open"
        ]
        self.rows: list[list[str]] = []
        for place, token in enumerate(tokens):
            if token.type == "tr_open":
                self.rows.append([])
            elif token.type in ("th_open", "td_open"):
                self.rows[-1].append(self._text(tokens[place + 1]))
        self.text = "\n".join(self._text(token) for token in tokens if token.content)

    @staticmethod
    def _text(token) -> str:
        parts = token.children or [token]
        return "".join("\n" if part.type == "softbreak" else part.content for part in parts)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_card_holds_everything_that_it_was_given(language):
    card = make_card()
    page = Page(render(card, language))
    assert page.headings[0] == ("h1", texts(language)["card"]["title"].format(**vars(card)))
    for said in (
        *(card.uri, card.study, card.study_run_id, card.run_id, card.question),
        *card.verdicts[language],
        card.regime_choice[language],
        *("55,000", "5,000", "10,000", "225,034", "n = 10", "(n, 28, 28, 1)", "1708.07747"),
        *(f"{name} = {value}" for name, value in card.parameters.items()),
        *("python: 3.11.7", "tensorflow: 2.21.0", "keras: 3.15.1", "mlflow: 3.17.2"),
        *("numpy: 2.4.6", card.environment["cpu"], "Takuto Kanno"),
    ):
        assert said in page.text
    for digest in (DATASET, SPLIT, COMMIT):
        assert digest[:12] in page.text
        assert digest[:13] not in page.text
    assert texts(language)["card"]["yes"] in page.text.splitlines()[-3]
    assert page.rows[1:8] == [
        [metric, f"{value:.4f}", f"{mean:.4f} [{low:.4f}, {high:.4f}]"]
        for metric, value, mean, low, high in FIGURES
    ]
    assert page.rows[9] == ["0 T-shirt/top", "0.8000", "0.8420 [0.8181, 0.8633]", "0.7000", "1,000"]
    assert len(page.rows) == 1 + 7 + 1 + 10


@pytest.mark.parametrize("dataset", DATASETS)
def test_both_languages_have_the_same_headings_lists_tables_and_code(dataset):
    one, other = (Page(render(make_card(dataset=dataset), language)) for language in LANGUAGES)
    assert [tag for tag, _ in one.headings] == [tag for tag, _ in other.headings]
    assert [len(row) for row in one.rows] == [len(row) for row in other.rows]
    for kind in ("list_item_open", "fence", "paragraph_open", "blockquote_open"):
        assert one.kinds.count(kind) == other.kinds.count(kind)
    assert {text for _, text in one.headings}.isdisjoint(text for _, text in other.headings)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("dataset", ["synthetic", "idx"])
def test_other_images_are_warned_of_above_all_else_and_the_real_ones_are_not(language, dataset):
    words = texts(language)["card"]
    real, other = (render(make_card(dataset=of), language) for of in ("fashion-mnist", dataset))
    assert other.split("\n\n")[1] == f"> **{words['warning'][dataset]}**"
    own = {*words["limits_of"][dataset]} - {*words["limits_of"]["fashion-mnist"]}
    assert own
    for said in (words["warning"][dataset], f"`{dataset}`", *own):
        assert said in other
        assert said not in real
    for said in (words["data_of"]["fashion-mnist"], words["limits_of"]["fashion-mnist"][0]):
        assert said in real
        assert said not in other


@pytest.mark.parametrize("language", LANGUAGES)
def test_figures_of_the_last_epoch_are_said_to_be_so_where_there_are_any(language):
    card = make_card()
    best = card.figures.replace({"val/loss": "best/val_loss", "val/accuracy": "best/val_accuracy"})
    best = best[best["metric"] != "gap/loss"]
    said = texts(language)["card"]["figures_last"]
    assert said in render(card, language)
    assert said not in render(dataclasses.replace(card, figures=best), language)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("dataset", DATASETS)
def test_a_card_with_long_names_fits_into_the_registry_with_room_to_spare(language, dataset):
    assert len(render(make_card(dataset=dataset), language)) <= LONGEST < REGISTRY_LIMIT


def test_of_many_verdicts_and_a_long_question_there_is_as_much_as_fits():
    sentences = [f"{number} {make_card().verdicts['en'][0]}" for number in range(8)]
    card = make_card(verdicts={"en": sentences}, question="Does it? " * 99)
    text = render(card, "en")
    assert len(text) <= LONGEST
    shown = sum(sentence in text for sentence in sentences)
    assert 1 <= shown < 8
    assert sentences[shown - 1] in text
    assert texts("en")["card"]["unshown"].format(n=8 - shown) in text
    assert "… and" not in render(make_card(), "en")


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_line_is_blank_twice_and_none_ends_in_a_space(language):
    for changes in ({}, {"dataset": "synthetic"}, {"dataset": "idx"}, {"verdicts": {language: []}}):
        text = render(make_card(**changes), language)
        assert "\n\n\n" not in text
        assert all(line == line.rstrip() for line in text.split("\n"))
        assert text.endswith(".\n" if language == "en" else "。\n")
        assert not text.endswith("\n\n")
        assert text == render(make_card(**changes), language)


def test_what_markdown_would_take_for_markup_stays_what_it_is():
    hostile = "a|b *c* <d> [e](f) `g` _h_ # &lt; ~~i~~ \\"
    figures = pd.DataFrame(
        [("a|b/`c`", 1.0, 1.0, 0.5, 1.5)], columns=["metric", "value", "mean", "low", "high"]
    )
    classes = make_card().classes.assign(**{"class": "shirt | top"})
    page = Page(
        render(
            make_card(
                regime=hostile,
                question=f"{hostile}\n\n# Another\n\n| x |",
                verdicts={"en": [hostile]},
                regime_choice={"en": hostile},
                parameters={"select": "`a|b`"},
                figures=figures,
                classes=classes,
                environment={"cpu": hostile},
            ),
            "en",
        )
    )
    assert page.text.count(hostile) == 5
    assert f"{hostile} # Another | x |" in page.text
    assert "select = 'a|b'" in page.text
    assert {len(row) for row in page.rows[:2]} == {3}
    assert page.rows[1][0] == "a|b/'c'"
    assert page.rows[3][0] == "0 shirt | top"
    assert {len(row) for row in page.rows[2:]} == {5}
    assert {"html_inline", "html_block", "em_open", "link_open"}.isdisjoint(page.kinds)
    assert len(page.headings) == len(Page(render(make_card(), "en")).headings)


def test_names_with_an_underscore_inside_are_not_escaped():
    card = make_card(verdicts={"en": ["val_rebound differs by +0.1 (_x_ − y)."]})
    assert r"- val_rebound differs by +0.1 (\_x\_ − y)." in render(card, "en")


def test_what_is_not_known_is_a_dash():
    card = make_card()
    card = dataclasses.replace(
        card,
        figures=card.figures.assign(low=math.nan, high=math.nan).assign(
            mean=[math.nan, *card.figures["mean"][1:]]
        ),
        classes=card.classes.assign(support=[0, *[1000] * 9], recall=[0.0, *[1.0] * 9]),
        split_sha256="",
        environment={"git.commit": ""},
    )
    page = Page(render(card, "en"))
    assert page.rows[1] == ["val/loss", "0.2532", "–"]
    assert page.rows[2] == ["val/accuracy", "0.9176", "0.9175"]
    assert page.rows[9][2:] == ["–", "0.7000", "0"]
    assert page.rows[10][2] == "1.0000 [0.9962, 1.0000]"
    assert "split –." in page.text
    assert "git commit: –" in page.text


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (1, 29, 0.0061, 0.1718),
        (0, 20, 0.0, 0.1611),
        (20, 20, 0.8389, 1.0),
    ],
)
def test_wilson_intervals_are_those_of_newcombe(hits, trials, low, high):
    """Newcombe 1998, Statistics in Medicine 17, table I, method 3; the last row by symmetry."""
    found = wilson_interval(hits, trials)
    assert found == pytest.approx((low, high), abs=5e-5)
    assert 0 <= found[0] <= found[1] <= 1


def test_without_a_trial_there_is_no_wilson_interval():
    assert all(math.isnan(end) for end in wilson_interval(0, 0))


def test_the_japanese_card_asks_in_japanese_if_the_study_does():
    card = make_card(question_ja="何が変わるか")
    assert "何が変わるか" in render(card, "ja")
    assert "何が変わるか" not in render(card, "en")
