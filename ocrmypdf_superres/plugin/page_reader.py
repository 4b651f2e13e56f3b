# SPDX-License-Identifier: MPL-2.0
"""One page while it is read: its variants, their readings, and the one that is handed on."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocrmypdf.exceptions import ExitCodeException
from ocrmypdf.hocrtransform import BoundingBox, OcrClass, OcrElement
from ocrmypdf.pluginspec import OcrEngine
from PIL import Image

from ocrmypdf_superres.ocr.calibration import Calibration, mean_confidence, read_table
from ocrmypdf_superres.ocr.hocr import read_hocr, write_hocr
from ocrmypdf_superres.ocr.hypothesis import Hypothesis
from ocrmypdf_superres.ocr.merge.order import page_winner
from ocrmypdf_superres.ocr.merge.vote import Merged, in_order, merge
from ocrmypdf_superres.ocr.second_opinion import is_doubtful, wants_opinion
from ocrmypdf_superres.ocr.variants import AS_IS, NET, make_variant
from ocrmypdf_superres.plugin import handover
from ocrmypdf_superres.plugin.guard import guard
from ocrmypdf_superres.plugin.handover import PageState
from ocrmypdf_superres.plugin.opinions import AUTO, ask, calibrated, engines_for
from ocrmypdf_superres.plugin.options import SuperresOptions
from ocrmypdf_superres.plugin.record import PageRecord
from ocrmypdf_superres.plugin.worker import finish

log = logging.getLogger("ocrmypdf.superres")

NOT_VERIFIED, NOT_MERGED = "could not be verified", "could not be merged from its readings"


@dataclass(frozen=True)
class Reading:
    """What an engine gave for one image.

    Attributes:
        text: the page's text, as the engine has it.
        tree: its tree, from an engine that returns such.
        hocr: the hOCR file that it wrote, None where it left none or an empty one.
        file: the file that was asked for (hOCR or PDF), likewise.
    """

    text: str
    tree: OcrElement | None = None
    hocr: Path | None = None
    file: Path | None = None

    @classmethod
    def of_files(cls, target: Path, file: Path) -> Reading:
        """Return the reading in *file* and in the hOCR and text files called *target*.

        After a timeout, and for a page that it finds empty, OCRmyPDF's Tesseract leaves empty files or none.
        """
        hocr, text = target.with_suffix(".hocr"), target.with_suffix(".txt")
        return cls(
            text.read_bytes().decode("utf-8", "replace") if text.exists() else "",
            hocr=hocr if hocr.exists() and hocr.stat().st_size else None,
            file=file if file.exists() and file.stat().st_size else None,
        )

    def hypothesis(self) -> Hypothesis | None:
        """Return the lines and words; None for nothing, and for an engine that tells neither.

        Raises:
            ImageError: the hOCR is damaged.
        """
        if self.tree is not None:
            return Hypothesis(self.tree)
        return Hypothesis(read_hocr(self.hocr)) if self.hocr is not None else None


@dataclass(frozen=True)
class Result:
    """What is handed on.

    Attributes:
        text: the page's text.
        tree: the tree in the pixels of the image that was given, as the engine wrote it; None for no reading.
        file: the engine's own file where it holds the same; None for a merged reading and for an engine without files.
        hocr: the engine's own hOCR, likewise.
    """

    text: str
    tree: OcrElement | None
    file: Path | None
    hocr: Path | None


def read_tree(engine: OcrEngine, image: Path, target: Path, options: Any, page_number: int) -> Reading:
    """Read *image* as a tree where *engine* can, else as hOCR into files called *target*."""
    if engine.supports_generate_ocr():
        tree, text = engine.generate_ocr(input_file=image, options=options, page_number=page_number)
        return Reading(text, tree)
    hocr, text_file = target.with_suffix(".hocr"), target.with_suffix(".txt")
    engine.generate_hocr(input_file=image, output_hocr=hocr, output_text=text_file, options=options)
    return Reading.of_files(target, hocr)


class PageReader:
    """One page while it is read.

    Args:
        engine: the engine that reads.
        input_file: the image that OCRmyPDF asks to be read; the net's, where the page was enlarged.
        options: OCRmyPDF's options with ``superres``.
        page: number of the page, from 1, where it is known.
    """

    def __init__(self, engine: OcrEngine, input_file: Path, options: Any, page: int | None = None) -> None:
        self.input_file = input_file
        self._engine = engine
        self._ours: SuperresOptions = options.superres
        self._size, self._dpi = (1, 1), (300.0, 300.0)
        with guard(NOT_VERIFIED, page or 1, self._ours.on_error), Image.open(input_file) as image:
            self._size, self._dpi = image.size, image.info.get("dpi", self._dpi)
        state = handover.take(page, self._size)
        self._known = state is not None
        if state is None:
            handover.warn_once("superres: an image for OCR is not the one that this plugin prepared; such pages are read once")
            state = PageState(PageRecord(input_file.name, page or 1), self._size)
        self._state = state
        self._record = state.record
        self._readings: dict[str, Reading] = {}
        self._hypotheses: dict[str, Hypothesis] = {}
        self._seconds: dict[str, float] = {}
        self._calibration: Calibration | None = None
        self._options = options
        self._opinions: dict[str, Hypothesis] = {}
        self._opinion_seconds: dict[str, float] = {}

    @property
    def page(self) -> int:
        """Number of the page, from 1."""
        return self._record.page

    def read(self, read: Callable[[Path, Path], Reading], whole: bool = False) -> Result:
        """Call *read* (image, name for its files) for the net's variant, and for the others that are wanted.

        With *whole* the best reading is handed on as it is; otherwise the readings are merged.

        Raises:
            ExitCodeException: the engine failed on every variant.
            SuperresPageError: something else failed and the user asked to end the job then.
        """
        error = self._read_first(read)
        with self._guard(NOT_VERIFIED):
            self._calibration = read_table().calibration(str(self._engine), self._state.model_sha256)
        self._read_further(read)
        if not whole:
            self._ask_engines()
        if error is not None and not self._readings and not self._opinions:
            raise error
        merged = self._merged(whole)
        if merged is not None and not whole and self._may_change():
            with self._guard("could not be put into reading order"):
                merged = in_order(merged)
        result = self._result(merged)
        if self._known:
            with self._guard("could not be described"):
                self._describe(merged)
            finish(self._record, self._ours, self.input_file, self._kept_hocr(result))
        else:
            for fault in self._record.faults:
                log.warning("superres: page %d %s", self.page, fault)
        return result

    def _guard(self, step: str) -> Any:
        return guard(step, self.page, self._ours.on_error, self._record)

    def _may_change(self) -> bool:
        """Whether the readings of this page may be compared and changed."""
        if self._ours.verify == "off" or self._ours.trigger == "off" or self._calibration is None:
            return False
        # Of another engine than Tesseract nothing is known of how sure it is; it is compared where further engines are named.
        return bool(self._calibration.probabilities) or self._ours.engines != AUTO

    def _target(self, variant: str) -> Path:
        """Return the name, without suffix, of the working files of one variant; nothing but this page's reading knows it."""
        return self.input_file.with_name(f"{self.input_file.stem}_superres_{variant}")

    def _read_first(self, read: Callable[[Path, Path], Reading]) -> ExitCodeException | None:
        """Read the image that was handed over; return the engine's error where another variant may still be read.

        Whatever the engine raises passes through where there is no other variant, as it does without this plugin.
        """
        try:
            self._read(NET, self.input_file, read)
        except ExitCodeException as error:
            if self._state.original is None or self._ours.on_error == "fail":
                raise
            self._record.faults.append(f"could not be read in the variant {NET}: {str(error) or type(error).__name__}")
            return error
        return None

    def _read_further(self, read: Callable[[Path, Path], Reading]) -> None:
        """Read the other variants that are wanted, as long as there is doubt; one that fails is left out."""
        original = self._state.original
        first = self._readings.get(NET)
        unseen = first is not None and first.file is not None and first.hocr is None
        # An engine that writes a PDF without telling the words leaves nothing to compare.
        if original is None or self._ours.verify == "off" or self._calibration is None or unseen:
            return
        for variant in self._ours.wanted_variants():
            wanted = self._ours.verify == "always"
            with self._guard(NOT_VERIFIED):
                wanted = wanted or is_doubtful(self._hypotheses, self._calibration)
            if not wanted:
                break
            with self._guard(f"could not be read in the variant {variant}"):
                path = self._save_variant(variant, original)
                self._read(variant, path, read)
                path.unlink()

    def _ask_engines(self) -> None:
        """Ask further engines where the readings leave doubt; each reads the original page."""
        if not self._known or not self._may_change() or self._calibration is None:
            return
        with self._guard(NOT_VERIFIED):
            # Doubt first: looking for installed engines costs every page some milliseconds.
            if self._ours.verify != "always" and not wants_opinion(self._hypotheses, self._calibration):
                return
            engines = engines_for(self._options)
            if not engines:
                return
            original = self._state.original
            self._calibration = calibrated(self._calibration, engines, original is not None)
            with Image.open(self.input_file) as opened:
                read = make_variant(AS_IS, opened, opened)
            for name, engine in engines.items():
                began = time.monotonic()
                with self._guard(f"could not be read by {name}"):
                    enlarged = read if original is not None else None
                    self._opinions[name] = ask(engine, original or read, enlarged, self._options, float(self._dpi[0]))
                self._opinion_seconds[name] = time.monotonic() - began

    def _read(self, variant: str, image: Path, read: Callable[[Path, Path], Reading]) -> None:
        began = time.monotonic()
        try:
            reading = read(image, self._target(variant))
        finally:
            self._seconds[variant] = time.monotonic() - began
        self._readings[variant] = reading
        with self._guard(f"could not be verified in the variant {variant}"):
            hypothesis = reading.hypothesis()
            if hypothesis is not None and variant == AS_IS:
                x, y = self._size[0] / hypothesis.size[0], self._size[1] / hypothesis.size[1]
                hypothesis = hypothesis.scaled(x, y, round(float(self._dpi[0])))
            if hypothesis is not None:
                self._hypotheses[variant] = hypothesis

    def _save_variant(self, variant: str, original: Image.Image) -> Path:
        path = self._target(variant).with_suffix(".png")
        with Image.open(self.input_file) as net:
            image = make_variant(variant, original, net)
        dpi = original.info["dpi"] if variant == AS_IS else self._dpi
        image.save(path, dpi=dpi, compress_level=1)
        return path

    def _merged(self, whole: bool) -> Merged | None:
        """Return the reading that is handed on; None where there is none that lines and words are known of."""
        found = self._hypotheses
        if not any(reading.words for reading in found.values()) and self._opinions:
            name, opinion = next(iter(self._opinions.items()))
            if opinion.words:
                return Merged(opinion, name)
        if not found:
            return None
        best = next(iter(found))
        if len(found) + len(self._opinions) > 1 and self._calibration is not None:
            with self._guard(NOT_MERGED):
                if not whole:
                    return merge(found, self._calibration, self._opinions)
                best = page_winner(found, self._calibration)
            if not whole:
                with self._guard(NOT_VERIFIED):
                    best = page_winner(found, self._calibration)
        return Merged(found[best], best)

    def _result(self, merged: Merged | None) -> Result:
        if merged is None:
            reading = self._readings.get(NET) or next(iter(self._readings.values()))
            return Result(reading.text, reading.tree, reading.file, reading.hocr)
        if merged.mixed or merged.layout not in self._readings:
            return Result(merged.hypothesis.text(), merged.hypothesis.page, None, None)
        reading = self._readings[merged.layout]
        # The engine's own hOCR of the original page is in other pixels.
        same = merged.layout != AS_IS
        file = reading.file if same or reading.file != reading.hocr else None
        return Result(reading.text or merged.hypothesis.text(), merged.hypothesis.page, file, reading.hocr if same else None)

    def _describe(self, merged: Merged | None) -> None:
        """Write into the record which reading won, by how much, and what the readings cost."""
        found, calibration, extra = self._hypotheses, self._calibration, self._record.extra
        extra["reading"] = merged.layout if merged else None
        extra["words_exchanged"] = merged.exchanged if merged else 0
        extra["lines_added"] = merged.added if merged else 0
        extra["reordered"] = merged.reordered if merged else False
        extra["confidence"] = {name: round(mean_confidence(h.words), 2) for name, h in found.items()}
        probability: dict[str, float] = {}
        if calibration is not None:
            probability = {name: round(calibration.mean_probability(h.words, name), 4) for name, h in found.items()}
        extra["probability"] = probability
        extra["words"] = {name: len(h.words) for name, h in found.items()}
        extra["reading_seconds"] = {name: round(seconds, 3) for name, seconds in self._seconds.items()}
        extra["reading_cost"] = round(sum(self._seconds.values()) / max(self._seconds[NET], 1e-3), 2)
        extra["opinions"] = {name: len(opinion.words) for name, opinion in self._opinions.items()}
        extra["opinion_seconds"] = {name: round(seconds, 3) for name, seconds in self._opinion_seconds.items()}
        if merged is None:
            written = any(reading.file is not None for reading in self._readings.values())
            self._record.reason += "; the engine tells no words to verify" if written else "; no text was read"
        elif len(self._seconds) > 1:
            sure = ", ".join(f"{name} {value:.2f}" for name, value in probability.items())
            self._record.reason += (
                f"; read {len(self._seconds)} times, the order of {merged.layout} kept "
                f"({sure}; {merged.exchanged} words exchanged, {merged.added} lines added)"
            )
        if merged is not None and merged.reordered:
            self._record.reason += "; a form or table, read row by row"

    def _kept_hocr(self, result: Result) -> bytes:
        """Return what was read as hOCR, for ``--superres-keep``: the engine's own where it holds the same."""
        hocr = b""
        if self._ours.keep is not None:
            with self._guard("could not be kept"):
                if result.hocr is not None:
                    hocr = result.hocr.read_bytes()
                elif result.tree is not None or result.file is None:
                    blank = OcrElement(OcrClass.PAGE, bbox=BoundingBox(0, 0, *self._size), dpi=float(self._dpi[0]))
                    hocr = write_hocr(result.tree or blank).encode("utf-8")
        return hocr
