# SPDX-License-Identifier: MPL-2.0
"""The report: one HTML file that shows a run page by page, with nothing fetched from anywhere."""

from __future__ import annotations

import os
from pathlib import Path

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.reporting.html import page_of
from ocrmypdf_superres.reporting.model import Report


def write_report(report: Report, path: Path) -> None:
    """Write *report* to *path*; the file appears whole or not at all.

    Raises:
        OptionError: the file cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(page_of(report), encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        raise OptionError(f"The report {path} cannot be written ({error}); give a file in a folder that can be written to.") from error
    finally:
        part.unlink(missing_ok=True)
