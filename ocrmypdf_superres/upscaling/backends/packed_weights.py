# SPDX-License-Identifier: MPL-2.0
"""Weights stored in few bits: safetensors files whose large tensors are codes with a scale and an offset for each channel.

A packed tensor ``NAME`` is four entries: ``NAME.codes``, the codes' bits one after the other, channel by channel, padded to
whole bytes at the end only; ``NAME.bits``, uint8 (n); ``NAME.scale`` and ``NAME.offset``, float32 (n), n its first dimension.
Value = code x scale + offset.  The file's metadata names the shapes.  NumPy only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ocrmypdf_superres.errors import ModelError

KEY = "packed"
_PARTS = ("codes", "bits", "scale", "offset")


@dataclass(frozen=True)
class Packed:
    """A tensor in few bits: *codes*, uint8 (n, m), of *bits* each (n,), *scale* and *offset* (n,), and its *shape*."""

    codes: NDArray[np.uint8]
    bits: NDArray[np.uint8]
    scale: NDArray[np.float32]
    offset: NDArray[np.float32]
    shape: tuple[int, ...]

    def values(self) -> NDArray[np.float32]:
        """Return the tensor, float32 of its shape."""
        value = self.codes.astype(np.float32) * self.scale[:, None] + self.offset[:, None]
        return value.astype(np.float32).reshape(self.shape)


def pack(codes: NDArray[np.uint8], bits: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return *codes*, uint8 (n, m) of *bits* (n,) each (0 to 8), as bytes without gaps, highest bit first."""
    rows = [np.unpackbits(row[:, None], axis=1)[:, 8 - width :].ravel() for row, width in zip(codes, bits.tolist(), strict=True)]
    return np.packbits(np.concatenate(rows)) if rows else np.zeros(0, np.uint8)


def unpack(stream: NDArray[np.uint8], bits: NDArray[np.uint8], length: int) -> NDArray[np.uint8]:
    """Undo :func:`pack` for rows of *length* codes.

    Raises:
        ValueError: *stream* has another length than *bits* and *length* ask for.
    """
    total = int(bits.astype(np.int64).sum()) * length
    if len(stream) != -(-total // 8) or (bits > 8).any():
        raise ValueError(f"{len(stream)} bytes do not hold {total} bits")
    flat = np.unpackbits(stream, count=total)
    codes = np.zeros((len(bits), length), np.uint8)
    start = 0
    for row, width in enumerate(bits.tolist()):
        part = flat[start : start + width * length].reshape(length, width)
        codes[row] = np.packbits(np.pad(part, ((0, 0), (8 - width, 0))), axis=1)[:, 0] if width else 0
        start += width * length
    return codes


def write(tensors: Mapping[str, NDArray[Any] | Packed], path: Path) -> None:
    """Write *tensors* to the file *path*; those that are :class:`Packed` in few bits."""
    entries: dict[str, NDArray[Any]] = {}
    shapes: dict[str, list[int]] = {}
    for name, tensor in tensors.items():
        if isinstance(tensor, Packed):
            shapes[name] = list(tensor.shape)
            parts: tuple[NDArray[Any], ...] = (pack(tensor.codes, tensor.bits), tensor.bits, tensor.scale, tensor.offset)
            entries.update({f"{name}.{part}": value for part, value in zip(_PARTS, parts, strict=True)})
        else:
            entries[name] = np.ascontiguousarray(tensor)
    save_file(entries, path, metadata={KEY: json.dumps(shapes, sort_keys=True)})


def read(path: Path) -> dict[str, NDArray[Any]]:
    """Return the tensors in the safetensors file *path* by name, packed ones as float32.

    Raises:
        ModelError: the file is damaged.
    """
    try:
        with safe_open(path, framework="np") as stream:
            shapes = json.loads((stream.metadata() or {}).get(KEY, "{}"))
            entries = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 - it is not a dict
        for name, shape in shapes.items():
            stored, bits, scale, offset = (entries.pop(f"{name}.{part}") for part in _PARTS)
            length = int(np.prod(shape[1:], dtype=np.int64))
            if len(bits) != shape[0] or len(scale) != shape[0] or len(offset) != shape[0]:
                raise ValueError(f"{name} does not have one scale for each of {shape[0]} channels")
            entries[name] = Packed(unpack(stored, bits, length), bits, scale, offset, tuple(shape)).values()
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, AttributeError) as error:
        reason = (str(error).splitlines() or ["empty"])[0]
        raise ModelError(f"{path} does not hold weights that can be read ({reason}); install the model again.") from error
    return entries
