# SPDX-License-Identifier: MPL-2.0
"""How high the text of a page is, in pixels, measured from the grey page itself.

The dpi that a scan claims is often wrong, but the height of a lower-case ``x`` decides how well it can be read. Two measures
that know nothing of each other are taken: a small network looks at tiles of the page and gives hypotheses with their
support, in any script, layout and turn; and the bands of text lines in row profiles are measured. Where neither the
network is sure nor the bands confirm one of its hypotheses, the height is not sure, and the plan goes by the dpi.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ocrmypdf_superres.page.height_network import BINS, KINDS, LOWEST, TILE, TURNS, Sight, bin_heights, choose_tiles, look_at
from ocrmypdf_superres.page.image import FloatImage, densest_rows
from ocrmypdf_superres.page.ink import LEAST_SIDE, erase_rules, ink_and_noise
from ocrmypdf_superres.page.line_profiles import Bands, find_bands
from ocrmypdf_superres.page.shading import unevenness

#: Pixels above which a page is sampled instead of measured whole: more than a page of A4 or letter has at the 400 dpi at which
#: OCRmyPDF rasterizes vectors.
MAX_MEASURED_PIXELS = 16_000_000
#: The page is first measured reduced to about this many pixels, and at a larger size only where its text is small there.
COARSE_PIXELS = 900_000
#: Heights between these, in pixels of the image that the network is given, are measured well.
COMFORT = (4.5, 24.0)
#: Letters this high, in pixels of the page, have the ink of their lines looked at in every second pixel.
LARGE = 16.0
#: Share of the support that a hypothesis needs to be sure, alone and where the bands agree with it.
SURE, SURE_WITH_BANDS = 0.6, 0.25
#: Heights whose logarithms are nearer than this are of one hypothesis: the bins around them overlap.
DISTINCT = 0.4
#: Probability that lines run up or down, and the tiles with text, from which a page is taken to be sideways.
SIDEWAYS, SIDEWAYS_TILES = 0.85, 3.0
#: Place of ideographs among the kinds of letters, and the probability from which letters are taken for such.
IDEOGRAPHS, SURELY_IDEOGRAPHS = KINDS.index("ideographs"), 0.5
#: The network underestimates the height of ideographs of the training fonts by this factor.
IDEOGRAPHS_LOW = 1.03
#: Probability from which a tile shows text, and the one that the best tile of a page with text has: on text it is nearly 1, on
#: dots, staves and hatching it may come to 0.9.
TEXT_TILE, SURE_TILE = 0.9, 0.98
#: Fewer tiles of text than this count as none.
LEAST_TEXT = 0.8
#: Letters below this share of the height with the most support are much smaller. They are most of the page's letters where they
#: have at least this much of the support, and this share of the letters.
SMALLER, SMALLER_SUPPORT, SMALLER_LETTERS = 0.6, 0.25, 0.6
#: They do not count where they are lower in pixels, and hardly readable at any size, as names on maps are beside their legend.
SMALLEST = 5.0
#: Share of the support that the small print of a page has at least.
SMALL_SHARE = 0.2
#: Tiles of text that a page must show where it shows none unless it is reduced.
HALVED_TEXT = 3.0
#: Pixels on the shorter side above which a page is looked at reduced COARSER times, too, where that may show its text.
WIDE_ENOUGH, COARSER = 300, 3
#: Share of the contrast from which a pixel counts as ink.
INKED = 0.5


@dataclass(frozen=True)
class TextHeight:
    """The result of a measurement.

    Attributes:
        x_height: median height of lower-case letters without ascender, or of the letters of scripts without lower case, in
            pixels; None without text.
        lines: about how many text lines the page has.
        ink: share of the page's pixels covered with ink, 0..1.
        bands: how many pieces of text lines were found.
        noise: standard deviation of the paper, as a share of the contrast between paper and ink.
        sure: whether the height can be relied on.
        sideways: whether the lines run up or down the page.
        skew: degrees that the lines rise to the right, or would, were the page turned.
        kind: of letters, one of ``KINDS`` of the network.
        ideographs: probability that they are ideographs, 0..1.
        uneven: how much the light on the paper varies, see :func:`~ocrmypdf_superres.page.shading.unevenness`.
        small: height below which a fifth of the text is, in pixels; about 0.85 of the x-height where all is of one size;
            None without text.
    """

    x_height: float | None
    lines: int
    ink: float
    bands: int
    noise: float = 0.0
    sure: bool = True
    sideways: bool = False
    skew: float = 0.0
    kind: str = KINDS[0]
    uneven: float = 0.0
    small: float | None = None
    ideographs: float = 0.0


@dataclass(frozen=True)
class Evidence:
    """The network's output for the tiles of a page, combined.

    Attributes:
        text: how many tiles show text.
        support: of each bin of height, of 1 in all; heights are in pixels of the page.
        heights: of the bins.
        turns, kinds: mean probabilities.
        skew: median, in degrees.
        decided: mean over the tiles of the most support that neighbouring heights have on one tile: low where each tile may be of
            one height or another, high where letters of several heights stand side by side.
    """

    text: float
    support: NDArray[np.float32]
    heights: NDArray[np.float32]
    turns: NDArray[np.float32]
    kinds: NDArray[np.float32]
    skew: float
    decided: float = 0.0

    @property
    def sideways(self) -> bool:
        """Whether the lines run up or down the page."""
        return self.text >= SIDEWAYS_TILES and float(self.turns[1] + self.turns[3]) > SIDEWAYS

    def best(self) -> tuple[float, float]:
        """Return the height with the most support, and the share of the support around it."""
        return self.around(int(np.argmax(np.convolve(self.support, np.ones(3), "same"))))

    def around(self, place: int) -> tuple[float, float]:
        """Return the mean height around bin *place* and the share of the support there."""
        near = slice(max(0, place - 2), place + 3)
        share = self.support[near]
        total = float(share.sum())
        if not total:
            return float(self.heights[place]), 0.0
        return float(np.exp((share * np.log(self.heights[near])).sum() / total)), total

    def smaller(self, height: float) -> float | None:
        """Return the height of letters much smaller than *height* that are most of the page's letters; None where they are not.

        A title takes as much room as the text under it, with a tenth of the letters.
        """
        if self.decided < SURE:
            return None
        letters = self.support / self.heights**2
        low = self.heights < SMALLER * height
        if self.support[low].sum() < SMALLER_SUPPORT or letters[low].sum() < SMALLER_LETTERS * letters.sum():
            return None
        found, share = self.around(int(np.argmax(np.convolve(self.support * low, np.ones(3), "same"))))
        return found if share >= SMALLER_SUPPORT and found >= SMALLEST else None

    def near(self, height: float) -> tuple[float, float]:
        """Return the mean height around *height* and the share of the support there."""
        return self.around(int(np.argmin(np.abs(np.log(self.heights / height)))))

    def below(self, share: float) -> float:
        """Return the height below which there is *share* of the support."""
        return float(np.interp(share, np.cumsum(self.support), self.heights))


def measure_text_height(luma: FloatImage) -> TextHeight:
    """Measure *luma*, float32 (H, W) in [0, 1] with 1 = white paper.

    Without text the x-height is None, for an image of any size, 1x1 included.

    Raises:
        ModelError: the network's file is missing or damaged.
    """
    if min(luma.shape) < LEAST_SIDE or luma.min() == luma.max():
        return TextHeight(None, 0, 0.0, 0)
    shrink = max(1, round(float(np.sqrt(luma.size / COARSE_PIXELS))))
    evidence = look(luma, shrink)
    found = evidence.best()[0]
    if shrink > 1 and (evidence.text < LEAST_TEXT or found < COMFORT[0] * shrink):
        finer = look(luma, 1)
        evidence = finer if finer.text >= LEAST_TEXT or evidence.text < LEAST_TEXT else evidence
    elif shrink == 1:
        evidence = _reduced(luma, evidence)
    if evidence.sideways:
        evidence = _upright(luma, evidence)
    # Of a page without text, only the share of ink is told.
    every = 2 if evidence.text < LEAST_TEXT or evidence.best()[0] >= LARGE else 1
    inked = ink_and_noise(luma, every)
    if inked is None:
        return TextHeight(None, 0, 0.0, 0)
    return replace(conclude(evidence, *inked, every), uneven=unevenness(luma))


def _reduced(luma: FloatImage, evidence: Evidence) -> Evidence:
    """Return *evidence* of *luma*, or where it shows no text or letters too large for the network, of *luma* reduced."""
    if min(luma.shape) > WIDE_ENOUGH and (evidence.best()[0] > COMFORT[1] or evidence.text < LEAST_TEXT):
        coarser = look(luma, COARSER)
        # Smaller letters than these would have been seen before: what looks like such now is scribble.
        if coarser.text >= max(LEAST_TEXT, evidence.text / 2) and coarser.best()[0] > COMFORT[0] * COARSER:
            evidence = coarser
    if evidence.text < LEAST_TEXT and min(luma.shape) >= 2 * TILE:
        # Under strong noise, and in one bit, letters look like texture until neighbours are averaged.
        halved = look(luma, 2)
        evidence = halved if halved.text >= HALVED_TEXT else evidence
    return evidence


def _upright(luma: FloatImage, evidence: Evidence) -> Evidence:
    """Return *evidence* of *luma* turned upright, with its turns kept: letters on their side are measured worse."""
    turns = int(np.argmax(evidence.turns))
    upright = look(np.rot90(luma, -turns), round(float(evidence.heights[0]) / LOWEST))
    return replace(upright, turns=evidence.turns) if upright.text >= SIDEWAYS_TILES else evidence


def look(luma: FloatImage, shrink: int) -> Evidence:
    """Return what the network sees on *luma* reduced *shrink* times; raises as :func:`measure_text_height`."""
    if shrink > 1:
        luma = np.asarray(Image.fromarray(luma).reduce(shrink), dtype=np.float32)
    return weigh(look_at(choose_tiles(luma)), shrink)


def weigh(sight: Sight, shrink: int) -> Evidence:
    """Return the evidence of all tiles together; those without text do not count."""
    limit = TEXT_TILE if float(sight.text.max()) > SURE_TILE else 1.0
    weights = np.where(sight.text > limit, sight.text, 0.0)
    total = float(weights.sum())
    heights = bin_heights() * np.float32(shrink)
    if not total:
        return Evidence(0.0, np.zeros(BINS, np.float32), heights, np.full(TURNS, 1 / TURNS), np.full(len(KINDS), 0.25), 0.0)
    share = weights[:, None] / total
    support = (share * sight.heights).sum(axis=0)
    turns = np.exp((share * np.log(sight.turns + 1e-4)).sum(axis=0))
    kinds = np.exp((share * np.log(sight.kinds + 1e-4)).sum(axis=0))
    skew = float(np.median(sight.skew[weights > 0]))
    near = np.pad(np.cumsum(sight.heights, axis=1), ((0, 0), (1, 0)))
    decided = float((share[:, 0] * (near[:, 5:] - near[:, :-5]).max(axis=1)).sum())
    return Evidence(total, support, heights, turns / turns.sum(), kinds / kinds.sum(), skew, decided)


def conclude(evidence: Evidence, ink: FloatImage, noise: float, every: int = 1) -> TextHeight:
    """Return what follows from *evidence* and the bands of lines in *ink*, float32 (H, W) in 0..1 of the page.

    *noise* is that of the paper, as a share of the contrast; *ink* has one pixel in *every* rows and columns.
    """
    share = np.count_nonzero(ink > INKED) / ink.size
    if evidence.text < LEAST_TEXT:
        return TextHeight(None, 0, share, 0, noise)
    height, support = evidence.best()
    bands = _bands(ink, height, evidence.sideways, every)
    sure = support >= SURE
    if not sure and bands is not None:
        other, share_there = evidence.near(bands.height)
        if share_there >= SURE_WITH_BANDS:
            sure = True
            # Bands tell one hypothesis from another; of one, the network knows the height better in most scripts.
            if abs(np.log(bands.height / height)) > DISTINCT:
                height = other
    height = evidence.smaller(height) or height
    kind = _kind(evidence)
    if kind == KINDS[IDEOGRAPHS]:
        height *= IDEOGRAPHS_LOW
    lines = bands.lines if bands is not None else max(1, round(evidence.text))
    return TextHeight(
        height, lines, share, bands.number if bands is not None else 0, noise, sure, evidence.sideways, evidence.skew,
        kind, small=evidence.below(SMALL_SHARE), ideographs=float(evidence.kinds[IDEOGRAPHS]),
    )  # fmt: skip


def _kind(evidence: Evidence) -> str:
    """Return the kind of letters; ideographs, which are scaled to another height, only where that is sure."""
    kinds = [float(share) for share in evidence.kinds]
    if kinds[IDEOGRAPHS] < SURELY_IDEOGRAPHS:
        kinds[IDEOGRAPHS] = 0.0
    return KINDS[int(np.argmax(kinds))]


def _bands(ink: FloatImage, height: float, sideways: bool, every: int) -> Bands | None:
    """Return the bands of lines whose height is nearest to *height*, in pixels of the page; None where there are none."""
    reduced = max(1, int(height / (8 * every)))
    if reduced > 1:
        ink = np.asarray(Image.fromarray(ink).reduce(reduced), dtype=np.float32)
    shrink = reduced * every
    ink = np.array(np.rot90(ink, int(sideways)), dtype=np.float32)
    erase_rules(ink)
    found = find_bands(ink, height / shrink)
    return None if found is None else Bands(found.height * shrink, found.distance * shrink, found.number, found.lines)


def measured_part(image: Image.Image, densest: bool = False) -> Image.Image:
    """Return *image*, or of a very large page the stripe through its middle that is enough to measure, or its *densest* one."""
    width, height = image.size
    rows = max(1, MAX_MEASURED_PIXELS // width)
    if rows >= height:
        return image
    top = densest_rows(image, rows) if densest else (height - rows) // 2
    return image.crop((0, top, width, top + rows))
