# SPDX-License-Identifier: MPL-2.0
"""Faults after OCRmyPDF has handed over a page: the page is read, one warning names page and cause, the job ends well.

OCRmyPDF, Tesseract, the PDF and the file system are real; what fails is a function of this package, a file or the program.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ocrmypdf
import pikepdf
import pytest
from ocrmypdf.builtin_plugins.tesseract_ocr import TesseractOcrEngine
from ocrmypdf.exceptions import ExitCode, ExitCodeException
from ocrmypdf.hocrtransform import BoundingBox, OcrClass, OcrElement
from PIL import Image, ImageDraw, ImageFont
from plugin_pages import FONT, draw_page, image_pdf

from ocrmypdf_superres import log_once
from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.ocr import calibration, kept_pages
from ocrmypdf_superres.ocr.hypothesis import Hypothesis
from ocrmypdf_superres.ocr.lines.doubt import DoubtfulLine
from ocrmypdf_superres.plugin import handover, page_reader, reading, worker
from ocrmypdf_superres.plugin.geometry import straightening
from ocrmypdf_superres.plugin.networks import NetworkChoice
from ocrmypdf_superres.plugin.pixels import finishing, page_source
from ocrmypdf_superres.plugin.readings import gathered, line_reader

LINES = ["The ferry leaves at seven", "and nobody waits for it", "when the river is high"]
DPI = 90.0
FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture(scope="module")
def low_pdf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of three lines at 90 dpi, the letter x about 6 px high."""
    page = Image.new("L", (1500, 700), 250)
    for row, line in enumerate(LINES):
        ImageDraw.Draw(page).text((120, 120 + 150 * row), line, fill=20, font=ImageFont.truetype(FONT, 40))
    small = page.resize((450, 210), Image.Resampling.BOX)
    return image_pdf(tmp_path_factory.mktemp("low") / "low.pdf", [small], DPI)


class Run:
    """OCRmyPDF with the plugin on one page, every variant read."""

    def __init__(self, source: Path, folder: Path, model: Path, caplog: pytest.LogCaptureFixture) -> None:
        self.source, self.folder, self.caplog = source, folder, caplog
        self.report = folder / "report.jsonl"
        self.options: dict[str, Any] = {
            "superres_model": str(model), "superres_device": "cpu", "superres_verify": "always",
            "superres_report": str(self.report), "output_type": "pdf", "optimize": 0, "jobs": 1, "use_threads": True,
            "progress_bar": False, "language": ["eng"], "superres_engines": "none",
        }  # fmt: skip

    def __call__(self, expected: ExitCode = ExitCode.ok, **options: Any) -> str:
        """Return the text that was read; the exit code is *expected*."""
        sidecar = self.folder / "out.txt"
        with self.caplog.at_level(logging.INFO, logger="ocrmypdf"):
            code = ocrmypdf.ocr(
                self.source,
                self.folder / "out.pdf",
                sidecar=sidecar,
                plugins=["ocrmypdf_superres"],
                **{**self.options, **options},
            )
        assert code == expected
        return sidecar.read_text(encoding="utf-8")

    @property
    def warnings(self) -> list[str]:
        found = [r for r in self.caplog.records if r.name == "ocrmypdf.superres" and r.levelno >= logging.WARNING]
        return [record.getMessage() for record in found]

    @property
    def record(self) -> dict[str, Any]:
        (line,) = self.report.read_text(encoding="utf-8").splitlines()
        values: dict[str, Any] = json.loads(line)
        return values


@pytest.fixture
def run(low_pdf: Path, tmp_path: Path, lanczos_net: Path, caplog: pytest.LogCaptureFixture) -> Run:
    log_once.forget()
    return Run(low_pdf, tmp_path, lanczos_net, caplog)


def is_read(text: str) -> bool:
    words = [word for line in LINES for word in line.split()]
    return sum(word in text for word in words) >= 0.7 * len(words)


def raising(error: BaseException) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


ONCE = {"superres_use_for": "page", "superres_verify": "off"}
FAULTS: list[tuple[str, Any, str, BaseException, dict[str, Any]]] = [
    ("planning", page_source, "plan_image", MemoryError("no memory for it"), {}),
    ("settings", worker, "plan_settings", RuntimeError("settings gone"), {}),
    ("native pixels", page_source, "native_pixels", RuntimeError("broken image"), {}),
    ("loading the net", worker, "load", OSError("the net cannot be read"), {}),
    ("the net", worker, "enlarge", MemoryError(), {}),
    ("the original", worker, "make_variant", MemoryError("no memory for it"), {}),
    ("straightening", straightening, "surface_of", MemoryError("no memory for it"), {}),
    ("dot leaders", finishing, "find_leaders", MemoryError("no memory for it"), {}),
    ("the record", worker, "new_record", ValueError("a bad name"), {}),
    ("the preview", worker, "_larger_preview", FULL, {"rotate_pages": True}),
    ("the raster", worker, "enlarge", FULL, {**ONCE, "force_ocr": True}),
    ("the raster's dpi", worker, "_true_dpi", ZeroDivisionError("no page"), ONCE),
    ("making a variant", page_reader, "make_variant", MemoryError("no memory for it"), {}),
    ("saving a variant", page_reader.PageReader, "_save_variant", FULL, {}),
    ("scaling", Hypothesis, "scaled", ZeroDivisionError("no pixels"), {}),
    ("doubt", page_reader, "is_doubtful", KeyError("net"), {"superres_verify": "auto"}),
    ("parsing", reading, "read_hocr", RuntimeError("strange hOCR"), {}),
    ("merging", gathered, "merge", RecursionError("too deep"), {}),
    ("choosing", gathered, "page_winner", ValueError("no winner"), {"pdf_renderer": "sandwich"}),
    ("describing", gathered, "mean_confidence", ZeroDivisionError("no words"), {}),
    ("keeping", kept_pages.PageFiles, "write", FULL, {"superres_keep": "KEPT"}),
]  # fmt: skip


@pytest.mark.parametrize("on_error", ["skip", "fail"])
@pytest.mark.parametrize(
    ("place", "name", "error", "options"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS]
)
def test_a_fault_costs_the_improvement_only(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Any, name: str, error: BaseException,
    options: dict[str, Any], on_error: str,
) -> None:  # fmt: skip
    cause = str(error) or type(error).__name__
    monkeypatch.setattr(place, name, raising(error))
    if "superres_keep" in options:
        options = {**options, "superres_keep": str(tmp_path / "kept")}
    if on_error == "fail":
        with pytest.raises(ExitCodeException, match="Page 1 ") as caught:
            run(superres_on_error="fail", **options)
        assert caught.value.exit_code == ExitCode.other_error and cause in str(caught.value)
        return
    assert is_read(run(**options))
    (warning,) = run.warnings
    assert "page 1 " in warning and cause in warning


def test_after_a_fault_in_merging_the_best_single_reading_is_kept(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathered, "merge", raising(RuntimeError("no merging")))
    run()
    assert run.record["reading"] in run.record["confidence"] and len(run.record["confidence"]) == 4
    assert run.record["faults"] == ["could not be merged from its readings: no merging"]


def test_a_fault_while_verifying_keeps_the_first_reading(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_reader, "make_variant", raising(FULL))
    run()
    assert run.record["reading"] == "net" and run.record["action"] == "enlarged" and len(run.record["faults"]) == 3


@pytest.mark.parametrize("damage", ["truncated", "another form", "missing"])
def test_a_damaged_calibration_table(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, damage: str) -> None:
    text = calibration.TABLE.read_text(encoding="utf-8")
    table = tmp_path / "calibration.json"
    if damage != "missing":
        table.write_text(text[: len(text) // 2] if damage == "truncated" else '{"probability": [1, 2]}', encoding="utf-8")
    monkeypatch.setattr(calibration, "TABLE", table)
    assert is_read(run())
    (warning,) = run.warnings
    assert "page 1 could not be verified: The calibration table" in warning
    with pytest.raises(ExitCodeException) as caught:
        run(superres_on_error="fail")
    assert caught.value.exit_code == ExitCode.other_error


def test_a_report_on_a_full_disk(run: Run) -> None:
    assert is_read(run(superres_report="/dev/full"))
    (warning,) = run.warnings
    assert "page 1 cannot be written to the report" in warning and "No space left" in warning
    with pytest.raises(ExitCodeException) as caught:
        run(superres_report="/dev/full", superres_on_error="fail")
    assert caught.value.exit_code == ExitCode.other_error


def test_a_page_that_cannot_be_kept(run: Run, tmp_path: Path) -> None:
    (tmp_path / "kept" / "page-0001.png" / "in the way").mkdir(parents=True)
    assert is_read(run(superres_keep=str(tmp_path / "kept")))
    (warning,) = run.warnings
    assert "page 1 could not be kept: [Errno" in warning and "page-0001.png" in warning


def tesseract_that_dies(folder: Path, monkeypatch: pytest.MonkeyPatch, variant: str, how: str = "kill -9 $$") -> None:
    """Put a program before Tesseract that kills itself where it should read *variant*, and else is Tesseract."""
    shim = folder / "bin" / "tesseract"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\ncase "$*" in *_superres_{variant}*) {how};; esac\nexec {shutil.which("tesseract")} "$@"\n')
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{shim.parent}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize("renderer", ["auto", "sandwich"])
@pytest.mark.parametrize("variant", ["net", "blend"])
def test_a_killed_tesseract(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variant: str, renderer: str) -> None:
    tesseract_that_dies(tmp_path, monkeypatch, variant)
    assert is_read(run(pdf_renderer=renderer))
    (warning,) = run.warnings
    assert f"page 1 could not be read in the variant {variant}: tesseract was ended by signal 9 (Killed)" in warning
    assert set(run.record["confidence"]) == {"net", "blend", "lanczos", "as-is"} - {variant}
    with pytest.raises(ExitCodeException) as caught:
        run(superres_on_error="fail", pdf_renderer=renderer)
    assert caught.value.exit_code == (ExitCode.child_process_error if variant == "net" else ExitCode.other_error)


def test_a_tesseract_that_dies_on_every_variant_ends_the_job_as_without_the_plugin(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tesseract_that_dies(tmp_path, monkeypatch, "")
    for verify in ("always", "off"):
        with pytest.raises(ExitCodeException) as caught:
            run(superres_verify=verify)
        assert caught.value.exit_code == ExitCode.child_process_error


class Blind:
    """An OCR engine that finds no text."""

    name = "blind"

    def version(self) -> str:
        return "blind 1.0"

    def read(self, image: Image.Image, languages: Any, dpi: float) -> OcrElement:
        return OcrElement(OcrClass.PAGE, bbox=BoundingBox(0, 0, *image.size), dpi=dpi)


def test_a_further_engine_that_finds_nothing_does_not_hide_that_tesseract_died(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tesseract_that_dies(tmp_path, monkeypatch, "")
    monkeypatch.setattr(page_reader, "engines_for", lambda _: {"blind": Blind()})
    with pytest.raises(ExitCodeException) as caught:
        run()
    assert caught.value.exit_code == ExitCode.child_process_error


def test_a_tesseract_that_dies_on_the_page_turned_upright_leaves_its_first_reading(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    on_its_side = draw_page(em=16, lines=24).transpose(Image.Transpose.ROTATE_90)
    run.source = image_pdf(tmp_path / "turned.pdf", [on_its_side], 110.0)
    monkeypatch.setattr(straightening, "_sideways_turns", lambda *_: 0)  # unseen before the first reading
    tesseract_that_dies(tmp_path, monkeypatch, "upright")
    run(superres_verify="auto", superres_keep=str(tmp_path / "kept"))
    (warning,) = run.warnings
    assert "page 1 could not be turned upright" in warning
    found = kept_pages.PageFiles(tmp_path / "kept", 1).hypothesis()
    assert found is not None and list(found.size) == run.record["new_size"]
    assert "net" in run.record["words"] and run.record["reading"] in run.record["words"]


def all_lines(reading: Any, *_: Any) -> list[DoubtfulLine]:
    return [DoubtfulLine(line.box, 1.0) for line in reading.lines]


def test_lines_that_were_read_while_a_network_was_removed_do_not_vote(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_reader, "lines_in_doubt", all_lines)
    run(superres_verify="auto", superres_budget=10)
    assert sum(run.record["lines_read"].values()) >= 2
    run.report.unlink()
    gone = RecognizerError("the file eng.traineddata was changed or removed while the page was read")
    monkeypatch.setattr(NetworkChoice, "restore", raising(gone))
    assert is_read(run(superres_verify="auto", superres_budget=10, superres_networks="stock"))
    assert run.record["lines_read"] == {} and "eng.traineddata was changed" in run.record["faults"][0]


def test_an_interrupt_is_none_of_them(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "enlarge", raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        run()


@pytest.mark.parametrize("renderer", ["auto", "sandwich"])
@pytest.mark.parametrize("variant", ["net", "blend", "lines"])
def test_an_interrupt_that_ends_tesseract_ends_the_job(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variant: str, renderer: str
) -> None:
    if (variant, renderer) == ("lines", "sandwich"):
        pytest.skip("whole pages are read for this renderer")
    # By Python, which sets the signal back where these tests run in the background and ignore it.
    program = "import os, signal; signal.signal(2, signal.SIG_DFL); os.kill(os.getpid(), 2)"
    tesseract_that_dies(tmp_path, monkeypatch, variant, f"exec {sys.executable} -c '{program}'")
    monkeypatch.setattr(line_reader, "lines_in_doubt", all_lines)
    with pytest.raises(KeyboardInterrupt):
        run(superres_verify="auto" if variant == "lines" else "always", superres_budget=10, pdf_renderer=renderer)


def test_an_image_that_is_not_the_one_prepared_is_read_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    put = handover.put

    def misplace(state: handover.PageState) -> Any:
        state.size = (1, 1)
        return put(state)

    monkeypatch.setattr(handover, "put", misplace)
    assert is_read(run()) and is_read(run())
    (warning,) = run.warnings
    assert "not the one that this plugin prepared" in warning


def test_an_embedded_image_that_is_damaged(run: Run, tmp_path: Path) -> None:
    def cut(pdf: pikepdf.Pdf, page: pikepdf.Page) -> None:
        stream = page.resources.XObject.Im0
        stream.write(stream.read_raw_bytes()[:-200], filter=pikepdf.Name.DCTDecode)

    with pikepdf.open(run.source) as pdf:
        image = pikepdf.PdfImage(pdf.pages[0].resources.XObject.Im0).as_pil_image()
    run.source = image_pdf(tmp_path / "cut.pdf", [image], DPI, jpeg=True, extra=cut)
    # OCRmyPDF warns of every such file that goes through it.
    assert is_read(run(ExitCode.invalid_output_pdf)) and run.warnings == []
    assert run.record["source"] == "raster"


def test_an_engine_without_memory_for_the_enlarged_page_reads_it_as_it_is(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    read = TesseractOcrEngine.generate_hocr

    def generate_hocr(input_file: Path, **more: Any) -> None:
        if Image.open(input_file).width > 1000:
            raise MemoryError("no memory for it")
        read(input_file, **more)

    monkeypatch.setattr(TesseractOcrEngine, "generate_hocr", staticmethod(generate_hocr))
    assert run(superres_verify="auto").strip()
    assert run.record["reading"] == "as-is" and "no memory for it" in run.record["faults"][0]
    with pytest.raises(MemoryError):
        run(superres_verify="auto", superres_on_error="fail")
