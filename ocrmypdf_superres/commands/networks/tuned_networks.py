# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres recognizer pack`` and ``measure``: a tuned network as a folder of its own, and its error rates."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from ocrmypdf_superres.commands.shared.output import STANDARD_OUTPUT, say, show, steps, write_text
from ocrmypdf_superres.commands.shared.parsing import add_json, add_language, add_output, subcommand
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.files import read_text
from ocrmypdf_superres.modelstore.networks import networks_in
from ocrmypdf_superres.modelstore.rapidocr_networks import RapidocrNetwork, read_rapidocr_network
from ocrmypdf_superres.recognizers.tesseract.networks.pack import About, change_card, pack_network
from ocrmypdf_superres.tesseract import find_traineddata

if TYPE_CHECKING:
    from ocrmypdf_superres.evaluation.networks.tuned_network import GroupFigures

PRINTED = {"printed by": "ocrmypdf-superres recognizer measure"}


def add_actions(actions: Any) -> None:
    """Add the actions ``pack`` and ``measure`` to the subparsers *actions*."""
    text = "pack a tuned network into a folder for --superres-networks: the bare network as int8, and a card"
    action = subcommand(actions, "pack", "recognizer pack", text)
    action.add_argument("tuned", type=Path, help="the tuned .traineddata file")
    add_output(action, "folder to write", metavar="FOLDER", required=True)
    add_language(action, "the language, such as eng or script/Latin")
    action.add_argument("--tessdata-dir", type=Path, metavar="FOLDER", help="folder of the file that it was tuned from")
    action.add_argument("--name", metavar="NAME", help="unique name (default: the folder's)")
    action.add_argument(
        "--base-share",
        type=float,
        default=0.0,
        metavar="S",
        help="share of the installed network's weights in the mean that is packed, 0 to below 1: with 0.2, signs that the tuning "
        "lines lacked are read a little better, and others a little worse (default: %(default)s)",
    )
    action.add_argument("--steps", type=int, default=0, metavar="N", help="training steps, for the card")
    action.add_argument("--description", default="", metavar="TEXT", help="for the card")
    action.add_argument("--trained-on", default="", metavar="TEXT", help="what it was tuned on, for the card")
    action.add_argument("--recipe", type=Path, metavar="FILE", help="text file that says how it was tuned, for the card")

    text = "compare a tuned network with the installed one, by what tesseract, or RapidOCR, reads on held-out lines"
    action = subcommand(actions, "measure", "recognizer measure", text)
    action.add_argument("network", type=Path, help="the folder of the network")
    action.add_argument("lines", type=Path, nargs="+", help="folders that `recognizer lines --held-out` wrote")
    action.add_argument("--count", type=int, default=0, metavar="N", help="maximum number of lines of each (default: all)")
    action.add_argument("--tessdata-dir", type=Path, metavar="FOLDER", help="folder of the installed language file")
    action.add_argument(
        "--against",
        nargs="+",
        default=[],
        metavar="NAME=FILE",
        help="other .traineddata files of the language, such as tessdata_best's: a table of all of them",
    )
    add_json(action)
    action.add_argument("--markdown", type=Path, metavar="FILE", help="write the table of --against there")
    action.add_argument("--write", action="store_true", help="write the figures into the network's card")


def pack(console: Console, args: argparse.Namespace) -> int:
    """Pack a network.

    Raises:
        SuperresError: a file or the folder cannot be used.
    """
    base = find_traineddata(args.language, args.tessdata_dir)
    recipe = read_text(args.recipe, "The recipe") if args.recipe else ""
    if args.base_share:
        recipe += f"The weights are a mean in which those of the installed network count {args.base_share:g} of 1.\n"
    about = About(args.description, args.trained_on, recipe, args.steps)
    network = pack_network(args.tuned, base, args.output, args.language, about, args.name or "", args.base_share)
    say(f"{network.folder}: {len(network.data()) / 1e6:.2f} MB, {network.card.sha256[:12]}", console)
    return 0


def measure(console: Console, args: argparse.Namespace) -> int:
    """Measure a network on held-out lines.

    Raises:
        SuperresError: the network, the lines or the program cannot be used.
    """
    from ocrmypdf_superres.evaluation.networks.tuned_network import (
        BLOCK,
        INSTALLED,
        TUNED,
        compare_on_lines,
        files_table,
        for_card,
        read_by_files,
    )
    from ocrmypdf_superres.training.data.ocr_lines.shards import read_prepared

    rapidocr_network = read_rapidocr_network(args.network)
    if rapidocr_network is not None:
        return _measure_rapidocr(console, args, rapidocr_network)
    others = dict(_named_file(text) for text in args.against)
    if taken := others.keys() & {INSTALLED, TUNED}:
        raise OptionError(f"--against was given the name {min(taken)}, which the table has already; give another one.")
    network = networks_in(args.network)[0]
    lines = [line for folder in args.lines for line in read_prepared(folder, max(0, args.count))]
    track = partial(steps, what=f"reading, {BLOCK} lines each")
    edits = read_by_files(network, lines, args.tessdata_dir, others, track)
    figures = compare_on_lines(edits, lines)
    _show(figures, args.json)
    if others or args.markdown:
        text = files_table(edits, lines)
        if str(args.json) != STANDARD_OUTPUT:
            say(text, console, end="")
        if args.markdown:
            write_text(args.markdown, text, "--markdown")
    if args.write:
        change_card(network, metrics={**PRINTED, **for_card(figures)})
        say(f"Written: {network.folder}", console)
    return 0


def _measure_rapidocr(console: Console, args: argparse.Namespace, network: RapidocrNetwork) -> int:
    from ocrmypdf_superres.evaluation.networks.tuned_network import compare_on_lines, for_card
    from ocrmypdf_superres.evaluation.networks.tuned_rapidocr import change_rapidocr_card, read_by_rapidocr
    from ocrmypdf_superres.training.data.ocr_lines.shards import read_prepared

    if args.against or args.markdown or args.tessdata_dir:
        raise OptionError(
            "--against, --markdown or --tessdata-dir was given with a network of RapidOCR, but they are for those of Tesseract; "
            "leave them out."
        )
    lines = [line for folder in args.lines for line in read_prepared(folder, max(0, args.count))]
    figures = compare_on_lines(read_by_rapidocr(network, lines, partial(steps, what="reading")), lines)
    _show(figures, args.json)
    if args.write:
        change_rapidocr_card(network, metrics={**PRINTED, **for_card(figures)})
        say(f"Written: {network.folder}", console)
    return 0


def _show(figures: Sequence[GroupFigures], json: Path | None) -> None:
    table = Table("lines", "n", "stock, CER %", "tuned", "ratio", "points")
    for one in figures:
        table.add_row(
            one.group, str(one.lines), f"{one.stock:.2f}", f"{one.tuned:.2f}",
            f"{one.ratio[0]:.2f} [{one.ratio[1]:.2f}, {one.ratio[2]:.2f}]",
            f"{one.difference[0]:+.2f} [{one.difference[1]:+.2f}, {one.difference[2]:+.2f}]",
        )  # fmt: skip
    show(table, json, [asdict(one) for one in figures])


def _named_file(text: str) -> tuple[str, Path]:
    name, found, file = text.partition("=")
    path = Path(file)
    if not name or not found or not path.is_file() or path.suffix != ".traineddata":
        raise OptionError(
            f"--against was given {text!r}, a name and a file such as best=best/eng.traineddata was expected; correct it."
        )
    return name, path
