"""The pages that people read: both languages say the same, links lead somewhere, commands exist."""

from __future__ import annotations

import html
import itertools
import json
import re
import shlex
import subprocess
import tomllib
from pathlib import Path
from types import ModuleType

import click
import pytest
import yaml

from conftest import ROOT, script
from fashion_dropout.cli import cli
from fashion_dropout.config import promotion, study

ENTRY_POINTS = yaml.safe_load((ROOT / "MLproject").read_text(encoding="utf-8"))["entry_points"]
PAGES = [
    path
    for pattern in (
        *("*.md", "docs/*.md", "experiments/**/*.md", "benchmarks/**/*.md", "data/*/*.md"),
        *("findings/*.md", "deploy/*.md"),
    )
    for path in sorted(ROOT.glob(pattern))
]
JAPANESE = [page for page in PAGES if page.name.endswith(".ja.md")]
COMMANDS = re.compile(r"```(?:console|bash|sh)\n(.*?)```", re.DOTALL)


def text(name: str | Path) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def english(page: Path) -> Path:
    return page.with_name(page.name.replace(".ja.md", ".md"))


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", JAPANESE, ids=name_of)
def test_both_languages_have_the_same_commands_tables_values_and_sections(page):
    one, other = text(english(page)), text(page)
    for pattern in (
        r"```(?:console|bash|sh|text)\n(.*?)```",
        r"^(#+) ",
        r"```(mermaid)",
        r"\$\$(.*?)\$\$",
        r"```(?:toml|python|bibtex)\n(.*?)```",
        r"^(\|)",
        r"^(\d+\.|-) ",
        r"!\[[^\]]*\]\(([^)]*)\)",
    ):
        found = [re.findall(pattern, page, re.DOTALL | re.MULTILINE) for page in (one, other)]
        if "!" in pattern:  # a picture may be in Japanese
            found[1] = [re.sub(r"\.ja\.(?:png|svg)$", ".png", name) for name in found[1]]
        assert found[0] == found[1], pattern
    values = [sorted(re.findall(r"<!-- (\S+: .*?) -->", page)) for page in (one, other)]
    shown = [[value for value in named if "TODO" not in value] for named in values]
    assert shown[0] == shown[1]


def prose_of(readme: str) -> list[str]:
    """Its lines without code, equations, tables, pictures, marks and the targets of links."""
    body = re.sub(
        r"```.*?```|\$\$.*?\$\$|<!--.*?-->|^\|.*?$|!\[[^\]]*\]\([^)]*\)",
        "",
        text(readme),
        flags=re.DOTALL | re.MULTILINE,
    )
    return [line for line in re.sub(r"\]\([^)]*\)", "]", body).splitlines() if line.strip()]


@pytest.mark.parametrize(
    ("readme", "whole", "longest"), [("README.md", 825, 80), ("README.ja.md", 3_050, 260)]
)
def test_a_readme_is_read_in_five_minutes(readme, whole, longest):
    """Words, of Japanese characters: who counts lines gets long ones."""
    sizes = [
        len("".join(line.split())) if ".ja." in readme else len(line.split())
        for line in prose_of(readme)
    ]
    assert sum(sizes) <= whole
    assert max(sizes) <= longest
    assert text(readme).count("![") <= 6, "four badges, the curves and the pairs"
    assert "pip install uv && uv run pytest" in text(readme)


@pytest.mark.parametrize("readme", ["README.md", "README.ja.md"])
def test_where_pip_refuses_the_readme_names_another_way(readme):
    lines = text(readme).splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("pip install uv"))
    assert any("`pipx install uv`" in line for line in lines[first : first + 5])


def test_every_page_of_the_documents_has_both_languages_and_stands_in_the_readmes():
    docs = sorted(path.name for path in (ROOT / "docs").glob("*.md"))
    plain = [name for name in docs if not name.endswith(".ja.md")]
    assert sorted([*plain, *(name.replace(".md", ".ja.md") for name in plain)]) == docs
    for name in plain:
        assert f"(docs/{name})" in text("README.md")
        assert f"(docs/{name.replace('.md', '.ja.md')})" in text("README.ja.md")


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    body = re.sub(r"```.*?```", "", text(page), flags=re.DOTALL)
    found: dict[str, int] = {}
    for heading in re.findall(r"^#+ (.*)$", body, re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        found[plain] = found.get(plain, -1) + 1
        if found[plain]:
            found[f"{plain}-{found[plain]}"] = 0
    return set(found)


def internal_links(page: Path) -> list[str]:
    body = re.sub(r"```.*?```|`[^`\n]*`", "", text(page), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)\s]+)\)", body)
    outside = ("http://", "https://", "../../actions/")  # the last is GitHub's own page
    return [link for link in links if not link.startswith(outside)]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_internal_link_and_anchor_leads_somewhere(page):
    broken = []
    for link in internal_links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_the_pages_have_links_to_check():
    assert sum(len(internal_links(page)) for page in PAGES) > 100
    assert "single-runs-three-seeds-of-each-regime" in anchors(
        ROOT / "experiments/dropout/README.md"
    )
    assert "昇格の結果を読む" in anchors(ROOT / "docs/how-to-read.ja.md")


def commands(page: Path) -> list[str]:
    return [
        line
        for block in COMMANDS.findall(text(page))
        for line in block.replace("\\\n", "").splitlines()
        if line and not line.startswith("#")
    ]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_that_is_shown_can_be_given(page):
    """Each verb takes the options and arguments that are shown; nothing is run."""
    for line in commands(page):
        for part in line.split(" && "):
            words = shlex.split(part.split(" | ")[0], comments=True)
            if "fashion-dropout" in words:
                verb, *rest = words[words.index("fashion-dropout") + 1 :]
                if verb.startswith("-"):
                    continue
                context = cli.commands[verb].make_context(verb, rest, resilient_parsing=False)
                assert isinstance(context, click.Context)
            elif "mlflow" in words and "run" in words[words.index("mlflow") :]:
                entry = words[words.index("-e") + 1] if "-e" in words else "main"
                given = {
                    word.partition("=")[0]
                    for flag, word in itertools.pairwise(words)
                    if flag == "-P"
                }
                assert given <= ENTRY_POINTS[entry]["parameters"].keys(), line


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_file_in_a_command_is_there(page):
    made_up = ("my-question.toml", "report.html", "report.ja.html")
    for line in commands(page):
        for word in shlex.split(line.split(" | ")[0], comments=True):
            name = word.partition("=")[2] or word
            if name.endswith((".toml", ".py", ".ipynb")) and not name.endswith(made_up):
                assert (ROOT / name).is_file(), line


@pytest.mark.parametrize("page", ["docs/how-to-read.md", "docs/how-to-read.ja.md"])
def test_the_study_of_how_to_read_is_one(page):
    first, *_ = re.findall(r"```toml\n(.*?)```", text(page), re.DOTALL)
    declared = study.parse_study(tomllib.loads(first))
    assert declared.name == "my-question"
    assert len(declared.cells()) == 30


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    return script("reference")


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_reference_is_what_the_code_says(reference, language):
    page = reference.PAGES[language].read_text(encoding="utf-8")
    assert page == reference.page(language), "run .ci/reference.py"


@pytest.mark.parametrize("name", ["reference.md", "reference.ja.md"])
def test_the_reference_has_every_verb_parameter_and_key(name):
    page = text(f"docs/{name}")
    for verb in cli.commands:
        assert f"fashion-dropout {verb}" in page
    for entry_point, declared in ENTRY_POINTS.items():
        if entry_point != "main":
            assert f"-e {entry_point}" in page
        for parameter, of in declared["parameters"].items():
            default = f"`{of['default']}`" if of.get("default", "") != "" else ""
            assert re.search(rf"\| `{parameter}` \| {re.escape(default)}", page), parameter
    for key in (*study.Study.model_fields, *promotion.Floors.model_fields):
        assert re.search(rf"\| `(\[\w+\] )?\[?{key}\]?` \|", page), key


def test_no_japanese_of_the_reference_is_left_over(reference):
    known = tomllib.loads(reference.JAPANESE.read_text(encoding="utf-8"))
    page = reference.page("ja")
    assert [text for text in known.values() if text not in page] == []


def test_the_first_edition_is_shown_as_it_was_published():
    recorded = json.loads(text("experiments/dropout/first-edition.json"))
    page = text("experiments/dropout/README.md")
    for block in recorded["blocks"]["en"].values():
        assert block in page


@pytest.mark.parametrize("page", ["how-to-read.md", "how-to-read.ja.md"])
def test_the_three_pairs_of_how_to_read_are_the_single_runs(page):
    of_runs = text("experiments/dropout/README.md")
    runs = {}
    for regime, seed, cells in re.findall(r"^\| (\w+) \| (\d) \| (.*) \|$", of_runs, re.MULTILINE):
        runs[regime, seed] = list(map(float, cells.split(" | ")))
    read = text(f"docs/{page}")
    rows = re.findall(r"^\| (\d) \| ((?:[\d.−+]+ \| ){5}[\d.−+]+) \|$", read, re.MULTILINE)
    assert [seed for seed, _ in rows] == ["0", "1", "2"]
    for seed, cells in rows:
        expected = []
        for column in (2, 4):  # gap/loss, test/accuracy
            none, dropout = (runs[regime, seed][column] for regime in ("none", "dropout"))
            expected += [none, dropout, round(dropout - none, 4)]
        assert [float(cell.replace("−", "-")) for cell in cells.split(" | ")] == expected


@pytest.mark.parametrize(("language", "name"), [("en", "report.html"), ("ja", "report.ja.html")])
def test_the_report_of_the_site_is_that_of_the_published_study(language, name):
    folder = ROOT / "experiments/dropout/full"
    published = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    report = (folder / name).read_text(encoding="utf-8")
    write_again = "run .ci/published_report.py"
    own = {path.name.split(".")[0]: path.name for path in folder.glob(f"*.{language}.[ps][nv]g")}
    figures = [own.get(Path(figure).stem, figure) for figure in published["figures"]]
    assert re.findall(r'<img src="([^"]*)"', report) == figures, write_again
    for paragraph in published["blocks"][language]["verdict"].split("\n>\n"):
        assert paragraph.removeprefix("> ") in html.unescape(report), write_again
    assert len(report.encode()) < 100_000, "its pictures stand beside it"


def test_the_citations_name_this_version_which_has_the_result():
    cited = yaml.safe_load(text("CITATION.cff"))
    version, released = re.findall(r"^## (\d\S*) — (\S+)", text("CHANGELOG.md"), re.MULTILINE)[0]
    assert cited["version"] == version
    assert str(cited["date-released"]) == released
    assert cited["license"] == "BSD-3-Clause"
    published = json.loads(text("experiments/dropout/full/result.json"))
    assert published["environment"]["version.fashion_dropout"] == [version]  # has the result
    for readme in ("README.md", "README.ja.md"):
        assert f"version = {{{version}}}, year = {{{released[:4]}}}" in text(readme)


@pytest.mark.parametrize("page", JAPANESE, ids=name_of)
def test_japanese_keeps_to_its_words(page):
    body = re.sub(r"```.*?```|`[^`\n]*`", "", text(page), flags=re.DOTALL)
    for other, wanted in {
        "信頼度図": "信頼性ダイアグラム",
        "自信": "確信度",
        "主要な指標": "主要指標",
        "副次的な指標": "副次指標",
        "重みの初期値": "初期重み",
        "差(gap)": "汎化ギャップ",
        "である。": "です",
        "ではない。": "ではありません",
        "ノートパソコン": "ノート PC",
        "作業フォルダー": "作業ディレクトリ",
        "見なす": "みなす",
        "見なし": "みなし",
        "比較実験そのものの実行": "比較実験自体の実行",
        "ランダム": "無作為",
    }.items():
        assert other not in body, f"{other}: write {wanted}"


TEXTS = [ROOT / f"src/fashion_dropout/texts/{name}.toml" for name in ("ja", "ja-table")]


@pytest.mark.parametrize("page", [*JAPANESE, *TEXTS, ROOT / ".ci/reference.ja.toml"], ids=name_of)
def test_brackets_in_japanese_are_full_width(page):
    """Not in code, links and equations, nor in what a study has published."""
    body = re.sub(r"<!-- \S+: \w+ -->\n.*?<!-- end -->", "", text(page), flags=re.DOTALL)
    body = re.sub(r"```.*?```|`[^`\n]*`|\]\([^)]*\)|\$[^$]*\$", "", body, flags=re.DOTALL)
    assert re.findall(r"[ぁ-ヿ一-鿿、。]\(.*|\([ぁ-ヿ一-鿿].*|.*[ぁ-ヿ一-鿿。]\)", body) == []


def test_the_findings_are_listed_with_their_versions():
    page = text("findings/README.md")
    listed = re.findall(r"^\| \[(.*)\]\((.*)\) \| .* \| (.*) \|$", page, re.MULTILINE)
    assert [name for _, name, _ in listed] == sorted(
        path.name for path in (ROOT / "findings").glob("*.sh")
    )
    for title, name, versions in listed:
        assert f"{title}.sh" == name
        (header,) = re.findall(r"^# Version: +(.*)$", text(f"findings/{name}"), re.MULTILINE)
        numbers = re.findall(r"\b\d+\.[\d.]*\d\b", header)
        assert numbers
        assert re.findall(r"\b\d+\.[\d.]*\d\b", versions) == numbers


def test_nothing_is_left_to_do_in_what_people_read():
    listed = subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    left = [name for name in listed if "OUTPUT-" in text(name) or "VERDICT\n" in text(name)]
    assert left == []


def test_the_japanese_readme_says_whose_interval_decides():
    said = text("README.ja.md")
    assert "差の平均の 95 % 信頼区間と、符号反転による並べ替え検定（正確検定" in said


def test_after_an_early_stop_no_interval_is_exact():
    assert "どの信頼区間の被覆率も" in text("docs/method.ja.md")


@pytest.mark.parametrize("page", JAPANESE, ids=name_of)
def test_no_option_of_the_english_page_is_missing(page):
    one, other = (set(re.findall(r"`(--[a-z][a-z-]*)", text(of))) for of in (english(page), page))
    assert one <= other


def test_the_margin_of_a_promotion_is_the_same_number_in_both_languages():
    margin = promotion.read_policy(ROOT / "experiments/promotion.toml").against_champion
    assert margin.non_inferiority_margin == 0.005
    assert "half a point or more is ruled out" in text("docs/how-to-read.md")
    assert "悪くても 0.5 ポイント未満の低下" in text("docs/how-to-read.ja.md")


@pytest.mark.parametrize("page", JAPANESE, ids=name_of)
def test_the_conditions_of_the_gate_are_not_called_regimes(page):
    assert not re.search(r"ゲートの[^。|]{0,8}条件", text(page))


def test_how_long_a_study_waits_for_workers_is_said_in_japanese():
    assert "待つ時間の上限は `--wait-for-workers`" in text("docs/team.ja.md")


def test_the_japanese_readme_does_not_say_that_the_tests_use_mlflow():
    assert "次の各行" not in text("README.ja.md")


@pytest.mark.parametrize("name", ["reference.md", "reference.ja.md"])
def test_the_call_of_an_entry_point_names_the_study_that_its_command_needs(name):
    calls = re.findall(r"`(uv run mlflow run \. --env-manager local -e .*?)`", text(f"docs/{name}"))
    needed = [entry for entry, of in ENTRY_POINTS.items() if "study" in of["parameters"]]
    for entry_point in set(needed) - {"compare"}:  # which has a study of its own
        assert any(f"-e {entry_point} -P study=" in call for call in calls), entry_point


def test_every_benchmark_has_a_row_that_says_what_it_prints():
    page = text("benchmarks/README.md")
    for path in (ROOT / "benchmarks").glob("*.py"):
        assert f"benchmarks/{path.name}" in page, path.name


@pytest.mark.parametrize("name", ["troubleshooting.md", "troubleshooting.ja.md"])
@pytest.mark.parametrize(
    "symptom",
    [
        *("externally-managed-environment", "uv: command not found", "Could not find Conda"),
        *("uv.lock", "OWNER", "Colab", "AVX-512", "a GPU that TensorFlow can use"),
        *("has recorded, received", "413", "port 5000 is taken", "can give no p below"),
    ],
)
def test_who_looks_for_a_symptom_finds_it(name, symptom):
    rows = re.findall(r"^\|.*", text(f"docs/{name}"), re.MULTILINE)
    assert any(symptom in row for row in rows)


def test_every_page_of_the_repository_is_a_page_of_the_site():
    program = text(".ci/build_site.py")
    listed = re.findall(r'^ +(?:Listed\()?"([\w./-]+\.md)"', program, re.MULTILINE)
    assert {name_of(english(page)) for page in PAGES} - set(listed) == set()


@pytest.mark.parametrize(
    "page", [*JAPANESE, *TEXTS, ROOT / "experiments/dropout/dropout.ja.ipynb"], ids=name_of
)
def test_the_verdicts_have_one_japanese_name_each(page):
    """Nouns: the adjectives of the English names read as a translation."""
    former = "良い|悪い|混在|意味のある差はない|示されなかった|良いが、悪化は否定できない"
    assert re.findall(rf"「(?:{former})」|^\W*(?:{former}) \|.*", text(page), re.MULTILINE) == []


@pytest.mark.parametrize("name", ["how-to-read.ja.md", "method.ja.md"])
def test_both_tables_of_the_verdicts_have_the_same_names_in_japanese(name):
    _, _, table = text(f"docs/{name}").partition("| 判定 | どのような場合か |")
    rows = re.findall(r"^\| ([^|]+) \| ", table, re.MULTILINE)
    assert rows[1:8] == [
        *("改善（悪化）、ただし意味のある差より小さい", "悪化", "改善", "一長一短"),
        *("改善（悪化の可能性あり）", "実質的な差なし", "判定保留"),
    ]


PUBLISHED_THEN = ("CHANGELOG.md", "experiments/dropout/README.md")  # shows what was printed then


@pytest.mark.parametrize("page", [page for page in PAGES if page not in JAPANESE], ids=name_of)
def test_a_confidence_interval_is_called_one(page):
    if name_of(page) not in PUBLISHED_THEN:
        assert "95 % interval" not in text(page)


def test_questions_in_japanese_have_full_width_brackets():
    for path in (ROOT / "experiments").glob("*/*.toml"):
        asked = tomllib.loads(path.read_text(encoding="utf-8")).get("question_ja", "")
        assert "(" not in asked, path.name


def test_no_reference_calls_the_champion_by_its_alias_alone():
    assert not re.search(r"(?<![`\w])champion (?:に|は)", text("docs/reference.ja.md"))


@pytest.mark.parametrize("words", ["The rest was confidence", "less sure", "best classifier"])
def test_the_texts_say_overconfidence(words):
    assert words not in text("src/fashion_dropout/texts/en.toml")


@pytest.mark.parametrize("name", ["how-to-read.md", "how-to-read.ja.md"])
def test_the_two_figures_of_the_classes_are_read_together(name):
    section = text(f"docs/{name}").split("### confusion_change")[1].split("### ")[0]
    assert "f1_change" in section
    assert re.search(r"75 (?:fields|個).*?\b6\b|75 個.*?6 個", section, re.DOTALL)


@pytest.mark.parametrize("suffix", ["", ".ja"])
def test_what_a_cluster_costs_and_what_was_never_tried_is_said(suffix):
    page = text(f"docs/team{suffix}.md")
    for said in ("install/size", "tracking/memory", "study/calculated/run", "tensorflow[and-cuda]"):
        assert said in page


@pytest.mark.parametrize("suffix", ["", ".ja"])
def test_the_files_of_the_worked_parameter_are_those_that_have_it(suffix):
    page = text(f"docs/adapt{suffix}.md")
    (said,) = re.findall(r"^.*`weight_decay`.*(?:\n.+)*", page, re.MULTILINE)
    package = ROOT / "src/fashion_dropout"
    having = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if "weight_decay" in path.read_text(encoding="utf-8")
    }
    assert set(re.findall(r"`((?:config|learning)/\w+\.py)`", said)) == having


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_in_a_sentence_or_a_table_can_be_given(page):
    """Its verb and its options; what stands for a value there, as `<host>`, is no value."""
    for span in re.findall(r"`([^`\n]+)`", re.sub("`{3}.*?`{3}", "", text(page), flags=re.DOTALL)):
        words = span.split()
        if "fashion-dropout" in words:
            words = words[words.index("fashion-dropout") + 1 :]
            assert not words or words[0] in cli.commands or words[0][0] in "-<[…", span
        if not words or words[0] not in cli.commands:
            continue
        parameters = cli.commands[words[0]].params
        known = {name for one in parameters for name in (*one.opts, *one.secondary_opts)}
        given = {word.partition("=")[0].rstrip(",;") for word in words if word.startswith("--")}
        assert given <= known | {"--help"}, span


def test_a_misspelt_option_in_a_sentence_is_found(monkeypatch):
    page = ROOT / "docs/records.md"
    changed = text(page).replace("`sync --ended <host>`", "`sync --end <host>`")
    assert changed != text(page)
    monkeypatch.setitem(globals(), "text", lambda name: changed)
    with pytest.raises(AssertionError, match="sync --end <host>"):
        test_every_command_in_a_sentence_or_a_table_can_be_given(page)


@pytest.mark.parametrize("path", sorted((ROOT / "findings").glob("*.sh")), ids=name_of)
def test_a_finding_has_its_form(path):
    """What CONTRIBUTING says: guess, behaviour, version; pinned packages, without this program."""
    written = path.read_text(encoding="utf-8")
    header = re.match(r"#!/usr/bin/env bash\n((?:#.*\n)+)", written)
    assert header
    parts = re.findall(r"^# (\w+): +\S", header[1], re.MULTILINE)
    assert parts == ["Guess", "Behaviour", "Version"]
    assert "set -euo pipefail" in written
    assert "folder=$(mktemp -d)" in written
    assert "fashion" not in written
    installed = re.findall(r"\bpip\b.* install (.+)", written)
    assert installed
    for package in shlex.split(" ".join(installed)):
        assert re.fullmatch(r"[\w.-]+(?:\[\w+\])?==[\d.]+", package), package
    assert path.stat().st_mode & 0o111, "it is run by its name"
