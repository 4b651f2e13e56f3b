# SPDX-License-Identifier: MPL-2.0
"""Small rendered inputs of every kind, and the program to run over them."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import img2pdf
import pikepdf
from PIL import Image, ImageDraw, ImageFont

from ocrmypdf_superres.archive.store.layout import Layout
from ocrmypdf_superres.archive.store.manifest import Manifest
from ocrmypdf_superres.archive.tasks import FileTask, Kind, State

DPI = 150


def page(text: str = "harbour street", size: tuple[int, int] = (420, 120)) -> Image.Image:
    """A page with one line of print."""
    image = Image.new("L", size, 255)
    if text:
        ImageDraw.Draw(image).text((25, 35), text, font=ImageFont.truetype("DejaVuSerif.ttf", 34), fill=15)
    return image


def scratched(size: tuple[int, int] = (420, 240)) -> Image.Image:
    """A page with plenty of ink and no letter."""
    image = Image.new("L", size, 255)
    draw = ImageDraw.Draw(image)
    for x in range(30, size[0] - 30, 40):
        draw.ellipse((x, 60, x + 300, 160), outline=20, width=3)
    return image


def image_bytes(image: Image.Image, form: str = "PNG", dpi: int | None = DPI) -> bytes:
    """The image as a file's bytes."""
    stream = io.BytesIO()
    image.save(stream, form, **({"dpi": (dpi, dpi)} if dpi else {}))
    return stream.getvalue()


def pdf_bytes(*images: Image.Image) -> bytes:
    """A PDF with a page an image."""
    made: bytes = img2pdf.convert([image_bytes(image) for image in images])
    return made


def encrypted_bytes() -> bytes:
    """A PDF that wants a password."""
    stream = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf_bytes(page()))) as pdf:
        pdf.save(stream, encryption=pikepdf.Encryption(owner="o", user="u"))
    return stream.getvalue()


def with_text_bytes() -> bytes:
    """A PDF that has text already."""
    stream = io.BytesIO()
    with pikepdf.new() as pdf:
        pdf.add_blank_page(page_size=(200, 100))
        font = pikepdf.Dictionary(Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica)
        pdf.pages[0].Resources = pikepdf.Dictionary(Font=pikepdf.Dictionary(F1=font))
        pdf.pages[0].Contents = pdf.make_stream(b"BT /F1 12 Tf 20 50 Td (It was typed here) Tj ET")
        pdf.save(stream)
    return stream.getvalue()


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below *folder*, but for the run's own."""
    return {
        os.path.relpath(path, folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".superres" not in path.relative_to(folder).parts
    }


def texts(folder: Path) -> dict[str, str]:
    """The text of every text output."""
    return {
        os.path.relpath(p, folder): p.read_text(encoding="utf-8")
        for p in sorted(folder.rglob("*.txt"))
        if ".superres" not in p.parts
    }


def states(out: Path) -> dict[str, tuple[str, str]]:
    """path -> (state, code) of every row of the run in *out*."""
    with Manifest(Layout(out).manifest) as manifest:
        return {row.path: (row.state.value, row.code) for row in manifest.files()}


def check_consistent(out: Path) -> None:
    """What must hold after any finished run: outputs are those of the manifest, and nothing temporary is left."""
    layout = Layout(out)
    found = hashes(out)
    with Manifest(layout.manifest) as manifest:
        remembered = {o.name: o.sha256 for row in manifest.files() for o in manifest.outputs(row.number)}
        assert not list(manifest.files(State.STAGED)) and not list(manifest.files(State.WAITING))
        assert all(manifest.outputs(row.number) for row in manifest.files(State.DONE))
    assert found == remembered
    assert not list(layout.staging.iterdir())


def task(tmp_path: Path, source: Path, kind: Kind = Kind.PDF, **changes: Any) -> FileTask:
    """A task on one file, with text and PDF as outputs."""
    values: dict[str, Any] = {
        "outputs": ("pdf", "text"),
        "ocr": {"language": ["eng"], "output_type": "pdf", "jobs": 1, "superres_trigger": "off", "max_image_mpixels": 250.0},
    }
    values.update(changes)
    return FileTask(1, os.fspath(source), source.name, kind, os.fspath(tmp_path / "staging" / "1.1"), **values)


def command(*arguments: str | Path) -> list[str]:
    """The command line of `archive`, with options that make it quick."""
    return [sys.executable, "-m", "ocrmypdf_superres", "archive", *map(os.fspath, arguments)]


def archive(*arguments: str | Path, **keywords: Any) -> subprocess.CompletedProcess[str]:
    """Run `archive` to its end."""
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=600, check=False, env=environment(), **keywords
    )


def environment() -> dict[str, str]:
    """Variables of a run: the checkout that is tested."""
    root = os.fspath(Path(__file__).resolve().parents[2])
    return {**os.environ, "PYTHONPATH": os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])}


def wait_until(condition: Any, seconds: float = 60.0) -> None:
    """Wait until *condition*() holds."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never happened"
        time.sleep(0.02)
