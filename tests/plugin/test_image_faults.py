# SPDX-License-Identifier: MPL-2.0
"""Images for OCR that an engine or Pillow cannot take: the page is read as it is."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from ocrmypdf.exceptions import ExitCode, ExitCodeException
from PIL import Image
from test_faults import Run, is_read, low_pdf, raising, run, tesseract_that_dies

from ocrmypdf_superres.plugin import page_reader

__all__ = ["low_pdf", "run"]


@pytest.mark.parametrize("renderer", ["auto", "sandwich"])
@pytest.mark.parametrize("asked", [{"superres_verify": "off"}, {"superres_variants": "net"}])
def test_a_tesseract_that_dies_on_the_enlarged_image_reads_the_page_as_it_is(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, asked: dict[str, str], renderer: str
) -> None:
    tesseract_that_dies(tmp_path, monkeypatch, "net")
    assert is_read(run(pdf_renderer=renderer, **asked))
    (warning,) = run.warnings
    assert "page 1 could not be read in the variant net: tesseract was ended by signal 9 (Killed)" in warning
    with pytest.raises(ExitCodeException) as caught:
        run(superres_on_error="fail", pdf_renderer=renderer, **asked)
    assert caught.value.exit_code == ExitCode.child_process_error


def test_an_image_that_cannot_be_opened_again_is_read_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = raising(OSError("Too many open files"))
    monkeypatch.setattr(page_reader, "Image", SimpleNamespace(open=fault, Image=Image.Image))
    assert is_read(run())
    (warning,) = run.warnings
    assert "page 1 could not be verified: Too many open files" in warning
    assert run.record["action"] == "enlarged" and run.record["confidence"] == {}


def test_a_page_is_enlarged_no_further_than_pillow_opens(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)  # which OCRmyPDF sets in its process
    assert is_read(run(max_image_mpixels=1.0))
    assert run.record["new_size"][0] * run.record["new_size"][1] <= 2.0e6 and not run.warnings
