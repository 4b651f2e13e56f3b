# SPDX-License-Identifier: MPL-2.0
"""Reading one page: its variants, their readings, and the result for OCRmyPDF."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

from ocrmypdf.pluginspec import OcrEngine
from PIL import Image

from ocrmypdf_superres.ocr.engines.opinion import calibrated
from ocrmypdf_superres.ocr.merge.vote import Merged
from ocrmypdf_superres.ocr.second_opinion import affordable, is_doubtful, time_limit
from ocrmypdf_superres.ocr.unsure_words import without_pale, without_unsure
from ocrmypdf_superres.ocr.variants import AS_IS, NET, SAUVOLA, make_variant
from ocrmypdf_superres.plugin import handover
from ocrmypdf_superres.plugin.guard import cause_of, guard
from ocrmypdf_superres.plugin.handover import PageState
from ocrmypdf_superres.plugin.networks import NetworkChoice
from ocrmypdf_superres.plugin.options import SuperresOptions
from ocrmypdf_superres.plugin.reading import ReadImage, Reading, Result, engine_name
from ocrmypdf_superres.plugin.readings.gathered import Gathered
from ocrmypdf_superres.plugin.readings.handed_on import kept_hocr, result_of
from ocrmypdf_superres.plugin.readings.line_reader import LineReader
from ocrmypdf_superres.plugin.readings.lines import can_read_lines
from ocrmypdf_superres.plugin.readings.opinions import AUTO, ask_all, engines_for
from ocrmypdf_superres.plugin.readings.rescue import CONTRAST, ENLARGED, ENOUGH_PIXELS, doubts_of, rescued_images
from ocrmypdf_superres.plugin.readings.thresholds import asked_for, has_local_thresholds
from ocrmypdf_superres.plugin.readings.turned import TURNED, is_better, straightened, turn_state
from ocrmypdf_superres.plugin.record import PageRecord
from ocrmypdf_superres.plugin.worker import finish

log = logging.getLogger("ocrmypdf.superres")

NOT_VERIFIED, NOT_MERGED = "could not be verified", "could not be merged from its readings"


class PageReader:
    """Reads one page.

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
        self._seen, self._size, self._dpi = False, (1, 1), (300.0, 300.0)
        with guard(NOT_VERIFIED, page or 1, self._ours.on_error), Image.open(input_file) as image:
            self._seen, self._size, self._dpi = True, image.size, image.info.get("dpi", self._dpi)
        state = handover.take(page, self._size if self._seen else None)
        self._known = state is not None
        if state is None:
            handover.warn_once("superres: an image for OCR is not the one that this plugin prepared; such pages are read once")
            state = PageState(PageRecord(input_file.name, page or 1), self._size)
        self._state = state
        self._record = state.record
        self._readings: dict[str, Reading] = {}
        self._found = Gathered()
        self._rescued: Image.Image | None = None
        self._options = options
        self._networks = NetworkChoice(options, engine)

    @property
    def page(self) -> int:
        """Number of the page, from 1."""
        return self._record.page

    @property
    def state(self) -> PageState:
        """The page's state, as the earlier hooks left it."""
        return self._state

    def read(self, read: ReadImage, whole: bool = False) -> Result:
        """Call *read* for the net's variant, and for the others that are wanted.

        With *whole* the best reading is handed on as it is; otherwise the readings are merged.

        Raises:
            ExitCodeException: the engine failed on every variant.
            SuperresPageError: something else failed and the user asked to end the job then.
        """
        error = self._read_first(read)
        if self._seen:
            self._verify(read, whole)
        if error is not None and not self._readings and not any(opinion.words for opinion in self._found.opinions.values()):
            self._read_untouched(read, error)
        merged = self._merged(whole)
        calibration = self._found.calibration
        drops = self._ours.drops_unsure_words and self._networks.as_calibrated and not whole
        if merged is not None and calibration is not None and drops:
            with self._guard("could not be freed of unsure words"):
                merged = without_unsure(merged, calibration, self._state.no_text)
                merged = without_pale(merged, calibration, lambda: self._state.original or self._handed_over())
        result = result_of(self._readings, merged, self._found.joined)
        if self._known:
            with self._guard("could not be described"):
                self._describe(merged)
            hocr = b"", b""
            if self._ours.keep is not None and self._seen:
                with self._guard("could not be kept"):
                    hocr = kept_hocr(result, self._state, self._size, float(self._dpi[0]))
            finish(self._record, self._ours, self.input_file, *hocr)
        else:
            for fault in self._record.faults:
                log.warning("superres: page %d %s", self.page, fault)
        return result

    def _verify(self, read: ReadImage, whole: bool) -> None:
        """Read the page again where the first reading leaves doubt."""
        with self._guard(NOT_VERIFIED):
            self._found.calibration = self._networks.calibration(engine_name(self._engine), self._state.model_sha256)
        if not whole:
            self._read_upright(read)
        self._read_further(read, whole)
        self._read_lost(read)
        if not whole:
            self._read_lines()
            self._ask_engines()

    def _guard(self, step: str) -> Any:
        return guard(step, self.page, self._ours.on_error, self._record)

    def _may_change(self) -> bool:
        """Whether the readings of this page may be compared and changed."""
        if self._ours.verify == "off" or self._ours.trigger == "off" or self._found.calibration is None:
            return False
        # Nothing is known of how sure other engines than Tesseract are; one is compared where it tells, and others are named.
        return bool(self._found.calibration.probabilities) or (self._ours.engines != AUTO and self._found.tells_confidences())

    def _handed_over(self) -> Image.Image:
        """Return the image that OCRmyPDF asked to be read, or the same turned upright."""
        with Image.open(self.input_file) as opened:
            return make_variant(AS_IS, opened, opened)

    def _target(self, variant: str) -> Path:
        """Return the path, without suffix, of the working files of one variant, which no other page uses."""
        return self.input_file.with_name(f"{self.input_file.stem}_superres_{variant}")

    def _read_first(self, read: ReadImage) -> Exception | None:
        """Read the image that was handed over; return the engine's error where another variant may still be read.

        The engine's error passes through where there is no other variant, as it does without this plugin.
        """
        try:
            self._read(NET, self.input_file, read)
        except Exception as error:  # engines raise anything
            if self._state.original is self._state.untouched is None or self._ours.on_error == "fail":
                raise
            self._record.faults.append(f"could not be read in the variant {NET}: {cause_of(error)}")
            return error
        return None

    def _read_untouched(self, read: ReadImage, error: Exception) -> None:
        """Read the image that OCRmyPDF made of the page, after the engine failed with *error* on all others."""
        state, image = self._state, self._state.untouched
        if image is None:
            raise error
        if state.turns % 2:
            self._size = self._size[::-1]
        state.turns, state.surface = 0, None
        image.save(path := self._target(AS_IS).with_suffix(".png"), dpi=image.info.get("dpi", self._dpi), compress_level=1)
        self._read(AS_IS, path, read)

    def _read_upright(self, read: ReadImage) -> None:
        """Read the page turned upright instead, where its first reading is lost because it lies upside down or on its side."""
        found, state = self._found, self._state
        if not self._known or not self._may_change():
            return
        with self._guard("could not be turned upright"):
            page = straightened(self.input_file, self._target("upright"), found, state, self._options.languages)
            if page is None:
                return
            before, lost = (self.input_file, self._size, self._dpi, self._readings[NET]), found.whole.pop(NET)
            found.seconds[TURNED] = found.seconds.pop(NET)
            self.input_file, self._size, self._dpi = page.path, page.size, page.dpi
            try:
                self._read(NET, page.path, read)
                if is_better(found, lost):
                    turn_state(state, page)
            finally:
                # Also where the engine failed on the upright page: what follows must fit the page that was handed over.
                if not state.turns:
                    self.input_file, self._size, self._dpi, self._readings[NET] = before
                    found.whole[NET] = lost

    def _read_further(self, read: ReadImage, whole: bool) -> None:
        """Read the other variants that are wanted, as long as there is doubt; one that fails is left out."""
        original, found = self._state.original, self._found
        first = self._readings.get(NET)
        unseen = first is not None and first.file is not None and first.hocr is None
        # An engine that writes a PDF without telling the words leaves nothing to compare.
        if original is None or self._ours.verify == "off" or found.calibration is None or unseen:
            return
        always = self._ours.verify == "always"
        local = self._state.evened and has_local_thresholds(self._engine, self._options)
        named = found.in_turn(self._ours.wanted_variants(self._state.uneven, local))
        limit, hopeless = time_limit(self._options), self._state.hopeless
        for variant in named if always else affordable(named, found.seconds, limit, hopeless):
            wanted = always
            with self._guard(NOT_VERIFIED):
                by_line = not whole and variant != SAUVOLA and can_read_lines(self._engine, self._options)
                wanted = wanted or is_doubtful(found.whole, found.calibration, by_line)
            if not wanted:
                continue
            with self._guard(f"could not be read in the variant {variant}"):
                path = self._save_variant(variant, original)
                self._read(variant, path, read)
                path.unlink()

    def _read_lost(self, read: ReadImage) -> None:
        """Read a page whose ink has more lines than were read, also in filled areas, or that was left and reads badly, again."""
        found = self._found
        if not self._known or not self._may_change() or found.calibration is None or self._record.action == "failed":
            return
        with self._guard(NOT_VERIFIED):
            source = self._state.original
            affords = any(affordable([CONTRAST], found.seconds, time_limit(self._options), self._state.hopeless))
            left = source is None and self._ours.trigger == "auto" and not found.given_up(self._state)
            doubts = doubts_of(found, self._record, self._size, left, self._options)
            if not affords or (source is None and not doubts.lost and doubts.x_height is None):
                return
            if source is None:
                source = self._handed_over()
            for image, variant in rescued_images(found, source, (self._size, self._dpi), doubts, self._options):
                with self._guard(f"could not be read in the variant {variant}"):
                    path = self._target(variant).with_suffix(".png")
                    dpi = tuple(float(value) * image.width / self._size[0] for value in self._dpi)
                    image.save(path, dpi=dpi, compress_level=1)
                    self._read(variant, path, read)
                    path.unlink()
                    self._rescued = image if variant == ENLARGED else self._rescued

    def _read_lines(self) -> None:
        """Read doubtful lines and ink without words again, the most doubtful ones first, as far as the budget goes.

        Of a page that was left, only ink without words is read: its doubtful lines would be read from the same pixels.
        """
        found, original = self._found, self._state.original
        if not self._may_change() or found.calibration is None:
            return
        with self._guard(NOT_VERIFIED):
            layout = found.layout()
            if layout is None or found.given_up(self._state) or (original is None and not self._may_lack_lines()):
                return
            if original is not None and layout in (AS_IS, CONTRAST):
                return
            if self._ours.drops_unsure_words:
                found.drop_false_turns(layout)
            page = self._handed_over() if original is None else original
            measured = self._record.x_height if page.size == self._record.size else None
            again = LineReader(self._engine, self._options, self._networks, found, self._target, self._dpi)
            again.read(layout, page, measured, self.input_file, left=original is None)

    def _may_lack_lines(self) -> bool:
        """Whether the lines on this page, which was left, are worth finding: it has text, and is not too large."""
        left = self._ours.trigger == "auto" and self._known and self._record.action == "left"
        return left and self._record.x_height is not None and self._size[0] * self._size[1] <= ENOUGH_PIXELS

    def _ask_engines(self) -> None:
        """Ask further engines where the readings leave doubt."""
        found, original = self._found, self._state.original
        if not self._known or not self._may_change() or found.calibration is None:
            return
        with self._guard(NOT_VERIFIED):
            # Doubt first: looking for installed engines costs every page some milliseconds.
            doubt = found.wants_engines(self._state, bool(self._networks.tuned))
            engines = engines_for(self._options) if doubt or self._ours.verify == "always" else {}
            if not engines:
                return
            image = self._handed_over()
            page = (image, self._rescued) if original is None else (original, image)
            found.calibration = calibrated(found.calibration, engines, page[1] is not None)
            ask_all(found, engines, page, self._options.languages, (self._size, float(self._dpi[0])), self._guard)

    def _read(self, variant: str, image: Path, read: ReadImage) -> None:
        began = time.monotonic()
        try:
            reading = self._engine_reading(read, image, variant)
        finally:
            self._found.seconds[variant] = time.monotonic() - began
        self._readings[variant] = reading
        with self._guard(f"could not be verified in the variant {variant}"):
            hypothesis = reading.hypothesis(self._size, float(self._dpi[0])) if self._seen else None
            if hypothesis is not None:
                self._found.whole[variant] = hypothesis

    def _engine_reading(self, read: ReadImage, image: Path, variant: str) -> Reading:
        """Read *image* with the tuned networks; where that fails, with the installed ones, whose own failure counts."""
        networks, target = self._networks, self._target(variant)
        if not networks.tuned:
            return read(image, target, asked_for(variant, self._options))
        try:
            reading = read(image, target, asked_for(variant, networks.options()))
            networks.restore(reading.tree, reading.hocr)
        except Exception as error:  # engines raise anything: the page is read without the improvement
            networks.drop()
            reading = read(image, target, asked_for(variant, self._options))
            with self._guard("could not be read with the tuned networks"):
                raise error
        return reading

    def _save_variant(self, variant: str, original: Image.Image) -> Path:
        path = self._target(variant).with_suffix(".png")
        with Image.open(self.input_file) as net:
            image = make_variant(variant, original, net)
        dpi = original.info["dpi"] if variant == AS_IS else self._dpi
        image.save(path, dpi=dpi, compress_level=1)
        return path

    def _merged(self, whole: bool) -> Merged | None:
        """Return the reading to pass on; None where no reading has known lines and words."""
        found = self._found
        with self._guard(NOT_MERGED):
            if (alone := found.opinion_alone()) is not None:
                return alone
        if not found.whole:
            return None
        if not whole:
            with self._guard(NOT_MERGED):
                return found.merged(self._may_change(), self._options.languages)
        best = next(iter(found.whole))
        with self._guard(NOT_VERIFIED):
            best = found.best()
        return Merged(found.whole[best], best)

    def _describe(self, merged: Merged | None) -> None:
        """Write into the record which reading won, by how much, and what the readings cost."""
        self._record.extra.update({"networks": self._networks.used(), **self._found.describe(merged)})
        if self._record.action == "left" and self._record.extra["reading"] == NET:
            self._record.extra["reading"] = AS_IS  # no net has seen the image that was read
        if merged is not None:
            self._record.reason += self._found.sentence(merged)
        else:
            written = any(reading.file is not None for reading in self._readings.values())
            self._record.reason += "; the engine tells no words to verify" if written else "; no text was read"
