# SPDX-License-Identifier: MPL-2.0
"""Images of all kinds become PDFs that show them as they are."""

from __future__ import annotations

import os
import resource
import struct
import warnings
from pathlib import Path

import img2pdf
import numpy as np
import pikepdf
import pytest
from archive_files import image_bytes, page, scratched, task
from PIL import ExifTags, Image, ImageChops, ImageCms
from PIL.TiffImagePlugin import AppendingTiffWriter

from ocrmypdf_superres.archive.tasks import Kind, State
from ocrmypdf_superres.archive.worker.images import names_a_lost_frame, page_layout, prepare, why_no_page
from ocrmypdf_superres.archive.worker.ocr_file import ocr_file
from ocrmypdf_superres.page.pdf import open_pdf

FLIP, TURN_90 = Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_90
TURN_180, TURN_270 = Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270


def test_an_animated_png_is_one_page(tmp_path):
    source = tmp_path / "a.png"
    page().save(source, dpi=(150, 150), save_all=True, append_images=[page("second frame")])
    result = ocr_file(task(tmp_path, source, Kind.IMAGE))
    assert (result.state, len(result.pages), result.findings) == (State.STAGED, 1, [])


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
@pytest.mark.parametrize("alpha", [255, 0])
def test_images_with_an_alpha_channel(tmp_path, form, alpha):
    image = page().convert("RGBA")
    image.paste((0, 0, 0, alpha), (0, 0, 40, 40))
    source = tmp_path / "input"
    source.write_bytes(image_bytes(image, form))
    given = task(tmp_path, source, Kind.IMAGE, ocr={"language": ["eng"], "output_type": "pdf", "superres_trigger": "off"})
    result = ocr_file(given)
    assert (result.state, result.code) == (State.STAGED, "ok"), result.reason
    assert result.findings == ([] if alpha else ["transparent parts on 1 pages became white"])
    assert result.pages[0].words
    with pikepdf.open(os.path.join(given.staging, result.outputs[0].name)) as made:
        (original,) = made.pages[0].get_images().values()
        corner = pikepdf.PdfImage(original).as_pil_image().convert("L").getpixel((5, 5))
    assert corner == (0 if alpha else 255)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["1", "RGB"])
def test_a_tiff_is_shown_as_its_orientation_says(tmp_path, mode, orientation):
    source, shown = tmp_path / "a.tif", page("old walls").convert(mode)
    turns = {2: [FLIP], 3: [TURN_180], 4: [FLIP, TURN_180], 5: [FLIP, TURN_90], 6: [TURN_90], 7: [FLIP, TURN_270], 8: [TURN_270]}
    stored = shown
    for turn in turns.get(orientation, []):
        stored = stored.transpose(turn)
    dpi = (150, 300) if orientation < 5 else (300, 150)
    compression = "group4" if mode == "1" else "tiff_lzw"
    stored.save(source, dpi=dpi, tiffinfo={ExifTags.Base.Orientation: orientation}, compression=compression)
    with Image.open(source) as turned:
        assert ImageChops.difference(turned.convert("RGB"), shown.convert("RGB")).getbbox() is None
    made = task(tmp_path, source, Kind.IMAGE)
    result = ocr_file(made)
    assert (result.state, result.findings) == (State.STAGED, []), result
    with open_pdf(Path(made.staging) / "a.tif.pdf") as pdf:
        assert [round(side) for side in pdf[0].get_size()] == [round(shown.width / 150 * 72), round(shown.height / 300 * 72)]
    with pikepdf.open(Path(made.staging) / "a.tif.pdf") as pdf:
        assert pdf.pages[0].get("/Rotate", 0) == 0
        (image,) = pdf.pages[0].get_images().values()
        found = pikepdf.PdfImage(image).as_pil_image().convert("RGB")
    assert ImageChops.difference(found, shown.convert("RGB")).getbbox() is None


def test_no_frame_is_lost_with_its_alpha_channel(tmp_path):
    frames = [page(text).convert("RGBA") for text in ("one", "two")]
    image = tmp_path / "frames.png"
    frames[0].save(image, save_all=True, append_images=frames[1:], dpi=(150, 150))
    assert prepare(image) == 0
    with Image.open(image) as original:
        assert original.n_frames == 2 and not original.has_transparency_data and round(original.info["dpi"][0]) == 150


@pytest.fixture
def photographs(tmp_path):
    """A TIFF of five photographs upside down, while no file may become as large as they are without loss."""
    source, noise = tmp_path / "five.tif", np.random.default_rng(0)
    frames = [Image.fromarray(noise.integers(0, 255, (300, 400, 3), np.uint8)) for _ in range(5)]
    about = {"compression": "jpeg", "dpi": (150, 150), "tiffinfo": {ExifTags.Base.Orientation: 3}}
    frames[0].save(source, save_all=True, append_images=frames[1:], **about)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (source.stat().st_size + 100_000, limits[1]))
    yield source
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_an_image_that_cannot_be_rewritten_is_left_as_it_was(photographs):
    before = photographs.read_bytes()
    with pytest.raises(OSError, match="too large"):
        prepare(photographs)
    assert photographs.read_bytes() == before and list(photographs.parent.iterdir()) == [photographs]


def test_a_tiff_that_cannot_be_rewritten_loses_no_page(photographs, tmp_path):
    result = ocr_file(task(tmp_path, photographs, Kind.IMAGE))
    assert (result.state, result.code, result.transient, result.pages) == (State.FAILED, "io", True, []), result


def test_a_grey_tiff_of_16_bits_keeps_them(tmp_path):
    levels = np.asarray(page("old walls")).astype(np.uint16) * 257 - np.asarray(page("old walls")) // 3
    source = tmp_path / "deep.tif"
    Image.fromarray(levels).save(source, dpi=(150, 150))
    given = task(tmp_path, source, Kind.IMAGE, ocr={"language": ["eng"], "output_type": "pdf", "superres_trigger": "off"})
    result = ocr_file(given)
    assert (result.state, result.code) == (State.STAGED, "ok"), result.reason
    assert result.pages[0].words
    with pikepdf.open(os.path.join(given.staging, result.outputs[0].name)) as made:
        (original,) = made.pages[0].get_images().values()
        assert original.BitsPerComponent == 16
        stored = pikepdf.PdfImage(original).as_pil_image()
    assert np.array_equal(np.asarray(stored), levels)


@pytest.mark.parametrize("kind", ["float", "frames", "colour", "speck"])
def test_an_image_that_no_page_can_show_as_it_is_is_refused_in_a_sentence(tmp_path, kind):
    source = tmp_path / "a.tif"
    deep = Image.fromarray(np.full((60, 80), 40000, dtype=np.uint16))
    if kind == "float":
        Image.new("F", (80, 60)).save(source, dpi=(150, 150))
    elif kind == "frames":
        deep.save(source, dpi=(150, 150), save_all=True, append_images=[deep.copy()])
    elif kind == "colour":  # Pillow writes none with 16 bits
        tags = {256: 80, 257: 60, 258: (16, 16, 16), 259: 1, 262: 2, 273: 400, 277: 3, 278: 60, 279: 80 * 60 * 6, 274: 3}
        source.write_bytes(tiff_bytes(tags, 400) + bytes(80 * 60 * 6))
    else:
        Image.new("L", (1, 900)).save(source, dpi=(150, 150))
    result = ocr_file(task(tmp_path, source, Kind.IMAGE))
    assert (result.state, result.code) == (State.FAILED, "unsupported"), result.reason
    assert ("1 x 900 pixels at 150 dpi" if kind == "speck" else "more than 8 bits a sample") in result.reason


def test_the_settings_limit_of_pixels_holds_for_the_first_image_of_a_process_too(tmp_path, monkeypatch):
    source = tmp_path / "a.png"
    page().save(source, dpi=(150, 150))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    result = ocr_file(task(tmp_path, source, Kind.IMAGE))
    assert (result.state, result.code) == (State.STAGED, "ok"), result.reason


def test_the_largest_page_of_a_pdf_is_no_larger_for_its_dpi_being_rounded(tmp_path):
    image = tmp_path / "a.png"
    Image.new("1", (20000, 10)).save(image, dpi=(100, 100))  # a PNG has 99.9998
    assert not why_no_page(image, 0)
    Image.new("1", (20100, 10)).save(image, dpi=(100, 100))
    assert "20100 x 10 pixels at 100 dpi" in why_no_page(image, 0)


def tiff_bytes(tags, size):
    """The head of a TIFF with *tags*, of *size* bytes; values that do not fit follow the directory."""
    entries, values = b"", b""
    place = 8 + 2 + 12 * len(tags) + 4
    for tag, value in sorted(tags.items()):
        many = value if isinstance(value, tuple) else (value,)
        form = "H" if many[0] < 65536 else "I"
        packed = struct.pack(f"<{len(many)}{form}", *many)
        if len(packed) > 4:
            packed, values = struct.pack("<I", place + len(values)), values + packed
        entries += struct.pack("<HHI", tag, 3 if form == "H" else 4, len(many)) + packed.ljust(4, b"\0")
    return (b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + values).ljust(size, b"\0")


def test_each_frame_keeps_its_own_resolution_and_profile(tmp_path):
    image, profile = tmp_path / "frames.tif", ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    about = [{"dpi": (150, 150)}, {"dpi": (100, 200), "icc_profile": profile}, {"dpi": (72, 72)}]
    sizes = [(60, 40), (40, 60), (60, 40)]
    with AppendingTiffWriter(str(image), True) as tiff:
        for size, kept in zip(sizes, about, strict=True):
            Image.new("RGBA", size, (9, 9, 9, 255)).save(tiff, "TIFF", **kept)
            tiff.newFrame()
    assert prepare(image) == 0
    with Image.open(image) as original:
        assert original.n_frames == 3
        for number, (size, kept) in enumerate(zip(sizes, about, strict=True)):
            original.seek(number)
            assert original.mode == "RGB" and original.size == size and original.getpixel((5, 5)) == (9, 9, 9)
            assert tuple(round(float(value)) for value in original.info["dpi"]) == kept["dpi"]
            assert (34675 in original.tag_v2) == ("icc_profile" in kept)
    # What a page's size is made of.
    pages = tmp_path / "pages.pdf"
    pages.write_bytes(img2pdf.convert(str(image), layout_fun=page_layout(144)))
    with pikepdf.open(pages) as pdf:
        assert [tuple(round(float(v), 1) for v in page.mediabox[2:]) for page in pdf.pages] == [
            (28.8, 19.2),
            (28.8, 21.6),
            (30.0, 20.0),
        ]


@pytest.mark.parametrize("options", [{}, {"big_tiff": True}, {"compression": "group4"}])
def test_a_tiff_cut_anywhere_counts_all_of_its_frames_or_is_seen_to_be_cut(tmp_path, options):
    frames = [scratched((60, 40)).convert("1") for _ in range(4)]
    whole = tmp_path / "whole.tif"
    frames[0].save(whole, save_all=True, append_images=frames[1:], **options)
    content, cut = whole.read_bytes(), tmp_path / "cut.tif"
    assert not names_a_lost_frame(whole)
    for length in range(8, len(content)):
        cut.write_bytes(content[:length])
        if names_a_lost_frame(cut):
            continue
        try:
            with warnings.catch_warnings(), Image.open(cut) as image:
                warnings.simplefilter("ignore")
                assert image.n_frames == 4
        except (OSError, SyntaxError, TypeError):
            continue  # which is seen as damage
    (tmp_path / "other.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert not names_a_lost_frame(tmp_path / "other.png")
