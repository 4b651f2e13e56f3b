# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres plan``: a dry run, what would be done to each page and why."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ocrmypdf_superres.commands.shared.output import keep_inputs, say, show
from ocrmypdf_superres.commands.shared.parsing import add_jobs, add_json, add_language, examples_of
from ocrmypdf_superres.plugin.options import NAMESPACE, SuperresOptions
from ocrmypdf_superres.plugin.options import add_arguments as add_plugin_arguments
from ocrmypdf_superres.plugin.planning.job import SKIP, plan_document
from ocrmypdf_superres.plugin.record import PageRecord
from ocrmypdf_superres.upscaling.loading import load_upscaler
from ocrmypdf_superres.upscaling.speed import seconds_a_megapixel

_NOTE = "Every --superres-* option of the plugin is accepted, too (docs/options.md); nothing is enlarged, read or written."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``plan``."""
    parser.add_argument("input", type=Path, metavar="IN.pdf", help="a scanned PDF, or an image that OCRmyPDF accepts")
    add_language(parser)
    parser.add_argument("--pages", metavar="PAGES", help="only these, such as 1,3-5 (default: all)")
    parser.add_argument("--image-dpi", type=int, metavar="N", help="resolution of an image that claims none")
    modes = parser.add_mutually_exclusive_group()
    for name, what in (("force-ocr", "rasterize and read"), ("redo-ocr", "read again"), ("skip-text", "skip")):
        modes.add_argument(f"--{name}", action="store_true", help=f"as in OCRmyPDF: {what} pages that have text")
    parser.add_argument("--rotate-pages", action="store_true", help="as in OCRmyPDF: turn pages upright first")
    parser.add_argument("--deskew", action="store_true", help="as in OCRmyPDF: straighten pages first")
    parser.add_argument(
        "--oversample", type=int, metavar="DPI", help="as in OCRmyPDF: rasterize pages at this resolution at least"
    )
    add_jobs(parser)
    add_json(parser)
    hidden = argparse.ArgumentParser(add_help=False)
    add_plugin_arguments(hidden)
    for action in hidden._actions:
        action.help = argparse.SUPPRESS
        parser._add_action(action)
    parser.epilog = examples_of("plan", _NOTE)


def run(args: argparse.Namespace) -> int:
    """Print the plan of each page, and the seconds that the net would take.

    Raises:
        SuperresError: the file cannot be read, or an option not be used.
    """
    logging.getLogger("ocrmypdf").setLevel(logging.DEBUG if args.verbose else logging.WARNING)
    keep_inputs([args.json], [args.input])
    records = plan_document(args.input, _options(args))
    times = _times(records, args)
    shown = Table("page", "what", "pixels", "net, s", "why")
    for record in records:
        shown.add_row(*_cells(record, times.seconds(record)))
    values = [{**json.loads(record.to_json()), "seconds": times.seconds(record)} for record in records]
    show(shown, args.json, values)
    if args.json is None:
        say(_sentence(records, times))
    return 0


def _options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the keywords of ``ocrmypdf.ocr()`` that were given."""
    ours = [f"{NAMESPACE}_{name}" for name in SuperresOptions.model_fields if name not in ("report", "keep")]
    names = ("pages", "image_dpi", "force_ocr", "redo_ocr", "rotate_pages", "deskew", "oversample", *ours)
    found = {name: value for name in names if (value := getattr(args, name)) is not None and value is not False}
    return {
        **found,
        "language": args.language.split("+"),
        "jobs": max(1, args.jobs),
        "progress_bar": Console(stderr=True).is_terminal,
    }


@dataclass(frozen=True)
class _Times:
    """Seconds that the net takes for a megapixel before enlarging, by scale, and where it runs."""

    rates: dict[int, float]
    device: str = ""

    def seconds(self, record: PageRecord) -> float | None:
        if record.scale is None or record.size is None:
            return None
        return round(self.rates[record.scale] * record.size[0] * record.size[1] / 1e6, 2)


def _times(records: Sequence[PageRecord], args: argparse.Namespace) -> _Times:
    scales = sorted({record.scale for record in records if record.scale is not None})
    if not scales:
        return _Times({})
    given = {name: getattr(args, f"{NAMESPACE}_{name}") for name in ("model", "device", "threads", "tile")}
    ours = SuperresOptions.model_validate({name: value for name, value in given.items() if value is not None})
    upscaler = load_upscaler(ours.model, ours.device, threads=ours.threads, tile=ours.tile)
    return _Times({scale: seconds_a_megapixel(upscaler, scale) for scale in scales}, upscaler.device)


def _cells(record: PageRecord, seconds: float | None) -> list[str]:
    size = "" if record.size is None else f"{record.size[0]}x{record.size[1]}"
    if record.new_size is not None:
        size += f" to {record.new_size[0]}x{record.new_size[1]}"
    return [
        str(record.page),
        f"enlarge x{record.scale}" if record.scale else record.action,
        size,
        "" if seconds is None else f"{seconds:.1f}",
        escape(record.reason),
    ]


def _sentence(records: Sequence[PageRecord], times: _Times) -> str:
    enlarged = sum(record.scale is not None for record in records)
    skipped = sum(record.action == SKIP for record in records)
    said = f"{enlarged} of {len(records)} page{'s' * (len(records) != 1)} would be enlarged"
    if skipped:
        said += f", {skipped} not read"
    if enlarged:
        total = sum(times.seconds(record) or 0.0 for record in records)
        said += f"; the net would take about {total:.1f} s on {times.device}, beside what OCR takes"
    return f"{said}."
