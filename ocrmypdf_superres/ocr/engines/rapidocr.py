# SPDX-License-Identifier: MPL-2.0
"""RapidOCR: the PP-OCR detector and recognizer on onnxruntime, with the models that its own package carries.

It finds text by a neural detector instead of layout analysis, so it reads forms, receipts and text beside stamps that
Tesseract loses. It has no page layout: its lines come from top to bottom, each a paragraph of its own.
"""

from __future__ import annotations

import importlib.metadata
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ocrmypdf.hocrtransform import BoundingBox, OcrClass, OcrElement
from PIL import Image, ImageDraw, ImageFont

from ocrmypdf_superres.errors import MissingDependencyError, ModelError, RecognizerError
from ocrmypdf_superres.modelstore.rapidocr_networks import (
    RapidocrNetwork,
    installed_model,
    installed_rapidocr_network,
    package_models,
)
from ocrmypdf_superres.ocr.engines.alphabets import have_letters_of, is_foreign, letters_of
from ocrmypdf_superres.ocr.engines.base import Quad
from ocrmypdf_superres.ocr.engines.lines import add_line, line_of_text
from ocrmypdf_superres.onnx_sessions import import_onnxruntime, open_session
from ocrmypdf_superres.processes import fork_safe_lock

log = logging.getLogger("ocrmypdf.superres")

UPWARDS = 1.5
"""A box this many times as high as it is wide holds a line up or down the page."""
LEAST_SCORE = 0.5
"""Lines that the recognizer is less sure of are not text; the package's own limit."""
WIDEST = 2000
"""Wider images are reduced by the package, without keeping their proportions."""
TEST_LINE, TEST_SIZE = "A harvest of 1,846 carts", (380, 48)
"""A line on which a network in 8-bit integers is compared with the same in floats, and its (width, height) in pixels."""

_lock = fork_safe_lock()


class RapidOcrEngine:
    """RapidOCR with one thread a call; as many copies of the networks are loaded as pages are read at once."""

    name = "rapidocr"

    def __init__(self) -> None:
        self._idle: list[Any] = []
        self._characters: frozenset[str] | None = None

    def missing(self) -> str | None:
        """Return the line to type where the package is not installed or has no models, else None."""
        if not package_models():
            return "the package rapidocr is not installed or has no models; run: pip install 'ocrmypdf-superres[rapidocr]'"
        return None

    def version(self) -> str:
        """Return name and version of the package and of its recognizer's model.

        Raises:
            MissingDependencyError: RapidOCR is not installed.
        """
        return f"rapidocr {importlib.metadata.version('rapidocr')} ({self._model_name()})"

    def knows(self, languages: Sequence[str]) -> bool:
        """Whether the recognizer's table of characters has every letter of all *languages*; False where one is not known."""
        if self.missing():
            return False
        if self._characters is None:
            self._characters = _characters(installed_model())
        alphabets = [letters_of(language) for language in languages]
        return bool(alphabets) and all(letters and letters <= self._characters for letters in alphabets)

    def read(self, image: Image.Image, languages: Sequence[str], dpi: float) -> OcrElement:
        """Return the words that RapidOCR finds on *image*; see :meth:`ocrmypdf_superres.ocr.engines.base.Engine.read`."""
        page = OcrElement(OcrClass.PAGE, bbox=BoundingBox(0, 0, image.width, image.height), dpi=dpi)
        with self._one_page(image) as networks:
            # Every switch is given: the package remembers those of the call before.
            found = networks(_pixels(image), use_det=True, use_cls=True, use_rec=True, return_word_box=True)
            if found.txts is None:
                return page
            words = found.word_results or [None] * len(found.txts)
            for text, score, box, pieces in zip(found.txts, found.scores, found.boxes, words, strict=True):
                corners = np.asarray(box, dtype=np.float64)
                if _is_upright(corners):
                    line = line_of_text(str(text), float(score), corners, pieces, image.size)
                else:
                    # The package does not tell in which way it turned the line.
                    line = _recognized(networks, image, corners)
                add_line(page, _in_languages(line, languages))
        return page

    def detect(self, image: Image.Image) -> list[Quad]:
        """Return the lines on *image*; see :meth:`ocrmypdf_superres.ocr.engines.base.LineEngine.detect`."""
        with self._one_page(image) as networks:
            found = networks(_pixels(image), use_det=True, use_cls=False, use_rec=False)
        return [] if found.boxes is None else [np.asarray(corners, dtype=np.float64) for corners in found.boxes]

    def recognize(self, image: Image.Image, lines: Sequence[Quad], languages: Sequence[str], dpi: float) -> OcrElement:
        """Return the words in *lines*; see :meth:`ocrmypdf_superres.ocr.engines.base.LineEngine.recognize`."""
        page = OcrElement(OcrClass.PAGE, bbox=BoundingBox(0, 0, image.width, image.height), dpi=dpi)
        with self._one_page(image) as networks:
            for corners in lines:
                add_line(page, _in_languages(_recognized(networks, image, corners), languages))
        return page

    @contextmanager
    def _one_page(self, image: Image.Image) -> Iterator[Any]:
        """Give loaded networks to one page: the package's own pre-processing keeps state, so no two pages may share them."""
        with _lock:
            networks = self._idle.pop() if self._idle else self._load()
        try:
            yield networks
        except Exception as error:  # the package's and onnxruntime's own errors have no common base class
            size, cause = f"{image.width}x{image.height}", str(error) or type(error).__name__
            raise RecognizerError(f"RapidOCR could not read an image of {size} pixels ({cause}); leave it out.") from error
        finally:
            with _lock:
                self._idle.append(networks)

    def _model_name(self) -> str:
        return installed_model().stem

    def _settings(self) -> dict[str, Any]:
        """Return what the package is told besides the number of threads."""
        return {}

    def _load(self) -> Any:
        missing = self.missing()
        if missing:
            raise MissingDependencyError(f"The OCR engine {self.name} cannot be used: {missing}")
        import_onnxruntime()  # before the package does, so that it is imported without telemetry
        from rapidocr import RapidOCR

        networks = RapidOCR(
            params={
                "Global.log_level": "error",
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                **self._settings(),
            }
        )
        if threading.active_count() > 1:
            # The package imports its parts and loads each network when it is first used, which would be outside the lock:
            # a process that another thread forks meanwhile would wait for ever for modules that are being imported.
            blank = np.full((32, 32, 3), 255, dtype=np.uint8)
            networks(blank, use_det=True, use_cls=False, use_rec=False)
            networks(blank, use_det=False, use_cls=True, use_rec=True, return_word_box=True)
        return networks


class TunedRapidOcrEngine(RapidOcrEngine):
    """RapidOCR with a recognizer that was tuned on low-resolution lines, for pages whose letters it saw then.

    Args:
        network: the tuned recognizer; None for the installed one.
    """

    name = "rapidocr-tuned"
    tuned_from = "rapidocr"

    def __init__(self, network: RapidocrNetwork | None = None) -> None:
        super().__init__()
        self._network = network or installed_rapidocr_network()
        self._file: Path | None = None

    def missing(self) -> str | None:
        """Return what must be installed; None where nothing is missing."""
        if self._network is None:
            return "there is no tuned recognizer for RapidOCR among the models; install ocrmypdf-superres again"
        return super().missing()

    def knows(self, languages: Sequence[str]) -> bool:
        """Whether the recognizer was tuned on languages that have every letter of all *languages*."""
        return not self.missing() and have_letters_of(self._tuned().card.languages, languages)

    def _tuned(self) -> RapidocrNetwork:
        if self._network is None:
            raise MissingDependencyError(f"The OCR engine {self.name} cannot be used: {self.missing()}")
        return self._network

    def _model_name(self) -> str:
        card = self._tuned().card
        return f"{card.name} {card.sha256[:12]}"

    def _settings(self) -> dict[str, Any]:
        # Called by one thread at a time, see _one_page.
        if self._file is None:
            self._file = _fastest_file(self._tuned())
        # The shape is that of the network, whatever a later version of the package takes for its own.
        return {"Rec.model_path": str(self._file), "Rec.rec_img_shape": [3, 48, 320]}


def _fastest_file(network: RapidocrNetwork) -> Path:
    """Return the file of *network* in 8-bit integers, where it reads a line as that in floats does, else the latter.

    Whether its sums are right depends on the processor: x86 without VNNI adds in 16 bits, which may overflow.

    Raises:
        RecognizerError: a file is missing or damaged.
        ModelError: onnxruntime cannot load the file in floats.
    """
    floats, integers = network.file(), network.int8_file()
    if integers is None:
        return floats
    try:
        texts = [_best_path(file) for file in (floats, integers)]
    except ModelError as error:
        log.warning("superres: the 8-bit form of %s cannot be used (%s); it runs in floats", network.card.name, error)
        return floats
    if texts[0] != texts[1]:
        log.info("superres: the 8-bit form of %s reads otherwise on this processor; it runs in floats", network.card.name)
        return floats
    return integers


def _best_path(file: Path) -> list[int]:
    """Return the codes that the recognizer in *file* gives a line of text, without blanks and repeats."""
    line = Image.new("L", TEST_SIZE, 255)
    ImageDraw.Draw(line).text((6, 6), TEST_LINE, 0, ImageFont.load_default(30))
    values = np.asarray(line, dtype=np.float32) / 127.5 - 1
    found = open_session(file, threads=1).run(None, {"x": np.broadcast_to(values, (1, 3, *values.shape))})[0]
    path = found[0].argmax(axis=1)
    return [int(code) for code, before in zip(path, [0, *path[:-1]], strict=True) if code and code != before]


def _characters(model: Path) -> frozenset[str]:
    """Return the characters that the recognizer's ONNX file lists in its metadata; an empty set where it lists none."""
    session = open_session(model, threads=1)
    return frozenset(session.get_modelmeta().custom_metadata_map.get("character", "").split("\n"))


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    """Return *image* as the package takes it: uint8 (H, W, 3) in the order blue, green, red."""
    return np.asarray(image.convert("RGB"))[:, :, ::-1]


def _sides(corners: Quad) -> tuple[float, float]:
    """Return the lengths of the upper and of the left side of *corners*."""
    across, down = (float(np.linalg.norm(corners[k] - corners[0])) for k in (1, 3))
    return across, down


def _is_upright(corners: Quad) -> bool:
    across, down = _sides(corners)
    return down < UPWARDS * across


def _recognized(networks: Any, image: Image.Image, corners: Quad) -> OcrElement | None:
    """Return what the recognizer reads in *corners* of *image*; None where it is not sure of anything."""
    if min(_sides(corners)) < 1:
        return None
    # A line up or down the page: its beginning is at the right top, or at the left bottom.
    ways = [[0, 1, 2, 3]] if _is_upright(corners) else [[1, 2, 3, 0], [3, 0, 1, 2]]
    best, surest = None, LEAST_SCORE
    for way in ways:
        turned = corners[way]
        found = networks(_pixels(_cut(image, turned)), use_det=False, use_cls=False, use_rec=True, return_word_box=True)
        if found.txts and found.txts[0].strip() and float(found.scores[0]) >= surest:
            text, surest = str(found.txts[0]), float(found.scores[0])
            pieces = _pieces(text, found.word_results[0], turned) if found.word_results else None
            best = line_of_text(text, surest, turned, pieces, image.size)
    return best


def _in_languages(line: OcrElement | None, languages: Sequence[str]) -> OcrElement | None:
    """Return *line* without words in another script than those of *languages*: one network reads all of them."""
    if line is not None:
        line.children = [word for word in line.children if not is_foreign(word.text, languages)]
    return line if line is not None and line.children else None


def _cut(image: Image.Image, corners: Quad) -> Image.Image:
    """Return what is inside *corners* of *image*, upright, and no wider than the package takes it."""
    width, height = (max(1, round(float(np.linalg.norm(corners[k] - corners[0])))) for k in (1, 3))
    order = corners[[0, 3, 2, 1]].flatten().tolist()
    grey = image if image.mode == "L" else image.convert("L")
    crop = grey.transform((width, height), Image.Transform.QUAD, order, Image.Resampling.BICUBIC)
    if width <= WIDEST:
        return crop
    return crop.resize((WIDEST, max(1, round(height * WIDEST / width))), Image.Resampling.BICUBIC)


def _pieces(text: str, info: Any, corners: Quad) -> list[tuple[str, float, Quad]] | None:
    """Return (text, confidence, corners) of the words of one line from the columns in which the recognizer saw them."""
    total = float(info.line_txt_len)
    # One confidence for each character of the text, while the words have no blanks.
    sure = [float(c) for letter, c in zip(text, info.confs, strict=False) if not letter.isspace()]
    if total <= 0 or len(info.words) != len(info.word_cols) or sum(map(len, info.words)) != len(sure):
        return None
    pieces = []
    for letters, columns in zip(info.words, info.word_cols, strict=True):
        at = np.clip(np.array([min(columns) - 0.5, max(columns) + 1.5]) / total, 0, 1)[:, None]
        upper, lower = (corners[k] + at * (corners[m] - corners[k]) for k, m in ((0, 1), (3, 2)))
        taken, sure = sure[: len(letters)], sure[len(letters) :]
        pieces.append(("".join(letters), float(np.mean(taken)), np.concatenate([upper, lower])))
    return pieces
