# SPDX-License-Identifier: MPL-2.0
"""How easily characters are taken for each other: the weights of the text-focus content loss.

Published are distances between 62 characters (digits, upper case, lower case) in the plane of an autoencoder's code.
Without them the distances between the characters in the installed fonts are used.
"""

from __future__ import annotations

import string
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.training.data.fonts import FontFile, installed_fonts, open_font

CHARACTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase
FONTS = 20
SIDE = 28
NEAREST = 0.02
"""The least of the published distances."""


def confusion_weights(path: Path | None = None, compat: bool = False) -> Tensor:
    """Return the weights w (37, 37) of codes 0 (end), digits, a-z: 1 / distance, the larger of both cases, the end's all 1.

    *path*: a ``.npy`` file of distances, float (62, 62), symmetric, in the order digits, upper case, lower case; without it
    :func:`rendered_distances`.  A character's own weight is 1.  With *compat* a letter's is 1 / distance of its two cases,
    as the authors' code has it by a slip.

    Raises:
        OptionError: the file cannot be used.
    """
    distances = rendered_distances() if path is None else _read(path)
    with np.errstate(divide="ignore"):
        weights = 1.0 / distances
    weights[~np.isfinite(weights)] = 1.0
    result = np.ones((37, 37))
    for i in range(36):
        row = i if i < 10 else i + 26
        for j in range(36):
            cases = [j] if j < 10 else [j, j + 26]
            result[i + 1, j + 1] = max(weights[row, case] for case in cases if case != row or len(cases) == 1)
        if not compat or i < 10:
            result[i + 1, i + 1] = 1.0
    return torch.from_numpy(result).float()


def _read(path: Path) -> NDArray[np.float64]:
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise OptionError(f"The distances {path} cannot be read ({error}); give a .npy file of 62 x 62 numbers.") from error
    if values.shape != (62, 62) or not np.issubdtype(values.dtype, np.number) or not (np.isfinite(values) & (values >= 0)).all():
        raise OptionError(
            f"{path} holds {values.dtype} {values.shape}, but 62 x 62 distances of 0 or more were expected; give others."
        )
    return np.asarray(values, dtype=np.float64)


@lru_cache(maxsize=1)
def _images() -> NDArray[np.float32]:
    fonts = [font for font in installed_fonts() if font.covers(CHARACTERS)]
    chosen = [fonts[index * len(fonts) // FONTS] for index in range(FONTS)] if len(fonts) > FONTS else fonts
    return np.stack([[_glyph(font, character) for character in CHARACTERS] for font in chosen])


def _glyph(font_file: FontFile, character: str) -> NDArray[np.float32]:
    font = open_font(font_file.path, font_file.index, round(0.75 * SIDE))
    layer = Image.new("L", (SIDE, SIDE), 0)
    ImageDraw.Draw(layer).text((SIDE / 2, 0.75 * SIDE), character, fill=255, font=font, anchor="ms")
    return np.asarray(layer, dtype=np.float32) / np.float32(255)


def rendered_distances() -> NDArray[np.float64]:
    """Return distances (62, 62): root of the mean square difference of 28 x 28 images, mean over up to 20 fonts.

    Scaled to a median of 1 and at least 0.02 apart, as the published ones are; 0 on the diagonal.
    """
    images = _images().astype(np.float64)
    flat = images.reshape(*images.shape[:2], -1)
    squares = ((flat[:, :, None] - flat[:, None]) ** 2).mean(axis=3)
    distances = np.sqrt(squares).mean(axis=0)
    other = ~np.eye(len(CHARACTERS), dtype=bool)
    distances = np.maximum(distances / np.median(distances[other]), NEAREST)
    np.fill_diagonal(distances, 0.0)
    return np.asarray(distances)
