# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres upscale``: pages enlarged as OCR would see them, as images to look at."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageSequence, UnidentifiedImageError
from rich.console import Console

from ocrmypdf_superres.engine.upscaler import load_upscaler
from ocrmypdf_superres.errors import ImageError, OptionError
from ocrmypdf_superres.image import flatten
from ocrmypdf_superres.modelstore import DEFAULT_MODEL
from ocrmypdf_superres.page import Plan, PlanSettings, enlarge, plan_image


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``upscale``."""
    parser.add_argument("input", type=Path, help="image or PDF")
    parser.add_argument("output", type=Path, help="image; for several pages a folder, or a name that gets -1, -2, ...")
    parser.add_argument("--scale", type=int, help="enlarge by this instead of by the height of the text")
    parser.add_argument("--target-x-height", type=float, default=20.0, help="x-height in pixels to reach (default: %(default)s)")
    parser.add_argument("--dpi", type=float, help="dpi of the input, where its file does not say")
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    parser.add_argument("--colour", action="store_true", help="keep colours (chroma interpolated)")


def run(args: argparse.Namespace) -> int:
    """Enlarge and save.

    Raises:
        ImageError: the input is no picture or PDF that can be read, or the output cannot be written.
        ModelError, DeviceError, OptionError: see the engine.
    """
    console = Console()
    upscaler = load_upscaler(args.model, args.device)
    if args.scale is not None and args.scale not in upscaler.scales:
        offered = ", ".join(str(s) for s in upscaler.scales)
        raise OptionError(f"--scale {args.scale} was given, but the model {args.model} offers {offered}.")
    pages = list(_pages(args.input, args.dpi))
    settings = PlanSettings(trigger="always", target_x_height=args.target_x_height, scales=upscaler.scales, max_pixels=2e9)
    for number, (image, dpi) in enumerate(pages, 1):
        if args.scale is None:
            plan = plan_image(image, (dpi, dpi), settings)
        else:
            size = (image.width * args.scale, image.height * args.scale)
            plan = Plan("enlarge", f"x{args.scale} as asked", args.scale, float(args.scale), size, (dpi, dpi))
        result = enlarge(image, plan, upscaler, colour=args.colour) if plan.action == "enlarge" else flatten(image)
        path = _output(args.output, number, len(pages))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            result.save(path, dpi=result.info.get("dpi", (dpi, dpi)))
        except (OSError, ValueError) as error:
            raise ImageError(f"{path} cannot be written ({error}); give a name such as page.png.") from error
        console.print(f"{path}: {image.width}x{image.height} to {result.width}x{result.height}, {plan.reason}", highlight=False)
    return 0


def _output(output: Path, number: int, count: int) -> Path:
    if output.is_dir() or not output.suffix:
        return output / f"page-{number}.png"
    return output if count == 1 else output.with_name(f"{output.stem}-{number}{output.suffix}")


def _pages(path: Path, dpi: float | None) -> Iterator[tuple[Image.Image, float]]:
    """Yield every page with its dpi."""
    if not path.is_file():
        raise ImageError(f"The input {path} does not exist; give an image or a PDF.")
    with open(path, "rb") as stream:
        is_pdf = b"%PDF-" in stream.read(1024)
    if is_pdf:
        yield from _pdf_pages(path)
        return
    try:
        # The engine bounds its memory itself, so large scans are welcome.
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            for frame in ImageSequence.Iterator(image):
                yield frame.copy(), dpi or float(frame.info.get("dpi", (72.0, 72.0))[0])
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ImageError(f"{path} cannot be read as a picture ({error}); give an image or a PDF.") from error


def _pdf_pages(path: Path) -> Iterator[tuple[Image.Image, float]]:
    import pypdfium2
    import pypdfium2.raw

    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        raise ImageError(f"{path} cannot be opened as a PDF ({error}); is it damaged or encrypted?") from error
    for page in document:
        largest = 0.0
        for item in page.get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_IMAGE]):
            left, bottom, right, top = item.get_bounds()
            width, _ = item.get_px_size()
            if right > left and (right - left) * (top - bottom) > 0.2 * page.get_width() * page.get_height():
                largest = max(largest, 72.0 * width / (right - left))
        dpi = largest or 150.0
        yield page.render(scale=dpi / 72.0).to_pil(), dpi
