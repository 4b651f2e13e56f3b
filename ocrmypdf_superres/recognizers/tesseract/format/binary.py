# SPDX-License-Identifier: MPL-2.0
"""Bounded reading and writing of the little-endian values that Tesseract's files are made of."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ocrmypdf_superres.errors import RecognizerError

_DTYPES: dict[str, np.dtype[Any]] = {
    "int8": np.dtype("<i1"),
    "int32": np.dtype("<i4"),
    "float32": np.dtype("<f4"),
    "float64": np.dtype("<f8"),
}


class ByteReader:
    """A cursor over bytes that never reads past their end and names file and field when it would.

    Args:
        data: the bytes of one component.
        source: name of the file and component, for messages.
    """

    def __init__(self, data: bytes, source: str) -> None:
        self.data = data
        self.source = source
        self.at = 0

    @property
    def left(self) -> int:
        """Bytes not read yet."""
        return len(self.data) - self.at

    def fail(self, field: str, given: str, expected: str) -> RecognizerError:
        """Return an error about *field* at the current position, for the caller to raise."""
        return RecognizerError(
            f"{self.source} has {given} in the field {field} before byte {self.at}, {expected} was expected; "
            f"the file is damaged or of another kind, so install it again."
        )

    def take(self, count: int, field: str) -> bytes:
        """Return the next *count* bytes."""
        if count < 0 or count > self.left:
            raise self.fail(field, f"a length of {count} bytes with {self.left} left", "a length within the file")
        piece = self.data[self.at : self.at + count]
        self.at += count
        return piece

    def _number(self, form: str, size: int, field: str) -> int:
        value: int = struct.unpack(form, self.take(size, field))[0]
        return value

    def i8(self, field: str) -> int:
        """Return a signed byte."""
        return self._number("<b", 1, field)

    def u8(self, field: str) -> int:
        """Return an unsigned byte."""
        return self._number("<B", 1, field)

    def i32(self, field: str) -> int:
        """Return a signed 32-bit number."""
        return self._number("<i", 4, field)

    def u32(self, field: str) -> int:
        """Return an unsigned 32-bit number."""
        return self._number("<I", 4, field)

    def f32(self, field: str) -> float:
        """Return a finite 32-bit float."""
        return float(self.array(1, "float32", field)[0])

    def text(self, field: str, longest: int) -> str:
        """Return a string that its length precedes, at most *longest* bytes, ASCII or UTF-8."""
        length = self.u32(field)
        if length > longest:
            raise self.fail(field, f"a string of {length} bytes", f"at most {longest} bytes")
        try:
            return self.take(length, field).decode("utf-8")
        except UnicodeDecodeError as error:
            raise self.fail(field, "bytes that are not UTF-8", "text") from error

    def array(self, count: int, kind: str, field: str) -> NDArray[Any]:
        """Return *count* numbers of *kind* (int8, int32, float32 or float64); floats have to be finite."""
        dtype = _DTYPES[kind]
        values = np.frombuffer(self.take(count * dtype.itemsize, field), dtype=dtype)
        if dtype.kind == "f" and not bool(np.isfinite(values).all()):
            raise self.fail(field, "a number that is not finite", "finite numbers")
        return values

    def vector(self, kind: str, field: str) -> NDArray[Any]:
        """Return numbers that their count precedes."""
        return self.array(self.u32(field), kind, field)

    def matrix(self, kind: str, shape: tuple[int, int], field: str) -> NDArray[Any]:
        """Return a matrix of exactly *shape*: rows, columns, one ignored value, then the values row by row."""
        given = (self.u32(field), self.u32(field))
        if given != shape:
            raise self.fail(field, f"a matrix of {given[0]}x{given[1]}", f"one of {shape[0]}x{shape[1]}")
        self.take(_DTYPES[kind].itemsize, field)
        return self.array(shape[0] * shape[1], kind, field).reshape(shape)

    def end(self) -> None:
        """Check that nothing is left; raises RecognizerError."""
        if self.left:
            raise self.fail("end", f"{self.left} bytes too many", "the end of the component")


class ByteWriter:
    """The counterpart of :class:`ByteReader`: collects values and gives their bytes."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def raw(self, data: bytes) -> None:
        """Append bytes as they are."""
        self._pieces.append(data)

    def pack(self, form: str, *values: float) -> None:
        """Append values by a ``struct`` format, little-endian."""
        self._pieces.append(struct.pack("<" + form, *values))

    def text(self, value: str) -> None:
        """Append a string, its length in bytes before it."""
        data = value.encode("utf-8")
        self.pack("I", len(data))
        self.raw(data)

    def vector(self, kind: str, values: NDArray[Any]) -> None:
        """Append numbers, their count before them."""
        self.pack("I", len(values))
        self.raw(np.ascontiguousarray(values, dtype=_DTYPES[kind]).tobytes())

    def matrix(self, kind: str, values: NDArray[Any]) -> None:
        """Append a matrix in the order that :meth:`ByteReader.matrix` reads; its ignored value is 0."""
        self.pack("II", *values.shape)
        self.raw(bytes(_DTYPES[kind].itemsize))
        self.raw(np.ascontiguousarray(values, dtype=_DTYPES[kind]).tobytes())

    def data(self) -> bytes:
        """Return everything written so far."""
        return b"".join(self._pieces)
