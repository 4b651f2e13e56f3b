# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from ocrmypdf_superres.errors import MissingDependencyError, OptionError, RecognizerError
from ocrmypdf_superres.recognizers.tesseract.format.traineddata import read_traineddata
from ocrmypdf_superres.tesseract import find_traineddata
from ocrmypdf_superres.training.data.ocr_lines.templates import Templates, languages
from ocrmypdf_superres.training.data.ocr_lines.texts import COMMON_SIGNS, KINDS, TextSource, split_files

LANGUAGES = ["ces", "dan", "deu", "eng", "fra", "hun", "ita", "nld", "pol", "por", "rus", "slk", "spa", "swe", "ukr"]


def test_there_are_templates_for_these_languages():
    assert languages() == LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_template_can_be_filled(language):
    templates = Templates(language, ["Garten", "morning", "été", "сад"])
    rng = np.random.default_rng(0)
    lists = [name for name, value in templates.lists.items() if isinstance(value, list)]
    assert {"date", "amount", "name", "address", "phone", "label", "ware", "note", "fraction"} <= set(lists)
    for name in lists:
        for template in templates.lists[name]:
            filled = templates._filled(template, rng, 0)
            assert filled, name
            assert "{" not in filled and "}" not in filled, name
    for line in (templates.row, templates.receipt, templates.field, templates.letter_head):
        assert all(line(rng).strip() for _ in range(50))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_languages_own_network_can_write_its_templates(language):
    try:
        charset = read_traineddata(find_traineddata(language)).charset
    except (RecognizerError, MissingDependencyError):
        pytest.skip(f"the language {language} is not installed")
    words = {"rus": ["человек", "сад"], "ukr": ["людина", "сад"]}.get(language, ["garden", "morning"])
    templates = Templates(language, words)
    rng = np.random.default_rng(1)
    refused = 0
    for _ in range(300):
        try:
            charset.encode(templates.field(rng).replace("\t", " "))
        except RecognizerError:
            refused += 1
    assert refused < 60


def test_unknown_languages_are_refused_by_name():
    with pytest.raises(OptionError, match=r"'enk'.*eng"):
        Templates("enk", ["word"])


def test_held_out_texts_are_of_other_files(text_folder):
    train, held = TextSource(text_folder, "eng"), TextSource(text_folder, "eng", held=True)
    assert "orchard" in train.words and "orchard" not in held.words
    assert "lighthouse" in held.words and "lighthouse" not in train.words


def test_every_sixth_file_is_held_out():
    paths = [Path(f"{letter}.txt") for letter in "mlkjihgfedcba"]
    train, held = split_files(paths)
    assert [path.stem for path in held] == ["f", "l"]
    assert len(train) == 11 and not set(train) & set(held)
    assert split_files(paths[:1]) == ([Path("m.txt")], [])


@pytest.mark.parametrize("length", [8, 30, 64])
def test_lines_are_of_all_kinds_and_not_longer_than_asked(text_folder, length):
    source = TextSource(text_folder, "eng")
    rng = np.random.default_rng(3)
    lines = [source.line(rng, length) for _ in range(400)]
    assert {kind for _, kind in lines} == set(KINDS)
    assert max(len(text) for text, _ in lines) <= length


def test_all_signs_that_a_recognizer_can_write_are_among_words(text_folder):
    source = TextSource(text_folder, "eng", signs=["=", "(", ")", "‡"])
    rng = np.random.default_rng(5)
    text = " ".join(source._signs(rng, 60) for _ in range(200))
    assert {"=", "(", ")", "‡"} <= set(text)
    assert "(" in text and re.search(r"\(\w+\)", text) and re.search(r"\w = \w", text)
    usual = " ".join(TextSource(text_folder, "eng")._signs(rng, 60) for _ in range(600))
    assert set(COMMON_SIGNS) <= set(usual)


def test_underscores_stand_in_identifiers_only(text_folder):
    (text_folder / "blanks.txt").write_text("name ____ of_a ___ person " * 20, encoding="utf-8")
    source = TextSource(text_folder, "eng", whole=True)
    rng = np.random.default_rng(6)
    assert not any("_" in source._prose(rng, 60) for _ in range(200))
    signs = " ".join(source._signs(rng, 60) for _ in range(200))
    assert re.search(r"[a-z]_[a-z]+@[a-z]+\.com", signs) and re.search(r"[a-z]_[a-z]+\.pdf", signs)


def test_a_dictionary_takes_the_place_of_the_vocabulary(text_folder):
    source = TextSource(text_folder, "eng", dictionary=["zebra", "quagga"])
    assert set(source._words(np.random.default_rng(0), 40).lower().split()) <= {"zebra", "quagga"}


def test_a_folder_without_text_is_refused(tmp_path):
    with pytest.raises(OptionError, match="too little text"):
        TextSource(tmp_path, "eng")


def test_a_byte_order_mark_is_not_a_word(tmp_path):
    (tmp_path / "a.txt").write_text("Word " * 60, encoding="utf-8-sig")
    assert set(TextSource(tmp_path, "eng").words) == {"Word"}
