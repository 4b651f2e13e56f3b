# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres patches``: nets for pages compared on patches with hr."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from ocrmypdf_superres.commands.networks.systems import add_systems
from ocrmypdf_superres.commands.shared.output import STANDARD_OUTPUT, say, show, steps
from ocrmypdf_superres.commands.shared.parsing import add_data, add_device, add_json, add_language

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from ocrmypdf_superres.evaluation.networks.patches import PatchMetrics, Predictor
    from ocrmypdf_superres.training.recipe import Source


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``patches``."""
    parser.add_argument(
        "methods",
        nargs="*",
        metavar="METHOD",
        help="names or folders of models for pages; MODEL:PART for one of a net's outputs or parts; "
        "A@2+B@2 for a cascade, of which bicubic may be a part",
    )
    add_data(
        parser,
        "page scans of 200 dpi and more, with NAME.gt.txt beside each or an index.json; or what --kind says",
        required=True,
    )
    parser.add_argument(
        "--kind",
        choices=("scans", "pairs", "patches"),
        default="scans",
        help="strips around lines of page scans; the same with real low-resolution scans of the pages (--low), registered; or "
        "crops of any images at their own pixels, one an image, such as sets of text patches",
    )
    parser.add_argument("--low", type=Path, metavar="FOLDER", help="low-resolution partners of the same names")
    parser.add_argument(
        "--size", type=int, nargs=2, default=(256, 256), metavar=("HEIGHT", "WIDTH"), help="of --kind patches (default 256 256)"
    )
    parser.add_argument("--part", choices=("train", "test"), help="only these images, split by name; recipes can split alike")
    parser.add_argument("--share", type=float, default=0.7, metavar="N", help="share of the images that is for training")
    parser.add_argument("--scale", type=int, default=4, metavar="N", help="how much smaller lr is; 1 for nets that only deblur")
    parser.add_argument(
        "--count", type=int, default=96, metavar="N", help="patches, of 96 x 576 pixels of hr; of --kind patches 0 takes all"
    )
    parser.add_argument(
        "--recipe", type=Path, metavar="FILE", help="reduce the patches as this recipe does (default: bicubic alone)"
    )
    add_language(parser, "Tesseract languages of scans without an index")
    parser.add_argument(
        "--detector", metavar="NAME", help="a text detector: its folder or name, or the file of CTPN's public weights"
    )
    parser.add_argument("--lpips", type=Path, nargs=2, metavar=("ALEXNET", "LINEAR"), help="two files of weights, for LPIPS")
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="keep the lines that are found in the scans there")
    add_systems(parser)
    add_device(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print a row for bicubic, each method and hr itself.

    Raises:
        SuperresError: a model, system, the detector, the recipe or the data cannot be used.
    """
    from ocrmypdf_superres.errors import OptionError
    from ocrmypdf_superres.evaluation.networks.lpips_weights import load_lpips
    from ocrmypdf_superres.evaluation.networks.patches import evaluate_patches, patches, predictor
    from ocrmypdf_superres.evaluation.networks.peers import check_row, system_predictors
    from ocrmypdf_superres.training.loop.processes import pick_device
    from ocrmypdf_superres.training.losses.recognition.detector import load_detector
    from ocrmypdf_superres.training.recipe import read_recipe

    if args.scale < 1 or args.count < (args.kind != "patches"):
        raise OptionError(f"--scale {args.scale} and --count {args.count} were given; give at least 1 of both.")
    if args.scale == 1 and args.recipe is None:
        raise OptionError("--scale 1 compares nets that only deblur, so the patches must be degraded; add --recipe FILE.")
    names = ["bicubic", *(name for name in args.methods if name != "bicubic")]
    device = pick_device(args.device)
    predictors = {name: predictor(name, args.scale, device) for name in names}
    detector = load_detector(args.detector).to(device) if args.detector else None
    recipe = read_recipe(args.recipe) if args.recipe else None
    degradation, clean = (recipe.degradation, recipe.clean) if recipe else ((), 0.0)
    batches = patches(
        args.data, args.scale, args.count, degradation, clean, args.language, args.cache, _source(args, Path(args.data).resolve())
    )
    for name, predict in system_predictors(args.system, args.spandrel, batches).items():
        check_row("system", name, predictors)
        predictors[name] = _at_scale(predict, args.scale)
    perceptual = load_lpips(*args.lpips) if args.lpips else None
    truths = iter(batches)
    predictors["hr"] = lambda lr: next(truths).hr
    metrics = {
        name: evaluate_patches(predictors[name], batches, detector, perceptual) for name in steps(list(predictors), "evaluating")
    }
    first = metrics["hr"]
    if str(args.json) != STANDARD_OUTPUT:
        say(f"{first.patches} patches, {first.lines} lines with text, x{args.scale}.")
    show(_table(metrics), args.json, {name: found.summary() for name, found in metrics.items()})
    return 0


def _at_scale(predict: Callable[[Tensor, int], Tensor], scale: int) -> Predictor:
    return lambda lr: predict(lr, scale)


def _source(args: argparse.Namespace, data: Path) -> Source:
    from ocrmypdf_superres.training.recipe import Source

    options: dict[str, Any] = {"part": args.part, "share": args.share} if args.part else {}
    if args.kind == "patches":
        options["size"] = list(args.size)
    low = "" if args.low is None else os.path.relpath(args.low.resolve(), data)
    return Source(args.kind, ".", language=args.language, low=low, options=options)


def _table(metrics: Mapping[str, PatchMetrics]) -> Table:
    first = next(iter(metrics.values()))
    table = Table("method", "PSNR", "SSIM", "CER %", "S_LCS", "S_LD")
    if first.lpips is not None:
        table.add_column("LPIPS")
    for name in ["IoU of text", *first.distances] if first.iou is not None else []:
        table.add_column(name)
    for name, row in metrics.items():
        text = [f"{100 * row.cer:.2f}", f"{row.s_lcs:.4f}", f"{row.s_ld:.4f}"] if row.lines else ["-"] * 3
        cells = [f"{row.psnr:.2f}", f"{row.ssim:.4f}", *text]
        cells += [f"{row.lpips:.4f}"] if row.lpips is not None else []
        cells += [f"{row.iou:.4f}"] if row.iou is not None else []
        table.add_row(escape(name), *cells, *(f"{value:.4f}" for value in row.distances.values()))
    return table
