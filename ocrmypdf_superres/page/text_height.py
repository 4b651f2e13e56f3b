# SPDX-License-Identifier: MPL-2.0
"""How high the text of a page is, in pixels, measured from the grey page itself.

The dpi that a scan claims is often wrong, but the height of a lower-case ``x`` decides how well it can be read.
The measurement works on row profiles: the page is cut into narrow vertical strips, the ink of every strip is
summed along its rows, and the bands of text lines in these profiles are as high as the x-height, because
few letters extend above or below it. A profile averages over many pixels, so noise, blur and touching letters
hardly change it, and its flanks are measured with sub-pixel precision; letters need not be segmented.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from ocrmypdf_superres.page.image import FloatImage

#: Pixels above which a page is sampled instead of measured whole.
MAX_MEASURED_PIXELS = 12_000_000
#: Larger pages are first measured at about this many pixels; text that is high enough then is not measured again.
COARSE_PIXELS = 1_200_000
COARSE_HEIGHT = 16.0
#: Share of the line distance over which profiles are smoothed.
SMOOTHING = 0.1
#: Height of a profile, between gap and text, at which a text line is measured.
LEVEL = 0.5
#: Bands thinner than this share of the line distance may be the bars of slab serifs.
THIN = 0.17
#: Smoothing that joins them, in heights of a bar.
BAR_SMOOTHING = 2.5


@dataclass(frozen=True)
class TextHeight:
    """The result of a measurement.

    Attributes:
        x_height: median height of lower-case letters without ascender, in pixels; None without text.
        lines: about how many text lines the page has.
        ink: share of the page's pixels covered with ink, 0..1.
        bands: how many pieces of text lines the median is of.
        noise: standard deviation of the paper, as a share of the contrast between paper and ink.
    """

    x_height: float | None
    lines: int
    ink: float
    bands: int
    noise: float = 0.0


def measure_text_height(luma: FloatImage) -> TextHeight:
    """Measure *luma*, float32 (H, W) in [0, 1] with 1 = white paper.

    Never raises for an image of any size, 1x1 included: without text the x-height is None.
    """
    if min(luma.shape) < 8:
        return TextHeight(None, 0, 0.0, 0)
    shrink = int(np.sqrt(luma.size / COARSE_PIXELS))
    if shrink > 1:
        coarse = _measure(np.asarray(Image.fromarray(luma).reduce(shrink), dtype=np.float32))
        if coarse.x_height is not None and coarse.x_height * shrink >= COARSE_HEIGHT and coarse.x_height >= 6.0:
            return replace(coarse, x_height=coarse.x_height * shrink)
    return _measure(luma)


def _measure(luma: FloatImage) -> TextHeight:
    inked = _ink(luma)
    if inked is None:
        return TextHeight(None, 0, 0.0, 0)
    ink, noise = inked
    share = float((ink > 0.5).mean())
    _erase_rules(ink)
    width = max(24, min(luma.shape[1], 64))
    profile = _profiles(ink, width)
    pitch, best = 0.0, None
    candidates = [*_pitches(profile), 0.0]
    for candidate in candidates:
        found = _line_bands(profile, candidate)
        if found is None:
            continue
        # The right pitch explains the most: its bands cover most rows, and are as far apart as it says.
        if best is None or _merit(found, candidate) > _merit(best, pitch):
            pitch, best = candidate, found
        # The distance of the bands themselves is worth a try.
        if len(candidates) < 6 and all(abs(found[1] / other - 1.0) > 0.15 for other in candidates if other):
            candidates.append(found[1])
    if best is None:
        return TextHeight(None, 0, share, 0, noise)
    # About a dozen letters: wide enough for an average, narrow enough for a page that is not straight.
    width = int(np.clip(12 * best[0], 24, max(24, luma.shape[1])))
    height, _, bands = _line_bands(_profiles(ink, width), pitch or best[1]) or best
    strips = max(1.0, luma.shape[1] / width)
    return TextHeight(height, max(1, round(bands / strips)), share, bands, noise)


def measured_part(image: Image.Image) -> Image.Image:
    """Return *image*, or of a very large page the stripe through its middle that is enough to measure."""
    width, height = image.size
    rows = max(1, MAX_MEASURED_PIXELS // width)
    if rows >= height:
        return image
    top = (height - rows) // 2
    return image.crop((0, top, width, top + rows))


def page_ink(luma: FloatImage) -> FloatImage | None:
    """Return the ink of *luma*, float32 (H, W) in about 0..1 against the local paper, without ruled lines; None if blank."""
    found = _ink(luma) if min(luma.shape) >= 8 else None
    if found is None:
        return None
    _erase_rules(found[0])
    return found[0]


def _ink(luma: FloatImage) -> tuple[FloatImage, float] | None:
    """Return the ink in about 0..1, which is darkness against the local paper over the page's contrast, and the noise.

    The noise is the paper's standard deviation over the contrast. None: the page is blank.
    """
    height, width = luma.shape
    if float(np.median(luma[::4, ::4])) < 0.35 and float(np.percentile(luma[::4, ::4], 98)) > 0.5:
        luma = 1.0 - luma  # white letters on black
    block = int(np.clip(min(height, width) // 24, 16, 96))
    step = max(1, block // 16)
    sub = luma[::step, ::step]
    size = block // step
    rows, cols = max(1, sub.shape[0] // size), max(1, sub.shape[1] // size)
    tiles = sub[: rows * size, : cols * size]
    tiles = tiles.reshape(rows, tiles.shape[0] // rows, cols, tiles.shape[1] // cols)
    paper = np.percentile(tiles, 85, axis=(1, 3)).astype(np.float32)
    smooth = np.asarray(Image.fromarray(paper).resize((width, height), Image.Resampling.BILINEAR))
    ink = np.maximum(smooth - luma, 0.0)
    # The lower quartile of differences stays that of the paper even where letters cover half the page.
    noise = float(np.percentile(np.abs(np.diff(luma[::2, ::2], axis=1)), 25)) / 0.45
    usual, rare = (float(level) for level in np.percentile(ink[::2, ::2], (99.0, 99.95)))
    if usual >= max(0.06, 3.7 * noise):
        contrast = usual
    elif rare >= max(0.12, 5.5 * noise):
        contrast = rare  # a page of few words
    else:
        return None
    return np.minimum(ink / contrast, 1.0, dtype=np.float32), noise / contrast


def _erase_rules(ink: FloatImage) -> None:
    """Erase ruled lines, which are not text, from *ink*: runs far longer than any letter."""
    height, width = ink.shape
    length = max(32, width // 16)
    if width <= length + 1:
        return
    count = np.zeros((height, width + 1), dtype=np.int32)
    np.cumsum(ink > 0.4, axis=1, out=count[:, 1:])
    full = count[:, length:] - count[:, :-length] == length
    rows = np.flatnonzero(full.any(axis=1))
    if not rows.size:
        return
    starts = np.zeros((rows.size, width + 1), dtype=np.int32)
    starts[:, : full.shape[1]] = full[rows]
    starts[:, length:] -= full[rows][:, : width + 1 - length]
    ruled = np.zeros((height + 2, width), dtype=bool)
    ruled[rows + 1] = np.cumsum(starts, axis=1)[:, :width] > 0
    # The grey edges above and below belong to the rule.
    ink[ruled[1:-1] | ruled[:-2] | ruled[2:]] = 0.0


def running_maximum(values: FloatImage, radius: int) -> FloatImage:
    """Return the maximum over 2 radius + 1 rows of *values*, float32 (H, W); edges are repeated."""
    out, done = values, 0
    # Doubling: a window of any length from few shifts.
    while done < radius:
        shift = min(radius - done, max(1, done))
        padded = np.pad(out, ((shift, shift), (0, 0)), mode="edge")
        out = np.maximum(np.maximum(padded[: -2 * shift], padded[2 * shift :]), out)
        done += shift
    return out


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
    peaks = peaks[(peaks > (below[0] if below.size else correlation.size)) & (correlation[peaks] > 0.05)]
    if not peaks.size:
        return []
    heights = correlation[peaks]
    likely = {int(peaks[heights > share * heights.max()][0]) for share in (0.4, 0.7, 0.95)}
    return [float(peak) for peak in sorted(likely)]


def _line_bands(profile: FloatImage, pitch: float) -> tuple[float, float, int] | None:
    """Return :func:`_bands` for lines *pitch* pixels apart (0: not known), with the bars of slab serifs joined."""
    found = _bands(profile, pitch, SMOOTHING * pitch)
    if found is not None and found[0] < THIN * pitch and found[1] < 0.8 * pitch:
        # Slab serifs make two thin bars of an x-height, which are nearer to each other than lines: smoothing joins them.
        wider = BAR_SMOOTHING * found[0]
        joined = _bands(profile, pitch, wider)
        if joined is not None and 1.3 * wider < joined[0] < 0.6 * pitch and joined[1] > 0.8 * pitch:
            return joined
    if found is None or found[0] < 1.3 * SMOOTHING * pitch:
        return None  # no bands, or bands only as wide as the smoothing
    return found


def _merit(found: tuple[float, float, int], pitch: float) -> float:
    height, gap, bands = found
    consistent = pitch > 0 and abs(gap / pitch - 1.0) < 0.2 and THIN < height / pitch < 0.65
    return height * bands * (2.0 if consistent else 1.0)


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
    radius = int(max(3, round(0.75 * pitch))) if pitch else max(6, min(60, profile.shape[0] // 8))
    # Smoothing fills dips inside a line and leaves its width at half height.
    profile = _smoothed(profile, span)
    high = running_maximum(profile, radius)
    low = -running_maximum(-profile, radius)
    depth = high - low
    typical = float(np.percentile(depth, 90))
    if typical < 0.02:
        return None
    level = np.where(depth > 0.35 * typical, low + LEVEL * depth, 2.0)
    over = np.pad(profile - level, ((1, 1), (0, 0)), constant_values=-1.0).T.ravel()
    rising = np.flatnonzero((over[:-1] < 0) & (over[1:] >= 0))
    falling = np.flatnonzero((over[:-1] >= 0) & (over[1:] < 0))
    if rising.size < 3:
        return None
    # Where the threshold jumps the flank is not to be interpolated far: the share is clipped.
    up = rising + np.clip(over[rising] / (over[rising] - over[rising + 1]), 0, 1)
    down = falling + np.clip(over[falling] / (over[falling] - over[falling + 1]), 0, 1)
    heights = down - up
    centres = (up + down) / 2
    distances = np.diff(centres)
    rows = profile.shape[0] + 2
    same = np.diff((centres // rows).astype(int)) == 0
    good = (heights > 1.2) & (heights < profile.shape[0] / 4)
    if good.sum() < 3:
        return None
    logs = np.log(heights[good])
    counts, edges = np.histogram(logs, bins=np.arange(logs.min() - 0.1, logs.max() + 0.3, 0.1), weights=heights[good])
    smooth = np.convolve(counts, [1.0, 2.0, 3.0, 2.0, 1.0], mode="same")
    mode = edges[int(np.argmax(smooth))] + 0.05
    near = good & (np.abs(np.log(np.maximum(heights, 1e-3)) - mode) < 0.4)
    height = float(np.median(heights[near]))
    gaps = distances[same & near[:-1] & near[1:]]
    gaps = gaps[(gaps > 1.3 * height) & (gaps < 8 * height)]
    return height, float(np.median(gaps)) if gaps.size else 2.5 * height, int(near.sum())
