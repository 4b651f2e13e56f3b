# SPDX-License-Identifier: MPL-2.0
"""Loading a model for a device: the choice of backend and upscaler, and the upscalers that a process has loaded."""

from __future__ import annotations

import ctypes
import importlib.util
import logging
import os
import threading

from ocrmypdf_superres.errors import DeviceError, ModelError, OptionError
from ocrmypdf_superres.extras import install_line
from ocrmypdf_superres.modelstore.cards import onnx_name
from ocrmypdf_superres.modelstore.store import DEFAULT_MODEL, Model, find_model
from ocrmypdf_superres.processes import available_cores
from ocrmypdf_superres.upscaling.backends.base import DEVICE, Backend
from ocrmypdf_superres.upscaling.textlines import LineUpscaler
from ocrmypdf_superres.upscaling.upscaler import PageUpscaler, Upscaler

__all__ = ["load_upscaler"]

log = logging.getLogger("ocrmypdf.superres")

THREAD_COUNTS = 2
"""Upscalers that are kept for the same settings with other threads: the plugin shares the cores among the pages of a document, so
that a process that reads many documents would collect one for each number of pages, of some 80 MB."""

_loaded: dict[tuple[str, str, int, int], Upscaler] = {}
_lock = threading.Lock()
_abandoned: list[dict[tuple[str, str, int, int], Upscaler]] = []


def _forget() -> None:
    """Forget the parent's upscalers in a forked child: their sessions have no threads there, and the lock may be held."""
    global _loaded, _lock
    # Kept, since freeing a session waits for its threads, which do not exist in the child.
    _abandoned.append(_loaded)
    _loaded, _lock = {}, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def load_upscaler(model: str = DEFAULT_MODEL, device: str = "auto", threads: int = 0, tile: int = 0) -> Upscaler:
    """Return the upscaler for these settings, made on the first call and shared by all threads of the process.

    Args:
        model: name or folder of a model.
        device: ``auto`` (CUDA where torch finds it, else the CPU), ``cpu``, ``cpu:fp32`` (the CPU in 32-bit floats, also
            where the model has graphs in 8-bit integers), ``cuda``, ``cuda:N``, or ``service:ADDRESS``, a local process
            that many share (:mod:`~ocrmypdf_superres.upscaling.backends.service`).
        threads: CPU threads; 0 takes all cores that the process may use.
        tile: see :class:`~ocrmypdf_superres.upscaling.upscaler.PageUpscaler`.

    Raises:
        ModelError: the model cannot be found or used.
        DeviceError: the device is not there.
        OptionError: *device* or *tile* has a value that cannot be used.
    """
    key = (model, device, tile, threads)
    with _lock:
        upscaler = _loaded.pop(key, None) or _load(model, device, threads, tile)
        _loaded[key] = upscaler  # last, as the one that was used last
        for old in [known for known in _loaded if known[:-1] == key[:-1]][:-THREAD_COUNTS]:
            del _loaded[old]
        return upscaler


def _load(model: str, device: str, threads: int, tile: int) -> Upscaler:
    found = find_model(model)
    backend = make_backend(found, device, threads)
    made: Upscaler = LineUpscaler(found, backend) if found.card.line_size else PageUpscaler(found, backend, tile)
    log.debug("super-resolution model %s on %s", found.card.name, made.device)
    return made


def make_backend(model: Model, device: str, threads: int) -> Backend:
    """Return a backend for *model*; *device* and *threads* as for :func:`load_upscaler`, which lists the errors."""
    kind, _, address = device.partition(":")
    if not DEVICE.fullmatch(device):
        raise OptionError(f"The device {device!r} is not known; give auto, cpu, cpu:fp32, cuda or cuda:N.")
    if kind == "service":
        from ocrmypdf_superres.upscaling.backends.service import ServiceBackend

        return ServiceBackend(model, address, lambda: make_backend(model, "cpu", threads))
    if kind == "cuda" and not has_torch():
        raise DeviceError(
            f"The device {device} was asked for, but torch is not installed; use --superres-device cpu, "
            f"or run: {install_line('gpu')}"
        )
    if kind == "cuda" or (kind == "auto" and _sees_cuda()):
        from ocrmypdf_superres.upscaling.backends.torch import TorchBackend

        return TorchBackend(model, "cuda" if kind == "auto" else device)
    if all(onnx_name(scale) in model.card.files for scale in model.card.scales):
        from ocrmypdf_superres.upscaling.backends.onnx import OnnxBackend

        return OnnxBackend(model, threads or available_cores(), full=address == "fp32")
    if not has_torch():
        raise ModelError(
            f"Model {model.card.name} has no ONNX files, so it needs torch, which is not installed; choose another model, "
            f"or run: {install_line('gpu')}"
        )
    from ocrmypdf_superres.upscaling.backends.torch import TorchBackend

    return TorchBackend(model, "cpu", threads=threads)


def has_torch() -> bool:
    """Return whether torch is installed; it is not imported."""
    try:
        return importlib.util.find_spec("torch") is not None
    except (ImportError, ValueError):  # blocked or half-removed installations
        return False


def may_see_cuda() -> bool:
    """Return whether CUDA is possible here: torch and the driver's library are installed.

    Importing torch to ask takes seconds, which a machine without the driver is spared. The library is opened but not
    initialised, so that processes forked later can still use CUDA.
    """
    if not has_torch():
        return False
    try:
        ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return False
    return True


def _sees_cuda() -> bool:
    if not may_see_cuda():
        return False
    try:
        from ocrmypdf_superres.upscaling.backends.torch import cuda_is_available
    except (ImportError, OSError) as error:
        log.warning("torch cannot be imported (%s); the net runs on the CPU", error)
        return False
    return cuda_is_available()
