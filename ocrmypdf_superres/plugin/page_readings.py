# SPDX-License-Identifier: MPL-2.0
"""The forms of one page, their readings, and the files between them while OCR runs."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ocrmypdf.exceptions import ExitCodeException
from PIL import Image

from ocrmypdf_superres.errors import ImageError
from ocrmypdf_superres.ocr.calibration import mean_confidence, mean_probability
from ocrmypdf_superres.ocr.hocr import Reading
from ocrmypdf_superres.ocr.merge.choose import Choice, choose_among, doubtful, page_winner
from ocrmypdf_superres.page.image import flatten
from ocrmypdf_superres.plugin.checking import AS_IS, BLEND, MODEL, OTHERS
from ocrmypdf_superres.plugin.record import PageRecord, emit, unstash

log = logging.getLogger("ocrmypdf.superres")


class PageReadings:
    """One page while it is read: the plugin left its record and the image as it came beside the OCR image.

    Args:
        input_file: the image that OCRmyPDF asks to be read; the model's, where the page was enlarged.
        options: OCRmyPDF's options with ``superres``.
    """

    def __init__(self, input_file: Path, options: Any) -> None:
        self.input_file = Path(input_file)
        self.check = options.superres.check
        self.report = options.superres.report
        self.number = self.input_file.name.partition("_")[0]
        self.folder = self.input_file.parent
        stored = unstash(self.folder / f"{self.number}_superres.json")
        self.had_record = stored is not None
        self.record = stored or PageRecord(file=self.input_file.name, page=int(self.number) if self.number.isdigit() else 0)
        self.came = self.folder / f"{self.number}_superres_input.png"
        wanted = {name.strip() for name in options.superres.candidates.split(",")}
        self.others = [name for name in OTHERS if name in wanted]
        self.readings: dict[str, Reading] = {}
        self.read_files: dict[str, Path] = {}
        self.seconds: dict[str, float] = {}
        self.errors: list[ExitCodeException] = []

    def file(self, form: str, suffix: str) -> Path:
        """A working file of one form."""
        return self.folder / f"{self.number}_superres_{form}{suffix}"

    def read_all(self, read: Callable[[Path, Path], None], suffix: str) -> None:
        """Call *read* (image, output file ending in *suffix*) for the model's form and for the others that are wanted."""
        self._read(MODEL, self.input_file, read, suffix)
        if self.record.action != "enlarged" or not self.came.exists():
            return
        for form in self.others:
            if self.check == "auto" and not doubtful(self.readings):
                break
            self._read(form, self._image(form), read, suffix)

    def _read(self, form: str, image: Path, read: Callable[[Path, Path], None], suffix: str) -> None:
        """Read one form; one that fails or times out is left out, as long as another one is there."""
        target = self.file(form, suffix)
        began = time.monotonic()
        try:
            read(image, target)
            hocr = target.with_suffix(".hocr")
            # After a timeout, and for a page it finds empty, OCRmyPDF's Tesseract leaves an empty file or none.
            if target.exists() and target.stat().st_size and hocr.exists() and hocr.stat().st_size:
                self.readings[form] = Reading(hocr)
                if form == AS_IS:
                    self._scale_as_is(hocr)
                self.read_files[form] = target
        except ExitCodeException as error:
            self.errors.append(error)
            log.warning("superres: the %s form of page %d could not be read: %s", form, self.record.page, error)
        except ImageError as error:
            log.warning("superres: page %d, %s form: %s", self.record.page, form, error)
        self.seconds[form] = time.monotonic() - began

    def _image(self, form: str) -> Path:
        """The image file of *form*; Lanczos and the blend are made here, in the size of the model's."""
        if form == AS_IS:
            return self.came
        path = self.file(form, ".png")
        with Image.open(self.input_file) as chosen, Image.open(self.came) as came:
            image = flatten(came).convert("L").resize(chosen.size, Image.Resampling.LANCZOS)
            if form == BLEND:
                image = Image.blend(image, chosen.convert("L"), 0.5)
            image.save(path, dpi=chosen.info.get("dpi", (300, 300)), compress_level=1)
        return path

    def _scale_as_is(self, hocr: Path) -> None:
        """Bring the as-is reading into the pixels of the image that OCRmyPDF handed over."""
        with Image.open(self.input_file) as chosen, Image.open(self.came) as came:
            x, y = chosen.width / came.width, chosen.height / came.height
            dpi = chosen.info.get("dpi", (300, 300))
        self.readings[AS_IS].scale(x, y, (float(dpi[0]), float(dpi[1])))
        self.readings[AS_IS].write(hocr)

    def finish_merged(self, output_hocr: Path, output_text: Path) -> None:
        """Write the page's one hOCR and its text; both empty, as OCRmyPDF wants it, where nothing could be read.

        Raises:
            ExitCodeException: Tesseract failed on every form.
        """
        if not self._any(output_hocr, output_text):
            return
        merged, choice = choose_among(self.readings)
        if choice.exchanged or choice.added:
            merged.write(output_hocr)
            output_text.write_text(merged.text(), encoding="utf-8")
        else:
            self._hand_over(choice.layout, output_hocr, output_text)
        self._finish(choice)

    def finish_whole(self, output_pdf: Path, output_text: Path) -> None:
        """Hand over the text PDF of the better reading, unmixed, for Tesseract drew it.

        Raises:
            ExitCodeException: Tesseract failed on every form.
        """
        if not self._any(output_pdf, output_text):
            return
        won = page_winner(self.readings)
        self._hand_over(won, output_pdf, output_text)
        self._finish(Choice(won, 0, 0, {}))

    def _any(self, output: Path, output_text: Path) -> bool:
        """Whether a form was read; where none was, raise Tesseract's error or write what OCRmyPDF takes for no text."""
        if self.readings:
            return True
        if len(self.errors) == len(self.seconds):
            raise self.errors[0]
        output.write_bytes(b"")
        output_text.write_text("[skipped page]", encoding="utf-8")
        self._finish(None)
        return False

    def _hand_over(self, won: str, output: Path, output_text: Path) -> None:
        source = self.read_files[won]
        shutil.copyfile(source, output)
        if source.with_suffix(".txt").exists():
            shutil.copyfile(source.with_suffix(".txt"), output_text)
        else:
            output_text.write_text(self.readings[won].text(), encoding="utf-8")

    def _finish(self, choice: Choice | None) -> None:
        """Write the page's log line and record: which reading won, by how much, and what the readings cost."""
        if not self.had_record:
            return
        extra = self.record.extra
        extra["reading"] = choice.layout if choice else None
        extra["words_exchanged"] = choice.exchanged if choice else 0
        extra["lines_added"] = choice.added if choice else 0
        extra["confidence"] = {n: round(mean_confidence(r.words), 2) for n, r in self.read_readings().items()}
        extra["probability"] = {n: round(mean_probability(r.words, n), 4) for n, r in self.read_readings().items()}
        extra["words"] = {n: len(r.words) for n, r in self.read_readings().items()}
        extra["reading_seconds"] = {n: round(s, 3) for n, s in self.seconds.items()}
        extra["reading_cost"] = round(sum(self.seconds.values()) / max(self.seconds[MODEL], 1e-3), 2)
        if choice is None:
            self.record.reason += "; no text was read"
        elif len(self.seconds) > 1:
            sure = ", ".join(f"{n} {p:.2f}" for n, p in extra["probability"].items())
            self.record.reason += (
                f"; read {len(self.seconds)} times, the order of {choice.layout} kept ({sure}; {choice.exchanged} words exchanged, "
                f"{choice.added} lines added)"
            )
        emit(self.record, self.report)

    def read_readings(self) -> dict[str, Reading]:
        """The readings as they were before merging: merging changes one of them in place."""
        if not hasattr(self, "_before"):
            self._before = {n: Reading(self.read_files[n].with_suffix(".hocr")) for n in self.readings}
        return self._before
