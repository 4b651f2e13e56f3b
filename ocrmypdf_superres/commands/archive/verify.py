# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres archive verify``: check that the outputs of a run exist and are as they were written."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ocrmypdf_superres.archive.store.layout import open_layout
from ocrmypdf_superres.archive.store.manifest import Manifest
from ocrmypdf_superres.archive.store.name_encoding import printable
from ocrmypdf_superres.archive.tasks import State
from ocrmypdf_superres.archive.verify import default_jobs, verify
from ocrmypdf_superres.commands.shared.output import progress
from ocrmypdf_superres.commands.shared.parsing import add_jobs, examples_of

WRONG = 3
"""Exit status if something is not as it was written."""

SHOWN = 200
"""Problems in the table at most; the others are counted."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``archive verify``."""
    parser.add_argument("out", type=Path, metavar="OUT", help="output folder of the run")
    parser.add_argument("--inputs", action="store_true", help="also hash the inputs again")
    parser.add_argument("--quick", action="store_true", help="only check that the outputs exist and have their sizes")
    add_jobs(parser, "processes (default: one per core, one with --quick)", None)
    parser.epilog = examples_of(
        "archive verify",
        f"Exit status: 0 everything is as it was written, 1 there is no run, 2 wrong usage, {WRONG} something is not.",
    )


def run(args: argparse.Namespace) -> int:
    """Check every file that is done; return 3 if something is not as it was written, else 0.

    Raises:
        ArchiveError: there is no run in OUT.
    """
    layout, console = open_layout(args.out), Console()
    with Manifest(layout.manifest) as manifest:
        files, unfinished = manifest.count(State.DONE), manifest.count(State.WAITING) + manifest.count(State.STAGED)
    jobs = args.jobs or (1 if args.quick else default_jobs(files))
    table, bad, problems = Table("file", "what", "problem"), 0, 0
    with progress(transient=True) as bar:
        task = bar.add_task("verifying", total=files)
        for path, found in verify(layout, args.inputs, args.quick, jobs):
            bad += bool(found)
            for problem in found:
                problems += 1
                if problems <= SHOWN:
                    table.add_row(*map(escape, (printable(path), printable(problem.what), printable(problem.problem))))
            bar.advance(task)
    if problems:
        console.print(table)
    if problems > SHOWN:
        console.print(f"... and {problems - SHOWN:,} more problems")
    if unfinished:
        console.print(f"The run is not finished: {unfinished:,} files wait.", highlight=False)
    if bad:
        console.print(f"{bad:,} of {files:,} files are not as they were written.", highlight=False)
        console.print("To make damaged outputs again, move them away and give `archive run IN OUT --remake-missing`.")
        return WRONG
    states = ("exists and has its size", "exist and have their sizes") if args.quick else ("is in order", "are in order")
    console.print(f"1 file {states[0]}." if files == 1 else f"{files:,} files {states[1]}.", highlight=False)
    return 0
