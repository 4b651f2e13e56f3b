# SPDX-License-Identifier: MPL-2.0
"""One GPU for all workers on this machine: the run starts the service that holds the model, and tells its tasks the address."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import IO, Any, cast

from ocrmypdf_superres.archive.executors.base import Executor
from ocrmypdf_superres.archive.tasks import FileResult, FileTask
from ocrmypdf_superres.errors import DeviceError
from ocrmypdf_superres.upscaling.loading import may_see_cuda

log = logging.getLogger("ocrmypdf.superres")


class Service:
    """The process of :mod:`ocrmypdf_superres.archive.executors.gpu_service`, as the run sees it.

    Attributes:
        address: of its local socket.
        device: where its network runs, for messages.

    Raises:
        DeviceError: the device is not available or does not work, or the model cannot be used.
    """

    def __init__(self, model: str, device: str) -> None:
        command = [sys.executable, "-m", "ocrmypdf_superres.archive.executors.gpu_service", model, device]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        # Both are pipes, as asked for.
        self._stdin, self._stdout = cast(IO[str], self._process.stdin), cast(IO[str], self._process.stdout)
        said = self._receive()
        if "address" not in said:
            self._process.communicate()
            raise DeviceError(f"The device {device} cannot be shared by the workers: {said.get('error', 'its process ended.')}")
        self.address, self.device = str(said["address"]), str(said["device"])

    def close(self) -> dict[str, int]:
        """End the service; return the number of ``tiles`` and ``batches`` that it ran, or nothing if it had died."""
        with suppress(OSError):
            self._stdin.close()
        done = self._receive()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:  # a GPU's driver may hang
            self._process.kill()
        return done

    def _receive(self) -> dict[str, Any]:
        line = self._stdout.readline()
        return dict(json.loads(line)) if line else {}


class GpuExecutor:
    """Lets the tasks of *inner*, whose workers are on this machine, use *service*; ends both."""

    def __init__(self, inner: Executor, service: Service) -> None:
        self._inner, self._service = inner, service
        self.shares_cores = inner.shares_cores

    @property
    def workers(self) -> int:
        """See :attr:`Executor.workers`."""
        return self._inner.workers

    def submit(self, task: FileTask) -> None:
        """See :meth:`Executor.submit`."""
        self._inner.submit(replace(task, ocr={**task.ocr, "superres_device": f"service:{self._service.address}"}))

    def results(self, timeout: float) -> Iterator[FileResult]:
        """See :meth:`Executor.results`."""
        return self._inner.results(timeout)

    def close(self, cancel: bool = False) -> None:
        """See :meth:`Executor.close`."""
        try:
            self._inner.close(cancel)
        finally:
            done = self._service.close()
            log.info(
                "superres: %s super-resolved %d tiles in %d batches",
                self._service.device,
                done.get("tiles", 0),
                done.get("batches", 0),
            )


def share_gpu(inner: Executor, model: str, device: str) -> Executor:
    """Return an executor whose workers share one GPU, or *inner* itself where there is no GPU to share.

    Args:
        inner: an executor whose workers are on this machine.
        model: name or folder of the model.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``, as set for the plugin.

    Raises:
        DeviceError: a GPU was asked for and is not available.
    """
    if device.startswith("cpu") or (device == "auto" and not may_see_cuda()):
        return inner
    try:
        service = Service(model, device)
    except DeviceError as error:
        if device != "auto":
            inner.close(cancel=True)
            raise
        log.warning("superres: %s", error)
        return inner
    if service.device.startswith("cuda"):
        return GpuExecutor(inner, service)
    service.close()
    return inner
