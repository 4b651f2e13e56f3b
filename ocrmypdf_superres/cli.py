# SPDX-License-Identifier: MPL-2.0
"""The command ``ocrmypdf-superres``; each subcommand's module is imported only when it is asked for."""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module

import rich
from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape

from ocrmypdf_superres.commands.shared.parsing import PROGRAM, HelpFormatter, subcommand
from ocrmypdf_superres.errors import SuperresError

# name -> (module with add_arguments and run, what it does, extra that brings its packages)
COMMANDS = {
    "plan": ("ocrmypdf_superres.commands.documents.plan", "show what would be done to each page of a PDF, and why", ""),
    "models": ("ocrmypdf_superres.commands.models", "list models, show a card, verify files", ""),
    "upscale": ("ocrmypdf_superres.commands.documents.upscale", "super-resolve an image or the pages of a PDF into images", ""),
    "doctor": ("ocrmypdf_superres.commands.doctor", "show what is installed and run one test tile", ""),
    "evaluate": ("ocrmypdf_superres.commands.evaluate", "compare methods on pages with known text", "eval"),
    "report": (
        "ocrmypdf_superres.commands.documents.report",
        "write an HTML report of a run, with images before and after",
        "eval",
    ),
    "compare": (
        "ocrmypdf_superres.commands.documents.compare",
        "read a PDF without and with super-resolution, and show both",
        "eval",
    ),
    "calibrate": ("ocrmypdf_superres.commands.calibrate", "calibrate the confidences of OCR engines", "eval"),
    "fuse": ("ocrmypdf_superres.commands.documents.fuse", "make one sharper page from several scans of it", "train"),
    "heights": ("ocrmypdf_superres.commands.heights.command", "benchmark how well the height of text is measured", "train,eval"),
    "train": ("ocrmypdf_superres.commands.train", "train a net from a recipe", "train"),
    "finetune": ("ocrmypdf_superres.commands.finetune", "make a model for your own scans, without annotation", "train,eval"),
    "export": ("ocrmypdf_superres.commands.export", "make a model from the checkpoint of a training run", "train"),
    "archive": (
        "ocrmypdf_superres.commands.archive.command",
        "run OCR on a whole tree of PDFs and images, and check the result",
        "archive",
    ),
    "lines": (
        "ocrmypdf_superres.commands.networks.lines",
        "compare models on lines of text by what recognizers read",
        "train,eval",
    ),
    "patches": (
        "ocrmypdf_superres.commands.networks.patches",
        "compare nets for pages on patches: pixels, text read, text detected",
        "train,eval",
    ),
    "import-weights": (
        "ocrmypdf_superres.commands.networks.import_weights",
        "convert published weights into models and recognizers",
        "train",
    ),
    "quantize": (
        "ocrmypdf_superres.commands.networks.quantize",
        "store a model's weights in few bits, or show what that costs",
        "train,eval",
    ),
    "reproduce": (
        "ocrmypdf_superres.commands.networks.reproduce",
        "reproduce a table of a published system, with intervals",
        "train,eval",
    ),
    "recognizer": ("ocrmypdf_superres.commands.recognizer", "compare, tune and pack Tesseract's network", "train"),
    "completion": ("ocrmypdf_superres.commands.completion", "print the completion script for a shell", "completion"),
}

GROUPS = {
    "Documents": ("plan", "compare", "upscale", "fuse", "report", "archive"),
    "Models": ("models", "finetune", "train", "export", "quantize", "import-weights", "recognizer"),
    "Evaluation": ("evaluate", "lines", "patches", "heights", "calibrate", "reproduce"),
    "Installation": ("doctor", "completion"),
}
"""The commands by what they are about, in the order of the help."""


class _Commands(HelpFormatter):
    """Lists the commands by group, in place of argparse's one list."""

    def _format_action(self, action: argparse.Action) -> str:
        if not isinstance(action, argparse._SubParsersAction):
            return super()._format_action(action)
        width = max(map(len, COMMANDS)) + 2
        lines = []
        for title, names in GROUPS.items():
            lines += [f"  {title}:", *(f"    {name:{width}}{COMMANDS[name][1]}" for name in names), ""]
        return "\n".join(lines)


def build_parser(*commands: str | None) -> argparse.ArgumentParser:
    """Return the parser; only the arguments of *commands* are filled in, so that nothing else is imported."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Super-resolution for OCR of low-resolution scans.",
        epilog="The plugin itself: ocrmypdf --plugin ocrmypdf_superres in.pdf out.pdf",
        formatter_class=_Commands,
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="show what is done in detail")
    parser.add_argument("--version", action="version", version=f"%(prog)s {import_module('ocrmypdf_superres').__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", title="commands")
    for name, (module, summary, _) in COMMANDS.items():
        subparser = subcommand(subparsers, name, name, summary)
        subparser.add_argument("-v", "--verbose", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        if name in commands:
            import_module(module).add_arguments(subparser)
    if "completion" in commands:
        subparsers.choices["completion"].set_defaults(whole=_whole_parser)
    return parser


def _whole_parser() -> argparse.ArgumentParser:
    """Return the parser with the arguments of every command whose packages are installed."""
    known = []
    for name in COMMANDS:
        with contextlib.suppress(ModuleNotFoundError):
            build_parser(name)
            known.append(name)
    return build_parser(*known)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line *argv*; return the exit status: 0, 1 for an error, 2 for a wrong call, 130 on Ctrl-C."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    # Before a command imports torch: see openmp_threads.
    if "OMP_THREAD_LIMIT" in os.environ:
        os.environ.setdefault("OMP_NUM_THREADS", os.environ["OMP_THREAD_LIMIT"])
    command = next((a for a in arguments if a in COMMANDS), None)
    # Progress bars use rich's own console; one console for both writes log lines above a bar, not into it.
    rich.reconfigure(stderr=True)
    if isinstance(sys.stdout, io.TextIOWrapper):  # not a notebook's
        sys.stdout.reconfigure(errors="backslashreplace")  # as standard error: names of files may not be UTF-8
    try:
        parsed = build_parser(command).parse_args(arguments)
        handler = RichHandler(console=rich.get_console(), show_path=False)
        if not parsed.verbose:
            handler.addFilter(_is_ours_or_a_warning)
        logging.basicConfig(level=logging.DEBUG if parsed.verbose else logging.INFO, format="%(message)s", handlers=[handler])
        return int(import_module(COMMANDS[parsed.command][0]).run(parsed))
    except (SuperresError, ModuleNotFoundError) as error:
        message = _about_missing(error, command)
        if message is None and not isinstance(error, SuperresError):
            raise
        # A console of its own: OCRmyPDF may have redirected the shared one.
        Console(stderr=True).print(
            f"[bold red]Error:[/bold red] {escape(message or str(error))}", soft_wrap=True, highlight=False
        )
        return 1
    except OSError as error:  # such as a full disk, or a folder that may not be written to
        logging.getLogger(__name__).debug("The error in detail:", exc_info=True)
        message = str(error)
        if error.filename is not None and error.strerror is not None:
            message = f"{error.filename} cannot be read or written ({error.strerror}); correct that, or give another path."
        Console(stderr=True).print(f"[bold red]Error:[/bold red] {escape(message)}", soft_wrap=True, highlight=False)
        return 1
    except KeyboardInterrupt:
        Console(stderr=True).print("Stopped.")
        return 130


def _is_ours_or_a_warning(record: logging.LogRecord) -> bool:
    """Whether a message is shown without ``--verbose``: those of others, such as what fontTools does, only where they warn."""
    return record.levelno >= logging.WARNING or record.name.startswith(("ocrmypdf_superres", "ocrmypdf.superres"))


def _about_missing(error: BaseException | None, command: str | None) -> str | None:
    """Return what to install where *error*, or what caused it, is that a package of another project is missing."""
    from ocrmypdf_superres.extras import extras_with, install_line

    while error is not None and not isinstance(error, ModuleNotFoundError):
        error = error.__cause__
    missing = "" if error is None else (error.name or "").partition(".")[0]
    if command is None or missing in ("", "ocrmypdf_superres"):
        return None
    extras = COMMANDS[command][2].split(",") if COMMANDS[command][2] else []
    line = install_line(*extras_with(missing, extras)) if extras else f"pip install {missing}"
    return f"The command {command} needs the package {missing}, which is not installed; run: {line}"
