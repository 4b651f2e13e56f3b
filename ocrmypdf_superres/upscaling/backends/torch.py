# SPDX-License-Identifier: MPL-2.0
"""The GPU route: torch on CUDA in half precision; also torch on the CPU, for models without ONNX files."""

from __future__ import annotations

import logging
import threading

import numpy as np
import torch
from numpy.typing import NDArray

from ocrmypdf_superres.architectures import get
from ocrmypdf_superres.architectures.blocks.layers import on_luma
from ocrmypdf_superres.architectures.spec import Foldable
from ocrmypdf_superres.errors import DeviceError, ModelError
from ocrmypdf_superres.modelstore.store import Model
from ocrmypdf_superres.upscaling.backends import packed_weights as packed

log = logging.getLogger("ocrmypdf.superres")


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

    On CUDA it runs in half precision, and the batch is halved for good whenever the GPU's memory runs out.

    Args:
        model: the model.
        device: where it runs.
        batch: how many tiles at once on CUDA.
        threads: CPU threads; 0 leaves torch's choice. Torch has one number for the whole process, which this sets.

    Raises:
        DeviceError: there is no CUDA, or no such GPU.
        ModelError: see :func:`load_network`.
    """

    tile = 384

    def __init__(self, model: Model, device: str = "cuda", batch: int = 32, threads: int = 0) -> None:
        self.model = model
        if threads:
            torch.set_num_threads(threads)
        self._device = torch.device(device)
        if self._device.type == "cuda":
            count = torch.cuda.device_count() if torch.cuda.is_available() else 0
            if (self._device.index or 0) >= count:
                raise DeviceError(
                    f"The device {device} was asked for, but torch sees {count} CUDA devices; use --superres-device auto or cpu."
                )
        self.half = self._device.type == "cuda"
        self.batch = batch if self.half else 1
        # As in training: line nets gain nothing from channels last.
        self._layout = torch.contiguous_format if model.card.line_size else torch.channels_last
        net = on_luma(load_network(model), model.card.channels).to(self._device).to(memory_format=self._layout)  # type: ignore[call-overload]
        self.net = net.half() if self.half else net
        name = torch.cuda.get_device_name(self._device) if self.half else "torch"
        self.device = f"{device} ({name})"
        # Halving a batch while another thread runs one would race; one GPU runs one batch at a time anyway.
        self._lock = threading.Lock()

    def run(self, tiles: NDArray[np.float32], scale: int) -> NDArray[np.float32]:
        """See :meth:`Backend.run`."""
        outputs = []
        with self._lock, torch.inference_mode():
            start = 0
            while start < len(tiles):
                part = torch.from_numpy(tiles[start : start + self.batch])
                try:
                    outputs.append(self._run_part(part, scale))
                except torch.cuda.OutOfMemoryError as error:
                    torch.cuda.empty_cache()
                    if self.batch == 1:
                        raise DeviceError(
                            f"{self.device} has too little memory for one tile of {part.shape[3]}x{part.shape[2]} pixels; "
                            "give a smaller --superres-tile or --superres-device cpu."
                        ) from error
                    self.batch //= 2
                    log.info("GPU memory ran out; continuing with %d tiles at a time", self.batch)
                    continue
                start += len(part)
        return np.concatenate(outputs)

    def _run_part(self, part: torch.Tensor, scale: int) -> NDArray[np.float32]:
        x = part.to(self._device, memory_format=self._layout)
        y = self.net(x.half() if self.half else x, scale)
        return np.asarray(y.float().cpu().numpy())
