"""What a paper gets of a study: tables to compute again, text with every number, LaTeX."""

from __future__ import annotations

import hashlib
import io
import json
import re
from importlib.resources import files
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from comparison.records import make_record
from comparison.tables import RULE
from fashion_dropout.comparison.record import Changed
from fashion_dropout.reports.paper import latex, methods, tables
from fashion_dropout.reports.paper.folder import CHECKSUMS, CRATE, paper_files
from fashion_dropout.reports.pictures import for_paper
from fashion_dropout.reports.plots.metrics import study_curves
from fashion_dropout.texts import LANGUAGES, texts

IMAGES = {"training": 55_000, "validation": 5_000, "test": 10_000}
RECORD = make_record()
COMPARISON = RECORD.compare()
CITED = re.compile(r"@([a-z]+\d{4})")


@pytest.fixture(scope="module")
def exported() -> dict[str, bytes]:
    return paper_files(RECORD, COMPARISON, {"study_curves": {"pdf": b"%PDF"}}, IMAGES, "en")


def csv(exported: dict[str, bytes], name: str) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(exported[f"tables/{name}.csv"]))


def test_every_difference_can_be_computed_from_the_values_of_the_runs(exported):
    runs, pairs = csv(exported, "runs"), csv(exported, "pairs")
    for row in csv(exported, "differences").itertuples():
        own = pairs.query("metric == @row.metric and regime == @row.regime")
        of = runs[runs["metric"] == row.metric].set_index(["regime", "seed"])["value"]
        values = (of[row.regime] - of[row.baseline]).to_numpy()
        assert own["difference"].to_numpy() == pytest.approx(values, abs=1e-15)
        assert row.n == len(values) == 6
        assert row.mean == pytest.approx(values.mean())
        error = values.std(ddof=1) / np.sqrt(6)
        ends = stats.t.interval(row.confidence, 5, values.mean(), error)
        assert (row.low, row.high) == pytest.approx(ends)
        flips = np.array(list(product((1, -1), repeat=6))) @ values
        assert row.p == pytest.approx(np.mean(np.abs(flips) >= abs(values.sum()) - 1e-12))
    assert {"gap/loss", "test/accuracy"} <= set(csv(exported, "differences")["metric"])


def test_a_value_stands_once_in_a_tidy_table_as_it_was_recorded(exported):
    runs, epochs = csv(exported, "runs"), csv(exported, "epochs")
    keys = ["regime", "seed", "metric", "paired_with"]
    assert not runs.duplicated(keys).any()
    assert not epochs.duplicated(["regime", "seed", "epoch", "metric"]).any()
    assert len(epochs) == 4 * len(RECORD.histories)
    recorded = RECORD.runs.set_index(["regime", "seed"])["gap/loss"]
    found = runs[runs["metric"] == "gap/loss"].set_index(["regime", "seed"])["value"]
    assert found.to_dict() == recorded.to_dict()  # to the bit
    of_pairs = runs[runs["metric"] == "val/loss_over_equal_fit"]
    assert dict(zip(of_pairs["regime"], of_pairs["paired_with"], strict=True)) == {
        "none": "dropout",
        "dropout": "none",
    }
    assert "temperature" in set(runs["metric"])


def test_the_checksums_and_the_crate_name_every_file_and_the_document_what_is_there(exported):
    sums = dict(line.split("  ")[::-1] for line in exported[CHECKSUMS].decode().splitlines())
    assert sums.keys() == exported.keys() - {CHECKSUMS}
    assert all(hashlib.sha256(exported[name]).hexdigest() == sums[name] for name in sums)
    crate = json.loads(exported[CRATE])
    entities = {entity["@id"]: entity for entity in crate["@graph"]}
    assert {part["@id"] for part in entities["./"]["hasPart"]} == sums.keys() - {CRATE}
    for name in sums.keys() - {CRATE}:
        assert entities[name]["sha256"] == sums[name]
        assert entities[name]["contentSize"] == str(len(exported[name]))
    assert entities["./"]["datePublished"] == "2026-01-02"
    document = exported["paper.tex"].decode()
    used = re.findall(r"\\(?:input|includegraphics)(?:\[.*?\])?\{(.*?)\}", document)
    assert set(used) == {
        *("methods.tex", "results.tex", "tables/metrics.tex", "tables/differences.tex"),
        "figures/study_curves.pdf",
    }
    assert set(used) <= exported.keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_same_study_gives_the_same_bytes(language):
    once, again = (
        paper_files(record, record.compare(), {}, IMAGES, language)
        for record in (make_record(), make_record())
    )
    assert once == again


def test_a_figure_has_the_same_bytes_each_time_and_no_font_of_type_3():
    first, second = (
        for_paper(study_curves(RECORD.histories, ["none", "dropout"], language))
        for language in ("ja", "ja")
    )
    assert first == second
    assert first["pdf"].startswith(b"%PDF-1.")
    assert b"/Type3" not in first["pdf"]
    assert b"CreationDate" not in first["pdf"]
    assert b"<text" not in first["svg"]  # each reader sees the same letters


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_methods_have_every_number(language):
    environment = {
        "cpu": ["A CPU (x86_64), 2 cores"], "threads": ["1"], "git.dirty": ["True"],
        "version.tensorflow": ["2.21.0"], "dataset.sha256": ["0123456789abcdef"],
    }  # fmt: skip
    record = make_record(environment=environment, changed=Changed("2026-01-03", 2, ("rule",)))
    text = "\n".join(methods.methods(record, record.compare(), IMAGES, language))
    for number in (
        *("225,034", "55,000", "5,000", "10,000", "epochs = 4", "dropout = 0.5", "0.05", "0.02"),
        *("0, 1, 2, 3, 4, 5", "95 %", "64", "A CPU (x86_64), 2 cores", "tensorflow 2.21.0"),
        *("0123456789ab…", record.key, record.run_id, record.begun),
    ):
        assert number in text, number
    unrecorded = texts(language)["paper"]["unrecorded"]
    assert f"keras {unrecorded}" in text
    assert texts(language)["paper"]["uncommitted"] in text
    found = "\n".join(methods.results(record, record.compare(), language))
    assert "2026-01-03" in found  # whoever reads the paper knows that the rule came late


@pytest.mark.parametrize(
    ("dataset", "words"),
    [("synthetic", "say nothing about real ones"), ("idx", "the user's own (idx"),
     ("fashion-mnist", "those of Fashion-MNIST [@xiao2017]")],
)  # fmt: skip
def test_the_methods_say_what_the_images_are(dataset, words):
    record = make_record(common={"dataset": dataset})
    assert words in methods.methods(record, record.compare(), IMAGES, "en")[0]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_methods_say_what_regularizers_mean_where_a_run_has_them(language):
    words = texts(language)["paper"]["methods"]["terms"]
    of_all = {"weight_decay": 0.01, "schedule": "cosine", "augment": "flip+erase:8", "patience": 0}
    trained = methods.methods(record := make_record(common=of_all), record.compare(), {}, language)
    for name in ("weight_decay", "cosine", "augment", "erase"):
        assert words[name] in trained[0]
    for name in ("label_smoothing", "one-cycle", "mixup", "average", "patience"):
        assert words[name] not in trained[0]
    bare = methods.methods(RECORD, RECORD.compare(), {}, language)[0]
    assert not any(meaning in bare for name, meaning in words.items() if name != "between")


def test_every_reference_is_cited_and_every_citation_has_its_reference():
    bib = (files("fashion_dropout.reports.paper") / "references.bib").read_text(encoding="utf-8")
    known = set(re.findall(r"^@\w+\{(\w+),$", bib, re.MULTILINE))
    for language in LANGUAGES:
        words = texts(language)["paper"]["methods"]
        sentences = " ".join([*words["terms"].values(), *(str(each) for each in words.values())])
        assert set(CITED.findall(sentences)) == known


HOSTILE = r"""50 % of $x_1$ {a} \input{/etc/passwd} ~^&# <b> "é" 字"""


def test_latex_sees_no_command_in_what_a_user_wrote():
    english = latex.latex(HOSTILE, "en")
    assert english == (
        r"50 \% of \$x\_1\$ \{a\} \textbackslash{}input\{/etc/passwd\} \textasciitilde{}"
        r"\textasciicircum{}\&\# \textless{}b\textgreater{} \textquotedbl{}é\textquotedbl{}"
        " [U+5B57]"
    )
    assert latex.latex(HOSTILE, "ja").endswith("字")
    assert (
        latex.latex("a\n\nb\x1b", "ja")
        == r"a\textbackslash{}n\textbackslash{}nb\textbackslash{}x1b"
    )
    record = make_record(question=HOSTILE)
    document = paper_files(record, record.compare(), {}, {}, "en")["paper.tex"].decode()
    assert r"\title{50 \% of \$x\_" in document
    assert r"\input{/etc" not in document


def test_citations_become_those_of_latex():
    assert latex.cited("as 5 % [@holm1979; @efron1987], and a_b", "en") == (
        r"as 5 \%~\cite{holm1979,efron1987}, and a\_\allowbreak{}b"
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_many_regimes_stand_below_each_other_and_break_over_pages(language):
    rates = {"none": 0.0, **{f"dropout-{rate}": rate / 10 for rate in range(1, 9)}}
    record = make_record(rates)
    comparison = record.compare()
    shown = tables.metrics_table(record, comparison, language)
    assert len(shown.columns) == 3
    assert list(shown.iloc[:, 1][1:9]) == list(rates)[1:]
    written = paper_files(record, comparison, {}, IMAGES, language)
    differences = tables.differences_for_reader(comparison, language)
    assert len(differences) == len(comparison.differences)
    assert len(differences) == 16
    assert rb"\begin{tabular}" in written["tables/differences.tex"]
    frame = pd.DataFrame({"a": ["b_c"] * (latex.LONGEST_TABLE + 1)})
    longer = latex.table(frame, "50 %", "tab:long", language)
    assert r"\begin{longtable}{l}" in longer
    assert texts(language)["paper"]["continued"] in longer
    assert longer.count(r"b\_c") == len(frame)
    assert r"\caption{50 \%}" in longer


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_reader_of_bca_intervals_is_sent_to_the_table_that_has_them(language):
    text = "\n".join(methods.methods(RECORD, COMPARISON, IMAGES, language))
    assert re.search("CSV[^.。]*BCa", text)
    shown = tables.differences_for_reader(COMPARISON, language)
    assert not any("BCa" in name for name in shown.columns)


@pytest.mark.parametrize(
    ("secondary", "said"),
    [((), False), (("test/accuracy",), False), (("test/accuracy", "test/nll"), True)],
)
def test_an_adjustment_is_told_only_of_several_comparisons(secondary, said):
    record = make_record(rule=RULE.model_copy(update={"secondary": secondary}))
    text = "\n".join(methods.methods(record, record.compare(), IMAGES, "en"))
    assert ("of the 2 other comparisons were adjusted" in text) == said
    assert ("@holm1979" in text) == said


@pytest.mark.parametrize("language", LANGUAGES)
def test_hyphens_stay_hyphens_and_dashes_dashes(language):
    assert latex.latex("a--b - 1–2---", language) == "a-{}-b - 1--2-{}-{}-"
    assert latex.latex("", language) == ""
