# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres archive status``: the progress of a run, and the files that failed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.table import Table

from ocrmypdf_superres.commands.shared.output import say, show
from ocrmypdf_superres.commands.shared.parsing import add_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``archive status``."""
    parser.add_argument("out", type=Path, metavar="OUT", help="output folder of the run")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print the number of files and pages in each state, and name the files that failed with the reason.

    Raises:
        ArchiveError: there is no run in OUT.
    """
    from ocrmypdf_superres.archive.store.layout import open_layout
    from ocrmypdf_superres.archive.store.manifest import Manifest
    from ocrmypdf_superres.archive.store.name_encoding import printable
    from ocrmypdf_superres.archive.tasks import State

    with Manifest(open_layout(args.out).manifest) as manifest:
        counts: list[dict[str, Any]] = [
            {"state": state.value, "code": code, "files": files, "pages": pages}
            for (state, code), (files, pages) in sorted(manifest.counts().items())
        ]
        failed = [{"file": printable(file.path), "reason": file.reason} for file in manifest.files(State.FAILED)]
    table = Table("state", "code", "files", "pages")
    for row in counts:
        table.add_row(row["state"], row["code"], f"{row['files']:,}", f"{row['pages']:,}")
    show(table, args.json, {"counts": counts, "failed": failed})
    for file in failed if args.json is None else ():
        say(f"failed: {file['file']}: {file['reason']}")
    return 0
