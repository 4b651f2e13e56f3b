# SPDX-License-Identifier: MPL-2.0
"""Line images with NAME.gt.txt, as tesstrain takes them, as a source of low-resolution lines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from ocrmypdf_superres.errors import MissingDependencyError, OptionError, RecognizerError
from ocrmypdf_superres.tesseract import find_traineddata
from ocrmypdf_superres.training.data.files import transcribed
from ocrmypdf_superres.training.data.fonts import installed_fonts
from ocrmypdf_superres.training.data.ocr_lines.build import Sources, build_stream
from ocrmypdf_superres.training.data.ocr_lines.line_pairs import LinePairs
from ocrmypdf_superres.training.data.ocr_lines.rendering import ABOVE, BELOW
from ocrmypdf_superres.training.data.ocr_lines.spelling import as_charset_writes
from ocrmypdf_superres.training.data.ocr_lines.stream import LineStream, StreamSettings

SAID = "the harvest of that year was late, and the carts stood empty"
SIZE = 44


def _face() -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(next(font.path for font in installed_fonts() if "DejaVuSerif.ttf" in font.path), SIZE)


def _line(path: Path, text: str = SAID, paper: int = 255, mode: str = "L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    left, top, right, bottom = (int(edge) for edge in _face().getbbox(text))
    image = Image.new("L", (right - left + 6, bottom - top + 6), paper)
    ImageDraw.Draw(image).text((3 - left, 3 - top), text, fill=20, font=_face())
    image.convert(mode).save(path)
    path.with_name(f"{path.name.split('.')[0]}.gt.txt").write_text(f"{text}\n", encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for book in ("atlas", "bible", "codex"):
        for number in range(2):
            _line(tmp_path / "lines" / book / f"{number}.png", f"{book} {SAID}", 255 if number else 200)
    return tmp_path / "lines"


def test_a_text_belongs_to_the_best_of_its_images(tmp_path: Path) -> None:
    for name in ("a.png", "b.nrm.png", "b.bin.png", "c.bin.tif", "d.png"):
        _line(tmp_path / name)
    (tmp_path / "d.gt.txt").unlink()
    found = [(image.name, text.name) for image, text in transcribed(tmp_path.iterdir())]
    assert found == [("a.png", "a.gt.txt"), ("b.nrm.png", "b.gt.txt"), ("c.bin.tif", "c.gt.txt")]


def test_folders_are_held_out_as_a_whole(folder: Path) -> None:
    train, held = ({line.document for line in LinePairs(folder, held=held).lines} for held in (False, True))
    assert train == {"atlas", "bible"} and held == {"codex"}
    assert len(LinePairs(folder, held=None)) == 6
    for name in ("letter_1.png", "letter_2.png", "register.png"):
        _line(folder / "flat" / name)
    assert {line.document for line in LinePairs(folder / "flat", held=None).lines} == {"letter", "register"}


@pytest.mark.parametrize("mode", ["L", "1", "RGB"])
def test_a_strip_has_the_letters_size_and_paper_around_the_line(tmp_path: Path, mode: str) -> None:
    paper = 255 if mode == "1" else 210
    _line(tmp_path / "a.png", paper=paper, mode=mode)
    lines = LinePairs(tmp_path, held=None)
    _, top, _, bottom = _face().getbbox("x")
    assert lines.own_x_height(0) == pytest.approx(bottom - top, rel=0.2)
    rng = np.random.default_rng(0)
    scale, strip = lines.strip(rng, 6.0, 4)
    assert scale in (3, 4)
    assert strip is not None and strip.x_height == pytest.approx(6.0 * scale)
    assert strip.image.shape[0] == pytest.approx((ABOVE + BELOW) * strip.x_height, rel=0.15)
    inside = strip.image[int(strip.top) : int(strip.bottom), int(strip.left) : int(strip.right)]
    assert inside.min() < 0.4 and strip.image[0, 0] == pytest.approx(paper / 255, abs=0.02)
    # The letters without descenders stand on the baseline.
    assert strip.bottom - strip.baseline == pytest.approx(0.45 * strip.x_height, abs=0.3 * strip.x_height)
    assert lines.strip(rng, 20.0, 4) == (2, None)
    native = lines.native(rng, 14.0)
    assert native is not None and native.x_height == pytest.approx(14.0)


def test_a_line_without_letters_has_no_strip(tmp_path: Path) -> None:
    Image.new("L", (300, 40), 255).save(tmp_path / "a.png")
    (tmp_path / "a.gt.txt").write_text("nothing")
    lines = LinePairs(tmp_path, held=None)
    assert lines.strip(np.random.default_rng(0), 6.0, 4)[1] is None and lines.native(np.random.default_rng(0), 20.0) is None


def test_folders_without_lines_or_for_validation_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no line images"):
        LinePairs(tmp_path)
    _line(tmp_path / "validation" / "a.png")
    with pytest.raises(OptionError, match="validation"):
        LinePairs(tmp_path / "validation")


@pytest.mark.parametrize(
    ("transcribed", "written"),
    [
        ("Jnte⸗\n", "Inte-"),
        ("Eiſen=Jnduſtrie und Berg=", "Eiſen-Induſtrie und Berg-"),
        ("x = 3, Jahr und Jude", "x = 3, Jahr und Jude"),
        ("ſcho\u0364n, „was”", "ſchön, „was“"),
        ("ſah’s — ge—", "ſah's - ge-"),
        ("Geﬂecht, ꝛc.", "Geflecht, rc."),
        ("§ 5", "§ 5"),
    ],
)
def test_texts_are_written_as_a_blackletter_network_writes(transcribed: str, written: str) -> None:
    known = set("abcdefghijklmnopqrstuvwxyzſäöüßABEGIJ.,=-'„“0123456789 ")
    assert as_charset_writes(transcribed, lambda text: set(text) <= known) == written


def test_other_networks_keep_their_signs() -> None:
    assert as_charset_writes("Jnte— a=b ſo „was”", str.isascii) == 'Jnte- a=b so "was"'
    assert as_charset_writes("Jnte— „was”", lambda text: "ſ" not in text) == "Jnte— „was”"


def test_their_share_comes_first_and_lines_that_cannot_be_written_are_left_out(folder: Path, stream: LineStream) -> None:
    pairs = LinePairs(folder, held=None)
    some = LineStream(
        stream.texts, stream.net, lambda text: "bible" in text, 5, settings=StreamSettings(line_pairs=1.0), pairs=pairs
    )
    assert len(pairs) == 2
    lines = [some.line(index) for index in range(6)]
    assert {line.kind for line in lines} == {"scan"} and all("bible" in line.text for line in lines)


def test_lines_without_text_to_render(folder: Path, tmp_path: Path) -> None:
    try:
        find_traineddata("eng")
    except (RecognizerError, MissingDependencyError):
        pytest.skip("the language eng is not installed")
    stream = build_stream("eng", Sources(None, None, tmp_path / "cache", pairs=folder), held=True)
    assert stream.line(0).text == f"codex {SAID}"
    with pytest.raises(OptionError, match="neither"):
        build_stream("eng", Sources(None, None, tmp_path / "cache"))
