# SPDX-License-Identifier: MPL-2.0
"""A backend whose net runs in another process on this machine, which many processes share.

The protocol, over a local socket that only this user can open (``multiprocessing.connection``, bytes only, nothing
is unpickled): the client sends which model it wants, the service answers with its device, batch and tile; then
requests and answers alternate, each a header and, where there are pixels, those of the tiles: float32 or uint8.
"""

from __future__ import annotations

import json
import logging
import struct
import threading
from collections.abc import Callable
from multiprocessing.connection import Client, Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ocrmypdf_superres.errors import DeviceError, ModelError
from ocrmypdf_superres.modelstore.store import Model
from ocrmypdf_superres.upscaling.backends.base import Backend, Level

log = logging.getLogger("ocrmypdf.superres")

#: Scale, bytes of a pixel, number, height and width of the tiles of a request; of an answer the first field is the outcome.
HEADER = struct.Struct("<5I")
DONE, MODEL_FAILED, DEVICE_FAILED = range(3)

#: Seconds after which a service that does not answer counts as dead; serving all waiting requests takes far less.
TIMEOUT = 120.0


def identity(model: Model) -> dict[str, Any]:
    """Return what identifies *model*: its name and its files' SHA-256."""
    return {"name": model.card.name, "files": dict(model.card.files)}


def send_tiles(connection: Connection, first: int, tiles: NDArray[Level]) -> None:
    """Send a header that begins with *first*, then *tiles*, float32 or uint8 (N, 1, h, w)."""
    connection.send_bytes(HEADER.pack(first, tiles.itemsize, len(tiles), *tiles.shape[2:]))
    connection.send_bytes(np.ascontiguousarray(tiles).data.cast("B"))


def receive_tiles(connection: Connection, itemsize: int, number: int, height: int, width: int) -> NDArray[Any]:
    """Return the tiles (number, 1, height, width), uint8 or float32, whose header has just been read."""
    tiles = np.empty((number, 1, height, width), np.uint8 if itemsize == 1 else np.float32)
    connection.recv_bytes_into(tiles.data.cast("B"))
    return tiles


class ServiceBackend:
    """Asks the service at *address* to run *model*; uses a backend that *fallback* makes once the service fails.

    Several threads may use it at once: each has a connection of its own.

    Args:
        model: the model that the service must hold.
        address: of its local socket.
        fallback: makes the backend to use from then on when the service is gone or its device failed.

    Raises:
        ModelError: the service holds another model.
    """

    def __init__(self, model: Model, address: str, fallback: Callable[[], Backend]) -> None:
        self.model = model
        self.address = address
        self._make_fallback = fallback
        self._fallback: Backend | None = None
        self._lock = threading.Lock()
        self._local = threading.local()
        self.device, self.batch, self.tile = "", 0, 0
        try:
            about = self._connect()
            self.device, self.batch, self.tile = about["device"], about["batch"], about["tile"]
        except (OSError, EOFError, DeviceError) as error:
            backend = self._fall_back(error)
            self.batch, self.tile = backend.batch, backend.tile

    def run(self, tiles: NDArray[Level], scale: int) -> NDArray[Level]:
        """See :meth:`Backend.run`."""
        backend = self._fallback
        if backend is None:
            try:
                if not hasattr(self._local, "connection"):
                    self._connect()
                return self._ask(self._local.connection, tiles, scale)
            except (OSError, EOFError, DeviceError) as error:
                backend = self._fall_back(error)
        return backend.run(tiles, scale)

    def _connect(self) -> dict[str, Any]:
        """Connect this thread; return the service's device, batch and tile."""
        connection = Client(self.address)
        connection.send_bytes(json.dumps(identity(self.model)).encode())
        about: dict[str, Any] = json.loads(_receive(connection))
        if "device" not in about:
            connection.close()
            raise ModelError(
                f"The model {self.model.card.name} was asked for, but the service at {self.address} holds {about['name']} "
                "with other files; start it with this model."
            )
        self._local.connection = connection
        return about

    def _ask(self, connection: Connection, tiles: NDArray[Level], scale: int) -> NDArray[Level]:
        send_tiles(connection, scale, tiles)
        outcome, *shape = HEADER.unpack(_receive(connection))
        if outcome == DONE:
            return receive_tiles(connection, *shape)
        message = connection.recv_bytes().decode()
        if outcome == MODEL_FAILED:
            raise ModelError(message)
        raise DeviceError(message)

    def _fall_back(self, error: Exception) -> Backend:
        with self._lock:
            if self._fallback is None:
                backend = self._make_fallback()
                reason = str(error) or "it hung up"
                log.warning("superres: the service at %s fails (%s); %s takes over", self.address, reason, backend.device)
                self.device = backend.device
                self._fallback = backend
            return self._fallback


def _receive(connection: Connection) -> bytes:
    if not connection.poll(TIMEOUT):
        connection.close()
        raise DeviceError(f"it did not answer within {TIMEOUT:.0f} seconds")
    return connection.recv_bytes()
