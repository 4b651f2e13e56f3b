# SPDX-License-Identifier: MPL-2.0
"""A run on disk: ``run.json`` with results and pages, and beside it the pages' images before and after.

Written by ``evaluate --run`` and by ``compare``, read by ``report``.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.files import atomic_write_text
from ocrmypdf_superres.reporting.page_comparison import PageComparison
from ocrmypdf_superres.tables import read_record

RUN_FILE = "run.json"
FORM = 1


@dataclass(frozen=True)
class Run:
    """A run: names of the two sides, results as ``evaluate --json`` has them (none without truth), pages, trust measures."""

    title: str
    before: str
    after: str
    results: list[dict[str, Any]] = field(default_factory=list)
    pages: list[PageComparison] = field(default_factory=list)
    trust: dict[str, Any] = field(default_factory=dict)


def write_run(run: Run, folder: Path) -> None:
    """Write *run* to *folder*, which already has its images; equal runs give equal bytes, fields of seconds aside."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"form": FORM, **asdict(run)}, ensure_ascii=False, separators=(",", ":"))
    atomic_write_text(folder / RUN_FILE, text + "\n")


def read_run(folder: Path) -> Run:
    """Return the run in *folder*.

    Raises:
        OptionError: there is none, or its format is another one.
    """
    path = folder / RUN_FILE
    advice = "give a folder that evaluate --run or compare --run wrote"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise OptionError(f"{folder} holds no {RUN_FILE}; {advice}.") from error
    except (OSError, ValueError) as error:
        raise OptionError(f"{path} cannot be read as a run ({error}); {advice}.") from error
    form = values.get("form") if isinstance(values, dict) else None
    if form != FORM:
        raise OptionError(f"{path} has the form {form!r}, but {FORM} was expected; {advice}.")
    run = read_record(Run, values, f"The run {path}", advice=advice)
    if not isinstance(run.trust.get("sentences", []), list):
        raise OptionError(f"{path} has under trust.sentences something else than a list; {advice}.")
    return run
