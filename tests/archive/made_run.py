# SPDX-License-Identifier: MPL-2.0
"""A small run that real work made: a PDF of two pages, an image, a METS document, and files that end otherwise."""

from __future__ import annotations

import shutil
from pathlib import Path

import pikepdf
from PIL import Image, ImageDraw, ImageFont

from ocrmypdf_superres.archive.settings import Settings, weights_sha256
from ocrmypdf_superres.archive.store.layout import Layout
from ocrmypdf_superres.archive.store.manifest import Manifest, SettingsRow
from ocrmypdf_superres.archive.tasks import FileResult, FileTask, Kind, State
from ocrmypdf_superres.archive.worker.ocr_file import ocr_file

INPUTS = {
    "sub/a b.pdf": Kind.PDF, "image.tif": Kind.IMAGE, "broken.pdf": Kind.PDF, "notes.xyz": Kind.OTHER,
    "book/mets/mets.xml": Kind.METS,
}  # fmt: skip
OUTPUTS = ("pdf", "text", "alto", "hocr", "images")


def draw(
    text: str = "A harbour wall stood\nin the rain while\nseven wizards mixed\nliquor near a town", em: int = 15
) -> Image.Image:
    """A low page of a scan, at 75 dpi."""
    big = Image.new("L", (300 * 4, 140 * 4), 255)
    ImageDraw.Draw(big).multiline_text((60, 60), text, font=ImageFont.truetype("DejaVuSerif.ttf", em * 4), fill=10, spacing=20)
    return big.resize((300, 140), Image.Resampling.BOX)


def scan_pdf(path: Path, pages: list[Image.Image]) -> Path:
    pages[0].save(path, "PDF", resolution=75, save_all=True, append_images=pages[1:])
    return path


def mets_document(folder: Path) -> None:
    """A volume of two pages, the METS in one folder and the images in another; the second file is the first page."""
    for name in ("mets", "images"):
        (folder / name).mkdir(parents=True)
    draw("this is the last page").save(folder / "images" / "1.tif", dpi=(75, 75))
    draw("this is the first page").save(folder / "images" / "2.tif", dpi=(75, 75))
    files = "".join(f"<file ID='f{n}' MIMETYPE='image/tiff'><FLocat xlink:href='../images/{n}.tif'/></file>" for n in (1, 2))
    (folder / "mets" / "mets.xml").write_text(
        "<mets xmlns='http://www.loc.gov/METS/' xmlns:xlink='http://www.w3.org/1999/xlink'>"
        f"<fileSec><fileGrp USE='MASTER'>{files}</fileGrp></fileSec><structMap TYPE='PHYSICAL'><div>"
        "<div ORDER='2'><fptr FILEID='f1'/></div><div ORDER='1'><fptr FILEID='f2'/></div></div></structMap></mets>"
    )


def make_run(folder: Path) -> Layout:
    """Run OCR on ``a b.pdf``, ``image.tif`` and ``book/mets/mets.xml``; ``broken.pdf`` fails, ``notes.xyz`` is skipped."""
    source, layout = folder / "in", Layout(folder / "out")
    (source / "sub").mkdir(parents=True)
    scan_pdf(source / "sub" / "a b.pdf", [draw(), draw("nobody had counted\nmore than seven")])
    draw().save(source / "image.tif", dpi=(75, 75))
    (source / "broken.pdf").write_bytes(b"%PDF-1.4\nnothing")
    (source / "notes.xyz").write_text("no scan")
    mets_document(source / "book")
    layout.out.mkdir()
    layout.make()
    settings = Settings(outputs=OUTPUTS, image_dpi=75, superres={"verify": "off"})
    row = SettingsRow(settings.hash(), settings.toml(), settings.model.card.name, weights_sha256(settings.model))
    with Manifest(layout.manifest, write=True) as manifest:
        manifest.set_input_folder(source)
        session = manifest.begin_session(row, "here", {"ocrmypdf-superres": "0"})
        for name, kind in INPUTS.items():
            _process(manifest, layout, source, name, kind, settings)
        manifest.end_session(session, "done")
    return layout


def _process(manifest: Manifest, layout: Layout, source: Path, name: str, kind: Kind, settings: Settings) -> None:
    facts = (source / name).stat()
    number = manifest.add(name, kind, facts.st_size, facts.st_mtime_ns)
    if kind is Kind.OTHER:
        manifest.finish(FileResult(number, State.SKIPPED, "no-input", "It is neither a PDF nor an image."), settings.hash())
        return
    staging = layout.staging / str(number)
    task = FileTask(
        number, str(source / name), name, kind, str(staging), settings.outputs, settings.ocr_arguments(),
        settings=settings.hash(), image_dpi=settings.image_dpi,
    )  # fmt: skip
    result = ocr_file(task)
    if result.state is not State.STAGED:
        manifest.finish(result, settings.hash())
        return
    manifest.stage(result, settings.hash(), staging.name)
    for output in result.outputs:
        (layout.out / output.name).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(staging / output.name, layout.out / output.name)
    manifest.publish(number)


def without_history(pdf: Path) -> None:
    """Take the metadata of *pdf* away."""
    with pikepdf.open(pdf, allow_overwriting_input=True) as document:
        del document.Root.Metadata
        document.save(pdf)
