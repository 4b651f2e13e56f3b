# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

pytest.importorskip("torch")
pytest.importorskip("scipy")
pytest.importorskip("rapidfuzz")

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.training.data.fonts import installed_fonts, open_font
from ocrmypdf_superres.training.data.sources.rendered import RenderedSource
from ocrmypdf_superres.training.data.sources.scans import ScanSource, list_pages


def test_rendered_strips_hold_their_line(data_folder):
    source = RenderedSource(data_folder / "text", blank=0.0)
    for seed in range(12):
        sample = source.sample(np.random.default_rng(seed), 48, 2)
        assert sample.source.shape == sample.target.shape == (96, 576)
        assert sample.target.min() >= 0 and sample.target.max() <= 1
        assert sample.box is not None and sample.text
        left, top, right, bottom = sample.box
        assert bottom - top == 48
        line = sample.target[top:bottom, left:right]
        paper = np.quantile(sample.target, 0.95)
        assert (line < paper - 0.1).mean() > 0.02, "the box holds ink"


def test_rendered_strips_repeat_with_their_seed(data_folder):
    source = RenderedSource(data_folder / "text")
    first, second = (source.sample(np.random.default_rng(9), 44, 2) for _ in range(2))
    assert np.array_equal(first.source, second.source) and first.text == second.text


def test_no_text_is_one_sentence(tmp_path):
    with pytest.raises(OptionError, match="no text files"):
        RenderedSource(tmp_path)


def test_a_byte_order_mark_is_not_text(tmp_path):
    (tmp_path / "eng").mkdir()
    (tmp_path / "eng" / "a.txt").write_text("Word " * 60, encoding="utf-8-sig")
    assert set(RenderedSource(tmp_path).words["eng"]) == {"Word"}


def test_scans_are_read_by_tesseract_and_corrected_by_ground_truth(tmp_path):
    lines = ["The harbour was quiet at seven", "and nobody came to the window", "before the bells had stopped"]
    page = Image.new("L", (1100, 500), 235)
    font = next(f for f in installed_fonts() if "DejaVuSerif.ttf" in f.path)
    pen = ImageDraw.Draw(page)
    for row, line in enumerate(lines):
        pen.text((80, 80 + 90 * row), line, fill=20, font=open_font(font.path, font.index, 44))
    page.save(tmp_path / "page.png", dpi=(300, 300))
    # Word for word as Tesseract reads it but for one, which shows whose text is used.
    (tmp_path / "page.gt.txt").write_text("\n".join(lines).replace("quiet", "quiel"), encoding="utf-8")
    (tmp_path / "broken.png").write_bytes(b"no image")
    page.save(tmp_path / "other.png", dpi=(300, 300))
    (tmp_path / "other.gt.txt").write_text("Straße", encoding="latin-1")
    source = ScanSource(tmp_path, tmp_path / "cache")
    assert len(source.pages) == 1
    texts = {source.sample(np.random.default_rng(seed), 48, 2).text for seed in range(30)}
    assert any("quiel" in text for text in texts)
    sample = source.sample(np.random.default_rng(1), 48, 2)
    assert sample.box is not None and sample.box[3] - sample.box[1] == 48
    assert list((tmp_path / "cache").glob("*.tsv"))

    # Ground truth in XML is its text, without the tags.
    words = "".join(f"<TextLine><TextEquiv><Unicode>{line}</Unicode></TextEquiv></TextLine>" for line in lines)
    page_xml = f'<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"><Page><TextRegion>{words}'
    (tmp_path / "page.xml").write_text(f"{page_xml}</TextRegion></Page></PcGts>", encoding="utf-8")
    row = {"image": "page.png", "text": "page.xml", "languages": "eng"}
    (tmp_path / "index.json").write_text(json.dumps([row]), encoding="utf-8")
    found = ScanSource(tmp_path, tmp_path / "cache").pages[0].lines
    assert [" ".join(word.text for word in line) for line in found] == lines


def test_a_damaged_index_is_one_sentence(tmp_path):
    for text in ("{", "[1]", '[{"image": "a.png"}]'):
        (tmp_path / "index.json").write_text(text, encoding="utf-8")
        with pytest.raises(OptionError, match=r"index\.json cannot be used"):
            ScanSource(tmp_path, tmp_path / "cache")


def test_parts_of_an_index_share_no_page(tmp_path):
    rows = [{"image": f"{number}.png", "languages": "eng"} for number in range(10)]
    (tmp_path / "index.json").write_text(json.dumps(rows), encoding="utf-8")
    train, test = ({image.name for image, *_ in list_pages(tmp_path, "eng", tmp_path, part=part)} for part in ("train", "test"))
    assert len(train) == 7 and len(test) == 3 and not train & test


def test_an_empty_scan_folder_is_one_sentence(tmp_path):
    with pytest.raises(OptionError, match="no page images"):
        ScanSource(tmp_path, tmp_path / "cache")


def test_fonts_that_cover_most_words_are_taken_and_none_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "ell").mkdir()
    (tmp_path / "ell" / "book.txt").write_text("και το ποτάμι έμεινε \u2603", encoding="utf-8")
    file = next(f for f in installed_fonts() if "DejaVuSans.ttf" in f.path)
    latin, greek = (replace(file, mono=True, ranges=((0x20, end),)) for end in (0xFF, 0x3FF))
    found = "ocrmypdf_superres.training.data.sources.rendered.installed_fonts"
    monkeypatch.setattr(found, lambda: (latin, greek))
    # A sign that no font has leaves the others to choose by, also where all fonts are monospaced.
    texts = [RenderedSource(tmp_path, blank=0.0).sample(np.random.default_rng(seed), 48, 2).text for seed in range(3)]
    assert all("\u2603" not in text for text in texts) and any("ποτάμι" in text for text in texts)
    monkeypatch.setattr(found, lambda: (latin,))
    with pytest.raises(OptionError, match="No installed font covers words such as"):
        RenderedSource(tmp_path, blank=0.0).sample(np.random.default_rng(0), 48, 2)
