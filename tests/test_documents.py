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
        assert found[0] == found[1], pattern
    values = [sorted(re.findall(r"<!-- (\S+: .*?) -->", page)) for page in (one, other)]
    shown = [[value for value in named if "TODO" not in value] for named in values]
    assert shown[0] == shown[1]


@pytest.mark.parametrize("readme", ["README.md", "README.ja.md"])
def test_a_readme_is_read_in_a_minute(readme):
    assert len(text(readme).splitlines()) <= 150
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
    assert re.findall(r'<img src="([^"]*)"', report) == list(published["figures"]), write_again
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
