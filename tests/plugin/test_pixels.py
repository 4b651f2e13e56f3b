# SPDX-License-Identifier: MPL-2.0
"""The embedded image is taken where the page is nothing else, and never where it is not what is shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pikepdf
import pypdfium2
import pytest
from ocrmypdf.pdfinfo import PdfInfo
from PIL import Image, ImageFilter
from plugin_pages import draw_page, image_pdf

from ocrmypdf_superres.page.image import flatten
from ocrmypdf_superres.plugin.pixels.native_image import native_pixels, scan_resolution, untouched

# 413 pixels on 297.5 points: page edges fall between pixels, so that rasterizing must resample.
SIZE, PAGE = (413, 585), (297.5, 421.0)


def rasterized(path: Path, dpi: float = 100.0) -> Image.Image:
    document = pypdfium2.PdfDocument(path)
    image = document[0].render(scale=dpi / 72).to_pil().convert("RGB")
    image.info["dpi"] = (dpi, dpi)
    document.close()
    return image


def page_image() -> Image.Image:
    return draw_page(SIZE, em=14, lines=14)


def native(path: Path, raster: Image.Image | None = None) -> Image.Image | None:
    found = native_pixels(path, PdfInfo(path)[0], rasterized(path) if raster is None else raster)
    return None if found is None else found.image


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "CMYK", "P", "I;16"])
def test_every_kind_of_image_comes_back_pixel_by_pixel(mode: str, tmp_path: Path) -> None:
    page = page_image()
    if mode == "I;16":
        scan = Image.fromarray((np.asarray(page, np.uint16) * 257).astype("<u2"))
    else:
        scan = page.convert(mode)
    found = native(image_pdf(tmp_path / "in.pdf", [scan], page_size=PAGE))
    if mode in ("CMYK", "I;16") and found is None:
        return  # a decoder may not know these: the raster is used then
    assert found is not None
    assert found.size == SIZE
    assert found.info["dpi"] == pytest.approx((100, 100), rel=0.01)
    difference = np.abs(
        np.asarray(flatten(found).convert("L"), float)
        - np.asarray(page.convert("1" if mode == "1" else "L"), float) * (255 if mode == "1" else 1)
    )
    assert difference.mean() < (4 if mode in ("CMYK", "P") else 1)


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_turned_pages_are_turned(turn: int, tmp_path: Path) -> None:
    page = page_image()
    path = image_pdf(
        tmp_path / "in.pdf", [page.rotate(turn, expand=True)], page_size=PAGE if turn == 180 else PAGE[::-1], rotate=turn
    )
    found = native(path)
    assert found is not None
    assert np.array_equal(np.asarray(found), np.asarray(page))


def test_orientation_correction_is_followed(tmp_path: Path) -> None:
    path = image_pdf(tmp_path / "in.pdf", [page_image()], page_size=PAGE)
    turned = rasterized(path).transpose(Image.Transpose.ROTATE_90)
    turned.info["dpi"] = (100.0, 100.0)
    found = native(path, turned)
    assert found is not None
    assert np.array_equal(np.asarray(found), np.asarray(page_image().transpose(Image.Transpose.ROTATE_90)))


@pytest.mark.parametrize("kind", ["spot colour", "truncated"])
def test_an_image_that_cannot_be_decoded_leaves_the_raster(kind: str, tmp_path: Path) -> None:
    path = image_pdf(tmp_path / "in.pdf", [page_image()], page_size=PAGE)
    raster = rasterized(path)
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        stream = pdf.pages[0].Resources.XObject.Im0
        if kind == "spot colour":
            tint = pikepdf.Stream(pdf, b"{0 0 0 4 3 roll}", FunctionType=4, Domain=[0, 1], Range=[0, 1] * 4)
            space = [pikepdf.Name.Separation, pikepdf.Name.Orange, pikepdf.Name.DeviceCMYK, pdf.make_indirect(tint)]
            stream.ColorSpace = pikepdf.Array(space)
        else:
            stream.write(stream.read_bytes()[:1000])
        pdf.save(path)
    assert native(path, raster) is None


def _contents(content: str):
    def change(pdf: pikepdf.Pdf, page: pikepdf.Page) -> None:
        page.Contents = pikepdf.Stream(pdf, content.format(w=PAGE[0], h=PAGE[1]).encode())

    return change


def _soft_mask(pdf: pikepdf.Pdf, page: pikepdf.Page) -> None:
    mask = pikepdf.Stream(pdf, bytes([255] * (SIZE[0] * SIZE[1])))
    mask.Type, mask.Subtype, mask.Width, mask.Height = pikepdf.Name.XObject, pikepdf.Name.Image, *SIZE
    mask.ColorSpace, mask.BitsPerComponent = pikepdf.Name.DeviceGray, 8
    page.resources.XObject.Im0.SMask = mask


def _inverted(pdf: pikepdf.Pdf, page: pikepdf.Page) -> None:
    page.resources.XObject.Im0.Decode = pikepdf.Array([1, 0])


def _note(pdf: pikepdf.Pdf, page: pikepdf.Page) -> None:
    appearance = pikepdf.Stream(pdf, b"0 0 0 rg 0 0 150 100 re f")
    appearance.Type, appearance.Subtype, appearance.BBox = pikepdf.Name.XObject, pikepdf.Name.Form, [0, 0, 150, 100]
    page.Annots = pdf.make_indirect(
        pikepdf.Array(
            [
                pikepdf.Dictionary(
                    Type=pikepdf.Name.Annot,
                    Subtype=pikepdf.Name.Stamp,
                    Rect=[50, 50, 200, 150],
                    F=4,
                    AP=pikepdf.Dictionary(N=appearance),
                )
            ]
        )
    )


@pytest.mark.parametrize(
    "change",
    [
        _contents("q -{w} 0 0 {h} {w} 0 cm /Im0 Do Q"),
        _contents("q {w} 20 -20 {h} 10 0 cm /Im0 Do Q"),
        _contents("q 100 0 0 150 50 50 cm /Im0 Do Q"),
        _contents("q {w} 0 0 {h} 0 0 cm /Im0 Do Q q 50 0 0 70 50 50 cm /Im0 Do Q"),
        _contents("q 40 40 100 100 re W n {w} 0 0 {h} 0 0 cm /Im0 Do Q"),
        _soft_mask,
    ],
    ids=["mirrored", "slanted", "small", "twice", "clipped", "soft mask"],
)
def test_anything_else_than_the_image_means_the_raster(change, tmp_path: Path) -> None:
    path = image_pdf(tmp_path / "in.pdf", [page_image()], page_size=PAGE, extra=change)
    assert native(path) is None


@pytest.mark.parametrize(
    ("change", "inside"),
    [(_contents("q {w} 0 0 {h} 0 0 cm /Im0 Do Q 20 20 100 50 re f"), (70, 375)), (_note, (125, 320))],
    ids=["drawing", "note"],
)
def test_marks_over_the_scan_are_laid_over_its_pixels(change, inside: tuple[int, int], tmp_path: Path) -> None:
    path = image_pdf(tmp_path / "in.pdf", [page_image()], page_size=PAGE, extra=change)
    found = native_pixels(path, PdfInfo(path)[0], rasterized(path, 400))
    assert found is not None
    assert found.marks is not None
    assert np.array_equal(np.asarray(found.image), np.asarray(page_image()))
    for factor in (1, 3):
        size = (SIZE[0] * factor, SIZE[1] * factor)
        shown = np.asarray(found.marks.over(found.image.resize(size)), float)
        x, y = (round(value * size[0] / PAGE[0]) for value in inside)
        assert shown[y, x] < 30
        plain = np.asarray(page_image().resize(size), float)
        assert np.abs(shown - plain)[: size[1] // 2].mean() < 1


@pytest.mark.parametrize("dpi", [100, 400])
@pytest.mark.parametrize("jpeg", [False, True])
def test_what_a_white_box_covers_is_not_read_from_the_scan(dpi: int, jpeg: bool, tmp_path: Path) -> None:
    pale = page_image().point(lambda level: 250 - (250 - level) // 8)
    noisy = np.asarray(pale, np.float32) + np.random.default_rng(0).normal(0, 1, pale.size[::-1])
    scan = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
    # Over one line, and no higher than it.
    box = _contents("q {w} 0 0 {h} 0 0 cm /Im0 Do Q 0.98 g 0 325 300 13 re f")
    path = image_pdf(tmp_path / "in.pdf", [scan], page_size=PAGE, jpeg=jpeg, extra=box)
    found = native_pixels(path, PdfInfo(path)[0], rasterized(path, dpi))
    assert found is not None
    assert found.marks is not None
    shown = np.asarray(found.marks.over(found.image), float)
    rows = slice(116, 133)
    assert np.asarray(found.image, float)[rows].min() < 235 < 244 < shown[rows].min()
    marked = np.asarray(found.marks.mask, float) > 0
    assert marked.mean() < 0.06, "the rest of the page is taken from the scan"


@pytest.mark.parametrize(
    "change",
    [
        _contents("q 0 0 {w} 325 re 0 338 {w} 90 re W n {w} 0 0 {h} 0 0 cm /Im0 Do Q"),
        _contents("q {w} 0 0 {h} 0 0 cm /Im0 Do Q q 0 325 300 13 re W n /Sh0 sh Q"),
    ],
    ids=["clipped", "shaded"],
)
def test_pale_text_that_is_hidden_without_a_drawing_means_the_raster(change, tmp_path: Path) -> None:
    def hide(pdf: pikepdf.Pdf, page: pikepdf.Page) -> None:
        white = pikepdf.Dictionary(FunctionType=2, Domain=[0, 1], C0=[0.98], C1=[0.98], N=1)
        shading = pikepdf.Dictionary(ShadingType=2, ColorSpace=pikepdf.Name.DeviceGray, Coords=[0, 0, 1, 0], Function=white)
        shading.Extend = pikepdf.Array([True, True])
        page.add_resource(pdf.make_indirect(shading), pikepdf.Name.Shading, pikepdf.Name.Sh0)
        change(pdf, page)

    pale = page_image().point(lambda level: 250 - (250 - level) // 8)
    assert native(image_pdf(tmp_path / "in.pdf", [pale], page_size=PAGE)) is not None
    assert native(image_pdf(tmp_path / "in.pdf", [pale], page_size=PAGE, extra=hide)) is None


def test_a_raster_finer_than_the_scan_is_reduced_to_its_resolution(tmp_path: Path) -> None:
    stamped = _contents("q {w} 0 0 {h} 0 0 cm /Im0 Do Q 20 20 270 2 re f")
    path = image_pdf(tmp_path / "in.pdf", [draw_page(SIZE, em=14, lines=8)], page_size=PAGE, extra=stamped)
    info = PdfInfo(path)[0]
    assert scan_resolution(info, rasterized(path, 100)) is None
    found = scan_resolution(info, rasterized(path, 400))
    assert found is not None
    assert found.image.width == pytest.approx(SIZE[0], rel=0.05)
    assert found.image.info["dpi"] == pytest.approx((100, 100), rel=0.05)


@pytest.mark.parametrize("rotate", [0, 90])
def test_a_landscape_page_is_reduced_as_far_as_an_upright_one(rotate: int, tmp_path: Path) -> None:
    def stamp(pdf: pikepdf.Pdf, page: pikepdf.Page) -> None:
        page.contents_add(b"20 20 170 2 re f")

    scan = draw_page(SIZE[::-1], em=14, lines=5)
    path = image_pdf(tmp_path / "in.pdf", [scan], page_size=PAGE[::-1], rotate=rotate, extra=stamp)
    found = scan_resolution(PdfInfo(path)[0], rasterized(path, 400))
    assert found is not None
    assert max(found.image.size) == pytest.approx(SIZE[1], rel=0.02)


def test_sharp_vectors_over_an_image_are_not_reduced(tmp_path: Path) -> None:
    lines = " ".join(f"20 {y} 250 1.5 re f" for y in range(20, 400, 6))
    path = image_pdf(tmp_path / "in.pdf", [page_image().resize((60, 85))], page_size=PAGE,
                     extra=_contents("q {w} 0 0 {h} 0 0 cm /Im0 Do Q " + lines))  # fmt: skip
    assert scan_resolution(PdfInfo(path)[0], rasterized(path, 400)) is None


def half_page(path: Path, over: bytes) -> Path:
    """Write a page whose upper half is an image of 75 dpi, with *over* drawn below it."""

    def draw(pdf: pikepdf.Pdf, page: pikepdf.Page) -> None:
        page.Contents = pikepdf.Stream(pdf, b"q 297 0 0 210 0 211 cm /Im0 Do Q " + over)

    scan = draw_page((310, 219), em=11, lines=6).filter(ImageFilter.GaussianBlur(0.8))
    return image_pdf(path, [scan], page_size=PAGE, extra=draw)


def test_an_image_beside_a_few_vectors_is_read_at_its_resolution(tmp_path: Path) -> None:
    path = half_page(tmp_path / "in.pdf", b"20 100 200 1 re f")
    found = scan_resolution(PdfInfo(path)[0], rasterized(path, 400))
    assert found is not None
    assert found.image.width == pytest.approx(310, rel=0.02)


def test_text_that_is_not_in_the_image_beside_it_is_not_reduced(tmp_path: Path) -> None:
    stems = b" ".join(b"%d %d 1 7 re f" % (x, y) for x in range(20, 280, 3) for y in range(20, 200, 24))
    path = half_page(tmp_path / "in.pdf", stems)
    assert scan_resolution(PdfInfo(path)[0], rasterized(path, 400)) is None


def mask_only(pdf: pikepdf.Pdf, page: pikepdf.Page) -> None:
    stream = page.resources.XObject.Im0
    del stream.ColorSpace
    stream.ImageMask = True


def test_a_scan_that_is_a_mask_is_read_at_its_resolution(tmp_path: Path) -> None:
    path = image_pdf(tmp_path / "in.pdf", [page_image().convert("1")], page_size=PAGE, extra=mask_only)
    found = scan_resolution(PdfInfo(path)[0], rasterized(path, 400))
    assert found is not None
    assert found.image.width == pytest.approx(SIZE[0], rel=0.02)


def test_an_inverted_image_is_shown_as_the_page_shows_it(tmp_path: Path) -> None:
    path = image_pdf(tmp_path / "in.pdf", [page_image()], page_size=PAGE, extra=_inverted)
    found = native(path)
    assert found is None or abs(np.asarray(found, float).mean() - np.asarray(rasterized(path).convert("L"), float).mean()) < 8


def test_pixels_that_are_not_square_mean_the_raster(tmp_path: Path) -> None:
    fax = page_image().resize((826, 585))
    assert native(image_pdf(tmp_path / "in.pdf", [fax], page_size=PAGE)) is None


def test_damaged_stream_means_the_raster(tmp_path: Path) -> None:
    def damage(pdf: pikepdf.Pdf, page: pikepdf.Page) -> None:
        stream = page.resources.XObject.Im0
        stream.write(stream.read_raw_bytes()[:200], filter=pikepdf.Name.DCTDecode)

    path = image_pdf(tmp_path / "in.pdf", [page_image()], page_size=PAGE, jpeg=True, extra=damage)
    assert native(path, Image.new("RGB", SIZE, "white")) is None


def test_reading_pixels_leaves_the_image_undecoded(tmp_path: Path) -> None:
    page_image().save(tmp_path / "page.png")
    with Image.open(tmp_path / "page.png") as image:
        twin = untouched(image)
        assert twin.getpixel((5, 5)) == 255
        assert getattr(image, "_im", None) is None
