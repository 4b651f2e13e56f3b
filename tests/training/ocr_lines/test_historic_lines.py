# SPDX-License-Identifier: MPL-2.0
"""Blackletter, scripts of several languages, and what tables and screens put beside letters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ocrmypdf_superres.errors import MissingDependencyError, OptionError, RecognizerError
from ocrmypdf_superres.recognizers.tesseract.format.traineddata import read_traineddata
from ocrmypdf_superres.tesseract import find_traineddata
from ocrmypdf_superres.training.data.ocr_lines.build import texts_of
from ocrmypdf_superres.training.data.ocr_lines.line_fonts import LineFonts, is_blackletter
from ocrmypdf_superres.training.data.ocr_lines.paper import _screen, add_blank, add_columns
from ocrmypdf_superres.training.data.ocr_lines.rendering import render
from ocrmypdf_superres.training.data.ocr_lines.spelling import (
    COMBINING_E,
    LONG_S,
    as_printed,
    as_written,
    with_combining_e,
    with_long_s,
    with_old_spelling,
)
from ocrmypdf_superres.training.data.ocr_lines.stream import LineStream, StreamSettings
from ocrmypdf_superres.training.data.ocr_lines.texts import TextSource

GERMAN = (
    "Als die Sonne hinter den Häusern versank, saßen sie noch immer am Tisch und sprachen leise von dem Teil der Reise, "
    "den niemand gerne erzählen wollte; das Wasser stieg, und keiner wusste Rat. "
)


@pytest.mark.parametrize(
    ("modern", "printed"),
    [
        ("das ist es", "das iſt es"),
        ("Wasser, sagst", "Waſſer, ſagſt"),
        ("Ausarbeitung ausstehen", "Ausarbeitung ausſtehen"),
        ("Hausfrau und Häuschen", "Hausfrau und Häuschen"),
        ("Maske, Sperling, SEHR", "Maske, Sperling, SEHR"),
        ("daß sprach Schwester", "daß ſprach Schweſter"),
        ("bisweilen, Dasein", "bisweilen, Dasein"),
    ],
)  # fmt: skip
def test_the_long_s_stands_where_print_had_it(modern: str, printed: str) -> None:
    assert with_long_s(modern) == printed
    assert with_long_s(modern).replace(LONG_S, "s") == modern


def test_old_spellings_and_umlauts() -> None:
    assert with_old_spelling("Ein Teil tat bei zwei") == "Ein Theil that bey zwey"
    assert with_combining_e("schön für Äpfel") == f"scho{COMBINING_E}n fu{COMBINING_E}r Äpfel"
    assert as_written(with_combining_e("schön für ähnliche")) == "schön für ähnliche"
    texts = {as_printed("Der Teil SOMMER ist schön", np.random.default_rng(seed)) for seed in range(40)}
    assert len(texts) == 4 and all("Sommer iſt" in text for text in texts)


def test_the_end_of_a_single_text_is_held_out(tmp_path: Path) -> None:
    words = [f"wort{first}{last}" for first in "abcdefghijklmnopqrstuvwxyz" for last in "abcdefghijkl"]
    (tmp_path / "a.txt").write_text(" ".join(words))
    train, held = (TextSource(tmp_path, "deu", held=held) for held in (False, True))
    assert len(held.words) == pytest.approx(len(words) / 6, abs=2)
    assert not set(train.words) & set(held.words)


def test_scripts_have_the_texts_of_their_languages() -> None:
    assert texts_of("frk") == ("deu",)
    assert texts_of("script/Latin") == texts_of("Latin") and {"eng", "pol"} <= set(texts_of("Latin"))
    assert "rus" not in texts_of("Latin") and texts_of("rus") == ("rus",)
    with pytest.raises(OptionError, match=r"'tlh'.*Latin.*frk"):
        texts_of("tlh")


def _german(folder: Path, name: str = "deu") -> TextSource:
    folder = folder / name
    folder.mkdir()
    for part in "ab":
        (folder / f"{part}.txt").write_text(GERMAN * 4, encoding="utf-8")
    return TextSource(folder, "deu")


def test_texts_of_a_script_take_turns(tmp_path: Path, text_folder: Path, stream: LineStream) -> None:
    texts = [TextSource(text_folder, "eng"), _german(tmp_path)]
    both = LineStream(texts, stream.net, lambda text: True, 3, settings=StreamSettings(clean=1.0), own=2)
    said = " ".join(both.line(index).text for index in range(40))
    assert any(word in said for word in ("Sonne", "Wasser", "niemand")) and any(word in said for word in ("orchard", "gardener"))


@pytest.fixture(scope="module")
def fonts() -> LineFonts:
    found = LineFonts()
    if not found.blackletter:
        pytest.skip("no face of blackletter is installed, see examples/install_line_fonts.sh")
    return found


def test_blackletter_is_kept_apart(fonts: LineFonts) -> None:
    assert all(is_blackletter(font) for font in fonts.blackletter)
    assert not any(is_blackletter(font) for font in fonts.print + fonts.mono)
    with pytest.raises(OptionError, match="blackletter"):
        fonts.choose_blackletter(np.random.default_rng(0), "сад")


def test_a_small_e_stands_above_its_vowel(fonts: LineFonts) -> None:
    font = fonts.choose_blackletter(np.random.default_rng(0), "nun")
    plain, marked = (render(text, font, 40.0, [], np.random.default_rng(7)) for text in ("nun nun", f"nu{COMBINING_E}n nun"))
    assert plain is not None and marked is not None
    assert marked.top < plain.top - 8 and marked.text == f"nu{COMBINING_E}n nun"
    assert marked.image.shape == plain.image.shape, "the line is not longer for it"


def test_lines_in_blackletter_say_what_the_network_can_write(tmp_path: Path, stream: LineStream, fonts: LineFonts) -> None:
    settings = StreamSettings(clean=1.0, blackletter=1.0)
    german = LineStream([_german(tmp_path)], stream.net, lambda text: True, 3, settings=settings)
    lines = [german.line(index) for index in range(12)]
    said = " ".join(line.text for line in lines)
    assert LONG_S in said and COMBINING_E not in said
    for name in ("frk", "deu"):
        try:
            charset = read_traineddata(find_traineddata(name)).charset
        except (RecognizerError, MissingDependencyError):
            continue
        assert (LONG_S in charset.decode(charset.encode("iſt"))) == (name == "frk")


def test_rules_between_columns_and_screens() -> None:
    ink = np.zeros((40, 100), np.float32)
    add_columns(ink, [30.0, 99.9], 10.0, np.random.default_rng(0))
    assert (ink.max(axis=0) > 0.3).sum() == 2 and ink[0, 30] == ink[-1, 30] > 0.3
    screens = [_screen((60, 200), 6.0, np.random.default_rng(seed)) for seed in range(6)]
    assert all(screen.min() >= 0 and screen.max() <= 1 and 0.02 < screen.mean() < 0.6 for screen in screens)


def test_a_blank_stands_beside_the_text_and_belongs_to_its_box() -> None:
    box = (100.0, 20.0, 160.0, 40.0)
    sides = set()
    for seed in range(30):
        ink = np.zeros((70, 260), np.float32)
        left, top, right, bottom = add_blank(ink, box, 12.0, 40.0, np.random.default_rng(seed))
        rows, columns = np.nonzero(ink)
        assert top == box[1] and rows.min() > 30 and rows.max() < bottom <= 50
        assert columns.max() < box[0] or columns.min() >= box[2], "letters are not struck out"
        assert left - 0.5 <= columns.min() and columns.max() < right + 0.5 and (left == box[0]) != (right == box[2])
        sides.add(left == box[0])
    assert sides == {False, True}


def test_cells_between_rules_are_close_and_slashes_may_be_hairlines() -> None:
    font = next(font for font in LineFonts().print if "DejaVuSerif.ttf" in font.path)
    widths, dark = [], []
    for seed in range(60):
        strip = render("Sum\t1/2", font, 30.0, [], np.random.default_rng(seed))
        assert strip is not None and strip.text == "Sum 1/2"
        widths.append(strip.right - strip.left)
        dark.append(strip.bottom - strip.top)
    assert min(widths) < 0.75 * np.median(widths)
    assert max(dark) < 3 * 30.0, "a rule does not make the line higher"


def test_letters_that_wore_off_make_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    font = next(font for font in LineFonts().print if "DejaVuSerif.ttf" in font.path)
    arguments = ("worn off", font, 30.0, ["a line above"])
    assert render(*arguments, np.random.default_rng(1)) is not None
    place = "ocrmypdf_superres.training.data.ocr_lines.rendering.wear_letters"
    monkeypatch.setattr(place, lambda ink, x_height, rng: ink * np.float32(0.2))
    assert render(*arguments, np.random.default_rng(1)) is None
