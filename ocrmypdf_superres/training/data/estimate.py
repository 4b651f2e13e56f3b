# SPDX-License-Identifier: MPL-2.0
"""Estimating blur, noise, JPEG quality and contrast of a user's low-resolution scans, and a degradation that imitates them.

Nothing but the scans is needed: edges of letters tell the blur, flat paper the noise, the file or the grid of
8x8 blocks the JPEG quality, ink and paper the contrast.  All lengths are in pixels of the scan.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import fft, ndimage, optimize, stats

from ocrmypdf_superres.errors import ImageError, OptionError
from ocrmypdf_superres.page.text_height import measure_text_height
from ocrmypdf_superres.training.data.files import find_scans, open_scan, spread

log = logging.getLogger(__name__)

PAGES = 20
"""Maximum number of pages that are examined."""
_SHARPNESS = (0.372, 0.455, 0.525, 0.635, 0.75, 0.85)
_SIGMA = (1.3, 1.0, 0.8, 0.6, 0.4, 0.2)
"""Largest step between neighbours at an edge, as a share of the edge's height (its 0.9 quantile over a page), and the
sigma of the blur before area averaging: measured on rendered pages, print and typewriter, at 75 and 100 dpi, with and
without noise and JPEG, which move it by 0.02 at most."""
_LUMINANCE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61], [12, 12, 14, 19, 26, 58, 60, 55], [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62], [18, 22, 37, 56, 68, 109, 103, 77], [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101], [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    dtype=np.float64,
)  # fmt: skip
"""Quantisation of luminance at quality 50, ITU-T T.81, table K.1."""
Array = NDArray[np.float32]


@dataclass(frozen=True)
class PageEstimate:
    """One scan's blur (sigma, pixels), noise (sigma, of 255), JPEG quality (0: none), contrast (0 to 1), and whether it is 1-bit.

    Paper that was made pure white shows no noise, and no steps of JPEG either: both are ``None`` there, except for
    a quality that the file gives.
    """

    blur: float
    noise: float | None
    jpeg: int | None
    contrast: float
    bilevel: bool


def quantisation(quality: int) -> NDArray[np.float64]:
    """Return the luminance table, float64 (8, 8), that libjpeg uses at *quality*, 1 to 100."""
    factor = 5000 / quality if quality < 50 else 200 - 2 * quality
    return np.clip(np.floor((_LUMINANCE * factor + 50) / 100), 1, 255)


def _blocks(levels: Array) -> NDArray[np.float64]:
    """Return the DCT, float64 (n, 8, 8), of the 8x8 blocks of *levels*, float (H, W) in 0 to 255, on the file's grid."""
    height, width = (side // 8 * 8 for side in levels.shape)
    cut = levels[:height, :width].reshape(height // 8, 8, width // 8, 8).swapaxes(1, 2).reshape(-1, 8, 8)
    return np.asarray(fft.dctn(cut.astype(np.float64) - 128.0, axes=(1, 2), norm="ortho"))


def file_quality(path: Path) -> int:
    """Return the quality of the JPEG file *path*, by its luminance table; 0 for other files."""
    with Image.open(path) as image:
        tables = getattr(image, "quantization", None)
        if image.format != "JPEG" or not tables:
            return 0
        total = float(sum(next(iter(tables.values()))))
    return min(range(1, 101), key=lambda quality: abs(float(quantisation(quality).sum()) - total))


def grid_quality(blocks: NDArray[np.float64]) -> int:
    """Return the JPEG quality, from 10 to 90, that left its steps in *blocks* (see :func:`_blocks`); 0 for none."""
    low = [(u, v) for u in range(4) for v in range(4) if 2 <= u + v <= 4]
    values = np.stack([blocks[:, u, v] for u, v in low])
    for quality in range(10, 91):
        steps = np.array([quantisation(quality)[u, v] for u, v in low])[:, None]
        multiples = np.round(values / steps)
        used = multiples != 0
        # Rounding to whole levels moves a coefficient by 0.29 (sigma); steps that are no larger do not stand out.
        if used.sum() >= 200 and steps.min() >= 3:
            distance = np.abs(values - multiples * steps)[used]
            # Clipping at black and white spoils some; chance alone would give half of them.
            if (
                float(np.mean(distance < np.broadcast_to(steps, used.shape)[used] / 8)) > 0.85
                and float(np.median(distance)) < 0.8
            ):
                return quality
    return 0


def _noise(blocks: NDArray[np.float64], flat: NDArray[np.bool_], quality: int) -> float:
    """Return sigma (of 255) of the noise on *flat* blocks, before JPEG of *quality* took most of it.

    Without JPEG it is the power of the finer coefficients.  With it a coefficient survives where it exceeds half its
    step q, which Gaussian noise does with probability 2 (1 - Phi(q / 2 sigma)); sigma is the most likely one.
    """
    fine = [(u, v) for u in range(8) for v in range(8) if u + v >= 3]
    values = np.stack([blocks[flat, u, v] for u, v in fine])
    if not quality:
        return float(np.sqrt(np.median(np.mean(values**2, axis=0))))
    steps = np.array([quantisation(quality)[u, v] for u, v in fine])
    survived = np.sum(np.abs(values) > steps[:, None] / 2, axis=1)
    lost = values.shape[1] - survived

    def surprise(sigma: float) -> float:
        share = np.clip(2 * stats.norm.sf(steps / 2 / sigma), 1e-9, 1 - 1e-9)
        return -float(np.sum(survived * np.log(share) + lost * np.log1p(-share)))

    return float(optimize.minimize_scalar(surprise, bounds=(0.1, 40.0), method="bounded").x)


def estimate_page(luma: Array, quality: int | None = None) -> PageEstimate | None:
    """Return what is seen on *luma*, float32 (H, W) in [0, 1]; *quality* is its file's, ``None`` where it is not known.

    ``None`` for pages on which there is too little ink or paper to tell.
    """
    paper, ink = (float(v) for v in np.quantile(luma, (0.6, 0.002)))
    contrast = paper - ink
    if contrast < 0.1 or min(luma.shape) < 64:
        return None
    if float(np.mean((luma < 0.02) | (luma > 0.98))) > 0.99:
        return PageEstimate(0.0, 0.0, 0, 1.0, True)
    blocks = _blocks(luma * np.float32(255))
    white = float(np.mean(luma >= np.float32(254.5 / 255))) > 0.3
    if quality is None and not white:
        quality = grid_quality(blocks)
    height, width = (side // 8 * 8 for side in luma.shape)
    smooth = ndimage.gaussian_filter(luma, 1.0)
    dark = ndimage.maximum_filter((smooth < paper - 0.15 * contrast).astype(np.uint8), 5)[:height, :width]
    flat = dark.reshape(height // 8, 8, width // 8, 8).max(axis=(1, 3)).ravel() == 0
    if flat.sum() < 50:
        return None
    sharpness = _sharpness(luma, contrast)
    if sharpness is None:
        return None
    blur = float(np.interp(sharpness, _SHARPNESS, _SIGMA))
    contrast = min(1.0, contrast / _ink_left(luma, blur))
    noise = None if white or quality is None else _noise(blocks, flat, quality)
    return PageEstimate(blur, noise, quality, contrast, False)


def _ink_left(luma: Array, blur: float) -> float:
    """Return the share of its darkness that a letter's stroke, about a fifth of the x-height wide, keeps under the blur."""
    height = measure_text_height(luma).x_height
    if height is None:
        return 1.0
    sigma = math.sqrt(blur**2 + 1 / 12)  # a pixel's area is a blur, too
    return math.erf(height / 5 / (2 * math.sqrt(2) * sigma))


def _sharpness(luma: Array, contrast: float) -> float | None:
    """Return the 0.9 quantile of the steps between neighbours, as shares of their edges' heights."""
    heights = ndimage.maximum_filter(luma, 5) - ndimage.minimum_filter(luma, 5)
    shares = []
    for axis in (0, 1):
        step = np.abs(np.diff(luma, axis=axis))
        height = heights[:-1] if axis == 0 else heights[:, :-1]
        edge = (height > 0.6 * contrast) & (step >= ndimage.maximum_filter1d(step, 5, axis=axis))
        shares.append((step[edge] / height[edge]).ravel())
    found = np.concatenate(shares)
    return float(np.quantile(found, 0.9)) if len(found) >= 100 else None


def estimate_folder(folder: Path) -> list[PageEstimate]:
    """Return the estimates of the pages in *folder*, at most :data:`PAGES` of them.

    Raises:
        OptionError: nothing can be estimated on any of them.
    """
    scans, unreadable = find_scans(folder)
    found = []
    for scan in spread(scans, PAGES):
        try:
            luma = np.asarray(open_scan(scan), dtype=np.float32) / np.float32(255)
            quality = file_quality(scan.path) if scan.single else None
        except (ImageError, OSError) as error:
            unreadable.append(str(error))
            continue
        # A file that is not a JPEG may have been one.
        page = estimate_page(luma, quality or None)
        if page is not None:
            found.append(page)
    if unreadable:
        log.warning("%d files or pages under %s cannot be read and are left out: %s", len(unreadable), folder, unreadable[0])
    if not found:
        raise OptionError(f"No page in {folder} has enough text and paper to tell its blur and noise; give other scans.")
    return found


def like(pages: Sequence[PageEstimate], stages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return *stages*, tables of a recipe, with blur, noise, contrast, JPEG and threshold set to be like *pages*.

    A range covers the pages from the 0.1 to the 0.9 quantile and a tenth more on both sides; a stage is applied to the
    share of pages that show it.  The other stages stay as they are, and so do those of which no page tells anything.
    """
    grey = [page for page in pages if not page.bilevel]
    noise = [page.noise for page in grey if page.noise is not None]
    known = [page.jpeg for page in grey if page.jpeg is not None]
    packed = [quality for quality in known if quality]
    share = len(grey) / len(pages)
    settings: dict[str, dict[str, Any]] = {"threshold": {"probability": round(1 - share, 2)}}
    if grey:
        settings["blur"] = {"probability": 0.95, "sigma": _range([page.blur for page in grey], 0.1, 3.0)}
        settings["contrast"] = {
            "probability": round(0.95 * share, 2),
            "factor": _range([page.contrast for page in grey], 0.1, 1.0),
        }
    if noise:
        settings["noise"] = {"probability": round(0.95 * share, 2), "sigma": _range(noise, 0.2, 40.0)}
    if known:
        settings["jpeg"] = {"probability": round(share * len(packed) / len(known), 2)}
    if packed:
        settings["jpeg"]["quality"] = [round(value) for value in _range(packed, 5, 100)]
    tables = [dict(table) for table in stages]
    for name, values in settings.items():
        own = [table for table in tables if table["name"] == name]
        if own:
            own[0].update(values)
        elif values["probability"]:
            # Blur is of the optics; all that comes after the sensor is at the end.
            tables.insert(0 if name == "blur" else len(tables), {"name": name, **values})
    return tables


def _range(values: Sequence[float], least: float, most: float) -> list[float]:
    low, high = (float(v) for v in np.quantile(values, (0.1, 0.9)))
    return [round(float(np.clip(0.9 * low, least, most)), 3), round(float(np.clip(1.1 * high, least, most)), 3)]
