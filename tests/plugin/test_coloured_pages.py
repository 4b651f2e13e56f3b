# SPDX-License-Identifier: MPL-2.0
"""Pages of coloured ink and on coloured paper are read as well as their black-on-white twins, by the shipped net."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from plugin_pages import TEXT, WORDS, draw_page, image_pdf, ocrmypdf

from ocrmypdf_superres.metrics.text import score

Colours = tuple[str, str]
TWIN = ("#141414", "#fafafa")


def read(folder: Path, colours: Colours, size: int = 1) -> tuple[float, str]:
    """The share of missed words and what was logged, of a page whose (ink, paper) are *colours*."""
    grey = draw_page((640 * size, 420 * size), em=13 * size, lines=8)
    image = ImageOps.colorize(grey, *colours).convert("RGB")
    noise = np.random.default_rng(2).normal(0, 3, (image.height, image.width, 3))
    image = Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))
    source = image_pdf(folder / "in.pdf", [image], 75.0 * size)
    done = ocrmypdf(
        "-v1", "--output-type", "pdf", "--optimize", 0, "--superres-engines", "none", "--sidecar", folder / "out.txt", source,
        folder / "out.pdf",
    )  # fmt: skip
    found = (folder / "out.txt").read_text()
    truth = " ".join((WORDS * 4)[: len(found.split())])
    assert len(found.split()) > 40, found
    return 1.0 - score(found, truth).recall, done.stderr


@lru_cache(maxsize=2)
def _twin(folder: Path, size: int) -> float:
    return read(folder, TWIN, size)[0]


@pytest.mark.parametrize(
    "colours",
    [
        ("#96b4eb", "#fafafa"), ("#b996d2", "#f5f0eb"), ("#282828", "#fae15a"), ("#3c3c3c", "#c8a53c"), ("#7878fa", "#a08c3c"),
        ("#d25a5a", "#8c8782"), ("#fafafa", "#141414"), ("#a0a0aa", "#0a1428"),
    ],
    ids=[
        "pale blue ink", "spirit duplicate", "yellow paper", "dark yellow paper", "blue on ochre", "red on grey",
        "light on dark", "grey on dark",
    ],
)  # fmt: skip
def test_colour_costs_no_words(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, colours: Colours) -> None:
    assert TEXT.split() == WORDS
    missed, log = read(tmp_path, colours)
    assert missed <= _twin(tmp_path_factory.getbasetemp(), 1) + 0.02
    assert ("differs in colour only" in log) == (colours[0] in ("#7878fa", "#d25a5a"))


def test_a_large_page_of_coloured_ink_is_not_enlarged_but_read(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    missed, log = read(tmp_path, ("#7878fa", "#a08c3c"), 3)
    assert missed <= _twin(tmp_path_factory.getbasetemp(), 3) + 0.02
    assert "page left as it is" in log
