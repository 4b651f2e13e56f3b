# SPDX-License-Identifier: MPL-2.0
"""A small network that estimates the height of the letters on tiles of a page, and whether there is text at all.

It was trained on rendered pages of every script and layout that ``ocrmypdf-superres heights`` measures, and on real ones.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ocrmypdf_superres.errors import ModelError
from ocrmypdf_superres.onnx_sessions import open_session
from ocrmypdf_superres.page.image import FloatImage

BINS, LOWEST, RATIO = 36, 1.6, 1.1
"""Bins of height: the first is of letters of LOWEST pixels, each further one of letters RATIO times as high."""
TURNS = 4
"""Quarter turns, counter-clockwise, by which text may be turned."""
TILE = 96
"""Side of the tiles that the network is given."""
KINDS = ("small letters", "capitals", "ideographs", "one case")
"""What letters look like: with lower case, capitals alone, ideographs, and letters of one height as of Hebrew."""
WEIGHTS = Path(__file__).with_name("height_network.onnx")
CELL = 24
"""Side of the cells of a page whose contrast says where to look."""
MAX_TILES = 16
CLEAR, PALE = 0.35, 0.12
"""Least contrast of a clear window, in shares of the 98th percentile, and of one of the paler rest, in shares of the former."""
SPREAD = 0.75
"""Share of the tiles that are spread over all clear windows."""


@dataclass(frozen=True)
class Sight:
    """The network's output for N tiles.

    Attributes:
        text: probability that there is text, (N,).
        heights: probabilities of the bins of height where there is, (N, BINS).
        turns: probabilities of the quarter turns, (N, TURNS).
        kinds: probabilities of the kinds of letters, (N, len(KINDS)).
        skew: degrees that lines rise to the right, (N,).
    """

    text: NDArray[np.float32]
    heights: NDArray[np.float32]
    turns: NDArray[np.float32]
    kinds: NDArray[np.float32]
    skew: NDArray[np.float32]


def bin_heights() -> NDArray[np.float32]:
    """Return the heights in pixels that the bins stand for, float32 (BINS,)."""
    return np.asarray(LOWEST * RATIO ** np.arange(BINS), dtype=np.float32)


def standardized(tiles: NDArray[Any]) -> FloatImage:
    """Return *tiles* (N, S, S) in [0, 1] as float32 of mean 0 and deviation 1; a flat tile stays near 0."""
    values = tiles - tiles.mean(axis=(1, 2), keepdims=True, dtype=np.float32)
    return np.asarray(values / np.maximum(values.std(axis=(1, 2), keepdims=True), 0.02), dtype=np.float32)


def look_at(tiles: FloatImage) -> Sight:
    """Return the network's output for *tiles*, float32 (N, TILE, TILE) in [0, 1].

    Raises:
        ModelError: the file of the network is missing or damaged.
    """
    answer = _session().run(["answer"], {"tiles": standardized(tiles)[:, None]})[0]
    ends = np.cumsum((1, BINS, TURNS, len(KINDS)))
    text, heights, turns, kinds, skew = np.split(np.asarray(answer, dtype=np.float32), ends, axis=1)
    found = np.asarray(1 / (1 + np.exp(-text[:, 0])), dtype=np.float32)
    return Sight(found, _softmax(heights), _softmax(turns), _softmax(kinds), 10 * skew[:, 0])


def choose_tiles(luma: FloatImage) -> FloatImage:
    """Return up to MAX_TILES tiles of *luma*, float32 (H, W), where there is most contrast, spread over the page."""
    if min(luma.shape) < TILE:
        more = [(0, max(0, TILE - side)) for side in luma.shape]
        luma = np.pad(luma, more, mode="edge")
    places = _places(_contrast(luma))
    rows = np.minimum(places[:, 0] * CELL, luma.shape[0] - TILE)
    columns = np.minimum(places[:, 1] * CELL, luma.shape[1] - TILE)
    return np.stack([luma[row : row + TILE, column : column + TILE] for row, column in zip(rows, columns, strict=True)])


def _contrast(luma: FloatImage) -> FloatImage:
    """Return the mean contrast of every window of TILE pixels that starts at a cell; (rows, columns) of cells."""
    steps = np.abs(luma[::2, 2::2] - luma[::2, :-2:2])
    half = CELL // 2
    rows, columns = max(1, steps.shape[0] // half), max(1, steps.shape[1] // half)
    cells = steps[: rows * half, : columns * half].reshape(rows, -1, columns, min(half, steps.shape[1])).mean(axis=(1, 3))
    span = TILE // CELL
    sums = np.pad(np.cumsum(np.cumsum(cells, 0), 1), ((1, 0), (1, 0)))
    down, right = max(1, rows - span + 1), max(1, columns - span + 1)
    low, high = min(span, rows), min(span, columns)
    windows = sums[low : low + down, high : high + right] - sums[:down, high : high + right]
    windows -= sums[low : low + down, :right] - sums[:down, :right]
    return np.asarray(windows / (low * high), dtype=np.float32)


def _places(contrast: FloatImage) -> NDArray[np.intp]:
    """Return (row, column) of the windows to look at.

    Most are spread over all that has clear contrast, a photograph as well as text; some are the best of the paler rest.
    """
    clear = CLEAR * float(np.percentile(contrast, 98))
    taken = np.zeros(contrast.shape, bool)
    places: list[tuple[int, int]] = []
    span = TILE // CELL
    for limit, least in ((int(SPREAD * MAX_TILES), clear), (MAX_TILES, PALE * clear)):
        strong = np.argwhere((contrast >= least) & ~taken)
        # Far apart in the order of a fixed shuffle, so that what is common on the page is common among the tiles.
        order = np.random.default_rng(0).permutation(len(strong))
        for row, column in strong[order]:
            if len(places) >= limit:
                break
            if taken[row, column]:
                continue
            places.append((int(row), int(column)))
            taken[max(0, row - span + 2) : row + span - 1, max(0, column - span + 2) : column + span - 1] = True
    return np.array(places or [(0, 0)], dtype=np.intp)


def _softmax(values: FloatImage) -> FloatImage:
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)


@lru_cache(maxsize=1)
def _session() -> Any:
    """Return the session, once in a process, after its file was compared with its card."""
    card = WEIGHTS.with_suffix(".json")
    try:
        digest = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
        wanted = json.loads(card.read_text(encoding="utf-8"))["sha256"]
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"The network that measures text cannot be read ({error}); install the package again.") from error
    if digest != wanted:
        raise ModelError(f"{WEIGHTS.name} is not the file that {card.name} describes; install the package again.")
    return open_session(WEIGHTS, threads=1)
