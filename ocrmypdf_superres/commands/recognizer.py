# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres recognizer``: compare the port with the binary, train, tune, pack, measure, export."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image
from rich.console import Console

from ocrmypdf_superres.commands.networks import tuned_networks
from ocrmypdf_superres.commands.shared.output import say, steps
from ocrmypdf_superres.commands.shared.parsing import (
    add_data,
    add_device,
    add_language,
    add_output,
    add_resume,
    add_seed,
    subcommand,
)
from ocrmypdf_superres.errors import ImageError, OptionError
from ocrmypdf_superres.metrics.text import edit_distance
from ocrmypdf_superres.processes import available_cores
from ocrmypdf_superres.recognizers.tesseract import load_recognizer
from ocrmypdf_superres.recognizers.tesseract.format.traineddata import read_traineddata
from ocrmypdf_superres.recognizers.tesseract.verification.compare import compare, summarise
from ocrmypdf_superres.tesseract import find_traineddata, read_lines

if TYPE_CHECKING:
    from ocrmypdf_superres.recognizers.tesseract.format.traineddata import TrainedData
    from ocrmypdf_superres.training.workflows.tune_network import LineExample

_SUFFIX = ".traineddata"


_IMAGES = {"epochs": 4, "lr": 1e-3, "seed": 0, "hold_out": 10, "ema": 0.0, "validate_every": 0, "patience": 0}
_RECIPE = {"data": Path(), "minutes": 0.0}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions with their arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    _add_compare(actions)
    _add_tune(actions)
    _add_lines(actions)
    _add_train(actions)
    tuned_networks.add_actions(actions)
    _add_alternate(actions)
    _add_export(actions)


def _add_compare(actions: Any) -> None:
    text = "compare what the port and tesseract --psm 13 read on images of single lines"
    action = subcommand(actions, "compare", "recognizer compare", text)
    _add_installed(action)
    action.add_argument("images", nargs="+", type=Path, help="line images; NAME.gt.txt beside an image has its true text")
    action.add_argument("--as-trained", action="store_true", help="without Tesseract's rounding and border noise")


def _add_tune(actions: Any) -> None:
    text = "tune a network for the stock tesseract, on line images with NAME.gt.txt or by a recipe on prepared lines"
    action = subcommand(actions, "tune", "recognizer tune", text)
    action.add_argument("lines", type=Path, help="folder of line images and texts, or a recipe (examples/recipes/tesseract.toml)")
    _add_installed(action, "language, or path of a .traineddata file (default: the recipe's, or eng)", None)
    add_output(action, "file to write, NAME.traineddata", metavar="FILE", required=True)
    add_device(action)
    add_resume(action, "continue an interrupted run from its checkpoint in OUTPUT.run")
    recipe = action.add_argument_group("with a recipe")
    add_data(recipe, "folder that the recipe's lines are in (default: here)")
    recipe.add_argument(
        "--minutes",
        type=float,
        metavar="N",
        help="end after this many minutes, with fewer steps than the recipe's (default: no limit)",
    )
    images = action.add_argument_group("with line images")
    images.add_argument("--epochs", type=int, metavar="N", help="passes over all lines (default: 4)")
    images.add_argument("--lr", type=float, metavar="N", help="peak learning rate (default: 0.001)")
    add_seed(images, "of the order of lines and of noise (default: 0)", None)
    images.add_argument(
        "--hold-out", type=int, metavar="N", help="hold out every Nth line to measure on, 0 for none (default: 10)"
    )
    images.add_argument(
        "--ema", type=float, metavar="N", help="decay per step of the weights' moving average (default: 0, no average)"
    )
    images.add_argument(
        "--validate-every", type=int, metavar="STEPS",
        help="keep the weights with which tesseract reads held-out lines best, measured at this interval (default: 0, the last)",
    )  # fmt: skip
    images.add_argument("--patience", type=int, metavar="N", help="end after N validations in a row without a gain")


def _add_lines(actions: Any) -> None:
    text = "prepare low-resolution lines to tune a network on, in files of a few hundred; existing files are kept"
    action = subcommand(actions, "lines", "recognizer lines", text)
    action.add_argument("folder", type=Path, help="folder to write the files to")
    add_language(action, "language whose network is to be tuned")
    action.add_argument(
        "--text", type=Path, required=True, metavar="FOLDER", help="texts, in one folder per language (eng/*.txt)"
    )
    action.add_argument("--scans", type=Path, metavar="FOLDER", help="page scans with NAME.gt.txt, to take lines from as well")
    action.add_argument("--cache", type=Path, default=Path("line-cache"), metavar="FOLDER",
                        help="where Tesseract's readings of scans are kept")  # fmt: skip
    action.add_argument("--count", type=int, default=10000, metavar="N", help="lines in all")
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
    _add_installed(action)
    add_output(action, "file to write, NAME.onnx", metavar="FILE", required=True)


def _add_installed(
    action: argparse.ArgumentParser, text: str = "language, or path of a .traineddata file", default: str | None = "eng"
) -> None:
    add_language(action, text, default)
    action.add_argument("--tessdata-dir", type=Path, metavar="FOLDER", help="folder of the language's file")


def run(args: argparse.Namespace) -> int:
    """Do what was asked.

    Raises:
        SuperresError: an image, language or option cannot be used.
    """
    console = Console(highlight=False)
    if args.action == "compare":
        return _compare(console, args)
    if args.action == "tune":
        return _tune(console, args)
    if args.action == "lines":
        return _lines(console, args)
    if args.action in ("pack", "measure"):
        return {"pack": tuned_networks.pack, "measure": tuned_networks.measure}[args.action](console, args)
    if args.action == "alternate":
        return _alternate(console, args)
    if args.action == "train":
        from ocrmypdf_superres.training.workflows.train_recognizer import train_recognizer

        written = train_recognizer(args.recipe, args.output, args.data, args.resume, args.device)
        say(f"Written: {written}", console)
        return 0
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
    return [" ".join(file.read_text(encoding="utf-8").split()) if file.is_file() else None for file in files]


def _compare(console: Console, args: argparse.Namespace) -> int:
    recognizer = load_recognizer(args.language, args.tessdata_dir)
    if not args.as_trained:
        recognizer.rounding = True
        recognizer.set_border("exact")
    installed = find_traineddata(args.language, args.tessdata_dir)
    names = [str(path) for path in args.images]
    language = installed.name.removesuffix(_SUFFIX)
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
    stream = build_stream(args.language, Sources(args.text, args.scans, args.cache), args.seed, held=args.held_out)
    files = -(-args.count // SHARD_LINES)
    for path, made in steps(make_shards(stream, args.folder, files, args.first), "files of lines", files):
        say(f"{path}{'' if made else ': was there'}", console)
    return 0


def _defaults(args: argparse.Namespace, own: Mapping[str, object], other: Mapping[str, object], where: str) -> None:
    """Set the options *own* that were not given to their defaults; refuse those of *other*."""
    for name in other:
        if getattr(args, name) is not None:
            raise OptionError(f"--{name.replace('_', '-')} was given with {where}, which it has no meaning for; leave it out.")
    for name, value in own.items():
        if getattr(args, name) is None:
            setattr(args, name, value)


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


def _tune(console: Console, args: argparse.Namespace) -> int:
    if args.output.suffix != _SUFFIX:
        raise OptionError(f"--output {args.output} was given, a name that ends in {_SUFFIX} was expected; correct it.")
    if args.lines.suffix == ".toml":
        _defaults(args, _RECIPE, _IMAGES, "a recipe")
        return _tune_by_recipe(console, args)
    _defaults(args, _IMAGES, _RECIPE, "line images")
    return _tune_on_images(console, args)


def _tune_by_recipe(console: Console, args: argparse.Namespace) -> int:
    from ocrmypdf_superres.recognizers.tesseract.format.writer import save_traineddata
    from ocrmypdf_superres.training.loop.trainer import CHECKPOINT
    from ocrmypdf_superres.training.networks.reading import table
    from ocrmypdf_superres.training.networks.recipe import read_tuning_recipe
    from ocrmypdf_superres.training.workflows.tune_network import time_limit, tune_on_lines

    if args.minutes < 0:
        raise OptionError(f"--minutes {args.minutes:g} was given, a number above 0 was expected; correct it.")
    recipe = read_tuning_recipe(args.lines, args.language or "")
    if args.tessdata_dir is not None:
        recipe = replace(recipe, base=str(find_traineddata(recipe.language, args.tessdata_dir).resolve()))
    limit = time_limit(args.minutes) if args.minutes else None
    run = args.output.with_suffix(".run")
    if (run / CHECKPOINT).is_file() and not args.resume:
        raise OptionError(f"{run} holds an earlier run; add --resume to continue it, delete it, or give another --output.")
    tuned = tune_on_lines(recipe, args.data, run, args.resume, args.device, limit)
    save_traineddata(tuned.data, args.output)
    say(f"{args.output}: {tuned.steps} steps. CER of tesseract on held-out lines in %:", console)
    for row in table({"before": tuned.before, "after": tuned.after}):
        say(row, console)
    return 0


def _tune_on_images(console: Console, args: argparse.Namespace) -> int:
    # Training is heavy to import, and compare has no use for it.
    from ocrmypdf_superres.recognizers.tesseract.format.int8 import int8_copy
    from ocrmypdf_superres.recognizers.tesseract.format.writer import save_traineddata
    from ocrmypdf_superres.training.workflows.tune_network import TuneSettings, read_examples, tune

    _check_tune(args)
    examples = read_examples(args.lines)
    every, validated = args.hold_out, args.validate_every > 0
    held_out = examples[::every] if every else []
    validation = examples[1::every] if validated else []
    learnt = [line for index, line in enumerate(examples) if not every or index % every > validated]
    installed = find_traineddata(args.language or "eng", args.tessdata_dir)
    run = args.output.with_suffix(".run")
    cores = available_cores()
    settings = TuneSettings(
        epochs=args.epochs, lr=args.lr, seed=args.seed, ema=args.ema, validate_every=args.validate_every or 1,
        patience=args.patience, threads=max(1, cores // 2),
    )  # fmt: skip
    data = read_traineddata(installed)

    def error_rate(tuned: TrainedData) -> float:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"tuned{_SUFFIX}"
            save_traineddata(int8_copy(tuned) if data.integer else tuned, file)
            return _error_rate(validation, file)

    tuned, report = tune(data, learnt, settings, run, args.resume, args.device, error_rate if validation else None)
    # As the base is: an int8 file is read faster and is what distributions have.
    save_traineddata(int8_copy(tuned) if data.integer else tuned, args.output)
    count = len(learnt) - len(report.skipped)
    say(f"{args.output}: {report.steps} steps on {count} lines", console)
    say("loss, nats a character: " + ", ".join(f"{value:.4f}" for value in report.losses), console)
    for index, reason in report.skipped.items():
        say(f"left out line {index}: {reason}", console)
    if held_out:
        before = _error_rate(held_out, installed)
        after = _error_rate(held_out, args.output)
        say(f"CER of tesseract on {len(held_out)} held-out lines: {before:.2f} % before, {after:.2f} % after", console)
    return 0


def _check_tune(args: argparse.Namespace) -> None:
    if args.epochs < 1 or args.lr <= 0 or args.hold_out < 0 or args.hold_out == 1:
        raise OptionError(
            f"--epochs {args.epochs}, --lr {args.lr} and --hold-out {args.hold_out} were given, at least 1, more than "
            f"0, and 0 or at least 2 were expected; correct them."
        )
    if not 0 <= args.ema < 1 or min(args.validate_every, args.patience) < 0 or (args.validate_every and args.hold_out < 3):
        raise OptionError(
            f"--ema {args.ema}, --validate-every {args.validate_every} and --patience {args.patience} were given, a number below "
            "1 and numbers of 0 or more were expected, and --hold-out of at least 3 to validate; correct them."
        )
    if args.patience and not args.validate_every:
        raise OptionError(f"--patience {args.patience} was given without --validate-every; add how often to validate.")


def _error_rate(examples: Sequence[LineExample], file: Path) -> float:
    """Return the CER in percent of the installed binary with *file* on *examples*."""
    name = file.name.removesuffix(_SUFFIX)
    read = read_lines([line.image for line in examples], name, file.resolve().parent)
    wrong = sum(edit_distance(text, " ".join(line.text.split())) for text, line in zip(read, examples, strict=True))
    return 100.0 * wrong / max(1, sum(len(line.text) for line in examples))
