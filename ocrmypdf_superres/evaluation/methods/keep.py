# SPDX-License-Identifier: MPL-2.0
"""An OCRmyPDF plugin that keeps what OCR was given of each page, and what it read there.

The image and the hOCR of page N land as ``00000N.png`` and ``00000N.hocr`` in the folder that :func:`start` names, while
OCRmyPDF runs in threads of this process.
"""

from __future__ import annotations

import shutil
from collections.abc import Generator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocrmypdf import hookimpl

if TYPE_CHECKING:
    from ocrmypdf.pluginspec import OcrEngine

_folder = Path()


def start(folder: Path) -> None:
    """Let the next run's pages be kept in *folder*."""
    global _folder
    _folder = folder


@hookimpl(wrapper=True, tryfirst=True)
def get_ocr_engine(options: Any) -> Generator[None, OcrEngine | None, OcrEngine | None]:
    """Return the engine that the others chose, made to keep its pages."""
    engine = yield
    return None if engine is None else _keeping(type(engine))()


@lru_cache(maxsize=8)
def _keeping(base: Any) -> Any:
    """A subclass of the engine's class: whoever asks what kind of engine it is gets the answer as before."""

    def generate_hocr(input_file: Path, output_hocr: Path, output_text: Path, options: Any) -> None:
        base.generate_hocr(input_file, output_hocr, output_text, options)
        number = Path(input_file).name.partition("_")[0]
        shutil.copyfile(input_file, _folder / f"{number}.png")
        shutil.copyfile(output_hocr, _folder / f"{number}.hocr")

    return type(f"Keeping{base.__name__}", (base,), {"generate_hocr": staticmethod(generate_hocr)})
