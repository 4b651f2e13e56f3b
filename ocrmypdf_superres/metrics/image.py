# SPDX-License-Identifier: MPL-2.0
"""How near an image is to its reference: PSNR and SSIM, in the forms that papers quote.

Images are float (H, W) or (H, W, 3) in [0, 1].  TextZoom's variants follow the
evaluation of Wang et al., Scene text image super-resolution in the wild, ECCV 2020.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, log10
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ocrmypdf_superres.errors import ImageError

Image = NDArray[np.floating[Any]]


def _same_size(image: Image, reference: Image) -> None:
    if image.shape != reference.shape:
        raise ImageError(
            f"Images of {image.shape} and {reference.shape} were given, equal sizes were expected; enlarge to the reference's size."
        )


def mean_squared_error(image: Image, reference: Image) -> float:
    """Return the mean squared difference.

    Raises:
        ImageError: the sizes differ.
    """
    _same_size(image, reference)
    return float(np.mean(np.square(image.astype(np.float64) - reference)))


def psnr(image: Image, reference: Image) -> float:
    """Return 10 log10(1 / MSE) in dB; infinite for equal images.

    Raises:
        ImageError: the sizes differ.
    """
    error = mean_squared_error(image, reference)
    return -10.0 * log10(error) if error else inf


def psnr_textzoom(pairs: Sequence[tuple[Image, Image]]) -> float:
    """Return TextZoom's PSNR in dB: of the squared errors of all images (image, reference) together, not a mean of PSNRs.

    Raises:
        ImageError: the sizes of a pair differ. ValueError: there is no pair.
    """
    if not pairs:
        raise ValueError("No pair of images was given; give at least one.")
    pixels = sum(image.size for image, _ in pairs)
    error = sum(mean_squared_error(image, reference) * image.size for image, reference in pairs) / pixels
    return -10.0 * log10(error) if error else inf


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


def ssim_textzoom(image: Image, reference: Image) -> float:
    """Return TextZoom's SSIM: the same window and constants, but borders count, with zeros around the image.

    Raises:
        ImageError: the sizes differ.
    """
    from scipy.ndimage import correlate1d

    _same_size(image, reference)
    taps = np.exp(-np.square(np.arange(11) - 5.0) / (2 * 1.5**2))
    taps /= taps.sum()

    def smooth(values: Image) -> Image:
        along = correlate1d(values, taps, axis=0, mode="constant")
        smoothed: Image = correlate1d(along, taps, axis=1, mode="constant")
        return smoothed

    x, y = image.astype(np.float64), reference.astype(np.float64)
    mx, my = smooth(x), smooth(y)
    vx, vy, both = smooth(x * x) - mx * mx, smooth(y * y) - my * my, smooth(x * y) - mx * my
    c1, c2 = 0.01**2, 0.03**2
    return float(np.mean((2 * mx * my + c1) * (2 * both + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))))
