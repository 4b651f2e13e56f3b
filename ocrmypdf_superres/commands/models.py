# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres models``: list, show a card, verify files."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ocrmypdf_superres.commands.shared.output import STANDARD_OUTPUT, say, write_json
from ocrmypdf_superres.commands.shared.parsing import add_json
from ocrmypdf_superres.errors import ModelError, RecognizerError
from ocrmypdf_superres.modelstore.cards import CARD, WEIGHTS, read_recognizer_card
from ocrmypdf_superres.modelstore.networks import Network, installed_networks, network_folders, read_network
from ocrmypdf_superres.modelstore.rapidocr_networks import (
    RapidocrNetwork,
    installed_rapidocr_network,
    rapidocr_network_folders,
    read_rapidocr_network,
)
from ocrmypdf_superres.modelstore.store import (
    DEFAULT_MODEL,
    RECOGNIZER_CARDS,
    Model,
    check_file,
    find_model,
    find_recognizer,
    list_models,
    model_folders,
)
from ocrmypdf_superres.ocr.calibration import parse_table

_BROKEN = (ModelError, RecognizerError, ValueError, TypeError, AttributeError)
"""What the checks of ``verify`` raise; the last three come from a calibration that cannot be used."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``models``."""
    parser.add_argument(
        "action",
        nargs="?",
        choices=("list", "show", "verify"),
        default="list",
        help="list (default), show a card, or verify files",
    )
    parser.add_argument("model", nargs="?", help="name or folder; verify without one checks all")
    add_json(parser, "list: write the list there as JSON; - for standard output, in place of the tables")


def run(args: argparse.Namespace) -> int:
    """List, show or verify; return 1 where a model does not verify, else 0.

    Raises:
        ModelError: the model cannot be found.
    """
    console = Console()
    if args.action == "show":
        model = find_model(args.model or DEFAULT_MODEL)
        console.print((model.folder / CARD).read_text(encoding="utf-8"), highlight=False, markup=False)
        return 0
    if args.action == "verify":
        return _verify(console, args.model)
    models, tuned, rapidocr_network = list_models(), installed_networks(), installed_rapidocr_network()
    if args.json is not None:
        listed = {"models": [_of_model(model) for model in models], "networks": [_of_network(n) for n in tuned]}
        write_json(args.json, listed | {"rapidocr": None if rapidocr_network is None else _of_rapidocr_network(rapidocr_network)})
        if str(args.json) == STANDARD_OUTPUT:
            return 0
    table = Table("model", "architecture", "scales", "licence", "description")
    for model in models:
        card = model.card
        name = f"{card.name} (default)" if card.name == DEFAULT_MODEL else card.name
        table.add_row(
            name, card.architecture, ", ".join(f"x{s}" for s in card.scales), escape(card.licence), escape(card.description)
        )
    console.print(table)
    networks = Table("tuned network", "language", "made for", "CER on low-resolution lines", "on clean lines")
    for network in tuned:
        described = network.card
        networks.add_row(described.name, described.language, escape(described.base.version), *_figures(described.metrics))
    if rapidocr_network is not None:
        about = rapidocr_network.card
        networks.add_row(about.name, " ".join(about.languages), escape(f"RapidOCR, {about.base}"), *_figures(about.metrics))
    if networks.row_count:
        console.print(networks)
    return 0


def _figures(metrics: Mapping[str, Any]) -> list[str]:
    """Return the CER of a tuned network on low-resolution lines and on clean ones, as its card has them."""
    found = (str(metrics.get(f"CER, {group}", "")) for group in ("low resolution", "clean"))
    return [escape(one.partition(", ratio")[0]) for one in found]


def _of_model(model: Model) -> dict[str, Any]:
    card = model.card
    return {
        "name": card.name, "default": card.name == DEFAULT_MODEL, "folder": str(model.folder), "architecture": card.architecture,
        "scales": list(card.scales), "for_lines": bool(card.line_size), "licence": card.licence, "description": card.description,
    }  # fmt: skip


def _of_network(network: Network) -> dict[str, Any]:
    card = network.card
    return {
        "name": card.name, "language": card.language, "folder": str(network.folder), "base": card.base.version,
        "metrics": dict(card.metrics),
    }  # fmt: skip


def _of_rapidocr_network(network: RapidocrNetwork) -> dict[str, Any]:
    card = network.card
    return {
        "name": card.name, "languages": list(card.languages), "folder": str(network.folder), "base": card.base,
        "metrics": dict(card.metrics),
    }  # fmt: skip


def _verify(console: Console, name: str | None) -> int:
    # Not list_models(): that leaves out broken cards, which verifying is for.
    folders = [name] if name else [str(folder) for folder in model_folders()]
    recognizers = [] if name else model_folders(RECOGNIZER_CARDS)
    if name and not _is_model(name):
        with contextlib.suppress(RecognizerError):
            folders, recognizers = [], [find_recognizer(name).parent]
    if not folders and not recognizers:
        raise ModelError("No model was found to verify; give the name or the folder of one.")
    networks = [] if name else [*network_folders(), *rapidocr_network_folders()]
    checks: list[tuple[str, Callable[[str], str]]] = [
        *((folder, _verify_model) for folder in folders),
        *((str(folder), _verify_recognizer) for folder in recognizers),
        *((str(folder), _verify_network) for folder in networks),
    ]
    failed = False
    for folder, check in checks:
        try:
            said = check(folder)
        except _BROKEN as error:
            console.print(f"[red]{escape(f'{folder}: {error}')}[/red]", soft_wrap=True, highlight=False)
            failed = True
        else:
            say(f"{said} as in the card", console)
    return 1 if failed else 0


def _is_model(name: str) -> bool:
    try:
        find_model(name)
    except ModelError:
        return False
    return True


def _verify_model(folder: str) -> str:
    """Check the files of the model in *folder*, or of that name; return what was checked."""
    model = find_model(folder)
    model.verify()
    return f"{model.card.name}: {len(model.card.files)} files"


def _verify_recognizer(folder: str) -> str:
    """Check the weights of the recognizer or detector in *folder*; return what was checked."""
    path = find_recognizer(folder)
    card = read_recognizer_card(path)
    said = f"{path.stem} {card.name}"
    check_file(path.with_name(WEIGHTS), card.sha256, said, "install or train it again", RecognizerError)
    return f"{said}:"


def _verify_network(folder: str) -> str:
    """Check the tuned network in *folder* and its calibration; return what was checked."""
    path = Path(folder)
    rapidocr_network = read_rapidocr_network(path)
    if rapidocr_network is not None:
        rapidocr_network.file()
        rapidocr_network.int8_file()
    network = read_network(path)
    if network is not None:
        network.data()
        if network.card.calibration:
            parse_table(network.card.calibration)
    return f"tuned network {path.name}:"
