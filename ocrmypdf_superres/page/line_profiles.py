# SPDX-License-Identifier: MPL-2.0
"""The bands of text lines in row profiles of a page.

The page is cut into narrow vertical strips, the ink of every strip is summed along its rows, and the bands of text lines in
these profiles are as high as the x-height, because few letters extend above or below it. A profile averages over many
pixels, so noise, blur and touching letters hardly change it, and its flanks are measured with sub-pixel precision.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ocrmypdf_superres.page.image import FloatImage
from ocrmypdf_superres.page.ink import running_maximum

#: Share of the line distance over which profiles are smoothed.
SMOOTHING = 0.1
#: Height of a profile, between gap and text, at which a text line is measured.
LEVEL = 0.5
#: Bands thinner than this share of the line distance may be the bars of slab serifs.
THIN = 0.17
#: Smoothing that joins them, in heights of a bar.
BAR_SMOOTHING = 2.5
#: Bands nearer to the expected height than this, in its logarithm, agree with it.
NEAR = 0.26
#: Width of the strips, in x-heights, about a dozen letters: enough for an average, and narrow where a page is not straight. In
#: pixels it is at least the second.
STRIP, NARROWEST = 12, 24
#: Distance of lines, in x-heights, that is tried besides those found, and that is assumed where no band has a neighbour.
TRIED_DISTANCE, ASSUMED_DISTANCE = 2.6, 2.5
#: A peak of the autocorrelation, which is 1 without shift, shows lines from this value on ...
PEAK = 0.05
#: ... and the first peaks that are higher than these shares of the highest are the likely distances of lines.
LIKELY_PEAKS = (0.4, 0.7, 0.95)
#: Neighbours nearer than this share of the line distance are parts of one line.
ONE_LINE = 0.8
#: Bands less than this many times as high as the span that profiles are smoothed over may come from the smoothing.
SMEARED = 1.3
#: Bars that were joined are lower than this share of the line distance.
JOINED = 0.6
#: Rows on either side among which the gap and the text at a place are found, in line distances.
AROUND = 0.75
#: Depth between text and gap, in mean ink, that a tenth of a page reaches where it has lines at all ...
FLAT = 0.02
#: ... and the share of that tenth's depth from which a place has a line.
SHALLOW = 0.35
#: Bands that are needed to measure a page.
LEAST_BANDS = 3
#: Height of a band: more pixels than the first, and less than the second share of the profile.
LOWEST, TALLEST = 1.2, 0.25
#: Width of the bins, in the logarithm of the height, in which the most frequent height is found, and how far they go beyond the
#: largest one ...
BIN, BEYOND = 0.1, 0.3
#: ... and how far from it, in the same measure, the heights are of which the median is taken.
LIKE = 0.4
#: Distances of neighbours between these, in heights of a band, are those of lines.
LINES_APART = (1.3, 8)


@dataclass(frozen=True)
class Bands:
    """Bands of text lines: their median height and distance in pixels, their number, and about how many lines they are of."""

    height: float
    distance: float
    number: int
    lines: int


def find_bands(ink: FloatImage, expected: float) -> Bands | None:
    """Return the bands in *ink*, float32 (H, W) in 0..1, that fit a height of *expected* pixels best; None without any."""
    width = int(np.clip(STRIP * expected, NARROWEST, max(NARROWEST, ink.shape[1])))
    profile = _profiles(ink, width)
    best: Bands | None = None
    strips = max(1.0, ink.shape[1] / width)
    for pitch in [*_pitches(profile), TRIED_DISTANCE * expected, 0.0]:
        found = _line_bands(profile, pitch)
        if found is None:
            continue
        bands = Bands(*found, max(1, round(found[2] / strips)))
        if best is None or _merit(bands, expected) > _merit(best, expected):
            best = bands
    return best


def _merit(bands: Bands, expected: float) -> float:
    """Return how good *bands* are: many of about the height that is expected, or else the nearest to it."""
    distance = abs(float(np.log(bands.height / expected)))
    return float(bands.number) if distance < NEAR else -distance


def _profiles(ink: FloatImage, width: int) -> FloatImage:
    """Return the mean ink along the rows of strips *width* pixels wide: float32 (H, strips)."""
    height, total = ink.shape
    count = max(1, total // width)
    strips: FloatImage = ink[:, : count * width].reshape(height, count, -1).mean(axis=2).astype(np.float32)
    return strips


def _pitches(profile: FloatImage) -> list[float]:
    """Return likely distances of text lines in pixels, from the autocorrelation of the profiles; at most three."""
    rows = profile.shape[0]
    centred = profile - profile.mean(axis=0)
    spectrum = np.abs(np.fft.rfft(centred, 2 * rows, axis=0)) ** 2
    correlation = np.fft.irfft(spectrum.sum(axis=1))[: rows // 3]
    if correlation.size < 8 or correlation[0] <= 0:
        return []
    correlation = correlation / correlation[0]
    inner = correlation[1:-1]
    peaks = np.flatnonzero((inner > correlation[:-2]) & (inner >= correlation[2:])) + 1
    below = np.flatnonzero(correlation < 0.0)
    # Bumps on the slope of the main lobe are noise, not lines.
    peaks = peaks[(peaks > (below[0] if below.size else correlation.size)) & (correlation[peaks] > PEAK)]
    if not peaks.size:
        return []
    heights = correlation[peaks]
    likely = {int(peaks[heights > share * heights.max()][0]) for share in LIKELY_PEAKS}
    return [float(peak) for peak in sorted(likely)]


def _line_bands(profile: FloatImage, pitch: float) -> tuple[float, float, int] | None:
    """Return :func:`_bands` for lines *pitch* pixels apart (0: not known), with the bars of slab serifs joined."""
    found = _bands(profile, pitch, SMOOTHING * pitch)
    if found is not None and found[0] < THIN * pitch and found[1] < ONE_LINE * pitch:
        # Slab serifs make two thin bars of an x-height, which are nearer to each other than lines: smoothing joins them.
        wider = BAR_SMOOTHING * found[0]
        joined = _bands(profile, pitch, wider)
        if joined is not None and SMEARED * wider < joined[0] < JOINED * pitch and joined[1] > ONE_LINE * pitch:
            return joined
    if found is None or found[0] < SMEARED * SMOOTHING * pitch:
        return None  # no bands, or bands only as wide as the smoothing
    return found


def _smoothed(profile: FloatImage, span: float) -> FloatImage:
    """Return the running mean over *span* rows, which may be a fraction; 1 and less change nothing."""
    if span <= 1.0:
        return profile
    side = (span - 1.0) / 2.0
    whole = int(side)
    kernel = np.ones(2 * whole + 3, dtype=np.float32)
    kernel[0] = kernel[-1] = side - whole
    kernel /= kernel.sum()
    padded = np.pad(profile, ((whole + 1, whole + 1), (0, 0)), mode="edge")
    rows = profile.shape[0]
    return np.asarray(sum(weight * padded[i : i + rows] for i, weight in enumerate(kernel)), dtype=np.float32)


def _bands(profile: FloatImage, pitch: float, span: float) -> tuple[float, float, int] | None:
    """Return the median height of text bands, the median distance of neighbours, and their number; None without bands."""
    radius = int(max(3, round(AROUND * pitch))) if pitch else max(6, min(60, profile.shape[0] // 8))
    # Smoothing fills dips inside a line and leaves its width at half height.
    up, down = _flanks(_smoothed(profile, span), radius)
    if up.size < LEAST_BANDS:
        return None
    heights = down - up
    centres = (up + down) / 2
    distances = np.diff(centres)
    rows = profile.shape[0] + 2
    same = np.diff((centres // rows).astype(int)) == 0
    good = (heights > LOWEST) & (heights < TALLEST * profile.shape[0])
    if good.sum() < LEAST_BANDS:
        return None
    logs = np.log(heights[good])
    counts, edges = np.histogram(logs, bins=np.arange(logs.min() - BIN, logs.max() + BEYOND, BIN), weights=heights[good])
    smooth = np.convolve(counts, [1.0, 2.0, 3.0, 2.0, 1.0], mode="same")
    mode = edges[int(np.argmax(smooth))] + BIN / 2
    near = good & (np.abs(np.log(np.maximum(heights, 1e-3)) - mode) < LIKE)
    height = float(np.median(heights[near]))
    gaps = distances[same & near[:-1] & near[1:]]
    gaps = gaps[(gaps > LINES_APART[0] * height) & (gaps < LINES_APART[1] * height)]
    return height, float(np.median(gaps)) if gaps.size else ASSUMED_DISTANCE * height, int(near.sum())


def _flanks(profile: FloatImage, radius: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where bands begin and where they end, in rows of all strips one after another, each with a row before and after.

    A band is where *profile* lies above half way between the gaps and the text within *radius* rows.
    """
    high = running_maximum(profile, radius)
    low = -running_maximum(-profile, radius)
    depth = high - low
    typical = float(np.percentile(depth, 90))
    if typical < FLAT:
        return np.zeros(0), np.zeros(0)
    level = np.where(depth > SHALLOW * typical, low + LEVEL * depth, 2.0)
    over = np.pad(profile - level, ((1, 1), (0, 0)), constant_values=-1.0).T.ravel()
    rising = np.flatnonzero((over[:-1] < 0) & (over[1:] >= 0))
    falling = np.flatnonzero((over[:-1] >= 0) & (over[1:] < 0))
    # Where the threshold jumps the flank is not to be interpolated far: the share is clipped.
    up = rising + np.clip(over[rising] / (over[rising] - over[rising + 1]), 0, 1)
    down = falling + np.clip(over[falling] / (over[falling] - over[falling + 1]), 0, 1)
    return up, down
