# SPDX-License-Identifier: MPL-2.0
"""The process that holds the model on the GPU and super-resolves the tiles of all workers of a machine, in batches.

The workers' side is :mod:`ocrmypdf_superres.upscaling.backends.service`, the run's side
:mod:`ocrmypdf_superres.archive.executors.gpu_client`. The process lives as long as its standard input is open, so it ends
with its run, however that ends.
"""

from __future__ import annotations

import collections
import json
import queue
import signal
import sys
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Listener
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ocrmypdf_superres.errors import ModelError
from ocrmypdf_superres.modelstore.store import Model, find_model
from ocrmypdf_superres.upscaling.backends.base import Backend, Level
from ocrmypdf_superres.upscaling.backends.service import (
    DEVICE_FAILED,
    DONE,
    HEADER,
    MODEL_FAILED,
    identity,
    receive_tiles,
    send_tiles,
)
from ocrmypdf_superres.upscaling.loading import load_upscaler

GATHER = 0.004
"""Seconds that a request waits for others of its shape."""

LINE_BATCH = 8
"""Pieces of lines per batch on a GPU. Exactly this many run each time (the rest is padding), because the GPU's kernels depend on
the size of the batch: otherwise a page's pixels would depend on what other workers happen to send. Tiles of pages keep a GPU
busy each by itself."""


@dataclass
class _Request:
    tiles: NDArray[Any]
    scale: int
    answer: Future[NDArray[Any]] = field(default_factory=Future)

    @property
    def key(self) -> tuple[int, ...]:
        return (self.scale, self.tiles.itemsize, *self.tiles.shape[2:])


class Batcher:
    """Runs the requests of many threads on one backend, those of equal shape, dtype and scale together.

    A backend that takes one tile at a time is called by each thread itself, so that one page's transfers and copies overlap
    with the net on another.

    Args:
        backend: runs the batches.
        gather: seconds that a request waits for others of its shape.

    Attributes:
        tiles, batches: number of tiles that arrived, and of batches that ran.
    """

    def __init__(self, backend: Backend, gather: float = GATHER) -> None:
        self.backend = backend
        self.tiles = self.batches = 0
        self._counting = threading.Lock()
        self._gather_seconds = gather
        self._arrived: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._waiting: collections.deque[_Request] = collections.deque()
        threading.Thread(target=self._work, name="batches", daemon=True).start()

    def run(self, tiles: NDArray[Level], scale: int) -> NDArray[Level]:
        """See :meth:`Backend.run`; waits for the tiles' turn."""
        if self.backend.batch == 1:
            return self._run_batches(tiles, scale)
        request = _Request(tiles, scale)
        self._arrived.put(request)
        return request.answer.result()

    def close(self) -> None:
        """End after the requests that have arrived."""
        self._arrived.put(None)

    def _work(self) -> None:
        while together := self._gather():
            tiles = np.concatenate([request.tiles for request in together])
            try:
                sr = self._run_batches(tiles, together[0].scale)
            # Whatever torch raises: the workers must hear of it and continue without this device.
            except Exception as error:  # noqa: BLE001
                for request in together:
                    request.answer.set_exception(error)
                continue
            start = 0
            for request in together:
                request.answer.set_result(sr[start : start + len(request.tiles)])
                start += len(request.tiles)

    def _gather(self) -> list[_Request]:
        """Return the oldest request and those of its shape and scale that arrive in time; empty at the end."""
        if not self._waiting:
            first = self._arrived.get()
            if first is None:
                return []
            self._waiting.append(first)
        key = self._waiting[0].key
        until = time.monotonic() + self._gather_seconds
        while sum(len(r.tiles) for r in self._waiting if r.key == key) < self.backend.batch:
            try:
                arrived = self._arrived.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            if arrived is None:
                self._arrived.put(None)
                break
            self._waiting.append(arrived)
        together = [request for request in self._waiting if request.key == key]
        self._waiting = collections.deque(request for request in self._waiting if request.key != key)
        return together

    def _run_batches(self, tiles: NDArray[Level], scale: int) -> NDArray[Level]:
        size = self.backend.batch
        number = -(-len(tiles) // size)
        with self._counting:
            self.tiles += len(tiles)
            self.batches += number
        # Without copies: a whole page has many megabytes.
        if number == 1 and len(tiles) == size:
            return self.backend.run(tiles, scale)
        whole = np.concatenate([tiles, np.repeat(tiles[-1:], number * size - len(tiles), axis=0)])
        outputs = [self.backend.run(whole[start : start + size], scale) for start in range(0, number * size, size)]
        return np.concatenate(outputs)[: len(tiles)]


def serve_worker(connection: Connection, model: Model, batcher: Batcher) -> None:
    """Serve one worker's thread until it disconnects."""
    with connection, suppress(EOFError, OSError):
        ours = identity(model)
        if json.loads(connection.recv_bytes()) != ours:
            connection.send_bytes(json.dumps({"name": ours["name"]}).encode())
            return
        backend = batcher.backend
        about = {"device": backend.device, "batch": backend.batch, "tile": backend.tile}
        connection.send_bytes(json.dumps(about).encode())
        while True:
            scale, *shape = HEADER.unpack(connection.recv_bytes())
            tiles = receive_tiles(connection, *shape)
            try:
                sr = batcher.run(tiles, scale)
            except Exception as error:  # noqa: BLE001 - sent to the worker
                outcome = MODEL_FAILED if isinstance(error, ModelError) else DEVICE_FAILED
                connection.send_bytes(HEADER.pack(outcome, 0, 0, 0, 0))
                connection.send_bytes(str(error).encode())
            else:
                send_tiles(connection, DONE, sr)


def serve(model_name: str, device: str) -> int:
    """Write the address to standard output, serve until standard input ends, write what was done; return the exit status."""
    # Ctrl-C reaches all processes of a terminal; the run still needs this one for the files in flight.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        model = find_model(model_name)
        backend = load_upscaler(model_name, device).backend
        if backend.device.startswith("cuda"):
            backend.batch = LINE_BATCH if model.card.line_size else 1
        batcher = Batcher(backend)
        side = 2 * (model.card.radius or 0) + model.card.size_multiple
        height, width = model.card.line_size or (side, side)
        batcher.run(np.zeros((1, 1, height, width), np.float32), model.card.scales[0])
    except Exception as error:  # noqa: BLE001 - sent to the run
        _send(error=str(error))
        return 1
    with Listener(backlog=128) as listener:
        _send(address=str(listener.address), device=backend.device)
        threading.Thread(target=accept, args=(listener, model, batcher), daemon=True).start()
        sys.stdin.buffer.read()
    # The test tile is not counted.
    _send(tiles=batcher.tiles - 1, batches=batcher.batches - 1)
    return 0


def accept(listener: Listener, model: Model, batcher: Batcher) -> None:
    """Serve everyone who connects to *listener*, each in a thread, until it is closed."""
    with suppress(OSError):  # closed at the end
        while True:
            threading.Thread(target=serve_worker, args=(listener.accept(), model, batcher), daemon=True).start()


def _send(**values: object) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    with suppress(BrokenPipeError):
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1], sys.argv[2]))
