# SPDX-License-Identifier: MPL-2.0
"""Parsers that look alike: examples in every help text, the default of every option, the same words for the same options."""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path
from typing import Any

from ocrmypdf_superres.commands.shared.examples import EXAMPLES
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.modelstore.store import DEFAULT_MODEL
from ocrmypdf_superres.page.image import LEAST_DPI, MOST_DPI

PROGRAM = "ocrmypdf-superres"
DEVICES = "auto, cpu, cuda or cuda:N"
JSON = "write the same as JSON to FILE; - for standard output, in place of the table"


class HelpFormatter(argparse.HelpFormatter):
    """Wraps prose, keeps blocks that are indented as they are, and gives the default of every option that has one."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        blocks = text.strip("\n").split("\n\n")
        return "\n\n".join(block if "\n  " in block else textwrap.fill(" ".join(block.split()), width) for block in blocks)

    def _get_help_string(self, action: argparse.Action) -> str | None:
        said = action.help or ""
        told = action.default not in (None, False, argparse.SUPPRESS, "") and action.default != []
        if told and action.option_strings and "default" not in said:
            said += " (default: %(default)s)"
        return said


def subcommand(commands: Any, name: str, path: str, summary: str, **more: Any) -> Any:
    """Add the parser of the command *path*, such as ``archive run``, to the subparsers *commands*; return it."""
    said = summary[0].upper() + summary[1:] + "."
    return commands.add_parser(
        name, help=summary, description=said, epilog=examples_of(path), formatter_class=HelpFormatter, **more
    )


def examples_of(path: str, note: str = "") -> str:
    """Return the end of a command's help: its examples, and a *note*."""
    lines = "\n".join(f"  {PROGRAM} {path} {line}".rstrip() for line in EXAMPLES[path])
    return f"examples:\n{lines}" + (f"\n\n{note}" if note else "")


def add_language(parser: Any, help_text: str = "Tesseract languages, such as deu+eng", default: str | None = "eng") -> None:
    """Add ``-l``/``--language``."""
    parser.add_argument("-l", "--language", default=default, metavar="LANG", help=help_text)


def add_output(parser: Any, help_text: str, **more: Any) -> None:
    """Add ``-o``/``--output``."""
    parser.add_argument("-o", "--output", type=Path, help=help_text, **more)


def add_model(parser: Any, help_text: str = "name or folder of the model", default: str | None = DEFAULT_MODEL) -> None:
    """Add ``--model``."""
    parser.add_argument("--model", default=default, metavar="MODEL", help=help_text)


def add_device(parser: Any, of: str = "") -> None:
    """Add ``--device``."""
    parser.add_argument("--device", default="auto", metavar="DEVICE", help=f"{of}{DEVICES}")


def add_installed(parser: Any, help_text: str = "language, or path of a .traineddata file", default: str | None = "eng") -> None:
    """Add ``--language``, which may be a file here, and ``--tessdata-dir``."""
    add_language(parser, help_text, default)
    parser.add_argument("--tessdata-dir", type=Path, metavar="FOLDER", help="folder of the language's file")


def check_number(value: float | None, name: str, low: float, high: float) -> None:
    """Check that *value*, the argument *name*, is a number from *low* to *high*; None was not given.

    Raises:
        OptionError: it is not.
    """
    if value is not None and not low <= value <= high:
        raise OptionError(f"{name} was given {value:g}, a number from {low:g} to {high:g} was expected; give one.")


def add_dpi(parser: Any, help_text: str) -> None:
    """Add ``--dpi``, which :func:`check_dpi` checks."""
    parser.add_argument("--dpi", type=float, metavar="N", help=help_text)


def check_dpi(dpi: float | None) -> None:
    """Check that ``--dpi`` can be the resolution of a scan; raises OptionError."""
    check_number(dpi, "--dpi", LEAST_DPI, MOST_DPI)


def add_resume(parser: Any, help_text: str = "continue an interrupted run") -> None:
    """Add ``--resume``."""
    parser.add_argument("--resume", action="store_true", help=help_text)


def add_minutes(parser: Any, default: float | None = 0.0) -> None:
    """Add ``--minutes`` of a tuning by a recipe."""
    help_text = "end after this many minutes, with fewer steps than the recipe's (default: no limit)"
    parser.add_argument("--minutes", type=float, default=default, metavar="N", help=help_text)


def add_jobs(parser: Any, help_text: str = "pages at a time", default: int | None = 2) -> None:
    """Add ``--jobs``."""
    parser.add_argument("--jobs", type=int, default=default, metavar="N", help=help_text)


def add_data(parser: Any, help_text: str, **more: Any) -> None:
    """Add ``--data``."""
    parser.add_argument("--data", type=Path, metavar="FOLDER", help=help_text, **more)


def add_seed(parser: Any, of: str = "of everything random", default: int | None = 0) -> None:
    """Add ``--seed``."""
    parser.add_argument("--seed", type=int, default=default, metavar="N", help=of)


def add_json(parser: Any, help_text: str = JSON) -> None:
    """Add ``--json``; :func:`~ocrmypdf_superres.commands.shared.output.write_json` writes it."""
    parser.add_argument("--json", type=Path, metavar="FILE", help=help_text)
