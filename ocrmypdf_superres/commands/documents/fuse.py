# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres fuse``: one sharper page from several scans of it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from rich.console import Console

from ocrmypdf_superres.commands.documents.upscale import output_name, read_pages, save_image
from ocrmypdf_superres.commands.shared.output import keep_inputs, say, steps
from ocrmypdf_superres.commands.shared.parsing import add_device, add_dpi, add_model, add_output, check_dpi
from ocrmypdf_superres.errors import ImageError, OptionError
from ocrmypdf_superres.page.image import from_luma, to_luma

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocrmypdf_superres.page.fusion import Laid
    from ocrmypdf_superres.page.image import FloatImage


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``fuse``."""
    parser.add_argument(
        "scans", nargs="+", type=Path, metavar="SCAN",
        help="images or PDFs of the same page or pages: copies of two libraries, a fax sent twice, photographs in a row; the "
        "first decides size and position",
    )  # fmt: skip
    add_output(parser, "image; for several pages a folder or a name", metavar="IMAGE", required=True)
    parser.add_argument("--scale", type=int, default=4, metavar="N", help="enlarge by this, 1 to 8")
    add_model(parser, "enlarge with this network, too (default: none)", None)
    parser.add_argument(
        "--net", choices=("after", "before"), default="after",
        help="with --model: after the scans are fused at half of the scale, or before, each scan by itself",
    )  # fmt: skip
    add_device(parser)
    add_dpi(parser, "dpi of the scans, where their files do not say")


def run(args: argparse.Namespace) -> int:
    """Fuse the pages, and say how many scans each is made of.

    Raises:
        ImageError: a scan cannot be read, shows another page, or cannot be laid over the first.
        OptionError: fewer than two scans, a scale that cannot be used, an output that is one of the scans.
        ModelError, DeviceError: the network cannot be used.
    """
    check_dpi(args.dpi)
    if len(args.scans) < 2:
        raise OptionError(f"{len(args.scans)} scan was given, at least two of the same page were expected; give more.")
    if not 1 <= args.scale <= 8 or (args.model and args.net == "after" and args.scale % 2):
        raise OptionError(f"--scale {args.scale} was given; give 1 to 8, and an even number where a network comes after.")
    console = Console()
    files = [list(read_pages(path, args.dpi)) for path in args.scans]
    counts = {str(path): len(pages) for path, pages in zip(args.scans, files, strict=True)}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise ImageError(f"The files have different numbers of pages ({listed}); give files of the same pages.")
    for number, pages in enumerate(steps(list(zip(*files, strict=True)), "fusing"), 1):
        path = output_name(args.output, number, len(files[0]))
        keep_inputs([path], args.scans)
        dpi = pages[0][1] * args.scale
        fused = from_luma(_fused([page for page, _, _ in pages], [str(scan) for scan in args.scans], args))
        fused.info["dpi"] = (dpi, dpi)
        save_image(fused, path, dpi)
        size = f"{pages[0][0].width}x{pages[0][0].height} to {fused.width}x{fused.height}"
        line = f"{path}: {len(pages)} scans of {size}, {dpi:.0f} dpi"
        say(line, console)
    return 0


def _fused(images: Sequence[Image.Image], names: Sequence[str], args: argparse.Namespace) -> FloatImage:
    from ocrmypdf_superres.page.fusion import fuse, lay

    laid: list[Laid] = lay([to_luma(image) for image in images], names)
    if not args.model:
        return fuse(laid, args.scale)
    from ocrmypdf_superres.upscaling.loading import load_upscaler

    upscaler = load_upscaler(args.model, args.device)
    if args.net == "before":
        return fuse(laid, args.scale, upscaler.upscale)
    return upscaler.upscale(fuse(laid, args.scale // 2), 2)
