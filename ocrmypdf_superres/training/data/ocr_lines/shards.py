# SPDX-License-Identifier: MPL-2.0
"""Prepared lines on disk: ``.npz`` files of a few hundred lines, each written atomically, so that a run can be resumed."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.files import atomic_write
from ocrmypdf_superres.training.data.ocr_lines.stream import Line, LineStream

SHARD_LINES = 250
_NAME = "lines-{:06d}.npz"


def shard_path(folder: Path, number: int) -> Path:
    """Return the path of shard *number*, whose first line is ``number * SHARD_LINES``."""
    return folder / _NAME.format(number)


def shard_paths(folder: Path) -> list[Path]:
    """Return the shards in *folder*, by number."""
    return sorted(folder.glob("lines-*.npz"))


def write_shard(path: Path, lines: Sequence[Line]) -> None:
    """Write *lines* to *path*: their concatenated pixels, their shapes, and the rest as JSON.

    Raises:
        OSError: the file cannot be written.
    """
    about = [[line.text, line.kind, line.variant, round(line.x_height, 3)] for line in lines]
    with atomic_write(path) as part, part.open("wb") as file:
        np.savez_compressed(
            file,
            pixels=np.concatenate([line.image.ravel() for line in lines]) if lines else np.zeros(0, np.uint8),
            shapes=np.array([line.image.shape for line in lines], np.int32).reshape(-1, 2),
            about=np.frombuffer(json.dumps(about, ensure_ascii=False).encode(), np.uint8),
        )


def read_shard(path: Path) -> list[Line]:
    """Return the lines of a shard.

    Raises:
        OptionError: the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            pixels, shapes, about = stored["pixels"], stored["shapes"], json.loads(stored["about"].tobytes())
        ends = np.cumsum(shapes.prod(axis=1))
        parts = np.split(pixels, ends[:-1]) if len(shapes) else []
        images = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
        return [Line(image, *row) for image, row in zip(images, about, strict=True)]
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise OptionError(
            f"{path} is not a complete file of prepared lines ({error}); delete it and prepare the lines again."
        ) from error


def read_prepared(folder: Path, most: int = 0) -> list[Line]:
    """Return the lines prepared in *folder*, the first *most* of them where it is not 0.

    Raises:
        OptionError: there is none, or a file is damaged.
    """
    lines: list[Line] = []
    for path in shard_paths(folder):
        lines += read_shard(path)
        if most and len(lines) >= most:
            return lines[:most]
    if not lines:
        raise OptionError(f"{folder} has no prepared lines, files such as {_NAME.format(0)}; make some with `recognizer lines`.")
    return lines


def make_shards(stream: LineStream, folder: Path, count: int, first: int = 0) -> Iterator[tuple[Path, bool]]:
    """Write shards *first* to *first* + *count* - 1 of *stream* to *folder*; yield (path, whether it was written) of each.

    Existing shards are kept, even of another stream.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        path = shard_path(folder, number)
        made = not path.is_file()
        if made:
            start = number * SHARD_LINES
            write_shard(path, [stream.line(index) for index in range(start, start + SHARD_LINES)])
        yield path, made
