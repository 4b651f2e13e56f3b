# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres archive``: digitise whole trees of files; a table of its commands, one module each."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from typing import Any

PACKAGE = "ocrmypdf_superres.commands.archive"

# name -> what it does; the module PACKAGE.name has add_arguments and run
COMMANDS = {
    "run": "digitise every PDF and image below a folder; go on where an earlier run stopped",
    "watch": "digitise what lies in a folder, and then what comes into it, until stopped",
    "status": "say how far a run is",
    "verify": "hash and open what a run made, and see whether all is as it was written",
    "report": "one HTML page of a run, and its catalogue as CSV or JSON",
}


class _LateParser(argparse.ArgumentParser):
    """A parser that is given its arguments when it is asked to parse, so that only one command is imported."""

    def __init__(self, *args: Any, fill: Callable[[argparse.ArgumentParser], None] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._fill = fill

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self._fill is not None:
            self._fill(self)
            self._fill = None
        return super().parse_known_args(args, namespace)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands of ``archive``."""
    commands = parser.add_subparsers(dest="archive_command", required=True, metavar="COMMAND", parser_class=_LateParser)
    for name, summary in COMMANDS.items():
        fill = _filler(name)
        commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".", fill=fill)


def _filler(name: str) -> Callable[[argparse.ArgumentParser], None]:
    return lambda parser: _module(name).add_arguments(parser)


def _module(name: str) -> Any:
    return import_module(f"{PACKAGE}.{name}")


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    return int(_module(args.archive_command).run(args))
