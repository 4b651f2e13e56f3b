# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres import-weights``: published weights that a user has, as models, recognizers and weight files."""

from __future__ import annotations

import argparse
from pathlib import Path

from ocrmypdf_superres.commands.shared.output import say
from ocrmypdf_superres.commands.shared.parsing import add_output

KINDS = (
    "abinet", "aster", "cdistnet", "crnn", "ctpn", "edsr", "hed", "lemma", "lpips", "moran", "tbsrn", "text-focus", "tsrn",
    "vgg19",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``import-weights``."""
    parser.add_argument(
        "kind", choices=KINDS, metavar="KIND",
        help="whose weights: edsr (its own or CAR's), tsrn, tbsrn, lemma for models; text-focus, cdistnet, abinet, aster, moran, "
        "crnn for recognizers; ctpn for a detector; vgg19, hed, lpips for losses and metrics",
    )  # fmt: skip
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="the checkpoint; for lpips AlexNet's and LPIPS' own")
    add_output(parser, "folder to write, or FILE.safetensors for losses and metrics", metavar="MODEL", required=True)
    parser.add_argument("--name", metavar="NAME", help="name of the model or recognizer (default: the folder's)")


def run(args: argparse.Namespace) -> int:
    """Write what was imported, and say where.

    Raises:
        SuperresError: see :func:`ocrmypdf_superres.export.import_weights.import_weights`.
    """
    from ocrmypdf_superres.export.import_weights import import_weights

    written = import_weights(args.kind, args.files, args.output, args.name or "")
    say(f"Written: {written}")
    return 0
