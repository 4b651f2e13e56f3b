# SPDX-License-Identifier: MPL-2.0
"""The CPU route: onnxruntime, no torch."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ocrmypdf_superres.errors import DeviceError, ModelError
from ocrmypdf_superres.modelstore.store import Model
from ocrmypdf_superres.onnx_sessions import open_session


class OnnxBackend:
    """Runs the ONNX files of *model* on *threads* CPU threads; the file of a scale is loaded when it is first needed."""

    # One tile at a time stays in the cache; larger batches were no faster.
    batch = 1
    tile = 192

    def __init__(self, model: Model, threads: int) -> None:
        self.model = model
        self.threads = max(1, threads)
        self.device = f"cpu (onnxruntime, {self.threads} thread{'s' if self.threads > 1 else ''})"
        self._sessions: dict[int, Any] = {}
        self._lock = threading.Lock()

    def _session(self, scale: int) -> Any:
        with self._lock:
            if scale not in self._sessions:
                path = self.model.onnx_path(scale)
                session = open_session(path, self.threads)
                names = [value.name for value in session.get_inputs()], [value.name for value in session.get_outputs()]
                if names != (["lr"], ["sr"]):
                    raise ModelError(f"{path} has inputs {names[0]} and outputs {names[1]}, but ['lr'] and ['sr'] were expected.")
                self._sessions[scale] = session
            return self._sessions[scale]

    def run(self, tiles: NDArray[np.float32], scale: int) -> NDArray[np.float32]:
        """See :meth:`Backend.run`."""
        session = self._session(scale)
        try:
            output = session.run(["sr"], {"lr": tiles})[0]
        except Exception as error:  # onnxruntime's errors have no common base class
            raise DeviceError(f"onnxruntime failed on tiles of shape {tiles.shape}: {error}") from error
        expected = (tiles.shape[0], 1, tiles.shape[2] * scale, tiles.shape[3] * scale)
        if output.shape != expected:
            raise ModelError(
                f"Model {self.model.card.name} returned shape {output.shape} for x{scale}, but {expected} was expected."
            )
        return np.asarray(output, dtype=np.float32)
