# SPDX-License-Identifier: MPL-2.0
"""The image of a page under a condition, and enlarged without the plugin: by a kernel, or by a peer."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ocrmypdf_superres.evaluation.data.pages import Case
from ocrmypdf_superres.evaluation.data.profiles import reduce_page
from ocrmypdf_superres.evaluation.methods.peers import Peer, enlarge_by
from ocrmypdf_superres.page.image import flatten, from_luma, to_luma

TARGET_DPI = 300.0
"""What methods other than the plugin enlarge to."""


def lr_image(case: Case) -> tuple[Image.Image, float]:
    """Return the image that the methods are given, and its dpi.

    A reduced page is grey; a page under no condition keeps its mode where PNG and PDF makers take it: black and white, grey and
    RGB.
    """
    with Image.open(case.page.image) as opened:
        if not case.profile:
            return opened.copy() if opened.mode in ("1", "L", "RGB") else flatten(opened), case.page.dpi
        luma = to_luma(opened)
    return from_luma(reduce_page(luma, case.page.dpi, case.dpi, case.profile, case.page.name)), case.dpi


def resampled(image: Image.Image, dpi: float, kind: Image.Resampling) -> Image.Image:
    """Return *image*, which has *dpi*, in grey and resampled to :data:`TARGET_DPI`."""
    luma = to_luma(image)
    factor = TARGET_DPI / dpi
    size = (max(1, round(luma.shape[1] * factor)), max(1, round(luma.shape[0] * factor)))
    large = Image.fromarray(np.ascontiguousarray(luma, dtype=np.float32)).resize(size, kind)
    return from_luma(np.asarray(large, dtype=np.float32))


def lanczos_image(image: Image.Image, dpi: float) -> Image.Image:
    """Return *image*, which has *dpi*, in grey and resampled to :data:`TARGET_DPI` with Lanczos-3."""
    return resampled(image, dpi, Image.Resampling.LANCZOS)


def peer_image(image: Image.Image, dpi: float, peer: Peer, line: bool = False) -> Image.Image:
    """Return *image*, which has *dpi*, enlarged by *peer* and resampled from there to :data:`TARGET_DPI` with Lanczos-3.

    *line* says that the image is a single line of text.

    Raises:
        SuperresError: the peer fails.
    """
    if peer.tessdata is not None:
        return lanczos_image(image, dpi)
    large = enlarge_by(peer, image, dpi, line)
    return resampled(large, dpi * large.width / image.width, Image.Resampling.LANCZOS)
