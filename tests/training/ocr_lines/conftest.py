# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ocrmypdf_superres.training.data.ocr_lines.stream import LineStream
from ocrmypdf_superres.training.data.ocr_lines.texts import TextSource

PROSE = (
    "It was the habit of the old gardener to walk through the orchard before breakfast, and to count the apples which "
    "the wind had thrown into the grass; for Margaret, his daughter, made a sour jelly of them. "
)
OTHER_PROSE = (
    "Nobody remembered when the lighthouse had been painted last, yet each Thursday a ladder and two buckets were carried "
    "across the harbour by the keeper, whose name was Ferdinand. "
)


class Doubler:
    """Enlarges with Pillow, as a net would."""

    scales = (2, 3, 4)

    def upscale_bytes(self, levels, scale):
        height, width = levels.shape
        return np.asarray(Image.fromarray(levels).resize((width * scale, height * scale), Image.Resampling.BICUBIC))


@pytest.fixture
def text_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "text" / "eng"
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text(PROSE * 3)
    (folder / "b.txt").write_text(OTHER_PROSE * 3)
    return folder


@pytest.fixture
def stream(text_folder: Path) -> LineStream:
    return LineStream([TextSource(text_folder, "eng")], Doubler(), str.isascii, seed=5)
