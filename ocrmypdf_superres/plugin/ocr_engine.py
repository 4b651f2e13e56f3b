# SPDX-License-Identifier: MPL-2.0
"""The OCR engine: whichever engine the other plugins chose, asked once or more for each page.

OCRmyPDF hands over the image of the net's variant. Where the page was enlarged, the hooks before left the original, from
which the other variants are made. Every reading may take the whole of ``--tesseract-timeout``.
"""

from __future__ import annotations

import shutil
from collections.abc import Set
from pathlib import Path
from typing import Any, cast

from ocrmypdf.hocrtransform import HocrParser, OcrElement
from ocrmypdf.pluginspec import OcrEngine, OrientationConfidence

from ocrmypdf_superres.ocr.hocr import write_hocr
from ocrmypdf_superres.ocr.hypothesis import for_text_layer
from ocrmypdf_superres.plugin.geometry.orientation_check import check_orientation
from ocrmypdf_superres.plugin.networks import Replaced
from ocrmypdf_superres.plugin.page_reader import PageReader
from ocrmypdf_superres.plugin.reading import Reading, interruptible, read_tree
from ocrmypdf_superres.plugin.readings.handed_on import fit_to_page

SKIPPED = "[skipped page]"
"""What OCRmyPDF writes as the text of a page that was not read."""


class VerifyingEngine(OcrEngine):
    """An engine that delegates to *engine*, and reads doubtful pages in several variants.

    Args:
        engine: the engine to ask; of any kind.
    """

    def __init__(self, engine: OcrEngine) -> None:
        self._engine = engine

    def version(self) -> str:  # type: ignore[override]
        """Return the version of the wrapped engine."""
        return self._engine.version()

    def creator_tag(self, options: Any) -> str:  # type: ignore[override]
        """Return the tag of the wrapped engine for the PDF's metadata."""
        return self._engine.creator_tag(options)

    def __str__(self) -> str:
        """Return name and version of the wrapped engine."""
        return str(self._engine)

    def languages(self, options: Any) -> Set[str]:  # type: ignore[override]
        """Return the languages of the wrapped engine."""
        return self._engine.languages(options)

    def get_orientation(self, input_file: Path, options: Any) -> OrientationConfidence:  # type: ignore[override]
        """Return the orientation that the wrapped engine finds, unless reading speaks against it."""
        found = self._engine.get_orientation(input_file=input_file, options=options)
        return check_orientation(found, Path(input_file), options)

    def get_deskew(self, input_file: Path, options: Any) -> float:  # type: ignore[override]
        """Return the angle in degrees that the wrapped engine finds."""
        return self._engine.get_deskew(input_file=input_file, options=options)

    def supports_generate_ocr(self) -> bool:  # type: ignore[override]
        """Return True: trees are returned, whatever the wrapped engine can do."""
        return True

    def generate_ocr(self, input_file: Path, options: Any, page_number: int = 0) -> tuple[OcrElement, str]:  # type: ignore[override]
        """Read the page and return its tree, in the pixels of *input_file*, and its text.

        Where the engine left no reading at all (it timed out), the tree is None: OCRmyPDF then leaves the text layer of
        the page alone, as it does for an empty hOCR file; an empty tree would strip the old one with --redo-ocr.

        Raises:
            ExitCodeException: the engine failed on every variant.
        """
        reader = PageReader(self._engine, Path(input_file), options, page_number + 1)
        result = reader.read(lambda image, target, asked: read_tree(self._engine, image, target, asked, page_number))
        tree = result.tree
        if tree is None and result.file is not None:
            tree = HocrParser(result.file).parse()  # what OCRmyPDF itself makes of hOCR that could not be verified
        elif tree is not None and not self._engine.supports_generate_ocr():
            tree = for_text_layer(tree)
        if tree is not None:
            fit_to_page(tree, reader.state)
        return cast(OcrElement, tree), result.text or ("" if tree is not None else SKIPPED)

    def generate_hocr(self, input_file: Path, output_hocr: Path, output_text: Path, options: Any) -> None:  # type: ignore[override]
        """Read the page and write one hOCR, in the pixels of *input_file*, and its text.

        Both are what OCRmyPDF takes for a page without text where the engine left no reading at all.

        Raises:
            ExitCodeException: the engine failed on every variant.
        """
        reader = PageReader(self._engine, Path(input_file), options)
        result = reader.read(lambda image, target, asked: read_tree(self._engine, image, target, asked, reader.page - 1))
        if result.file is not None and not reader.state.turns and reader.state.surface is None:
            shutil.copyfile(result.file, output_hocr)
        else:
            if result.tree is not None:
                fit_to_page(result.tree, reader.state)
            Path(output_hocr).write_text(write_hocr(result.tree) if result.tree is not None else "", encoding="utf-8")
        empty = result.file is None and result.tree is None
        Path(output_text).write_text(result.text or (SKIPPED if empty else ""), encoding="utf-8")

    def generate_pdf(self, input_file: Path, output_pdf: Path, output_text: Path, options: Any) -> None:  # type: ignore[override]
        """Read the page and hand over the text PDF of the best variant: the engine writes it, so lines are not mixed.

        Raises:
            ExitCodeException: the engine failed on every variant.
        """

        def read(image: Path, target: Path, asked: Any) -> Reading:
            pdf, text = target.with_suffix(".pdf"), target.with_suffix(".txt")
            with interruptible():
                self._engine.generate_pdf(input_file=image, output_pdf=pdf, output_text=text, options=_also_hocr(asked))
            return Reading.of_files(target, pdf)

        result = PageReader(self._engine, Path(input_file), options).read(read, whole=True)
        if result.file is not None:
            shutil.copyfile(result.file, output_pdf)
        else:
            Path(output_pdf).write_bytes(b"")
        Path(output_text).write_text(result.text or ("" if result.file is not None else SKIPPED), encoding="utf-8")


def _also_hocr(options: Any) -> Any:
    """Return *options* with Tesseract asked for hOCR beside the PDF, in one run; other engines do not look at this."""
    tesseract = getattr(options, "tesseract", None)
    if tesseract is None:
        return options
    return Replaced(options, tesseract=tesseract.model_copy(update={"config": [*tesseract.config, "hocr"]}))
