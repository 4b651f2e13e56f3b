# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres archive status``: the progress of a run, and the files that failed."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``archive status``."""
    parser.add_argument("out", type=Path, metavar="OUT", help="output folder of the run")


def run(args: argparse.Namespace) -> int:
    """Print the number of files and pages in each state, and name the files that failed with the reason.

    Raises:
        ArchiveError: there is no run in OUT.
    """
    from ocrmypdf_superres.archive.store.layout import open_layout
    from ocrmypdf_superres.archive.store.manifest import Manifest
    from ocrmypdf_superres.archive.tasks import State

    console = Console()

    with Manifest(open_layout(args.out).manifest) as manifest:
        table = Table("state", "code", "files", "pages")
        for (state, code), (files, pages) in sorted(manifest.counts().items()):
            table.add_row(state.value, code, f"{files:,}", f"{pages:,}")
        failed = list(manifest.files(State.FAILED))
    console.print(table)
    for file in failed:
        console.print(f"failed: {file.path}: {file.reason}", markup=False, highlight=False, soft_wrap=True)
    return 0
