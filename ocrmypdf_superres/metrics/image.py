# SPDX-License-Identifier: MPL-2.0
"""How close an image is to its reference: mean squared error, PSNR and SSIM.

Images are float arrays of one shape with values in [0, 1]; SSIM takes (H, W) or (H, W, 3).
"""

from __future__ import annotations

from math import inf, log10
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ocrmypdf_superres.errors import ImageError

__all__ = ["psnr", "ssim", "ssim_textzoom"]

Image = NDArray[np.floating[Any]]


def _same_size(image: Image, reference: Image) -> None:
    if image.shape != reference.shape:
        raise ImageError(
            f"Images of {image.shape} and {reference.shape} were given, equal sizes were expected; "
            "enlarge to the reference's size."
        )


def mean_squared_error(image: Image, reference: Image) -> float:
    """Return the mean squared difference.

    Raises:
        ImageError: the sizes differ.
    """
    _same_size(image, reference)
    return float(np.mean(np.square(image.astype(np.float64) - reference)))


def decibels(error: float, least: float = 0.0) -> float:
    """Return the PSNR in dB, 10 log10(1 / MSE), of the mean squared error *error*; infinite for an error of 0.

    Args:
        error: of values in [0, 1].
        least: a smaller error counts as this one, so that means over images stay finite.
    """
    error = max(error, least)
    return -10.0 * log10(error) if error else inf


def psnr(image: Image, reference: Image) -> float:
    """Return the peak signal-to-noise ratio in dB; infinite for equal images.

    Raises:
        ImageError: the sizes differ.
    """
    return decibels(mean_squared_error(image, reference))


def ssim_textzoom(image: Image, reference: Image) -> float:
    """Return the mean SSIM as TextZoom's users compute it: Gaussian window of sigma 1.5 and 11 pixels, black outside.

    The mean is over all pixels and channels; images smaller than the window are allowed (Wang et al., ECCV 2020).

    Raises:
        ImageError: the sizes differ.
    """
    from scipy.ndimage import correlate1d

    _same_size(image, reference)
    taps = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    taps /= taps.sum()

    def smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(correlate1d(correlate1d(values, taps, axis=0, mode="constant"), taps, axis=1, mode="constant"))

    a, b = image.astype(np.float64), reference.astype(np.float64)
    mean_a, mean_b = smooth(a), smooth(b)
    spread_a, spread_b = smooth(a * a) - mean_a**2, smooth(b * b) - mean_b**2
    shared = smooth(a * b) - mean_a * mean_b
    first, second = 0.01**2, 0.03**2
    above = (2 * mean_a * mean_b + first) * (2 * shared + second)
    return float(np.mean(above / ((mean_a**2 + mean_b**2 + first) * (spread_a + spread_b + second))))


def ssim(image: Image, reference: Image) -> float:
    """Return the mean SSIM of Wang et al. (IEEE TIP 13(4), 2004): Gaussian window of sigma 1.5 and 11 pixels, borders left out.

    Raises:
        ImageError: the sizes differ, or a side is shorter than the window.
    """
    from skimage.metrics import structural_similarity

    _same_size(image, reference)
    if min(image.shape[:2]) < 11:
        raise ImageError(f"An image of {image.shape} was given, SSIM needs at least 11 pixels a side; give a larger one.")
    return float(
        structural_similarity(
            reference.astype(np.float64), image.astype(np.float64), data_range=1.0, gaussian_weights=True, sigma=1.5,
            use_sample_covariance=False, channel_axis=2 if image.ndim == 3 else None,
        )  # type: ignore[no-untyped-call]
    )  # fmt: skip
