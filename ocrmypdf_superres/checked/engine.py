# SPDX-License-Identifier: MPL-2.0
"""The OCR engine: OCRmyPDF's own Tesseract engine, asked once or twice a page.

The picture that OCRmyPDF hands over is the chosen model's.  Where the page was enlarged, the plugin left the
picture as it came beside it; from that the Lanczos form of the same size is made, so both readings share their
pixels' places.  ``auto`` reads the second form only where the first reading leaves doubt.
"""

from __future__ import annotations

import logging
import shutil
import time
from pathlib import Path
from typing import Any

from ocrmypdf.builtin_plugins.tesseract_ocr import TesseractOcrEngine
from ocrmypdf.exceptions import ExitCodeException
from PIL import Image

from ocrmypdf_superres.errors import SuperresError
from ocrmypdf_superres.image import flatten
from ocrmypdf_superres.readings.calibration import expected_gain, mean_confidence, mean_probability
from ocrmypdf_superres.readings.choose import PAGE_MARGIN, choose
from ocrmypdf_superres.readings.hocr import Reading
from ocrmypdf_superres.record import PageRecord, emit, unstash

log = logging.getLogger("ocrmypdf.superres")

MODEL, LANCZOS = "model", "lanczos"
SURE = 0.93
"""With ``auto``, a first reading whose words are right with at least this mean probability is not checked."""


def other_engine(options: Any) -> bool:
    """Whether the user chose another OCR engine than Tesseract; checking then steps aside."""
    chosen = getattr(options, "ocr_engine", "auto")
    if chosen in ("auto", "tesseract"):
        return False
    log.debug("superres: readings are not checked, since the OCR engine is %s", chosen)
    return True


class CheckedEngine(TesseractOcrEngine):
    """Tesseract as OCRmyPDF runs it; languages, timeouts and ``--tesseract-*`` options work as ever."""

    def __str__(self) -> str:
        return f"{super().__str__()}, checked by super-resolution"

    @staticmethod
    def generate_hocr(input_file: Path, output_hocr: Path, output_text: Path, options: Any) -> None:
        """Read the page's forms and write one hOCR, in the pixels of *input_file*, and its text."""
        page = _Page(input_file, options)
        first, second = page.output("first", ".hocr"), page.output("second", ".hocr")
        page.read(MODEL, lambda: TesseractOcrEngine.generate_hocr(input_file, first, first.with_suffix(".txt"), options), first)
        if page.wants_second():
            picture = page.lanczos()
            page.read(
                LANCZOS, lambda: TesseractOcrEngine.generate_hocr(picture, second, second.with_suffix(".txt"), options), second
            )
        page.finish_merged(output_hocr, output_text)

    @staticmethod
    def generate_pdf(input_file: Path, output_pdf: Path, output_text: Path, options: Any) -> None:
        """Read the page's forms and hand over the better one's text PDF (Tesseract draws it, so lines are not mixed)."""
        page = _Page(input_file, options)
        with_hocr = _also_hocr(options)
        first, second = page.output("first", ".pdf"), page.output("second", ".pdf")
        page.read(
            MODEL,
            lambda: TesseractOcrEngine.generate_pdf(input_file, first, first.with_suffix(".txt"), with_hocr),
            first.with_suffix(".hocr"),
        )
        if page.wants_second():
            picture = page.lanczos()
            page.read(
                LANCZOS,
                lambda: TesseractOcrEngine.generate_pdf(picture, second, second.with_suffix(".txt"), with_hocr),
                second.with_suffix(".hocr"),
            )
        winner = second if page.better() == LANCZOS else first
        shutil.copyfile(winner, output_pdf)
        shutil.copyfile(winner.with_suffix(".txt"), output_text)
        page.emit()


def _also_hocr(options: Any) -> Any:
    """*options* with Tesseract asked for hOCR beside the PDF, in one run."""
    tesseract = options.tesseract.model_copy(update={"config": [*options.tesseract.config, "hocr"]})
    return _Replaced(options, tesseract)


class _Replaced:
    """Options seen through, but for ``tesseract``; OCRmyPDF's own object is shared with other threads."""

    def __init__(self, options: Any, tesseract: Any) -> None:
        self._options = options
        self.tesseract = tesseract

    def __getattr__(self, name: str) -> Any:
        return getattr(self._options, name)


class _Page:
    """The files, readings and record of one page while it is read."""

    def __init__(self, input_file: Path, options: Any) -> None:
        self.input_file = Path(input_file)
        self.check = options.superres.check
        self.report = options.superres.report
        self.number = self.input_file.name.partition("_")[0]
        self.folder = self.input_file.parent
        record = unstash(self.folder / f"{self.number}_superres.json")
        self.had_record = record is not None
        self.record = record or PageRecord(file=self.input_file.name, page=int(self.number) if self.number.isdigit() else 0)
        self.came = self.folder / f"{self.number}_superres_input.png"
        self.forms = {name.strip() for name in options.superres.candidates.split(",")}
        self.readings: dict[str, Reading] = {}
        self.text_files: dict[str, Path] = {}
        self.seconds: dict[str, float] = {}
        self.errors: list[ExitCodeException] = []

    def output(self, form: str, suffix: str) -> Path:
        return self.folder / f"{self.number}_superres_{form}{suffix}"

    def read(self, name: str, work: Any, hocr: Path) -> None:
        """Do *work* and keep what it read; a form that fails is left out as long as another one reads."""
        began = time.monotonic()
        try:
            work()
            self.text_files[name] = hocr.with_suffix(".txt")
            # Tesseract leaves no hOCR where it found the page empty while making a PDF.
            if hocr.exists():
                self.readings[name] = Reading(hocr)
        except ExitCodeException as error:
            self.errors.append(error)
            log.warning("superres: the %s form of page %s could not be read: %s", name, self.number, error)
        except SuperresError as error:
            log.warning("superres: %s", error)
        self.seconds[name] = time.monotonic() - began

    def wants_second(self) -> bool:
        """Whether the Lanczos form shall be read too."""
        if self.record.action != "enlarged" or not self.came.exists() or LANCZOS not in self.forms:
            return False
        if self.check == "always" or MODEL not in self.readings:
            return True
        return mean_probability(self.readings[MODEL].words, MODEL) < SURE

    def lanczos(self) -> Path:
        """Make the Lanczos form in the size of the model's; return its file."""
        path = self.output("lanczos", ".png")
        with Image.open(self.input_file) as chosen:
            size, dpi = chosen.size, chosen.info.get("dpi", (300, 300))
        with Image.open(self.came) as came:
            large = flatten(came).convert("L").resize(size, Image.Resampling.LANCZOS)
        large.save(path, dpi=dpi, compress_level=1)
        return path

    def better(self) -> str:
        """The form whose whole reading is to be taken."""
        if LANCZOS not in self.readings:
            return LANCZOS if MODEL not in self.text_files and LANCZOS in self.text_files else MODEL
        if MODEL not in self.readings:
            return LANCZOS
        model, lanczos = (expected_gain(self.readings[n].words, n) for n in (MODEL, LANCZOS))
        won = LANCZOS if lanczos > model + PAGE_MARGIN * max(abs(model), 1.0) else MODEL
        self._note(won, 0, 0)
        return won

    def finish_merged(self, output_hocr: Path, output_text: Path) -> None:
        """Write the page's one hOCR and text.

        Raises:
            ExitCodeException: no form could be read.
        """
        if not self.readings:
            raise self.errors[0] if self.errors else SuperresError(f"Page {self.number} could not be read in any form.")
        if len(self.readings) == 2:
            merged, choice = choose(self.readings[MODEL], self.readings[LANCZOS], (MODEL, LANCZOS))
            self._note(choice.layout, choice.exchanged, choice.added)
            if choice.exchanged or choice.added:
                merged.write(output_hocr)
                output_text.write_text(merged.text(), encoding="utf-8")
                self.emit()
                return
            won = choice.layout
        else:
            won = next(iter(self.readings))
            self._note(won, 0, 0)
        hocr = self.output("first" if won == MODEL else "second", ".hocr")
        shutil.copyfile(hocr, output_hocr)
        if hocr.with_suffix(".txt").exists():
            shutil.copyfile(hocr.with_suffix(".txt"), output_text)
        else:
            output_text.write_text(self.readings[won].text(), encoding="utf-8")
        self.emit()

    def _note(self, won: str, exchanged: int, added: int) -> None:
        self.record.extra.update(
            {
                "reading": won,
                "lines_exchanged": exchanged,
                "lines_added": added,
                "confidence": {n: round(mean_confidence(r.words), 2) for n, r in self.readings.items()},
                "probability": {n: round(mean_probability(r.words, n), 4) for n, r in self.readings.items()},
                "reading_seconds": {n: round(s, 3) for n, s in self.seconds.items()},
                "words": len(self.readings[won].words) if won in self.readings else 0,
            }
        )
        if len(self.readings) == 2:
            sure = self.record.extra["probability"]
            self.record.reason += (
                f"; read twice, {won} kept (model {sure[MODEL]:.2f}, lanczos {sure[LANCZOS]:.2f}, "
                f"{exchanged} lines exchanged, {added} added)"
            )

    def emit(self) -> None:
        """Write the page's log line and record."""
        if self.had_record:
            emit(self.record, self.report)
