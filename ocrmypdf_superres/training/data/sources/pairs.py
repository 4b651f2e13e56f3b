# SPDX-License-Identifier: MPL-2.0
"""Real pairs: the same pages scanned at high and at low resolution, in two folders with equal names.

The pixels of lr are taken as they are, and hr is resampled to lie over them, since resampling lr would change
the input that the net has to learn from.
"""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ocrmypdf_superres.errors import ImageError, OptionError
from ocrmypdf_superres.files import atomic_write_text
from ocrmypdf_superres.page.registration import register, warp
from ocrmypdf_superres.training.data.files import SHARE, ScanFile, find_scans, image_path, open_scan
from ocrmypdf_superres.training.data.sample import LINE_PAD, STRIP_HEIGHT, STRIP_WIDTH, Sample
from ocrmypdf_superres.training.data.sources.scans import Page, ScanSource
from ocrmypdf_superres.training.protocols import SourceKind
from ocrmypdf_superres.training.recipe import Source

log = logging.getLogger(__name__)

ENLARGED = 1.25
"""By how much hr may be enlarged at most to reach a scale; the net would learn the blur of more."""


class PairedScans(ScanSource):
    """Strips of lr with the strips of hr that lie over them.

    Args:
        folder: scans of high resolution, see :class:`ScanSource`.
        low: scans of the same pages at low resolution: files of the same names, except for the suffix.
        languages, cache, limit, confidence, part, share: as for :class:`ScanSource`.

    Raises:
        OptionError: one of the folders cannot be used, or no pair can be laid over each other.
    """

    def __init__(
        self, folder: Path, low: Path, cache: Path, languages: str = "eng", limit: int = 0, confidence: float = 55.0,
        part: str = "", share: float = SHARE,
    ) -> None:  # fmt: skip
        super().__init__(folder, cache, languages, limit, confidence, part, share)
        scans, _ = find_scans(low)
        by_name = {_key(scan.path, low, scan): scan for scan in scans}
        high = {str(image_path(scan, cache)): _key(scan.path, folder, scan) for scan in find_scans(folder)[0]}
        kept: list[tuple[Page, NDArray[np.uint8]]] = []
        self.low: list[NDArray[np.uint8]] = []
        self.maps: list[NDArray[np.float64]] = []
        left_out = []
        for page, pixels in zip(self.pages, self.pixels, strict=True):
            partner = by_name.get(high.get(page.image, ""))
            try:
                lr = None if partner is None else np.asarray(open_scan(partner), dtype=np.uint8)
            except ImageError:
                lr = None
            matrix = None if lr is None else _registered(lr, pixels, cache)
            if lr is None or matrix is None:
                left_out.append(Path(page.image).name)
                continue
            kept.append((page, pixels))
            self.low.append(lr)
            self.maps.append(matrix)
        if left_out:
            log.warning(
                "%d of %d pages under %s have no partner in %s that lies over them and are left out; the first is %s",
                len(left_out), len(self.pages), folder, low, left_out[0],
            )  # fmt: skip
        if not kept:
            raise OptionError(
                f"No page under {folder} has a scan of the same name in {low} that shows the same; give other pairs."
            )
        self.pages, self.pixels = [page for page, _ in kept], [pixels for _, pixels in kept]

    def sample(self, rng: np.random.Generator, line_height: int, scale: int) -> Sample:
        """Return a strip with its lr; one of hr alone, to be degraded, where no scan suits *scale*.

        The scans decide the line's height; where it is not near *line_height* the strip comes without text.
        """
        return self._pair(rng, line_height, scale) or super().sample(rng, line_height, scale)

    def _pair(self, rng: np.random.Generator, line_height: int, scale: int) -> Sample | None:
        for _ in range(20):
            index = int(rng.integers(len(self.pages)))
            lr, matrix = self.low[index], self.maps[index]
            ratio = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
            size = np.array([STRIP_HEIGHT // scale, STRIP_WIDTH // scale])
            if scale / ratio > ENLARGED or (lr.shape < size).any():
                continue
            line = self.pages[index].lines[int(rng.integers(len(self.pages[index].lines)))]
            first = int(rng.integers(len(line)))
            top, bottom = min(w.box[1] for w in line), max(w.box[3] for w in line)
            middle = (top + bottom) / 2
            start = _inverse(matrix, middle, line[first].box[0])
            corner = np.round(start - [size[0] / 2, rng.integers(2, 8)]).astype(int)
            upper, left = (int(v) for v in np.clip(corner, 0, lr.shape - size))
            strip = _floats(lr[upper : upper + size[0], left : left + size[1]])
            rows = upper + (np.arange(STRIP_HEIGHT) + 0.5) / scale - 0.5
            columns = left + (np.arange(STRIP_WIDTH) + 0.5) / scale - 0.5
            target = warp(self.pixels[index], matrix, rows, columns)
            # In pixels of the strip: the line's middle, and where its words begin and end.
            above = round(float((start[0] - upper + 0.5) * scale)) - line_height // 2
            begin = float((start[1] - left) * scale)
            ends = [float((_inverse(matrix, middle, w.box[2])[1] - left) * scale) for w in line[first:]]
            whole = sum(end <= STRIP_WIDTH - LINE_PAD for end in ends)
            needed = (bottom - top) * scale / ratio + 2 * LINE_PAD
            near = 0.95 * needed <= line_height <= 1.3 * needed and 0 <= above <= STRIP_HEIGHT - line_height
            if not near or not whole:
                return Sample(target, target, lr=strip)
            box = (max(0, round(begin) - LINE_PAD), above, round(ends[whole - 1]) + LINE_PAD, above + line_height)
            text = " ".join(word.text for word in line[first : first + whole])
            return Sample(target, target, text, box, self.pages[index].languages, strip)
        return None


def _make(source: Source, data: Path, cache: Path, part: str = "", share: float = SHARE) -> PairedScans:
    low = data / source.low
    return PairedScans(data / source.folder, low, cache, source.language, source.pages, source.confidence, part, share)


KIND = SourceKind(_make, low="needed")


def _inverse(matrix: NDArray[np.float64], row: float, column: float) -> NDArray[np.float64]:
    """Return where (row, column) of hr lies in lr."""
    return np.asarray(np.linalg.solve(matrix[:, :2], np.array([row, column]) - matrix[:, 2]))


def _registered(lr: NDArray[np.uint8], hr: NDArray[np.uint8], cache: Path) -> NDArray[np.float64] | None:
    """Return the map of :func:`register`, from *cache* where it was found before."""
    stored = cache / f"{hashlib.sha256(lr.tobytes() + hr.tobytes()).hexdigest()[:24]}.json"
    if not stored.is_file():
        found = register(_floats(lr), _floats(hr))
        atomic_write_text(stored, json.dumps(None if found is None else found.tolist()))
    known = json.loads(stored.read_text(encoding="utf-8"))
    return None if known is None else np.array(known)


def _key(path: Path, folder: Path, scan: ScanFile) -> str:
    return f"{path.relative_to(folder).with_suffix('')}/{scan.index}"


def _floats(levels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return levels.astype(np.float32) / np.float32(255)
