# SPDX-License-Identifier: MPL-2.0
"""What commands print and write."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.files import atomic_write_text

Item = TypeVar("Item")
STANDARD_OUTPUT = "-"


def say(text: str, console: Console | None = None, end: str = "\n") -> None:
    """Print *text* literally, since names of files may look like markup: no wrapping, markup or colours."""
    (console or Console()).print(text, highlight=False, markup=False, soft_wrap=True, end=end)


def show(shown: RenderableType, target: Path | None, values: Any) -> None:
    """Print *shown*, unless *values* go to standard output as JSON; write them to *target* where one is given.

    Raises:
        OptionError: the file cannot be written.
    """
    if target is not None:
        write_json(target, values)
    if target is None or str(target) != STANDARD_OUTPUT:
        Console().print(shown)


def write_json(target: Path, values: Any) -> None:
    """Write *values* to the file *target*, or to standard output where it is ``-``.

    Raises:
        OptionError: the file cannot be written.
    """
    text = json.dumps(values, indent=1, ensure_ascii=False) + "\n"
    if str(target) == STANDARD_OUTPUT:
        sys.stdout.write(text)
        return
    write_text(target, text, "--json")


def write_text(target: Path, text: str, option: str) -> None:
    """Write *text* to the file *target*, whose folder is made if it is missing; *option* names it in messages.

    Raises:
        OptionError: the file cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        atomic_write_text(target, text)
    except OSError as error:
        raise OptionError(
            f"{option} was given {target}, which cannot be written ({error.strerror}); give another file."
        ) from error


def keep_inputs(outputs: Iterable[Path | None], inputs: Iterable[Path]) -> None:
    """Refuse to write *outputs* over *inputs*, which may be the only copies of a scan.

    Raises:
        OptionError: one of *outputs* is one of *inputs*, also by another name or link.
    """
    given = [path for path in inputs if path.exists()]
    for output in outputs:
        if output is not None and output.exists() and any(output.samefile(path) for path in given):
            raise OptionError(f"The output {output} was given, which is an input and would be lost; give another name.")


def progress(transient: bool = False) -> Progress:
    """Return a progress bar on standard error: how many of how many, time left, time so far."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("left"), TimeRemainingColumn(),
        TextColumn("so far"), TimeElapsedColumn(),
    )  # fmt: skip
    # Pages differ in cost, so the speed is that of the last minutes.
    return Progress(*columns, console=Console(stderr=True), speed_estimate_period=180, transient=transient)


def steps(items: Iterable[Item], what: str, total: int | None = None) -> Iterator[Item]:
    """Yield *items* with a bar that shows how many of *total* are done; of their number where they have one."""
    if total is None and isinstance(items, Sequence):
        total = len(items)
    with progress(transient=True) as bar:
        yield from bar.track(items, total=total, description=what)
