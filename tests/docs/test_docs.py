# SPDX-License-Identifier: MPL-2.0
"""The documentation: it builds without a warning, lists what there is, and its commands and snippets run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import docs_pages
import figures
import pytest
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
NOT_RUN = re.compile(r"<!-- not run: (.+) -->")
# Pages whose snippets take minutes, as they train.
SLOW = {"training.md", "archives.md"}


@dataclass(frozen=True)
class Snippet:
    """A fenced block: its page, first line, language and text; *reason* where it is not run."""

    page: Path
    line: int
    language: str
    text: str
    reason: str


def snippets(page: Path) -> list[Snippet]:
    """Return the fenced blocks of *page*, in order."""
    found = []
    lines = page.read_text(encoding="utf-8").splitlines()
    index = 0
    while index < len(lines):
        opening = re.fullmatch(r"```(\w*)", lines[index])
        if opening is None:
            index += 1
            continue
        end = lines.index("```", index + 1)
        reason = NOT_RUN.fullmatch(lines[index - 1]) if index else None
        found.append(Snippet(page, index + 1, opening[1], "\n".join(lines[index + 1 : end]), reason[1] if reason else ""))
        index = end + 1
    return found


PAGES = sorted(page for page in DOCS.glob("*.md") if any(block.language in ("sh", "python") for block in snippets(page)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files that the snippets name."""
    sample = ROOT / "examples" / "sample-72dpi.pdf"
    shutil.copy(sample, tmp_path / "in.pdf")
    page = Image.new("L", (620, 300), 255)
    ImageDraw.Draw(page).text((40, 40), "A short letter about the river", font=ImageFont.load_default(14), fill=0)
    page.save(tmp_path / "page.png")
    for name in ("line1.png", "line2.png"):
        page.crop((30, 30, 330, 70)).save(tmp_path / name)
    (tmp_path / "IN").mkdir()
    shutil.copy(sample, tmp_path / "IN" / "a.pdf")
    page.save(tmp_path / "IN" / "b.tif", dpi=(100, 100))
    return tmp_path


@pytest.mark.parametrize(
    "page", [pytest.param(page, id=page.stem, marks=[pytest.mark.slow] if page.name in SLOW else []) for page in PAGES]
)
@pytest.mark.timeout(900)
def test_snippets_run(page: Path, folder: Path) -> None:
    """Run the page's commands one after the other in one folder, as a reader does."""
    places = [Path(sys.executable).parent, *os.environ["PATH"].split(os.pathsep)]
    environment = {**os.environ, "PATH": os.pathsep.join(map(str, places)), "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    for block in snippets(page):
        if block.reason or block.language not in ("sh", "python"):
            continue
        command = ["bash", "-euo", "pipefail", "-c", block.text] if block.language == "sh" else [sys.executable, "-c", block.text]
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"{page.name}, line {block.line}:\n{block.text}\n{done.stdout}\n{done.stderr}"


def test_every_block_says_its_language_or_why_it_is_not_run() -> None:
    for page in DOCS.rglob("*.md"):
        for block in snippets(page):
            assert block.language in ("sh", "python", "toml", "json", "text"), f"{page.name}, line {block.line}"


@pytest.mark.parametrize("page", docs_pages.WRITTEN, ids=lambda page: page.stem)
def test_pages_that_follow_the_code_are_up_to_date(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == docs_pages.WRITTEN[page](), "run: python tests/tools/docs_pages.py"


@pytest.mark.parametrize("page", [page for page in figures.PAGES if page.name != "options.md"], ids=lambda page: page.stem)
def test_every_figure_is_in_a_file_that_a_command_wrote(page: Path) -> None:
    assert not figures.unproved(page), "see docs/figures.md and tests/tools/figures.py"


def test_a_figure_that_no_file_has_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("It misses 8.19 % of the words.\n\n<!-- figures: docs/results/lowres.md -->\nIt misses 99.87 % now.\n")
    assert [line.partition(":")[0] for line in figures.unproved(page)] == ["no mark before", "99.87 % is not in figures"]
    page.write_text("<!-- table: docs/results/lowres.md | pages: CER [95 % interval] -->\n<!-- end -->\n")
    assert "| ehri_lowres_typewriter (9) |" in figures.filled(page)


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocstrings", reason="needs the extra [docs]")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    index = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    # Nothing is fetched from elsewhere when a page is read.
    assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"https?://", index)


def test_the_table_of_languages_names_the_tuned_networks() -> None:
    page = (DOCS / "languages.md").read_text(encoding="utf-8")
    for folder in (ROOT / "models" / "recognizers").iterdir():
        if folder.is_dir():
            assert f"`{folder.name}`" in page or f"`script/{folder.name}`" in page, folder.name


def test_messages_that_troubleshooting_starts_from_are_messages() -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "ocrmypdf_superres").rglob("*.py"))
    others = ("resolution (DPI) is not credible", "No module named", "does not have language data", "turned by 9 degrees")
    for line in (DOCS / "troubleshooting.md").read_text(encoding="utf-8").splitlines():
        found = re.match(r"\| `([^`]+)`", line)
        if found and not found[1].startswith(others):
            assert found[1] in sources, found[1]


def test_every_file_of_results_has_its_command_on_the_page_of_figures() -> None:
    page = (DOCS / "figures.md").read_text(encoding="utf-8")
    for path in (DOCS / "results").iterdir():
        assert path.name in page, path.name
