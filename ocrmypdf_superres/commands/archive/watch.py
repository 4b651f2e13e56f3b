# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres archive watch``: OCR of the files that arrive in a folder."""

from __future__ import annotations

import argparse
import signal

from rich.console import Console

from ocrmypdf_superres.commands.archive.run import (
    STOPPED,
    add_settings_arguments,
    executor_factory,
    read_run_settings,
    stopped_by_signals,
)
from ocrmypdf_superres.commands.shared.output import say
from ocrmypdf_superres.commands.shared.parsing import examples_of
from ocrmypdf_superres.errors import OptionError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``archive watch``."""
    add_settings_arguments(parser)
    parser.add_argument(
        "--settle", type=float, default=5.0, metavar="SECONDS",
        help="a file is taken when its size and time have been stable for this long",
    )  # fmt: skip
    parser.add_argument(
        "--poll", type=float, default=0.0, metavar="SECONDS",
        help="walk IN at this interval, for network shares, which do not report changes (default: rely on reports)",
    )  # fmt: skip
    parser.add_argument(
        "--on-stop", choices=["finish", "cancel"], default="finish",
        help="what SIGTERM and Ctrl-C do to the files being processed; a second signal always cancels",
    )  # fmt: skip
    parser.epilog = examples_of(
        "archive watch",
        "Failing files do not stop the command; `archive status OUT` counts them and the log names them. Exit status: 0 stopped "
        f"by a signal, 1 cannot start, 2 wrong usage, {STOPPED} the disk is full. Move METS documents and their images into IN "
        "as one folder, or the document last.",
    )


def run(args: argparse.Namespace) -> int:
    """Watch a folder; return the exit status.

    Raises:
        ArchiveError: the run cannot start or continue.
        OptionError: a time is negative.
    """
    from ocrmypdf_superres.archive.watch import WatchRun, WatchTiming

    for name in ("settle", "poll"):
        if getattr(args, name) < 0:
            raise OptionError(f"--{name} was given {getattr(args, name):g}; give seconds, 0 or more.")
    settings = read_run_settings(args)
    signals = (signal.SIGINT, signal.SIGTERM)
    with stopped_by_signals(signals if args.on_stop == "finish" else ()) as stop:
        session = WatchRun(
            args.source,
            args.out,
            settings,
            executor_factory(args, settings),
            stop=stop,
            timing=WatchTiming(args.settle, args.poll),
        )
        session.run()
    console = Console(stderr=True)
    if stop.reason == "disk-full":
        say(f"The watch ended: {stop.detail}; make room. The same command continues.", console)
        return STOPPED
    tally = session.tally
    say(f"Stopped by {stop.reason} after {tally.files:,} files, {tally.failed:,} of which failed.", console)
    return 0
