# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres archive``: OCR of whole trees of files; a table of its commands, one module each."""

from __future__ import annotations

import argparse
import sqlite3
from collections.abc import Callable
from importlib import import_module
from typing import Any

from ocrmypdf_superres.commands.shared.parsing import subcommand

PACKAGE = "ocrmypdf_superres.commands.archive"

# name -> summary; the module PACKAGE.name has add_arguments and run
COMMANDS = {
    "run": "run OCR on every PDF and image below a folder; continue where an earlier run stopped",
    "watch": "run OCR on the files in a folder and on those that arrive later, until stopped",
    "status": "show how far a run is",
    "verify": "hash and open the outputs of a run, and check that they are as they were written",
    "report": "write an HTML page about a run, and its catalogue as CSV or JSON",
}


class _LateParser(argparse.ArgumentParser):
    """A parser that gets its arguments when it parses, so that only one command is imported."""

    def __init__(self, *args: Any, fill: Callable[[argparse.ArgumentParser], None] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._fill = fill

    def fill(self) -> None:
        """Add the arguments, where they are missing yet."""
        if self._fill is not None:
            self._fill(self)
            self._fill = None

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """See :meth:`argparse.ArgumentParser.parse_known_args`."""
        self.fill()
        return super().parse_known_args(args, namespace)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands of ``archive``."""
    commands = parser.add_subparsers(dest="archive_command", required=True, metavar="COMMAND", parser_class=_LateParser)
    for name, summary in COMMANDS.items():
        fill = _filler(name)
        subcommand(commands, name, f"archive {name}", summary, fill=fill)


def _filler(name: str) -> Callable[[argparse.ArgumentParser], None]:
    return lambda parser: _module(name).add_arguments(parser)


def _module(name: str) -> Any:
    return import_module(f"{PACKAGE}.{name}")


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit status.

    Raises:
        ArchiveError: the manifest is damaged.
    """
    try:
        return int(_module(args.archive_command).run(args))
    except sqlite3.DatabaseError as error:
        from ocrmypdf_superres.archive.store.layout import Layout
        from ocrmypdf_superres.archive.store.manifest import unusable

        raise unusable(Layout(args.out).manifest, error) from error
