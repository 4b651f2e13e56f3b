# SPDX-License-Identifier: MPL-2.0
"""The package uses the words of CONTRIBUTING.md's table: in names, docstrings, comments and messages."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "ocrmypdf_superres"

# What is not written -> what is. Names are cut at underscores and capitals before they are searched.
REPLACED = {
    r"pictures?": "image",
    r"teach(?:es|ers|ing)?|teacher(?! forcing)|taught": "train",
    r"judge[sd]?|judging|judgements?": "evaluate, score or compare",
    r"draw(?:s|n|er|ers|ing|ings)?|drew": "super-resolve, predict or sample",
    r"(?:thin|thins|thinned) out": "non-maximum suppression",
    r"chances": "probabilities",
    r"held[ -]back": "held-out",
    r"contact sheets?": "sample grid",
    r"(?<!left )behind": "after",
    r"(?<!there )(?:is|are|was|were) no(?! (?:longer|more|\w+er)\b)": "is not a",
    r"as (?:it|they) came": "original",
    r"whoever": "a sentence with a subject",
    r"readers?": "recognizer (reads a line) or engine (reads a page)",
    r"stash|unstash|unrest": "save, load, unstable",
    r"forms of (?:a|the) page": "variants of the page",
    r"key strokes?": "keystroke",
    r"needle printers?": "dot-matrix printer",
    r"afresh|anew": "again",
    r"in vain": "without need, or without effect",
    r"and the like": "the names of the others",
    r"brought (?:to|near) (?:a|the|one|\*?size)": "resized or scaled to",
    r"stays? so": "stays what it is",
    r"blackletter faces?|faces? of (?:blackletter|this machine)": "font",
}  # fmt: skip

# (beginning of a file's path, beginning of the word) -> why the word is right there.
ALLOWED = {
    ("ocr/engines/easyocr.py", "reader"): "EasyOCR calls its class so",
    ("plugin/pixels/native_image.py", "draw"): "a PDF draws an image at a size",
    ("plugin/", "reader"): "PageReader reads a page through an engine",
    ("recognizers/tesseract/format/", "reader"): "it reads the bytes of a file",
    ("reporting/", "draw"): "lines and bars of a chart",
    ("examples/make_sample.py", "readers"): "people, in the letter that is rendered",
}

THEIRS = {"ImageDraw", "Draw", "DictReader"}  # names of Pillow and csv
ANY = re.compile("|".join(rf"\b(?:{word})\b" for word in REPLACED), re.IGNORECASE)


def words_of(text: str) -> str:
    """Return *text* with spaces where the words of its names begin: ``thin_out`` and ``thinOut`` as ``thin out``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|_+", " ", text)


def allowed(place: str, word: str) -> bool:
    return any(place.startswith(start) and word.lower().startswith(begin) for start, begin in ALLOWED)


def uses(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, word) for each use of a replaced word in the names, strings and comments of *path*."""
    source = io.StringIO(path.read_text(encoding="utf-8"))
    for token in tokenize.generate_tokens(source.readline):
        if token.type in (tokenize.NAME, tokenize.STRING, tokenize.COMMENT) and token.string not in THEIRS:
            text = words_of(token.string)
            for hit in ANY.finditer(text):
                yield token.start[0] + text.count("\n", 0, hit.start()), hit[0]


def place_of(path: Path) -> str:
    return path.relative_to(PACKAGE if PACKAGE in path.parents else PACKAGE.parent).as_posix()


def findings(path: Path) -> list[str]:
    here = place_of(path)
    found = []
    for line, word in uses(path):
        if not allowed(here, word):
            better = next(new for old, new in REPLACED.items() if re.fullmatch(old, word, re.IGNORECASE))
            found.append(f"{here}:{line}: {word!r}; better: {better}")
    return found


CODE = sorted([*PACKAGE.rglob("*.py"), *(PACKAGE.parent / "examples").rglob("*.py")])


@pytest.mark.parametrize("path", CODE, ids=place_of)
def test_words(path):
    found = findings(path)
    assert not found, "\n".join(found)


# The list of changes names what was replaced; results and models' pages are written from files of their time.
PROSE = sorted(
    path
    for folder in ("", "docs", "examples")
    for path in (PACKAGE.parent / folder).glob("*.md" if folder != "examples" else "**/*.md")
    if path.name not in ("CHANGELOG.md", "CONTRIBUTING.md")
)
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("path", PROSE, ids=lambda path: path.relative_to(PACKAGE.parent).as_posix())
def test_words_of_the_documentation(path):
    prose = FENCED.sub("", path.read_text(encoding="utf-8"))
    hits = {hit[0] for hit in ANY.finditer(prose) if not hit[0].endswith(" no")}
    assert not hits, f"see the table in CONTRIBUTING.md: {sorted(hits)}"


def test_names_of_files():
    names = [path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*") if "__pycache__" not in path.parts]
    assert [name for name in names if (hit := ANY.search(words_of(name))) and not allowed(name, hit[0])] == []


@pytest.mark.parametrize(("place", "begin"), ALLOWED)
def test_every_exception_is_still_needed(place, begin):
    files = [path for path in CODE if place_of(path).startswith(place)]
    assert any(word.lower().startswith(begin) for path in files for _, word in uses(path))
