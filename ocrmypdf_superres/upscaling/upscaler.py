# SPDX-License-Identifier: MPL-2.0
"""Upscalers, from a page's luma of any size to the enlarged page's: their protocol and base class, and the one for page nets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ocrmypdf_superres.errors import ImageError, ModelError, OptionError
from ocrmypdf_superres.modelstore.store import Model
from ocrmypdf_superres.page.image import FloatImage
from ocrmypdf_superres.page.ink import inked_areas
from ocrmypdf_superres.upscaling.backends.base import Backend, Level, to_floats
from ocrmypdf_superres.upscaling.tiling import Tile, tile_rows

__all__ = ["Upscaler"]

Page = NDArray[np.float32] | NDArray[np.uint8]
MOST_TONES = 1024
"""The most uniform tiles that are cached: all 256 levels of 8-bit pages at a few scales."""
MOST_INKED = 0.9
"""Where areas of ink cover more of a page than this share, it is enlarged as a whole."""
LEAST_TILE = 16
"""The smallest inner side of a tile, in lr pixels, that may be asked for."""


def check_tileable(model: Model) -> int:
    """Return the radius of the receptive field of *model*, a model for pages.

    Raises:
        ModelError: it has none, so that the model cannot be tiled.
    """
    if model.card.radius is None:
        raise ModelError(f"Model {model.card.name} cannot be tiled, so it cannot run on pages; choose a page model.")
    return model.card.radius


class Upscaler(Protocol):
    """Enlarges pages with one model on one backend; may be used by several threads at once.

    Attributes:
        model: the model that runs.
        backend: where it runs.
        scales: the enlargements that it offers.
    """

    model: Model
    backend: Backend
    scales: tuple[int, ...]

    @property
    def device(self) -> str:
        """Where the net runs now, for people; a service that is lost changes it."""
        ...

    def upscale(self, luma: FloatImage, scale: int) -> FloatImage:
        """Return *luma*, float32 (H, W) in [0, 1], enlarged to float32 (scale H, scale W), clipped to [0, 1].

        Raises:
            ImageError: *luma* has no pixels, other axes, or values that are not finite.
            ModelError: the model does not offer *scale*.
            DeviceError: the device failed.
        """
        ...

    def upscale_bytes(self, levels: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
        """Return 8-bit grey *levels* (H, W) enlarged to uint8 (scale H, scale W); raises as :meth:`upscale`."""
        ...

    def upscale_ink(self, levels: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
        """Return what :meth:`upscale_bytes` does where there is ink, and the same or Lanczos-resampled paper elsewhere.

        Raises as :meth:`upscale`.
        """
        ...

    def bands(self, page: Page, scale: int) -> Iterator[tuple[int, FloatImage]]:
        """Yield (first row, float32 (h, scale W) clipped to [0, 1]) from the page's top to its bottom.

        *page* is (H, W), float32 in [0, 1] or uint8. Raises as :meth:`upscale`.
        """
        ...


class BandUpscaler(ABC):
    """The base of upscalers, each of which makes the :meth:`bands` in its own way. See :class:`Upscaler`."""

    def __init__(self, model: Model, backend: Backend) -> None:
        self.model = model
        self.backend = backend
        self.scales = model.card.scales

    @property
    def device(self) -> str:
        """See :attr:`Upscaler.device`."""
        return self.backend.device

    def upscale(self, luma: FloatImage, scale: int) -> FloatImage:
        """See :meth:`Upscaler.upscale`."""
        self.check(luma, scale)
        height, width = luma.shape
        out = np.empty((height * scale, width * scale), np.float32)
        for top, band in self.bands(luma, scale):
            out[top : top + len(band)] = band
        return out

    def upscale_bytes(self, levels: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
        """See :meth:`Upscaler.upscale_bytes`; only one band is held in floats, so that huge pages fit."""
        self.check(levels, scale)
        height, width = levels.shape
        out = np.empty((height * scale, width * scale), np.uint8)
        for top, band in self.bands(levels, scale):
            np.multiply(band, np.float32(255.0), out=band)
            band += np.float32(0.5)
            out[top : top + len(band)] = band
        return out

    def upscale_ink(self, levels: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
        """See :meth:`Upscaler.upscale_ink`."""
        return self.upscale_bytes(levels, scale)

    @abstractmethod
    def bands(self, page: Page, scale: int) -> Iterator[tuple[int, FloatImage]]:
        """See :meth:`Upscaler.bands`."""

    def check(self, page: Page, scale: int) -> None:
        """Raise the errors of :meth:`Upscaler.upscale` where *page* or *scale* cannot be used."""
        if page.ndim != 2 or page.size == 0:
            raise ImageError(
                f"A page of shape {page.shape} was given, (H, W) with at least one pixel was expected; give a grey page."
            )
        if page.dtype.kind == "f" and not np.isfinite(page).all():
            raise ImageError("A page with values that are not finite was given, numbers in [0, 1] were expected; replace them.")
        if scale not in self.scales:
            offered = ", ".join(f"x{s}" for s in self.scales)
            raise ModelError(f"Model {self.model.card.name} was asked for x{scale}, but offers {offered}; use one of those.")


class PageUpscaler(BandUpscaler):
    """Enlarges pages tile by tile with a net for pages; see :class:`Upscaler`.

    Args:
        model: the model that runs.
        backend: where it runs.
        tile: largest inner side of a tile in lr pixels; 0 takes what suits the backend.

    Raises:
        ModelError: the model cannot be tiled.
        OptionError: the tile is smaller than 16 pixels.
    """

    def __init__(self, model: Model, backend: Backend, tile: int = 0) -> None:
        radius = check_tileable(model)
        if tile and tile < LEAST_TILE:
            raise OptionError(f"A tile of {tile} pixels was asked for; give 0 (automatic) or at least {LEAST_TILE}.")
        super().__init__(model, backend)
        multiple = model.card.size_multiple
        # The overlap must keep tiles on the multiple's grid too.
        self.overlap = -(-radius // multiple) * multiple
        self.tile = max(multiple, (tile or backend.tile) // multiple * multiple)
        self._uniform: dict[tuple[int, str, float], NDArray[Any]] = {}

    def upscale_bytes(self, levels: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
        """See :meth:`Upscaler.upscale_bytes`; the pixels go to the backend and come back in 8 bits."""
        self.check(levels, scale)
        height, width = levels.shape
        out = np.empty((height * scale, width * scale), np.uint8)
        for row in self._rows(levels):
            self._fill_band(levels, row, out[row[0].top * scale : row[0].bottom * scale], scale)
        return out

    def upscale_ink(self, levels: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
        """See :meth:`Upscaler.upscale_ink`: a third of a letter is margins, and as much of the net's time is saved."""
        self.check(levels, scale)
        # A backend that takes several tiles at once wants them of one size.
        areas = inked_areas(levels, self.overlap) if self.backend.batch == 1 else None
        if areas is None or sum(levels[area].size for area in areas) > MOST_INKED * levels.size:
            return self.upscale_bytes(levels, scale)
        height, width = levels.shape
        large, page = np.empty((height * scale, width * scale), np.uint8), Image.fromarray(levels)
        for box in _around(areas, height, width):
            left, top, right, bottom = (side * scale for side in box)
            if right > left and bottom > top:
                # Pixels beyond the box count, too, so there are no seams.
                paper = page.resize((right - left, bottom - top), Image.Resampling.LANCZOS, box=box)
                large[top:bottom, left:right] = paper
        for rows, columns in areas:
            part = self.upscale_bytes(np.ascontiguousarray(levels[rows, columns]), scale)
            large[rows.start * scale : rows.stop * scale, columns.start * scale : columns.stop * scale] = part
        return large

    def bands(self, page: Page, scale: int) -> Iterator[tuple[int, FloatImage]]:
        """See :meth:`Upscaler.bands`; a band is a row of tiles."""
        self.check(page, scale)
        for row in self._rows(page):
            band = np.empty(((row[0].bottom - row[0].top) * scale, page.shape[1] * scale), np.float32)
            self._fill_band(page, row, band, scale)
            yield row[0].top * scale, band

    def _rows(self, page: Page) -> Iterator[list[Tile]]:
        height, width = page.shape
        return tile_rows(height, width, self.tile, self.model.card.size_multiple)

    def _fill_band(self, page: Page, row: list[Tile], band: NDArray[Level], scale: int) -> None:
        """Enlarge a row of the page's tiles into *band*, whose dtype is the one that the backend is given."""
        waiting: list[tuple[Tile, NDArray[Level]]] = []
        for tile in row:
            cut: NDArray[Level] = self._cut(page, tile, band.dtype)
            if (cut == cut.flat[0]).all():
                self._fill(band, tile, cut.flat[0], scale)
                continue
            if waiting and waiting[0][1].shape != cut.shape:
                self._run(waiting, band, scale)
            waiting.append((tile, cut))
            # At least: another thread may have lowered the batch meanwhile.
            if len(waiting) >= self.backend.batch:
                self._run(waiting, band, scale)
        self._run(waiting, band, scale)

    def _cut(self, page: Page, tile: Tile, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return the tile with its overlap, whole multiples in size, in *dtype*; outside the page its edge repeats."""
        rows, above = self._span(tile.top, tile.bottom, page.shape[0])
        columns, beside = self._span(tile.left, tile.right, page.shape[1])
        inner: NDArray[Any] = np.pad(page[rows, columns], (above, beside), mode="edge")
        return inner if dtype == np.uint8 else to_floats(inner)

    def _span(self, start: int, stop: int, length: int) -> tuple[slice, tuple[int, int]]:
        """Return which of *length* pixels a tile's side takes, and how many are missing before and after them."""
        multiple = self.model.card.size_multiple
        first = start - self.overlap
        last = first + -(-(stop - start) // multiple) * multiple + 2 * self.overlap
        return slice(max(first, 0), min(last, length)), (max(-first, 0), max(last - length, 0))

    def _run(self, waiting: list[tuple[Tile, NDArray[Level]]], band: NDArray[Level], scale: int) -> None:
        if not waiting:
            return
        outputs = self.backend.run(np.stack([cut for _, cut in waiting])[:, None], scale)
        edge = self.overlap * scale
        for (tile, _), output in zip(waiting, outputs, strict=True):
            height, width = (tile.bottom - tile.top) * scale, (tile.right - tile.left) * scale
            _clip(output[0, edge : edge + height, edge : edge + width], band[:, tile.left * scale : tile.right * scale])
        waiting.clear()

    def _fill(self, band: NDArray[Level], tile: Tile, value: Level, scale: int) -> None:
        """Fill a tile of one tone with the net's output for that tone, which repeats with the size multiple."""
        key = (scale, band.dtype.char, float(value))
        multiple = self.model.card.size_multiple
        cell = self._uniform.get(key)
        if cell is None:
            size = 2 * self.overlap + multiple
            output = self.backend.run(np.full((1, 1, size, size), value, band.dtype), scale)[0, 0]
            edge, period = self.overlap * scale, multiple * scale
            cell = np.empty((period, period), band.dtype)
            _clip(output[edge : edge + period, edge : edge + period], cell)
            # A page in floats may have a tone of its own for every tile.
            if len(self._uniform) >= MOST_TONES:
                self._uniform.clear()
            self._uniform[key] = cell
        height, width = band.shape[0], (tile.right - tile.left) * scale
        repeats = (-(-height // cell.shape[0]), -(-width // cell.shape[1]))
        band[:, tile.left * scale : tile.right * scale] = np.tile(cell, repeats)[:height, :width]


def _around(areas: Sequence[tuple[slice, slice]], height: int, width: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield (left, top, right, bottom) of the parts of a page that none of *areas* covers, which are sorted by their tops."""
    below = 0
    for rows, columns in areas:
        yield 0, below, width, rows.start
        top = max(below, rows.start)
        yield 0, top, columns.start, rows.stop
        yield columns.stop, top, width, rows.stop
        below = rows.stop
    yield 0, below, width, height


def _clip(pixels: NDArray[Level], out: NDArray[Level]) -> None:
    """Copy the backend's *pixels* to *out*, floats clipped to [0, 1]; 8-bit levels are clipped already."""
    if out.dtype == np.uint8:
        out[...] = pixels
    else:
        np.clip(pixels, 0.0, 1.0, out=out)
