# SPDX-License-Identifier: MPL-2.0
"""The CPU route: onnxruntime, no torch."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ocrmypdf_superres.errors import DeviceError, ModelError
from ocrmypdf_superres.modelstore.cards import int8_name
from ocrmypdf_superres.modelstore.store import Model
from ocrmypdf_superres.onnx_sessions import open_session
from ocrmypdf_superres.upscaling.backends.base import Level, to_floats, to_levels

log = logging.getLogger("ocrmypdf.superres")

TOLERANCE = 1.5 / 255
"""Largest mean difference, of [0, 1], of a graph in integers from the one in floats on the test tile."""
TEST_SIDE = 48


class Graph:
    """An ONNX graph of one scale, from luma ``lr`` to ``sr``, both float32 in [0, 1] or both in 8-bit levels.

    Raises:
        ValueError: the graph of *session* has other inputs or outputs.
    """

    def __init__(self, session: Any) -> None:
        names = [value.name for value in session.get_inputs()], [value.name for value in session.get_outputs()]
        if names != (["lr"], ["sr"]):
            raise ValueError(f"has inputs {names[0]} and outputs {names[1]}, ['lr'] and ['sr'] were expected")
        self._session = session
        self._in_levels = session.get_inputs()[0].type == "tensor(uint8)"

    def run(self, tiles: NDArray[Level]) -> NDArray[Level]:
        """Return *tiles*, (N, 1, h, w), enlarged, in their dtype; see :meth:`Backend.run`. Raises onnxruntime's errors."""
        output = self._session.run(["sr"], {"lr": to_levels(tiles) if self._in_levels else to_floats(tiles)})[0]
        result: NDArray[Any] = to_levels(output) if tiles.dtype == np.uint8 else to_floats(output)
        return result


class OnnxBackend:
    """Runs the ONNX files of *model* on *threads* CPU threads; the file of a scale is loaded when it is first needed.

    Where the model has graphs in 8-bit integers, those are taken, unless *full* asks for 32-bit floats. Before a graph in
    integers is used it has to agree with the one in floats on a test tile, since it depends on the processor's
    instructions whether its sums are right.
    """

    # Larger batches were no faster; larger tiles save 2 % of overlap, and take more memory.
    batch = 1
    tile = 512

    def __init__(self, model: Model, threads: int, full: bool = False) -> None:
        self.model = model
        self.threads = max(1, threads)
        self._int8 = not full and all(int8_name(scale) in model.card.files for scale in model.card.scales)
        self._graphs: dict[int, Graph] = {}
        self._lock = threading.Lock()

    @property
    def device(self) -> str:
        """See :class:`Backend`."""
        kind = "onnxruntime int8" if self._int8 else "onnxruntime"
        return f"cpu ({kind}, {self.threads} thread{'s' if self.threads > 1 else ''})"

    def _graph(self, scale: int) -> Graph:
        with self._lock:
            if scale not in self._graphs:
                self._graphs[scale] = self._open(scale)
            return self._graphs[scale]

    def _open(self, scale: int) -> Graph:
        floats = self._open_file(self.model.onnx_path(scale))
        if not self._int8:
            return floats
        try:
            integers = self._open_file(self.model.file(int8_name(scale)))
            difference = _difference(integers, floats, self.model.card.size_multiple)
        except ModelError as error:
            log.warning("superres: the 8-bit form of %s cannot be used (%s); it runs in floats", self.model.card.name, error)
        else:
            if difference <= TOLERANCE:
                return integers
            # x86 processors without VNNI add in 16 bits, which may overflow.
            log.info(
                "superres: the 8-bit form of %s differs by %.1f grey levels on this processor; it runs in floats",
                self.model.card.name, 255 * difference,
            )  # fmt: skip
        # For all scales: two kinds of arithmetic in one run would be hard to explain.
        self._int8 = False
        self._graphs.clear()
        return floats

    def _open_file(self, path: Path) -> Graph:
        try:
            return Graph(open_session(path, self.threads))
        except ValueError as error:
            raise ModelError(f"{path} {error}; export it again.") from error

    def run(self, tiles: NDArray[Level], scale: int) -> NDArray[Level]:
        """See :meth:`Backend.run`."""
        graph = self._graph(scale)
        try:
            output = graph.run(tiles)
        except Exception as error:  # onnxruntime's errors have no common base class
            raise DeviceError(f"onnxruntime failed on tiles of shape {tiles.shape}: {error}") from error
        expected = (tiles.shape[0], 1, tiles.shape[2] * scale, tiles.shape[3] * scale)
        if output.shape != expected:
            raise ModelError(
                f"Model {self.model.card.name} returned shape {output.shape} for x{scale}, but {expected} was expected."
            )
        return output


def _difference(integers: Graph, floats: Graph, multiple: int) -> float:
    """Return the mean difference of two graphs on a tile of strokes on paper, of [0, 1]; ModelError where one fails."""
    side = -(-TEST_SIDE // multiple) * multiple
    rows, columns = np.mgrid[:side, :side]
    # Dark bars of 1 to 3 pixels among light ones, in both directions: large activations, as text has them.
    ink = ((columns * 7 // 5) % 6 < 2) | ((rows * 5 // 7) % 11 < 2)
    tile = np.where(ink, 0.05, 0.95).astype(np.float32)[None, None]
    try:
        results = [np.clip(graph.run(tile), 0, 1) for graph in (integers, floats)]
    except Exception as error:  # onnxruntime's errors have no common base class
        raise ModelError(f"onnxruntime failed on the test tile: {error}") from error
    return float(np.abs(results[0] - results[1]).mean())
