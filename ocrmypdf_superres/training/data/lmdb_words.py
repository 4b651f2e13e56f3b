# SPDX-License-Identifier: MPL-2.0
"""Reading the LMDB databases in which sets of word images are published."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from ocrmypdf_superres.errors import ImageError, MissingDependencyError, OptionError
from ocrmypdf_superres.page.image import DECODING_ERRORS

COUNT = "num-samples"


def read_entries(folder: Path, keys: Sequence[str]) -> list[bytes]:
    """Return the values of *keys* in the database in *folder*, which is open only while they are read.

    LMDB lets a process open a database once, and forbids the use of one that was open before a fork, as it would be in every
    worker of a loader. Opening it takes less than a tenth of a millisecond.

    Raises:
        MissingDependencyError: the package lmdb is not installed. OptionError: the folder is not a database, or lacks an entry.
    """
    try:
        import lmdb
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "Databases of word images need the package lmdb; run: pip install 'ocrmypdf-superres[train]'"
        ) from error
    try:
        with lmdb.open(str(folder), readonly=True, lock=False, create=False) as database, database.begin() as transaction:
            values = {key: transaction.get(key.encode()) for key in keys}
    except lmdb.Error as error:
        raise OptionError(f"{folder} is not an LMDB of word images ({error}); give a folder with data.mdb.") from error
    missing = [key for key, value in values.items() if value is None]
    if missing:
        raise OptionError(f"{folder} lacks the entry {missing[0]}; give the LMDB of a published set, such as TextZoom's train1.")
    return [bytes(value) for value in values.values() if value is not None]


def count_entries(folder: Path) -> int:
    """Return the number of words in the database in *folder*.

    Raises:
        MissingDependencyError, OptionError: see :func:`read_entries`; or the number is not a whole one above 0.
    """
    (count,) = read_entries(folder, [COUNT])
    if not count.isdigit() or int(count) < 1:
        raise OptionError(f"{folder} has no proper {COUNT}; give the LMDB of a published set, such as TextZoom's train1.")
    return int(count)


def open_word(folder: Path, key: str, stored: bytes) -> Image.Image:
    """Return the image *stored* as *key* in the database in *folder*.

    Raises:
        ImageError: it is damaged.
    """
    try:
        with Image.open(io.BytesIO(stored)) as image:
            image.load()
            return image
    except DECODING_ERRORS as error:
        raise ImageError(f"The image {key} in {folder} is damaged; get the set again.") from error
