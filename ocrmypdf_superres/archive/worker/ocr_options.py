# SPDX-License-Identifier: MPL-2.0
"""Checks of the options that a run's settings pass on to OCRmyPDF and to this plugin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ocrmypdf import OcrOptions
from pydantic import BaseModel, ValidationError

from ocrmypdf_superres.errors import ArchiveError
from ocrmypdf_superres.plugin.options import SuperresOptions
from ocrmypdf_superres.tables import did_you_mean

# The run sets these itself, or has a setting of its own for them.
_RESERVED = {
    "ocrmypdf": {
        "input_file", "output_file", "sidecar", "output_folder", "work_folder", "languages", "jobs", "use_threads",
        "progress_bar", "quiet", "verbose", "keep_temporary_files", "no_overwrite", "plugins", "extra_attrs",
        "ocr_engine", "pages", "image_dpi",
    },
    "superres": {"report", "keep"},
}  # fmt: skip


def check_option_tables(ocrmypdf: Mapping[str, Any], superres: Mapping[str, Any], where: str) -> None:
    """Check both tables of options as OCRmyPDF and the plugin would.

    Args:
        ocrmypdf: options of ``ocrmypdf.ocr()``, by their names there.
        superres: options of this plugin, without ``superres_``.
        where: names the settings in messages.

    Raises:
        ArchiveError: an option is unknown, is set by the run itself, or has a value that cannot be used.
    """
    if ocrmypdf.get("output_type") == "none":
        raise ArchiveError(f"{where} has output_type = 'none' in [ocrmypdf]; leave 'pdf' out of the setting outputs instead.")
    if ocrmypdf.get("pdf_renderer") == "sandwich":
        raise ArchiveError(f"{where} has pdf_renderer = 'sandwich' in [ocrmypdf], which does not report words; remove it.")
    _check("ocrmypdf", ocrmypdf, OcrOptions, {"input_file": "in", "output_file": "out"}, where)
    _check("superres", superres, SuperresOptions, {}, where)


def _check(table: str, values: Mapping[str, Any], model: type[BaseModel], needed: dict[str, str], where: str) -> None:
    known = set(model.model_fields) - _RESERVED[table]
    for key in values:
        if key in _RESERVED[table]:
            raise ArchiveError(f"{where} has the option {key!r} in [{table}], which is set by the run itself; remove it.")
        if key not in known:
            raise ArchiveError(
                f"{where} has the unknown option {key!r}{did_you_mean(key, known)} in [{table}]; correct or remove it."
            )
    try:
        model.model_validate({**needed, **values})
    except ValidationError as error:
        problem = error.errors()[0]
        message = problem["msg"].removeprefix("Value error, ").rstrip(".")
        if not problem["loc"]:
            raise ArchiveError(f"{where} has options in [{table}] that cannot be used or not together: {message}.") from error
        key = ".".join(map(str, problem["loc"]))
        raise ArchiveError(
            f"{where} has {key} = {problem['input']!r} in [{table}]: {message[:1].lower()}{message[1:]}."
        ) from error
