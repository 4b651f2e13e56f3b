# SPDX-License-Identifier: MPL-2.0
"""The options of ``lines`` and ``patches`` that name systems which a user has."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_systems(parser: argparse.ArgumentParser) -> None:
    """Add ``--system`` and ``--spandrel``."""
    parser.add_argument(
        "--system", action="append", default=[], metavar="COMMAND",
        help="a system that you have, as a command that is run once, with {in} for a folder of PNG images and {out} for the "
        "folder that it writes images of the same names to; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--spandrel", action="append", default=[], type=Path, metavar="FILE",
        help="a community model that spandrel reads; may be repeated",
    )  # fmt: skip
