"""Build the documentation site from the Markdown files of the repository, in both languages.

    uv run --isolated --only-group docs python .ci/build_site.py              into site/
    uv run --isolated --only-group docs python .ci/build_site.py <folder>     into another folder

The files stay as GitHub shows them. They are copied to a folder where their links fit a site: a
link to what is no page leads to the repository. MkDocs builds that folder once in each language, so
that each has its own search; a page without a translation is shown in English. Equations become
MathML, which needs no script, and Mermaid is copied from a pinned package: no page fetches anything
from another host.
"""

from __future__ import annotations

import hashlib
import html
import importlib.metadata
import logging
import os
import posixpath
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

import address
from math_core import LatexToMathML
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort
from pymdownx.slugs import slugify
from pymdownx.superfences import fence_div_format

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = ROOT / ".ci/mkdocs.yml"
LANGUAGES = {"en": "English", "ja": "日本語"}
PICTURES = (".png", ".svg", ".jpg")
# Mermaid 11.16.0, dist/mermaid.min.js, as its makers publish it on npm; mermaidx brings it along.
MERMAID = "mermaidx/assets/mermaid.js"
MERMAID_SHA256 = "74d7c46dabca328c2294733910a8aa1ed0c37451776e8d5295da38a2b758fb9b"
DRAW = """<script>
mermaid.initialize({startOnLoad: false, theme: "neutral", fontFamily: "inherit",
  flowchart: {nodeSpacing: 20, rankSpacing: 28, padding: 10}});
document.fonts.ready.then(() => mermaid.run({querySelector: ".diagram"}));
</script>"""
# Stands for a page in the other language until its address relative to the linking page is known.
OTHER = "https://other-language.invalid"


class Listed(NamedTuple):
    """A page, by its English file, and its name in the site's menu."""

    path: str
    en: str
    ja: str


PAGES = (
    Listed("README.md", "Home", "ホーム"),
    Listed("docs/how-to-read.md", "How to read", "読み方"),
    Listed("docs/glossary.md", "Glossary", "用語集"),
    Listed("docs/keras-fit.md", "Coming from Keras fit", "Keras の fit から来た人へ"),
    Listed("docs/method.md", "Method", "方法"),
    Listed("experiments/dropout/README.md", "The study", "本実験（英語）"),
    Listed("docs/judge.md", "Judge your own numbers", "手元の数値を判定する"),
    Listed("docs/reference.md", "Reference", "リファレンス"),
    Listed("docs/records.md", "Records", "記録"),
    Listed("docs/paper.md", "For a paper", "論文のために"),
    Listed("docs/use-the-model.md", "Use the model", "モデルを使う"),
    Listed("docs/adapt.md", "Adapt it", "改造する"),
    Listed("docs/own-images.md", "Your own images", "自分の画像を使う"),
    Listed("docs/team.md", "Team and cluster", "チームとクラスター"),
    Listed("docs/reproducibility.md", "Reproducibility", "再現性"),
    Listed("docs/reliability.md", "Reliability", "信頼性"),
    Listed("docs/troubleshooting.md", "Troubleshooting", "トラブルシューティング"),
    Listed("SECURITY.md", "Security", "セキュリティ（英語）"),
    Listed(
        "experiments/variance/README.md", "Where the spread comes from", "ばらつきの要因（英語）"
    ),
    Listed("experiments/README.md", "All studies", "すべての比較実験（英語）"),
    Listed("experiments/regularizers/README.md", "Regularizers", "正則化の比較（英語）"),
    Listed("experiments/accuracy/README.md", "Accuracy", "正解率（英語）"),
    Listed("deploy/README.md", "Server and cluster", "サーバーとクラスターの設定"),
    Listed("benchmarks/README.md", "Benchmarks", "ベンチマーク（英語）"),
    Listed("benchmarks/results/peers-avx512.md", "Benchmark results", "ベンチマークの結果（英語）"),
    Listed(
        "benchmarks/results/peers-avx2.md",
        "Benchmark results, AVX2",
        "ベンチマークの結果、AVX2（英語）",
    ),
    Listed("data/fashion-mnist/README.md", "The data", "データ（英語）"),
    Listed("findings/README.md", "Findings", "ほかのソフトウェアの意外な挙動（英語）"),
    Listed("CONTRIBUTING.md", "Contributing", "開発の進め方（英語）"),
    Listed("CHANGELOG.md", "Changes", "変更履歴（英語）"),
)
STUDY = [page.en for page in PAGES].index("The study")
# The report of the published study, one HTML file in each language, is shown as it is.
REPORTS = {"en": "report.html", "ja": "report.ja.html"}
REPORT_NAMES = {"en": "Report (all figures)", "ja": "レポート（すべての図）"}
PUBLISHED = "experiments/dropout/full"
# The theme finds words in Japanese pages, but takes what a reader asks for as one word. So both are
# also cut where a run of katakana begins or ends, and where a kanji follows another character.
KANJI, KATAKANA = "\u3005\u4e00-\u9fff", "\u30a1-\u30fa\u30fc"
CUTS = (
    r"[\s\-\u3000、。,.()（）「」]+",
    f"(?<=[{KATAKANA}])(?=[^{KATAKANA}])",
    f"(?<=[^{KATAKANA}])(?=[{KATAKANA}])",
    f"(?<=[^{KANJI}])(?=[{KANJI}])",
)
SEARCH = {"en": {"lang": "en"}, "ja": {"lang": "ja", "separator": "|".join(CUTS)}}
EXTENSIONS = {
    "tables": {},
    "sane_lists": {},
    "toc": {"permalink": True, "slugify": slugify(case="lower"), "toc_depth": 3},
    "pymdownx.betterem": {},
    "pymdownx.highlight": {},
    "pymdownx.arithmatex": {"generic": True},
    "pymdownx.superfences": {
        "custom_fences": [{"name": "mermaid", "class": "diagram", "format": fence_div_format}]
    },
}
CODE = re.compile(r"(```.*?```|`[^`\n]*`)", re.DOTALL)
LINK = re.compile(r"(!?\[(?:[^\[\]]|!\[[^\]]*\]\([^)]*\))*\])\(([^)\s]+)\)")


def source_of(page: str, language: str) -> str:
    """The file that shows a page in a language: its translation, or the English one."""
    translated = page.replace(".md", f".{language}.md")
    return translated if (ROOT / translated).is_file() else page


def address_of(page: str, language: str) -> str:
    """The folder of a page in the built site, relative to its root; empty for the first page."""
    folder = page.removesuffix("README.md").removesuffix(".md").strip("/")
    return posixpath.join("" if language == "en" else language, folder)


def from_folder(address: str, folder: str) -> str:
    """A site address relative to a page's folder; both are relative to the root of the site."""
    return posixpath.relpath(f"/{address}", f"/{folder}") + "/"


class Language:
    """The Markdown of one language, made ready for MkDocs."""

    def __init__(self, language: str, folder: Path, repository: str) -> None:
        self.language = language
        self.folder = folder
        self.repository = repository
        self.pages = {source_of(page.path, language): page.path for page in PAGES}
        self.anywhere = {
            source_of(page.path, of): (page.path, of) for of in LANGUAGES for page in PAGES
        }

    def copy(self) -> None:
        """Copy every page, and what it shows."""
        for source, page in self.pages.items():
            text = (ROOT / source).read_text(encoding="utf-8")
            target = self.folder / page
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(self.as_page(text, source), encoding="utf-8")
        shutil.copyfile(SETTINGS.with_name("site.css"), self.folder / "site.css")

    def keep(self, path: str) -> None:
        """Copy a file as it is, a page with the pictures that stand beside it."""
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, self.folder / path)
        if path.endswith(".html"):
            for name in re.findall(r'src="([^":]+)"', (ROOT / path).read_text(encoding="utf-8")):
                self.keep(f"{posixpath.dirname(path)}/{name}")

    def as_page(self, text: str, source: str) -> str:
        """A page's text with links that fit the site, without the marks that `publish` needs."""
        text = text.replace(") [![", ") · [![")
        text = address.filled(text, self.repository)
        parts = CODE.split(text)
        parts[::2] = [
            LINK.sub(
                lambda found: self.link(found[1], found[2], source), re.sub("<!--.*?-->", "", part)
            )
            for part in parts[::2]
        ]
        return "".join(parts)

    def link(self, label: str, target: str, source: str) -> str:
        """One link or picture of a page."""
        if label.startswith("[!["):  # a badge, a picture of another host: its words are shown
            label = f"[{label[3 : label.index(']')]}]"
        if re.match(r"https?:|#", target):
            return f"{label}({target})"
        path, _, anchor = unquote(target).partition("#")
        if path.startswith("../../actions/"):  # GitHub's own page
            return f"{label}({self.repository}/{path.removeprefix('../../')})"
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        anchor = f"#{anchor}" if anchor else ""
        here = posixpath.dirname(self.pages[source]) or "."
        if path in self.pages:
            return f"{label}({posixpath.relpath(self.pages[path], here)}{anchor})"
        if path in self.anywhere:
            page, language = self.anywhere[path]
            return f"{label}({OTHER}/{address_of(page, language)}{anchor})"
        if (path.endswith(PICTURES) and label.startswith("!")) or path.endswith(".html"):
            self.keep(path)
            return f"{label}({posixpath.relpath(path, here)})"
        if not (ROOT / path).exists():
            raise SystemExit(
                f"{source}: expected a file of the repository, received the link {target}"
            )
        kind = "tree" if (ROOT / path).is_dir() else "blob"
        return f"{label}({self.repository}/{kind}/main/{quote(path)}{anchor})"

    def build(self, output: Path) -> None:
        """Let MkDocs build the copied pages, with every warning an error."""
        nav: list[dict[str, object]] = [{getattr(page, self.language): page.path} for page in PAGES]
        if (report := ROOT / PUBLISHED / REPORTS[self.language]).is_file():
            nav.insert(
                STUDY + 1, {REPORT_NAMES[self.language]: f"{PUBLISHED}/{REPORTS[self.language]}"}
            )
            self.keep(str(report.relative_to(ROOT)))
        owner, name = self.repository.removeprefix("https://github.com/").split("/")
        root = address_of("", self.language)
        config = load_config(
            str(SETTINGS),
            docs_dir=str(self.folder),
            site_dir=str(output / root),
            site_url=posixpath.join(f"https://{owner}.github.io/{name}", root, ""),
            repo_url=self.repository,
            nav=nav,
            markdown_extensions=[{name: options} for name, options in EXTENSIONS.items()],
            plugins=[{"search": SEARCH[self.language]}],
            extra={
                "alternate": [
                    {"name": shown, "link": f"{OTHER}/{language}", "lang": language}
                    for language, shown in LANGUAGES.items()
                ]
            },
        )
        config.theme["language"] = self.language
        config.plugins.on_startup(command="build", dirty=False)
        build(config)
        config.plugins.on_shutdown()


def as_mathml(page: str) -> str:
    r"""Turn the equations that Arithmatex marks, ``\(…\)`` and ``\[…\]``, into MathML."""
    equations = LatexToMathML()
    for tag, opening, closing in (("span", "(", ")"), ("div", "[", "]")):
        marked = rf'<{tag} class="arithmatex">\\\{opening}(.*?)\\\{closing}</{tag}>'
        for found in reversed(list(re.finditer(marked, page, re.DOTALL))):
            latex = html.unescape(found[1]).strip()
            mathml = equations.convert_with_local_state(latex, displaystyle=tag == "div")
            page = page[: found.start()] + mathml + page[found.end() :]
    return page


def finish(output: Path, name: str) -> None:
    """Add Mermaid to the built site, and finish every page of it."""
    mermaid = Path(
        str(importlib.metadata.distribution("mermaidx").locate_file(MERMAID))
    ).read_bytes()
    if (received := hashlib.sha256(mermaid).hexdigest()) != MERMAID_SHA256:
        raise SystemExit(f"{MERMAID}: expected SHA-256 {MERMAID_SHA256}, received {received}")
    (output / "assets/mermaid.js").write_bytes(mermaid)
    for path in sorted(output.rglob("*.html")):
        path.write_text(
            finished(path.read_text(encoding="utf-8"), path.relative_to(output), name),
            encoding="utf-8",
        )


def finished(page: str, path: Path, name: str) -> str:
    """One page with its equations, its diagrams and its links to the other language."""
    folder = path.parent.as_posix().removeprefix(".")
    own = folder.removeprefix("ja").strip("/") if path.parts[0] == "ja" else folder
    # The theme's switch leads to the first page of a language; this makes it lead to the same page.
    for language in LANGUAGES:
        same = from_folder(address_of(own, language), folder)
        if path.name == "404.html":  # shown at any address of the host
            same = f"/{name}/{address_of('', language)}"
        page = page.replace(f'href="{OTHER}/{language}"', f'href="{same}"')
    page = re.sub(
        rf'href="{OTHER}/([^"#]*)', lambda found: f'href="{from_folder(found[1], folder)}', page
    )
    # For these, the theme's script would ask GitHub for stars, and each folder for a site map.
    page = page.replace(' data-md-component="source"', "")
    page = re.sub('<link rel="alternate"[^>]*>', "", page)
    if (
        'class="diagram"' in page
    ):  # drawn by our own lines: the theme hides its drawings from others
        source = posixpath.relpath("/assets/mermaid.js", f"/{folder}")
        page = page.replace("</body>", f'<script src="{source}"></script>{DRAW}</body>', 1)
    # Long paths may be broken where a reader would break them.
    page = re.sub(
        r"(?<=<code>)[\w/.:-]{25,}(?=</code>)",
        lambda found: re.sub("/|::|_", r"\g<0><wbr>", found[0]),
        page,
    )
    return as_mathml(page)


def broken_links(output: Path) -> list[str]:
    """The links and files of the built pages that lead nowhere within the site."""
    wrong = []
    for path in sorted(output.rglob("*.html")):
        if path.name == "404.html":
            continue  # its addresses begin at the root of the host
        page = path.read_text(encoding="utf-8")
        if OTHER in page or 'class="arithmatex"' in page:
            wrong.append(f"{path}: an address or an equation is left as it was")
        for tag, target in re.findall(r'<(\w+)\s[^>]*?(?:href|src)="([^"]*)"', page):
            parts = urlsplit(html.unescape(target))
            if parts.scheme or parts.netloc:
                if tag not in ("a", "link") or parts.scheme == "http":
                    wrong.append(f"{path}: {tag} fetches {target}")
                continue
            aim = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if aim.is_dir():
                aim /= "index.html"
            if not aim.is_file():
                wrong.append(f"{path}: {target}")
            elif parts.fragment and aim.suffix == ".html":
                anchor = html.escape(unquote(parts.fragment))
                if f'id="{anchor}"' not in aim.read_text(encoding="utf-8"):
                    wrong.append(f"{path}: {target}")
    return wrong


def main() -> None:
    """Build both languages, finish the pages, and check every link."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    output = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "site").resolve()
    repository = address.address()
    if running_in := os.environ.get("GITHUB_REPOSITORY"):
        repository = f"https://github.com/{running_in}"
    listed = {source_of(page.path, language) for page in PAGES for language in LANGUAGES}
    found = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    if found - listed:
        raise SystemExit(f"expected every page of docs/ in PAGES, not: {sorted(found - listed)}")
    shutil.rmtree(output, ignore_errors=True)
    for language in LANGUAGES:
        with tempfile.TemporaryDirectory() as folder:
            pages = Language(language, Path(folder), repository)
            pages.copy()
            try:
                pages.build(output)
            except Abort as error:
                raise SystemExit(f"the site was not built: {error}") from error
    finish(output, repository.rpartition("/")[2])
    if wrong := broken_links(output):
        raise SystemExit("expected links that lead somewhere, received:\n" + "\n".join(wrong))
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    print(f"{len(list(output.rglob('*.html')))} pages, {size / 2**20:.1f} MiB, in {output}")


if __name__ == "__main__":
    main()
