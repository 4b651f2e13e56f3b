# SPDX-License-Identifier: MPL-2.0
"""The GPU route: torch on CUDA in half precision; also torch on the CPU, for models without ONNX files."""

from __future__ import annotations

import logging
import sys
import threading

import numpy as np
import torch
from numpy.typing import NDArray

from ocrmypdf_superres.architectures import get
from ocrmypdf_superres.architectures.blocks.layers import on_luma
from ocrmypdf_superres.architectures.spec import Foldable
from ocrmypdf_superres.errors import DeviceError, ModelError
from ocrmypdf_superres.modelstore.store import Model
from ocrmypdf_superres.processes import openmp_threads
from ocrmypdf_superres.upscaling.backends import packed_weights as packed
from ocrmypdf_superres.upscaling.backends.base import Level

log = logging.getLogger("ocrmypdf.superres")


CUDA_BATCH = 32
"""Tiles that are run at once on CUDA."""


def cuda_is_available() -> bool:
    """Return whether torch sees a CUDA device."""
    return torch.cuda.is_available()


def load_network(model: Model) -> torch.nn.Module:
    """Return the network of *model* with its weights, folded, in float32 on the CPU.

    Raises:
        ModelError: the weights are damaged or of another architecture.
    """
    spec = get(model.card.architecture)
    net = spec.build(spec.parse_config(model.card.config))
    if isinstance(net, Foldable):
        net.fold()
    path = model.weights_path()
    state = {name: torch.from_numpy(value) for name, value in packed.read(path).items()}
    try:
        net.load_state_dict(state)
    except (RuntimeError, KeyError, ValueError, TypeError) as error:
        first = str(error).splitlines()[0]
        raise ModelError(
            f"{path} does not hold weights of {model.card.architecture} as its card says ({first}); install or export it again."
        ) from error
    return net.eval()


class TorchBackend:
    """Runs *model* with torch on *device*, ``cuda``, ``cuda:N`` or ``cpu``.

    On CUDA it runs in half precision, each thread's tiles on a stream of their own, so that the transfers of one page overlap
    with the net on another. Whenever the GPU's memory runs out, the batch is halved for good, and a tile that alone is too large
    is run in halves.

    Args:
        model: the model.
        device: where it runs.
        threads: CPU threads; 0 leaves torch's choice. Torch has one number for the whole process, which this sets. It never
            exceeds ``$OMP_THREAD_LIMIT``.

    Raises:
        DeviceError: there is no CUDA, or no such GPU.
        ModelError: see :func:`load_network`.
    """

    def __init__(self, model: Model, device: str = "cuda", threads: int = 0) -> None:
        self.model = model
        self._device = torch.device(device)
        if threads or self._device.type == "cpu":
            torch.set_num_threads(openmp_threads(threads or torch.get_num_threads()))
        if self._device.type == "cuda":
            count = torch.cuda.device_count() if torch.cuda.is_available() else 0
            if (self._device.index or 0) >= count:
                raise DeviceError(
                    f"The device {device} was asked for, but torch sees {count} CUDA devices; use --superres-device auto or cpu."
                )
        self.half = self._device.type == "cuda"
        self.batch = CUDA_BATCH if self.half else 1
        # On a GPU a page of 100 dpi is one tile, which keeps the GPU busy and saves overlaps and calls.
        self.tile = 1536 if self.half else 384
        # As in training: line nets gain nothing from channels last.
        self._layout = torch.contiguous_format if model.card.line_size else torch.channels_last
        net = on_luma(load_network(model), model.card.channels).to(self._device).to(memory_format=self._layout)  # type: ignore[call-overload]
        self.net = net.half() if self.half else net
        name = torch.cuda.get_device_name(self._device) if self.half else "torch"
        self.device = f"{device} ({name})"
        # Threads take turns in starting the net; on CUDA they wait for their results together.
        self._lock = threading.Lock()
        self._largest = sys.maxsize
        self._local = threading.local()
        if self.half:
            # The threads' streams do not wait for the one on which the weights were converted.
            torch.cuda.synchronize(self._device)

    def run(self, tiles: NDArray[Level], scale: int) -> NDArray[Level]:
        """See :meth:`Backend.run`."""
        if tiles.shape[2] * tiles.shape[3] > self._largest:
            return self._run_halves(tiles, scale)
        outputs = []
        start = 0
        while start < len(tiles):
            batch = self.batch
            part = tiles[start : start + batch]
            try:
                outputs.append(self._run_part(torch.from_numpy(part), scale).numpy())
            except torch.cuda.OutOfMemoryError as error:
                self._reduce(batch, part.shape, error)
            else:
                start += len(part)
                continue
            # Not in the handler, where the error's traceback keeps the tensors of the run that failed.
            torch.cuda.empty_cache()
            if len(part) == 1:
                outputs.append(self._run_halves(tiles[start:], scale))
                break
        return outputs[0] if len(outputs) == 1 else np.concatenate(outputs)

    def _reduce(self, batch: int, shape: tuple[int, ...], error: Exception) -> None:
        """Lower the batch, or for one tile the tiles' size, after *error* for *shape*; raise DeviceError at the end."""
        number, _, height, width = shape
        if number > 1:
            self.batch = min(self.batch, batch // 2)
            log.info("GPU memory ran out; continuing with %d tiles at a time", self.batch)
        elif self._overlap is None or max(height, width) < 8 * self._overlap:
            raise DeviceError(
                f"{self.device} has too little memory for one tile of {width}x{height} pixels; "
                "give a smaller --superres-tile or --superres-device cpu."
            ) from error
        else:
            self._largest = min(self._largest, height * width - 1)
            log.info("GPU memory ran out; continuing with tiles of fewer than %dx%d pixels", width, height)

    @property
    def _overlap(self) -> int | None:
        """The net's radius, rounded up to its size multiple; None where it cannot be tiled."""
        radius, multiple = self.model.card.radius, self.model.card.size_multiple
        return None if radius is None else -(-radius // multiple) * multiple

    def _run_halves(self, tiles: NDArray[Level], scale: int) -> NDArray[Level]:
        """Run *tiles* in two halves along the longer side, which overlap by the net's radius, so that nothing changes."""
        axis = 2 if tiles.shape[2] >= tiles.shape[3] else 3
        overlap, multiple = self._overlap or 0, self.model.card.size_multiple
        middle = tiles.shape[axis] // 2 // multiple * multiple
        first, second = tiles.take(range(middle + overlap), axis), tiles.take(range(middle - overlap, tiles.shape[axis]), axis)
        before = np.split(self.run(first, scale), [middle * scale], axis)[0]
        after = np.split(self.run(second, scale), [overlap * scale], axis)[1]
        return np.concatenate((before, after), axis)

    @torch.inference_mode()
    def _run_part(self, part: torch.Tensor, scale: int) -> torch.Tensor:
        """Return the output for *part*, of its dtype, in the CPU's memory."""
        if not self.half:
            with self._lock:
                return self.enlarge(part, scale)
        if not hasattr(self._local, "stream"):
            self._local.stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]  # torch has no types here
        with torch.cuda.stream(self._local.stream):
            # Pinned memory, which torch keeps for the next page, is copied at the bus's full speed while the CPU continues.
            pinned = part.pin_memory()
            with self._lock:
                y = self.enlarge(pinned.to(self._device, non_blocking=True), scale)
            output = torch.empty(y.shape, dtype=y.dtype, pin_memory=True)
            output.copy_(y, non_blocking=True)
            self._local.stream.synchronize()
        return output

    def enlarge(self, x: torch.Tensor, scale: int) -> torch.Tensor:
        """Return *x*, float32 or uint8 (B, 1, H, W) on the device, as :meth:`run` does."""
        levels = x.dtype == torch.uint8
        x = x.to(torch.float16 if self.half else torch.float32, memory_format=self._layout)
        y: torch.Tensor = self.net(x / 255.0 if levels else x, scale).float()
        return y.clamp(0.0, 1.0).mul_(255.0).add_(0.5).to(torch.uint8) if levels else y
