# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres recognizer tune``: Tesseract's network tuned on line images, or by a recipe on prepared lines."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ocrmypdf_superres.commands.shared.output import say
from ocrmypdf_superres.commands.shared.parsing import (
    add_data,
    add_device,
    add_installed,
    add_minutes,
    add_output,
    add_resume,
    add_seed,
    subcommand,
)
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.metrics.text import edit_distance
from ocrmypdf_superres.processes import available_cores
from ocrmypdf_superres.recognizers.tesseract.format.traineddata import read_traineddata
from ocrmypdf_superres.tesseract import find_traineddata, read_lines

if TYPE_CHECKING:
    from ocrmypdf_superres.recognizers.tesseract.format.traineddata import TrainedData
    from ocrmypdf_superres.training.workflows.tune_network import LineExample

SUFFIX = ".traineddata"

_IMAGES = {"epochs": 4, "lr": 1e-3, "seed": 0, "hold_out": 10, "ema": 0.0, "validate_every": 0, "patience": 0}
_RECIPE = {"data": Path(), "minutes": 0.0}


def add_action(actions: Any) -> None:
    """Add the action ``tune`` to the subparsers *actions*."""
    text = "tune a network for the stock tesseract, on line images with NAME.gt.txt or by a recipe on prepared lines"
    action = subcommand(actions, "tune", "recognizer tune", text)
    action.add_argument("lines", type=Path, help="folder of line images and texts, or a recipe (examples/recipes/tesseract.toml)")
    add_installed(action, "language, or path of a .traineddata file (default: the recipe's, or eng)", None)
    add_output(action, "file to write, NAME.traineddata", metavar="FILE", required=True)
    add_device(action)
    add_resume(action, "continue an interrupted run from its checkpoint in OUTPUT.run")
    recipe = action.add_argument_group("with a recipe")
    add_data(recipe, "folder that the recipe's lines are in (default: here)")
    add_minutes(recipe, default=None)
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


def run(console: Console, args: argparse.Namespace) -> int:
    """Tune a network.

    Raises:
        SuperresError: an option, the lines, the language or the disk cannot be used.
    """
    if args.output.suffix != SUFFIX:
        raise OptionError(f"--output {args.output} was given, a name that ends in {SUFFIX} was expected; correct it.")
    if args.lines.suffix == ".toml":
        _defaults(args, _RECIPE, _IMAGES, "a recipe")
        return _tune_by_recipe(console, args)
    _defaults(args, _IMAGES, _RECIPE, "line images")
    return _tune_on_images(console, args)


def _defaults(args: argparse.Namespace, own: Mapping[str, object], other: Mapping[str, object], where: str) -> None:
    """Set the options *own* that were not given to their defaults; refuse those of *other*."""
    for name in other:
        if getattr(args, name) is not None:
            raise OptionError(f"--{name.replace('_', '-')} was given with {where}, which it has no meaning for; leave it out.")
    for name, value in own.items():
        if getattr(args, name) is None:
            setattr(args, name, value)


def _tune_by_recipe(console: Console, args: argparse.Namespace) -> int:
    from ocrmypdf_superres.recognizers.tesseract.format.writer import save_traineddata
    from ocrmypdf_superres.training.loop.trainer import CHECKPOINT
    from ocrmypdf_superres.training.networks.reading import table
    from ocrmypdf_superres.training.networks.recipe import read_tuning_recipe
    from ocrmypdf_superres.training.workflows.tune_network import time_limit, tune_on_lines

    limit = time_limit(args.minutes)
    recipe = read_tuning_recipe(args.lines, args.language or "")
    if args.tessdata_dir is not None:
        recipe = replace(recipe, base=str(find_traineddata(recipe.language, args.tessdata_dir).resolve()))
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
    # Training is slow to import, and the other actions do not need it.
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
            file = Path(folder) / f"tuned{SUFFIX}"
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
    name = file.name.removesuffix(SUFFIX)
    read = read_lines([line.image for line in examples], name, file.resolve().parent)
    wrong = sum(edit_distance(text, " ".join(line.text.split())) for text, line in zip(read, examples, strict=True))
    return 100.0 * wrong / max(1, sum(len(line.text) for line in examples))
