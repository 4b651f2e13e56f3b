# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres recognizer``: a table of its actions, and the short ones: compare, lines, train, alternate, export."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from rich.console import Console

from ocrmypdf_superres.commands.networks import tune, tune_rapidocr, tuned_networks
from ocrmypdf_superres.commands.shared.output import say, steps
from ocrmypdf_superres.commands.shared.parsing import (
    add_data,
    add_device,
    add_installed,
    add_language,
    add_output,
    add_resume,
    add_seed,
    subcommand,
)
from ocrmypdf_superres.errors import ImageError, OptionError
from ocrmypdf_superres.files import read_text
from ocrmypdf_superres.recognizers.tesseract import load_recognizer
from ocrmypdf_superres.recognizers.tesseract.verification.compare import compare, summarise
from ocrmypdf_superres.tesseract import find_traineddata


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions with their arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    _add_compare(actions)
    tune.add_action(actions)
    tune_rapidocr.add_action(actions)
    _add_lines(actions)
    _add_train(actions)
    tuned_networks.add_actions(actions)
    _add_alternate(actions)
    _add_export(actions)


def _add_compare(actions: Any) -> None:
    text = "compare what the port and tesseract --psm 13 read on images of single lines"
    action = subcommand(actions, "compare", "recognizer compare", text)
    add_installed(action)
    action.add_argument("images", nargs="+", type=Path, help="line images; NAME.gt.txt beside an image has its true text")
    action.add_argument("--as-trained", action="store_true", help="without Tesseract's rounding and border noise")


def _add_lines(actions: Any) -> None:
    text = "prepare low-resolution lines to tune a network on, in files of a few hundred; existing files are kept"
    action = subcommand(actions, "lines", "recognizer lines", text)
    action.add_argument("folder", type=Path, help="folder to write the files to")
    add_language(action, "language whose network is to be tuned")
    action.add_argument(
        "--text",
        type=Path,
        metavar="FOLDER",
        help="texts, in one folder per language (eng/*.txt), to render lines of; without them all lines are of scans",
    )
    action.add_argument("--scans", type=Path, metavar="FOLDER", help="page scans with their text, to take lines from as well")
    action.add_argument(
        "--line-images",
        type=Path,
        metavar="FOLDER",
        help="line images with NAME.gt.txt in the language, as tesstrain takes them, to take lines from as well; a folder in it "
        "is a document",
    )
    action.add_argument("--cache", type=Path, default=Path("line-cache"), metavar="FOLDER",
                        help="where Tesseract's readings of scans are kept")  # fmt: skip
    action.add_argument("--count", type=int, default=10000, metavar="N", help="lines in all, rounded up to whole files")
    action.add_argument("--first", type=int, default=0, metavar="N", help="number of the first file")
    add_seed(action, "of the lines")
    action.add_argument("--held-out", action="store_true", help="use the texts and documents that training never sees")


def _add_train(actions: Any) -> None:
    text = "train a recognizer or a text detector of the published systems from a recipe"
    action = subcommand(actions, "train", "recognizer train", text)
    action.add_argument("recipe", type=Path, help="a TOML file, see examples/recipes/papers")
    add_data(action, "folder that the recipe's sources are in (default: here)", default=Path())
    add_output(action, "folder of the recognizer to write", metavar="FOLDER", required=True)
    add_device(action)
    add_resume(action, "continue an interrupted run from its checkpoint in OUTPUT.run")


def _add_alternate(actions: Any) -> None:
    text = "train a super-resolution net and a network in turn, with controls, by a recipe (examples/recipes/alternating.toml)"
    action = subcommand(actions, "alternate", "recognizer alternate", text)
    action.add_argument("recipe", type=Path, help="a TOML file")
    add_data(action, "folder that the recipe's folders are in (default: here)", default=Path())
    add_output(action, "folder for nets, networks, lines and the report", metavar="FOLDER", required=True)
    add_device(action)
    add_resume(action, "make what is missing in the folder")


def _add_export(actions: Any) -> None:
    text = "write the network as ONNX"
    action = subcommand(actions, "export", "recognizer export", text)
    add_installed(action)
    add_output(action, "file to write, NAME.onnx", metavar="FILE", required=True)


def run(args: argparse.Namespace) -> int:
    """Do what was asked.

    Raises:
        SuperresError: an image, language or option cannot be used.
    """
    actions: dict[str, Callable[[Console, argparse.Namespace], int]] = {
        "compare": _compare, "tune": tune.run, "tune-rapidocr": tune_rapidocr.run, "lines": _lines, "train": _train,
        "pack": tuned_networks.pack, "measure": tuned_networks.measure, "alternate": _alternate, "export": _export,
    }  # fmt: skip
    return actions[args.action](Console(highlight=False), args)


def _train(console: Console, args: argparse.Namespace) -> int:
    from ocrmypdf_superres.training.workflows.train_recognizer import train_recognizer

    say(f"Written: {train_recognizer(args.recipe, args.output, args.data, args.resume, args.device)}", console)
    return 0


def _export(console: Console, args: argparse.Namespace) -> int:
    from ocrmypdf_superres.export.recognizer_onnx import export_recognizer

    export_recognizer(load_recognizer(args.language, args.tessdata_dir), args.output)
    say(f"{args.output}: {args.output.stat().st_size / 1e6:.2f} MB", console)
    return 0


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            image.load()
            # What the binary would make of them itself; both get the same pixels.
            return image.convert("RGB") if image.mode in ("P", "RGBA", "LA", "CMYK") else image.copy()
    except OSError as error:
        raise ImageError(f"The image {path} cannot be read ({error}); give a PNG, JPEG or TIFF file.") from error


def _truths(paths: Sequence[Path]) -> list[str | None]:
    files = [path.with_name(f"{path.stem}.gt.txt") for path in paths]
    return [" ".join(read_text(file).split()) if file.is_file() else None for file in files]


def _compare(console: Console, args: argparse.Namespace) -> int:
    recognizer = load_recognizer(args.language, args.tessdata_dir)
    if not args.as_trained:
        recognizer.rounding = True
        recognizer.set_border("exact")
    installed = find_traineddata(args.language, args.tessdata_dir)
    names = [str(path) for path in args.images]
    language = installed.name.removesuffix(tune.SUFFIX)
    images = [_open(path) for path in args.images]
    items = compare(recognizer, images, names, language, _truths(args.images), installed.parent)
    for item in items:
        upper, marks, lower = item.rows()
        say(item.name if item.edits else f"{item.name}: the same", console)
        say(f"  port       {upper}", console)
        if item.edits:
            say(f"             {marks}", console)
            say(f"  tesseract  {lower}", console)
    say(str(summarise(items)), console)
    return 0


def _lines(console: Console, args: argparse.Namespace) -> int:
    from ocrmypdf_superres.training.data.ocr_lines.build import Sources, build_stream
    from ocrmypdf_superres.training.data.ocr_lines.shards import SHARD_LINES, make_shards

    if args.count < 1 or args.first < 0:
        raise OptionError(
            f"--count {args.count} and --first {args.first} were given, at least 1 and 0 were expected; correct them."
        )
    sources = Sources(args.text, args.scans, args.cache, pairs=args.line_images)
    stream = build_stream(args.language, sources, args.seed, held=args.held_out)
    files = -(-args.count // SHARD_LINES)
    for path, made in steps(make_shards(stream, args.folder, files, args.first), "files of lines", files):
        say(f"{path}{'' if made else ': was there'}", console)
    return 0


def _alternate(console: Console, args: argparse.Namespace) -> int:
    from ocrmypdf_superres.training.networks.alternating import read_alternating_recipe
    from ocrmypdf_superres.training.workflows.alternate import alternate

    recipe = read_alternating_recipe(args.recipe)
    if args.output.exists() and not args.resume:
        raise OptionError(f"{args.output} exists already; add --resume to continue it, or give another folder with -o.")
    say("CER of tesseract on held-out lines in %, by the pair's net (sr), Lanczos and hr:", console)
    for row in alternate(recipe, args.data, args.output, args.device):
        say(row, console)
    return 0
