# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")
pytest.importorskip("scipy")

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.training.data.files import find_scans, open_scan, page_image, spread
from ocrmypdf_superres.training.data.split import split_scans


def image(seed: int, size: tuple[int, int] = (400, 560)) -> Image.Image:
    levels = np.random.default_rng(seed).integers(0, 256, (size[1] // 8, size[0] // 8), dtype=np.uint8)
    return Image.fromarray(levels).resize(size, Image.Resampling.NEAREST)


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Two letters of two pages, a PDF and a TIFF of three pages each, a file that is none, and a small page."""
    folder = tmp_path / "scans"
    (folder / "letters").mkdir(parents=True)
    for number, name in enumerate(("a_01.png", "a_02.png", "b 1.jpg", "b 2.jpg")):
        image(number).save(folder / "letters" / name, dpi=(200, 200))
    for name, options in (("book.pdf", {"resolution": 240}), ("film.tif", {"dpi": (300, 300)})):
        pages = [image(10 + number) for number in range(3)]
        pages[0].save(folder / name, save_all=True, append_images=pages[1:], **options)
    image(20).save(folder / "small.png", dpi=(96, 96))
    (folder / "bad.png").write_bytes(b"no image")
    (folder / "bad.pdf").write_bytes(b"no pdf")
    (folder / "notes.doc").write_bytes(b"not looked at")
    return folder


def test_all_forms_are_found_with_document_and_resolution(scans):
    pages, unreadable = find_scans(scans)
    assert len(pages) == 11 and len(unreadable) == 2
    documents = {page.document for page in pages}
    assert documents == {str(Path("letters/a")), str(Path("letters/b")), "book.pdf", "film.tif", "small"}
    dpi = {page.document: page.dpi for page in pages}
    assert dpi["book.pdf"] == pytest.approx(240, abs=1) and dpi["film.tif"] == 300 and round(dpi["small"]) == 96


def test_a_pdf_and_a_tiff_give_back_their_pages(scans, tmp_path):
    pages, _ = find_scans(scans)
    for name in ("book.pdf", "film.tif"):
        second = next(page for page in pages if page.document == name and page.index == 1)
        levels = np.asarray(open_scan(second), dtype=np.int16)
        wanted = np.asarray(image(11), dtype=np.int16)
        assert levels.shape == wanted.shape
        # The PDF's image is a JPEG.
        assert np.abs(levels - wanted).mean() < 8
        alone = page_image(second, tmp_path / "pages")
        assert alone.parent == tmp_path / "pages" and Image.open(alone).size == (400, 560)
    single = next(page for page in pages if page.single)
    assert page_image(single, tmp_path / "pages") == single.path


def test_documents_are_never_split(scans):
    split = split_scans(scans)
    sides = {page.document for page in split.learnt}, {page.document for page in split.held_out}
    assert not sides[0] & sides[1] and all(sides)
    assert split.small == 1 and len(split.unreadable) == 2 and split.documents == 4
    assert [p.name for p in split_scans(scans).held_out] == [p.name for p in split.held_out]


def test_one_document_is_split_by_pages(tmp_path):
    pages = [image(number) for number in range(10)]
    pages[0].save(tmp_path / "book.tif", save_all=True, append_images=pages[1:], dpi=(300, 300))
    split = split_scans(tmp_path)
    assert len(split.learnt) == 8 and len(split.held_out) == 2


def test_transcribed_pages_among_many_are_split_alone(tmp_path):
    for number in range(200):
        for document in "abc":
            if number < 3 or document == "c":
                image(number).save(tmp_path / f"{document}_{number:03d}.png", dpi=(300, 300))
    for name in ("a_000", "b_001"):
        (tmp_path / f"{name}.gt.txt").write_text("text")
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "b_000.xml").write_text(
        '<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"/>'
    )
    (tmp_path / "b_002.xml").write_text("<metadata><title>An old book</title></metadata>")
    split = split_scans(tmp_path, with_truth=True)
    assert {page.name for page in (*split.learnt, *split.held_out)} == {"a_000", "b_000", "b_001"}
    assert split.learnt and split.held_out
    (tmp_path / "a_000.gt.txt").unlink()
    (tmp_path / "b_001.gt.txt").unlink()
    with pytest.raises(OptionError, match=r"Of the 206 pages in .* 1 have a text"):
        split_scans(tmp_path, with_truth=True)


def test_images_named_by_numbers_are_one_document(tmp_path):
    for number in range(8):
        image(number).save(tmp_path / f"{number:04d}.png", dpi=(300, 300))
    assert split_scans(tmp_path).documents == 1


def test_unusable_folders_are_one_sentence(tmp_path):
    with pytest.raises(OptionError, match="is missing or is not"):
        split_scans(tmp_path / "none")
    with pytest.raises(OptionError, match="holds no page images"):
        split_scans(tmp_path)
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(OptionError, match="None of the files"):
        split_scans(tmp_path)
    image(1).save(tmp_path / "b.png", dpi=(96, 96))
    with pytest.raises(OptionError, match="largest has 96"):
        split_scans(tmp_path)
    image(1).save(tmp_path / "c.png", dpi=(300, 300))
    with pytest.raises(OptionError, match="Only one page"):
        split_scans(tmp_path)


@pytest.mark.parametrize("length", [60, 200, 230])
def test_a_tiff_that_was_cut_off_is_left_out(length: int, tmp_path: Path) -> None:
    image(1).save(tmp_path / "a.png", dpi=(300, 300))
    pages = [image(number, (60, 80)) for number in range(3)]
    pages[0].save(tmp_path / "b.tif", save_all=True, append_images=pages[1:], compression="tiff_lzw")
    (tmp_path / "b.tif").write_bytes((tmp_path / "b.tif").read_bytes()[:length])
    found, unreadable = find_scans(tmp_path)
    assert [scan.name for scan in found] == ["a"] and len(unreadable) == 1 and unreadable[0].startswith("b.tif (")


def test_spread_is_even():
    assert spread(range(10), 3) == [0, 3, 6] and spread([1, 2], 5) == [1, 2] and spread([1, 2], 0) == [1, 2]


def test_no_more_than_half_is_held_out_and_names_may_hold_any_bytes(tmp_path):
    names = ["a_1", "b_1", "b_2", "b_3", "b_4", os.fsdecode(b"caf\xe9_1")]
    for number, name in enumerate(names):
        image(number).save(tmp_path / f"{name}.png", dpi=(300, 300))
    split = split_scans(tmp_path)
    assert len(split.learnt) + len(split.held_out) == 6 and 1 <= len(split.held_out) <= 3


@pytest.mark.parametrize("documents", [1, 4])
def test_pages_to_choose_weights_by_are_set_apart_from_12_on(tmp_path, documents):
    for number in range(12):
        image(number).save(tmp_path / f"{'abcd'[number % documents]}_{number:02d}.png", dpi=(300, 300))
        (tmp_path / f"{'abcd'[number % documents]}_{number:02d}.gt.txt").write_text("text")
    split = split_scans(tmp_path, with_truth=True)
    sides = [split.learnt, split.held_out, split.selection]
    assert all(sides) and len({page.path for side in sides for page in side}) == 12
    if documents > 1:
        assert len({page.document for side in sides for page in side}) == sum(len({page.document for page in s}) for s in sides)
    assert not split_scans(tmp_path).selection, "a net chooses no weights by pages"
    (tmp_path / f"{'abcd'[11 % documents]}_11.gt.txt").unlink()
    assert not split_scans(tmp_path, with_truth=True).selection
