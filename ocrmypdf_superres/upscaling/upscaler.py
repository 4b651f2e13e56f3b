# SPDX-License-Identifier: MPL-2.0
"""From a page's luma to the enlarged page's, whatever the page's size."""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import threading
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ocrmypdf_superres.errors import DeviceError, ImageError, ModelError, OptionError
from ocrmypdf_superres.modelstore.cards import onnx_name
from ocrmypdf_superres.modelstore.store import DEFAULT_MODEL, Model, find_model
from ocrmypdf_superres.page.image import FloatImage
from ocrmypdf_superres.upscaling.backends.base import Backend
from ocrmypdf_superres.upscaling.tiling import Tile, tile_rows

log = logging.getLogger("ocrmypdf.superres")


class Upscaler:
    """Enlarges pages with one model on one backend; may be used by several threads at once.

    Args:
        model: what runs.
        backend: where it runs.
        tile: largest inner side of a tile in lr pixels; 0 takes what suits the backend.

    Raises:
        ModelError: the model cannot be tiled.
        OptionError: the tile is smaller than 16 pixels.
    """

    def __init__(self, model: Model, backend: Backend, tile: int = 0) -> None:
        if model.card.radius is None:
            raise ModelError(f"Model {model.card.name} cannot be tiled, so it cannot run on pages; choose a page model.")
        if tile and tile < 16:
            raise OptionError(f"A tile of {tile} pixels was asked for; give 0 (automatic) or at least 16.")
        self.model = model
        self.backend = backend
        self.scales = model.card.scales
        multiple = model.card.size_multiple
        # The overlap must keep tiles on the multiple's grid too.
        self.overlap = -(-model.card.radius // multiple) * multiple
        self.tile = max(multiple, (tile or backend.tile) // multiple * multiple)
        self._constants: dict[tuple[int, float], FloatImage] = {}

    @property
    def device(self) -> str:
        """Where the net runs now; a service that is lost changes it."""
        return self.backend.device

    def upscale(self, luma: FloatImage, scale: int) -> FloatImage:
        """Return *luma*, float32 (H, W) in [0, 1], enlarged to float32 (scale H, scale W), clipped to [0, 1].

        Raises:
            ImageError: *luma* has no pixels.
            ModelError: the model does not offer *scale*.
            DeviceError: the device failed.
        """
        height, width = luma.shape
        out = np.empty((height * scale, width * scale), np.float32)
        for top, band in self.bands(luma, scale):
            out[top : top + len(band)] = band
        return out

    def upscale_bytes(self, levels: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
        """Return 8-bit grey *levels* (H, W) enlarged to uint8 (scale H, scale W).

        Only a band of tiles is held in floats, so that huge pages fit.  Raises as :meth:`upscale`.
        """
        height, width = levels.shape
        out = np.empty((height * scale, width * scale), np.uint8)
        for top, band in self.bands(levels, scale):
            np.multiply(band, np.float32(255.0), out=band)
            band += np.float32(0.5)
            out[top : top + len(band)] = band
        return out

    def bands(self, page: NDArray[np.float32] | NDArray[np.uint8], scale: int) -> Iterator[tuple[int, FloatImage]]:
        """Yield (first row, float32 (h, scale W) clipped to [0, 1]) from the page's top to its bottom.

        *page* is (H, W), float32 in [0, 1] or uint8.  Raises as :meth:`upscale`.
        """
        self._check(page, scale)
        height, width = page.shape
        for row in tile_rows(height, width, self.tile, self.model.card.size_multiple):
            band = np.empty(((row[0].bottom - row[0].top) * scale, width * scale), np.float32)
            waiting: list[tuple[Tile, FloatImage]] = []
            for tile in row:
                cut = self._cut(page, tile)
                value = float(cut.flat[0])
                if (cut == value).all():
                    self._fill(band, tile, value, scale)
                    continue
                if waiting and waiting[0][1].shape != cut.shape:
                    self._run(waiting, band, scale)
                waiting.append((tile, cut))
                # At least: another thread may have lowered the batch meanwhile.
                if len(waiting) >= self.backend.batch:
                    self._run(waiting, band, scale)
            self._run(waiting, band, scale)
            yield row[0].top * scale, band

    def _check(self, page: NDArray[np.float32] | NDArray[np.uint8], scale: int) -> None:
        """Raise what :meth:`upscale` does where *page* or *scale* cannot be used."""
        if page.ndim != 2 or page.size == 0:
            raise ImageError(f"A page of shape {page.shape} was given, but (H, W) with at least one pixel was expected.")
        if scale not in self.scales:
            offered = ", ".join(f"x{s}" for s in self.scales)
            raise ModelError(f"Model {self.model.card.name} was asked for x{scale}, but offers {offered}.")

    def _cut(self, page: NDArray[np.float32] | NDArray[np.uint8], tile: Tile) -> FloatImage:
        """Return the tile with its overlap, whole multiples in size; outside the page its edge repeats."""
        multiple = self.model.card.size_multiple
        rows = _indices(tile.top, tile.bottom, self.overlap, multiple, page.shape[0])
        columns = _indices(tile.left, tile.right, self.overlap, multiple, page.shape[1])
        inner = page[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        if inner.shape != (len(rows), len(columns)):
            inner = inner[np.ix_(rows - rows[0], columns - columns[0])]
        if inner.dtype == np.uint8:
            return inner.astype(np.float32) / np.float32(255.0)
        return np.ascontiguousarray(inner, dtype=np.float32)

    def _run(self, waiting: list[tuple[Tile, FloatImage]], band: FloatImage, scale: int) -> None:
        if not waiting:
            return
        outputs = self.backend.run(np.stack([cut for _, cut in waiting])[:, None], scale)
        edge = self.overlap * scale
        for (tile, _), output in zip(waiting, outputs, strict=True):
            height, width = (tile.bottom - tile.top) * scale, (tile.right - tile.left) * scale
            inner = output[0, edge : edge + height, edge : edge + width]
            np.clip(inner, 0.0, 1.0, out=band[:, tile.left * scale : tile.right * scale])
        waiting.clear()

    def _fill(self, band: FloatImage, tile: Tile, value: float, scale: int) -> None:
        """Fill a tile of one tone with what the net makes of that tone, which repeats with the multiple."""
        key = (scale, value)
        multiple = self.model.card.size_multiple
        if key not in self._constants:
            size = 2 * self.overlap + multiple
            output = self.backend.run(np.full((1, 1, size, size), value, np.float32), scale)[0, 0]
            edge, period = self.overlap * scale, multiple * scale
            # 256 tones and a few scales at most: this never grows large.
            self._constants[key] = np.clip(output[edge : edge + period, edge : edge + period], 0.0, 1.0)
        cell = self._constants[key]
        height, width = band.shape[0], (tile.right - tile.left) * scale
        repeats = (-(-height // cell.shape[0]), -(-width // cell.shape[1]))
        band[:, tile.left * scale : tile.right * scale] = np.tile(cell, repeats)[:height, :width]


def _indices(start: int, stop: int, overlap: int, multiple: int, length: int) -> NDArray[np.intp]:
    size = -(-(stop - start) // multiple) * multiple + 2 * overlap
    return np.clip(np.arange(start - overlap, start - overlap + size), 0, length - 1)


_loaded: dict[tuple[str, str, int, int], Upscaler] = {}
_lock = threading.Lock()
_abandoned: list[dict[tuple[str, str, int, int], Upscaler]] = []


def _forget() -> None:
    """Start anew in a forked child: its parent's sessions have no threads there, and nobody may free the lock."""
    global _loaded, _lock
    # Kept, since freeing a session waits for its threads, which do not exist here.
    _abandoned.append(_loaded)
    _loaded, _lock = {}, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def load_upscaler(model: str = DEFAULT_MODEL, device: str = "auto", threads: int = 0, tile: int = 0) -> Upscaler:
    """Return the upscaler for these settings, made on the first call and shared by all threads of the process.

    Args:
        model: name or folder of a model.
        device: ``auto`` (CUDA where torch finds it, else the CPU), ``cpu``, ``cuda``, ``cuda:N``, or ``service:ADDRESS``,
            a local process that many share (:mod:`~ocrmypdf_superres.upscaling.backends.service`).
        threads: CPU threads; 0 takes all cores that the process may use.
        tile: see :class:`Upscaler`.

    Raises:
        ModelError: the model cannot be found or used.
        DeviceError: the device is not there.
        OptionError: *device* or *tile* is no such value.
    """
    key = (model, device, threads, tile)
    with _lock:
        if key not in _loaded:
            found = find_model(model)
            backend = _backend(found, device, threads)
            if found.card.line_size:
                from ocrmypdf_superres.upscaling.textlines import LineUpscaler

                upscaler: Upscaler = LineUpscaler(found, backend)
            else:
                upscaler = Upscaler(found, backend, tile)
            log.debug("super-resolution model %s on %s", found.card.name, upscaler.device)
            _loaded[key] = upscaler
        return _loaded[key]


def _backend(model: Model, device: str, threads: int) -> Backend:
    kind = device.partition(":")[0]
    if not re.fullmatch(r"auto|cpu|cuda(:[0-9]{1,2})?|service:.+", device):
        raise OptionError(f"The device {device!r} is not known; give auto, cpu, cuda or cuda:N.")
    if kind == "service":
        from ocrmypdf_superres.upscaling.backends.service import ServiceBackend

        return ServiceBackend(model, device.partition(":")[2], lambda: _backend(model, "cpu", threads))
    if kind == "cuda" and not _has_torch():
        raise DeviceError("The device cuda was asked for, but torch is not installed; install torch or use --superres-device cpu.")
    if kind == "cuda" or (kind == "auto" and _sees_cuda()):
        from ocrmypdf_superres.upscaling.backends.torch import TorchBackend

        return TorchBackend(model, "cuda" if kind == "auto" else device)
    if all(onnx_name(scale) in model.card.files for scale in model.card.scales):
        from ocrmypdf_superres.upscaling.backends.onnx import OnnxBackend

        return OnnxBackend(model, threads or _cores())
    if not _has_torch():
        raise ModelError(f"Model {model.card.name} has no ONNX files, so it needs torch, which is not installed; install torch.")
    from ocrmypdf_superres.upscaling.backends.torch import TorchBackend

    if threads:
        import torch

        torch.set_num_threads(threads)  # torch has but one number for the whole process
    return TorchBackend(model, "cpu")


def _has_torch() -> bool:
    try:
        return importlib.util.find_spec("torch") is not None
    except (ImportError, ValueError):  # blocked or half-removed installations
        return False


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def may_see_cuda() -> bool:
    """Return whether CUDA is possible here: without the driver's device node torch need not be imported, which takes seconds."""
    return _has_torch() and (os.path.exists("/dev/nvidiactl") or os.name == "nt" or os.path.exists("/dev/dxg"))


def _sees_cuda() -> bool:
    if not may_see_cuda():
        return False
    try:
        import torch
    except (ImportError, OSError) as error:
        log.warning("torch cannot be imported (%s); the net runs on the CPU", error)
        return False
    return torch.cuda.is_available()
