# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres archive run``: OCR of a tree of files."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ocrmypdf_superres.commands.shared.output import say
from ocrmypdf_superres.commands.shared.parsing import add_language, examples_of

if TYPE_CHECKING:
    from ocrmypdf_superres.archive.executors.base import Executor
    from ocrmypdf_superres.archive.session import Stop
    from ocrmypdf_superres.archive.settings import Settings

FAILED, STOPPED = 3, 4
"""Exit status if files failed, and if the run stopped before all files had ended."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``archive run``."""
    add_settings_arguments(parser)
    parser.add_argument("--retry-failed", action="store_true", help="also retry files that failed permanently")
    parser.add_argument(
        "--remake-missing", action="store_true", help="also process files again of which an output is missing in OUT"
    )
    parser.add_argument("--moved", action="store_true", help="IN has another path than last time, but holds the same files")
    parser.epilog = examples_of(
        "archive run",
        "Exit status: 0 all files are done or skipped, 1 the run cannot start, 2 wrong usage, "
        f"{FAILED} some files failed, {STOPPED} stopped (Ctrl-C, SIGTERM, disk full); the same command continues.",
    )


def add_settings_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that :func:`read_run_settings` and :func:`executor_factory` read."""
    parser.add_argument("source", type=Path, metavar="IN", help="folder of PDFs, images and METS documents; it is not changed")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for the outputs; one for each IN")
    parser.add_argument("--settings", type=Path, metavar="FILE", help="TOML file; the default is that of the last run in OUT")
    add_language(parser, "Tesseract languages, such as deu+fra (default: the settings', eng)", None)
    parser.add_argument("--outputs", metavar="LIST", help="what to make, separated by commas: pdf, text, alto, hocr, images")
    parser.add_argument("--output-type", metavar="TYPE", help="of OCRmyPDF: pdfa, pdf, auto, pdfa-1, pdfa-2, pdfa-3")
    parser.add_argument(
        "--mode", metavar="MODE", help="of OCRmyPDF, if there is text: default (skip the file), skip, redo, force"
    )
    parser.add_argument("--image-dpi", type=int, metavar="N", help="resolution of images that claim none")
    parser.add_argument(
        "--jobs",
        type=int,
        dest="workers",
        metavar="N",
        help="files at a time, a process each (default: the settings', one per core)",
    )
    parser.add_argument(
        "--cluster", default="", metavar="WHERE",
        help="run on Dask: local[:N] (processes on this machine), dask://HOST:PORT, tls://HOST:PORT, dask-scheduler-file:PATH",
    )  # fmt: skip


def read_run_settings(args: argparse.Namespace) -> Settings:
    """Return the settings of ``--settings`` or of the last run, changed by the command line.

    Raises:
        ArchiveError: they cannot be read or used.
    """
    from ocrmypdf_superres.archive.settings import Settings, read_settings
    from ocrmypdf_superres.archive.store.layout import Layout

    last = Layout(args.out).settings
    path = args.settings or (last if last.is_file() else None)
    settings = read_settings(path) if path else Settings()
    changes: dict[str, Any] = {}
    if args.language is not None:
        changes["languages"] = tuple(args.language.split("+"))
    if args.outputs is not None:
        changes["outputs"] = tuple(part.strip() for part in args.outputs.split(","))
    for name in ("image_dpi", "workers"):
        if getattr(args, name) is not None:
            changes[name] = getattr(args, name)
    ocr = {name: getattr(args, name) for name in ("output_type", "mode") if getattr(args, name) is not None}
    return settings.changed(**changes, ocrmypdf=ocr)


def executor_factory(args: argparse.Namespace, settings: Settings) -> Callable[[], Executor]:
    """Return a function that makes the executor of ``--cluster``, or else the one for this machine."""

    def make() -> Executor:
        from ocrmypdf_superres.archive.executors.selection import make_executor

        return make_executor(settings, args.source, args.out, args.cluster)

    return make


@contextmanager
def stopped_by_signals(finishing: Collection[int] = (signal.SIGINT,)) -> Iterator[Stop]:
    """Let Ctrl-C (or the signals *finishing*) finish the files in work; a second one, and SIGTERM, stop them too.

    In either case the run can be continued later.
    """
    from ocrmypdf_superres.archive.session import Stop

    stop = Stop()

    def handle(number: int, _: object) -> None:
        again = bool(stop.reason)
        stop.ask(signal.Signals(number).name, cancel=again or number not in finishing)
        if not stop.cancel:
            Console(stderr=True).print("Stopping; the files in work are finished first. The same signal again stops them too.")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run(args: argparse.Namespace) -> int:
    """Run OCR on the input; return the exit status.

    Raises:
        ArchiveError: the run cannot start or continue.
    """
    from ocrmypdf_superres.archive.run import Run
    from ocrmypdf_superres.archive.tasks import State

    settings = read_run_settings(args)
    with stopped_by_signals() as stop:
        session = Run(
            args.source,
            args.out,
            settings,
            executor_factory(args, settings),
            stop=stop,
            retry_failed=args.retry_failed,
            remake_missing=args.remake_missing,
            moved=args.moved,
        )
        counts = session.run()
    files = {state: sum(n for (s, _), (n, _) in counts.items() if s is state) for state in State}
    summary = ", ".join(f"{n:,} {state.value}" for state, n in files.items() if n) or "no files"
    pace = (
        f" ({session.tally.pages} pages in this run, {session.tally.pages_a_minute:.1f} per minute)"
        if session.tally.pages
        else ""
    )
    say(f"{summary}{pace}")
    if stop.reason:
        why = f"{stop.detail}; make room" if stop.reason == "disk-full" else f"stopped by {stop.reason}"
        say(f"The run is not finished: {why}. The same command continues it.", Console(stderr=True))
        return STOPPED
    return FAILED if files[State.FAILED] else 0
