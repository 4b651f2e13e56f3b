# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres upscale``: pages enlarged as OCR would see them, as images to look at."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from PIL import Image, UnidentifiedImageError
from rich.console import Console

from ocrmypdf_superres.commands.shared.output import keep_inputs, say, steps
from ocrmypdf_superres.commands.shared.parsing import add_device, add_dpi, add_model, add_output, check_dpi, check_number
from ocrmypdf_superres.errors import ImageError, OptionError
from ocrmypdf_superres.files import atomic_write
from ocrmypdf_superres.ocr.variants import enlarge
from ocrmypdf_superres.page.image import claimed_dpi, flatten, page_count
from ocrmypdf_superres.page.pdf import open_pdf, page_dpi, render_page
from ocrmypdf_superres.page.plan import Plan, PlanSettings, plan_image
from ocrmypdf_superres.upscaling.loading import load_upscaler


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``upscale``."""
    parser.add_argument("input", type=Path, help="image or PDF")
    add_output(parser, "image; for several pages a folder, or a name that gets -1, -2, ...", metavar="IMAGE", required=True)
    parser.add_argument("--scale", type=int, metavar="N", help="enlarge by this instead of by the height of the text")
    parser.add_argument("--target-x-height", type=float, default=20.0, metavar="N", help="x-height in pixels to reach")
    add_dpi(parser, "dpi of the input, where its file does not say")
    add_model(parser)
    add_device(parser)
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="CPU threads (default: all cores)")
    parser.add_argument(
        "--tile", type=int, default=0, metavar="N", help="side of a tile in lr pixels (default: what suits the device)"
    )
    parser.add_argument("--colour", action="store_true", help="keep colours (chroma interpolated)")


def run(args: argparse.Namespace) -> int:
    """Enlarge and save.

    Raises:
        ImageError: the input is not an image or a PDF that can be read, or the output cannot be written.
        ModelError, DeviceError, OptionError: see :func:`~ocrmypdf_superres.upscaling.loading.load_upscaler`.
    """
    check_dpi(args.dpi)
    check_number(args.target_x_height, "--target-x-height", 6, 100)
    console = Console()
    upscaler = load_upscaler(args.model, args.device, threads=args.threads, tile=args.tile)
    if args.scale is not None and args.scale not in upscaler.scales:
        offered = ", ".join(str(s) for s in upscaler.scales)
        raise OptionError(f"--scale {args.scale} was given, but the model {args.model} offers {offered}; give one of those.")
    settings = PlanSettings(trigger="always", target_x_height=args.target_x_height, scales=upscaler.scales, max_pixels=2e9)
    for place, (image, dpi, count) in enumerate(_watched(read_pages(args.input, args.dpi)), 1):
        path = output_name(args.output, place, count)
        keep_inputs([path], [args.input])
        if args.scale is None:
            plan = plan_image(image, (dpi, dpi), settings)
        else:
            size = (image.width * args.scale, image.height * args.scale)
            plan = Plan("enlarge", f"x{args.scale} as asked", args.scale, float(args.scale), size, (dpi, dpi))
        result = enlarge(image, plan, upscaler, colour=args.colour) if plan.action == "enlarge" else flatten(image)
        save_image(result, path, dpi)
        line = f"{path}: {image.width}x{image.height} to {result.width}x{result.height}, {plan.reason}"
        say(line, console)
    return 0


def _watched(pages: Iterator[tuple[Image.Image, float, int]]) -> Iterator[tuple[Image.Image, float, int]]:
    """Yield *pages*, with a bar that shows how many are done."""
    first = next(pages, None)
    if first is not None:
        yield from steps(chain((first,), pages), "enlarging", first[2])


def save_image(image: Image.Image, path: Path, dpi: float) -> None:
    """Write *image* to *path* with its *dpi*, where it does not have its own; the file appears whole or not at all.

    Raises:
        ImageError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as part:
            image.save(part, dpi=image.info.get("dpi", (dpi, dpi)))
    except (OSError, ValueError) as error:
        raise ImageError(f"{path} cannot be written ({error}); give a name such as page.png.") from error


def output_name(output: Path, number: int, count: int) -> Path:
    """Return the file of page *number*, from 1, of *count* pages that go to *output*."""
    if output.is_dir() or not output.suffix:
        return output / f"page-{number}.png"
    return output if count == 1 else output.with_name(f"{output.stem}-{number}{output.suffix}")


def read_pages(path: Path, dpi: float | None) -> Iterator[tuple[Image.Image, float, int]]:
    """Yield every page of the image or PDF *path* with its dpi, or *dpi* where it is given, and the number of pages.

    Raises:
        ImageError: the file is missing or damaged.
    """
    if not path.is_file():
        raise ImageError(f"The input {path} is missing or is not a file; give an image or a PDF.")
    with path.open("rb") as stream:
        is_pdf = b"%PDF-" in stream.read(1024)
    yield from _pdf_pages(path, dpi) if is_pdf else _image_pages(path, dpi)


def _pdf_pages(path: Path, dpi: float | None) -> Iterator[tuple[Image.Image, float, int]]:
    with open_pdf(path) as pdf:
        for index in range(len(pdf)):
            chosen = dpi or page_dpi(pdf[index]) or 150.0
            yield render_page(pdf[index], chosen), chosen, len(pdf)


def _image_pages(path: Path, dpi: float | None) -> Iterator[tuple[Image.Image, float, int]]:
    try:
        # The upscaler bounds its memory itself, so large scans are welcome.
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            for index in range(page_count(image)):
                image.seek(index)
                page = image.copy()
                yield page, dpi or claimed_dpi(page, 72.0), page_count(image)
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ImageError(f"{path} cannot be read as an image ({error}); give an image or a PDF.") from error
