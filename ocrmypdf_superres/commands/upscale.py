# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres upscale``: pages enlarged as OCR would see them, as images to look at."""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image, ImageSequence, UnidentifiedImageError
from rich.console import Console

from ocrmypdf_superres.errors import ImageError, OptionError
from ocrmypdf_superres.modelstore.store import DEFAULT_MODEL
from ocrmypdf_superres.page.image import flatten
from ocrmypdf_superres.page.plan import Plan, PlanSettings, enlarge, plan_image
from ocrmypdf_superres.upscaling.loading import load_upscaler


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``upscale``."""
    parser.add_argument("input", type=Path, help="image or PDF")
    parser.add_argument("output", type=Path, help="image; for several pages a folder, or a name that gets -1, -2, ...")
    parser.add_argument("--scale", type=int, help="enlarge by this instead of by the height of the text")
    parser.add_argument("--target-x-height", type=float, default=20.0, help="x-height in pixels to reach (default: %(default)s)")
    parser.add_argument("--dpi", type=float, help="dpi of the input, where its file does not say")
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: all cores)")
    parser.add_argument("--tile", type=int, default=0, help="side of a tile in input pixels (default: what suits the device)")
    parser.add_argument("--colour", action="store_true", help="keep colours (chroma interpolated)")


def run(args: argparse.Namespace) -> int:
    """Enlarge and save.

    Raises:
        ImageError: the input is no image or PDF that can be read, or the output cannot be written.
        ModelError, DeviceError, OptionError: see the engine.
    """
    console = Console()
    upscaler = load_upscaler(args.model, args.device, threads=args.threads, tile=args.tile)
    if args.scale is not None and args.scale not in upscaler.scales:
        offered = ", ".join(str(s) for s in upscaler.scales)
        raise OptionError(f"--scale {args.scale} was given, but the model {args.model} offers {offered}.")
    settings = PlanSettings(trigger="always", target_x_height=args.target_x_height, scales=upscaler.scales, max_pixels=2e9)
    for number, (image, dpi, count) in enumerate(_pages(args.input, args.dpi), 1):
        if args.scale is None:
            plan = plan_image(image, (dpi, dpi), settings)
        else:
            size = (image.width * args.scale, image.height * args.scale)
            plan = Plan("enlarge", f"x{args.scale} as asked", args.scale, float(args.scale), size, (dpi, dpi))
        result = enlarge(image, plan, upscaler, colour=args.colour) if plan.action == "enlarge" else flatten(image)
        path = _output(args.output, number, count)
        _save(result, path, dpi)
        line = f"{path}: {image.width}x{image.height} to {result.width}x{result.height}, {plan.reason}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    return 0


def _save(image: Image.Image, path: Path, dpi: float) -> None:
    """Write the image; the file appears whole or not at all."""
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(part, dpi=image.info.get("dpi", (dpi, dpi)))
        os.replace(part, path)
    except (OSError, ValueError) as error:
        raise ImageError(f"{path} cannot be written ({error}); give a name such as page.png.") from error
    finally:
        part.unlink(missing_ok=True)


def _output(output: Path, number: int, count: int) -> Path:
    if output.is_dir() or not output.suffix:
        return output / f"page-{number}.png"
    return output if count == 1 else output.with_name(f"{output.stem}-{number}{output.suffix}")


def _pages(path: Path, dpi: float | None) -> Iterator[tuple[Image.Image, float, int]]:
    """Yield every page with its dpi and the number of pages."""
    if not path.is_file():
        raise ImageError(f"The input {path} does not exist; give an image or a PDF.")
    with open(path, "rb") as stream:
        is_pdf = b"%PDF-" in stream.read(1024)
    if is_pdf:
        yield from _pdf_pages(path, dpi)
        return
    try:
        # The engine bounds its memory itself, so large scans are welcome.
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            count = getattr(image, "n_frames", 1)
            for frame in ImageSequence.Iterator(image):
                page = frame.copy()
                yield page, dpi or float(page.info.get("dpi", (72.0, 72.0))[0]) or 72.0, count
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ImageError(f"{path} cannot be read as an image ({error}); give an image or a PDF.") from error


def _pdf_pages(path: Path, dpi: float | None) -> Iterator[tuple[Image.Image, float, int]]:
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        raise ImageError(f"{path} cannot be opened as a PDF ({error}); is it damaged or encrypted?") from error
    with document:
        for number in range(len(document)):
            try:
                page = document[number]
                chosen = dpi or _image_dpi(page) or 150.0
                # pdfium rounds sizes up; the hair less keeps 30.0000001 rows from becoming 31.
                image = page.render(scale=chosen / 72.0 * (1.0 - 1e-5)).to_pil()
            except pypdfium2.PdfiumError as error:
                raise ImageError(f"Page {number + 1} of {path} cannot be read ({error}); repair the PDF first.") from error
            yield image, chosen, len(document)


def _image_dpi(page: Any) -> float:
    """Return the largest dpi of the images that cover more than a fifth of the page, 0.0 without such."""
    import pypdfium2.raw

    largest = 0.0
    for item in page.get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_IMAGE]):
        left, bottom, right, top = item.get_bounds()
        width, _ = item.get_px_size()
        if right > left and (right - left) * (top - bottom) > 0.2 * page.get_width() * page.get_height():
            largest = max(largest, 72.0 * width / (right - left))
    return largest
