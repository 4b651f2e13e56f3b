# SPDX-License-Identifier: MPL-2.0
"""Pages per minute of `archive run` against a shell loop of plain ocrmypdf over the same files, in turns.

    python examples/archive_speed.py IN [--rounds 2] [-l eng] [--loop "--oversample 300 -j2"]

Both make the same output type, write to a folder that is removed afterwards, and may use all cores that the process may.
Processor seconds show how busy the cores were; if other programs run at the same time, do not trust the ratio of the times.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ocrmypdf_superres.archive.store.layout import Layout
from ocrmypdf_superres.archive.store.manifest import Manifest
from ocrmypdf_superres.archive.tasks import State
from ocrmypdf_superres.evaluation.methods.stopwatch import children_seconds


def loop(source: Path, out: Path, options: list[str]) -> float:
    """Run plain ocrmypdf on one file after the other; return the seconds."""
    began = time.monotonic()
    for number, path in enumerate(sorted(p for p in source.rglob("*") if p.is_file())):
        command = [sys.executable, "-m", "ocrmypdf", *options, os.fspath(path), os.fspath(out / f"{number}.pdf")]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - began


def run(source: Path, out: Path, options: list[str]) -> float:
    """Run `archive run`; return the seconds."""
    began = time.monotonic()
    command = [sys.executable, "-m", "ocrmypdf_superres", "archive", "run", os.fspath(source), os.fspath(out), *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, metavar="IN", help="files that both can read")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("-l", "--language", default="eng")
    parser.add_argument("--output-type", default="pdfa")
    parser.add_argument("--loop", default="--oversample 300 -j2", help="options of the plain program")
    parser.add_argument("--settings", type=Path, help="settings of the run")
    args = parser.parse_args()
    both = ["-l", args.language, "--output-type", args.output_type]
    ratios = []
    for number in range(args.rounds):
        seconds: dict[str, float] = {}
        used: dict[str, float] = {}
        pages = enlarged = 0
        for name in ("loop", "run") if number % 2 == 0 else ("run", "loop"):
            out, before = Path(tempfile.mkdtemp()), children_seconds()
            try:
                if name == "loop":
                    seconds[name] = loop(args.source, out, [*args.loop.split(), *both])
                else:
                    seconds[name] = run(
                        args.source, out, [*both, *(["--settings", os.fspath(args.settings)] if args.settings else [])]
                    )
                    with Manifest(Layout(out).manifest) as manifest:
                        made = [page for row in manifest.files(State.DONE) for page in manifest.pages(row.number)]
                        pages, enlarged = len(made), sum(page.action == "enlarged" for page in made)
            finally:
                shutil.rmtree(out)
            used[name] = children_seconds() - before
        ratios.append(seconds["loop"] / seconds["run"])
        rates = [
            f"{name} {60 * pages / seconds[name]:.2f} pages/min ({seconds[name]:.1f} s, {used[name]:.1f} processor s)"
            for name in ("loop", "run")
        ]
        print(", ".join(rates), f"ratio {ratios[-1]:.3f}", flush=True)
    rounds = ", ".join(f"{ratio:.3f}" for ratio in ratios)
    mean = sum(ratios) / len(ratios)
    print(f"{pages} pages, {enlarged} of them enlarged; archive run is {mean:.3f} times as fast (rounds: {rounds})")


if __name__ == "__main__":
    main()
