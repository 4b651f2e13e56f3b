# SPDX-License-Identifier: MPL-2.0
"""Pages upside down or on their side are read upright, and the words lie where they are printed."""

from __future__ import annotations

from pathlib import Path

import pikepdf
import pytest
from PIL import Image
from plugin_pages import WORDS, draw_page, printed_words, read_page

from ocrmypdf_superres.ocr.hocr import read_hocr
from ocrmypdf_superres.ocr.hypothesis import Hypothesis
from ocrmypdf_superres.ocr.kept_pages import PageFiles
from ocrmypdf_superres.plugin.geometry.raster_rotation import turn_as_asked

DPI = 110.0
SAMPLE = Path(__file__).parents[2] / "examples" / "sample-72dpi.pdf"
TURNS = {1: Image.Transpose.ROTATE_90, 2: Image.Transpose.ROTATE_180, 3: Image.Transpose.ROTATE_270}


@pytest.mark.parametrize("turns", TURNS)
def test_a_turned_page_is_read_upright(turns: int, tmp_path: Path) -> None:
    page = draw_page(em=16, lines=24)
    kept = tmp_path / "kept"
    target, record, text = read_page(page.transpose(TURNS[turns]), tmp_path, DPI, "--superres-keep", kept)
    assert "turned upright" in record["reason"]
    assert " ".join(text.split()).count(" ".join(WORDS[:8])) >= 1
    sizes = (page.width * 72 / DPI, page.height * 72 / DPI)
    fox = next(word for word in printed_words(target) if word.text == "fox")
    # "the quick brown fox" begins the page, at its top left before it was turned.
    first_row, halfway = 0.15, 0.5
    if turns == 2:
        assert fox.middle > (1 - first_row) * sizes[1]
        assert fox.left > halfway * sizes[0]
    else:
        down, across = (fox.left, fox.middle / sizes[0]) if turns == 1 else (sizes[1] - fox.left, 1 - fox.middle / sizes[0])
        assert down < first_row * sizes[1]
        assert across > halfway
    # What is kept beside the upright image is in its pixels; another file has the words where they are on the page.
    files = PageFiles(kept, 1)
    with Image.open(files.image) as image:
        shown = image.size
    lying = Hypothesis(read_hocr(files.page_hocr))
    assert Hypothesis(read_hocr(files.hocr)).size == shown and lying.size == (shown if turns == 2 else shown[::-1])
    box = next(word.box for word in lying.words if word.text == "fox")
    points = 72 / DPI * page.transpose(TURNS[turns]).width / lying.size[0]
    assert abs(box[0] * points - fox.left) < 6 and abs((box[1] + box[3]) / 2 * points - fox.middle) < 6


def test_an_upright_page_is_not_asked_about(tmp_path: Path) -> None:
    _, record, text = read_page(draw_page(em=16, lines=24), tmp_path, DPI)
    assert "turned" not in record["reason"]
    assert "turned" not in record["reading_seconds"]
    assert " ".join(WORDS[:8]) in " ".join(text.split())


def test_a_page_of_scribble_that_nothing_reads_stays_as_it_lies(tmp_path: Path) -> None:
    page = draw_page(em=16, lines=24).resize((300, 388), Image.Resampling.BOX).resize((850, 1100), Image.Resampling.BICUBIC)
    _, record, _ = read_page(page, tmp_path, DPI)
    assert "turned upright" not in record["reason"]


@pytest.mark.parametrize("missing", range(4))
def test_a_raster_turned_by_another_angle_than_asked_for_is_turned_again(missing: int, tmp_path: Path) -> None:
    page = draw_page((340, 440), em=20, lines=3)
    page.resize((170, 220)).save(tmp_path / "000001_rasterize_preview.jpg")
    right = page.transpose(Image.Transpose.ROTATE_90)
    turned = right if not missing else right.transpose(TURNS[missing])
    turned.save(tmp_path / "000001_rasterize.png", dpi=(110, 110))
    assert turn_as_asked(tmp_path / "000001_rasterize.png", 90) == missing
    with Image.open(tmp_path / "000001_rasterize.png") as result:
        assert result.tobytes() == right.tobytes()
        assert result.info["dpi"] == pytest.approx((110, 110), rel=0.01)


def test_a_raster_that_cannot_be_written_is_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = draw_page((340, 440), em=20, lines=3)
    page.save(tmp_path / "000001_rasterize_preview.jpg")
    raster = tmp_path / "000001_rasterize.png"
    page.save(raster)
    before = raster.read_bytes()

    def full_disk(image: Image.Image, file: Path, **_: object) -> None:
        file.write_bytes(b"half of it")
        raise OSError("No space left on device")

    monkeypatch.setattr(Image.Image, "save", full_disk)
    with pytest.raises(OSError, match="No space"):
        turn_as_asked(raster, 180)
    assert raster.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2, "no part of the file is left"


def test_a_raster_that_tells_nothing_of_its_rotation_stays(tmp_path: Path) -> None:
    raster = tmp_path / "000001_rasterize.png"
    draw_page((340, 440)).save(raster)
    assert turn_as_asked(raster, 90) == 0, "there is no preview"
    draw_page((340, 440)).save(tmp_path / "000001_rasterize_preview.jpg")
    assert turn_as_asked(raster, 0) == 0, "no rotation was asked for"
    Image.new("1", (440, 340), 1).save(raster)
    Image.new("L", (340, 440), 255).save(tmp_path / "000001_rasterize_preview.jpg")
    assert turn_as_asked(raster, 90) == 0, "a blank page looks alike from everywhere"


def test_a_noisy_page_upside_down_of_which_tesseract_cannot_tell_the_orientation_is_read(tmp_path: Path) -> None:
    with pikepdf.open(SAMPLE) as pdf:
        scan = pikepdf.PdfImage(next(iter(pdf.pages[0].Resources.XObject.values()))).as_pil_image()
    page = scan.transpose(Image.Transpose.ROTATE_180)
    _, record, text = read_page(page, tmp_path, 72.0)
    assert "turned upright" in record["reason"]
    assert "County Record Office, Harbour Street" in " ".join(text.split())


def test_rotate_pages_turns_no_page_upside_down(tmp_path: Path) -> None:
    with pikepdf.open(SAMPLE) as pdf:
        taken_for_upside_down = pikepdf.PdfImage(next(iter(pdf.pages[0].Resources.XObject.values()))).as_pil_image()
    upside_down = draw_page(em=16, lines=24).transpose(Image.Transpose.ROTATE_180)
    for page, expected in ((taken_for_upside_down, 0), (upside_down, 180)):
        target, _, _ = read_page(page, tmp_path, 72.0, "--rotate-pages", "--rotate-pages-threshold", 0.5)
        with pikepdf.open(target) as pdf:
            assert int(pdf.pages[0].obj.get("/Rotate", 0)) == expected
