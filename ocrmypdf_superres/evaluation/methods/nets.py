# SPDX-License-Identifier: MPL-2.0
"""A model by itself as a method: a page enlarged once by the project's engine, without plan, check or vote."""

from __future__ import annotations

import hashlib
import json

import numpy as np
from PIL import Image

from ocrmypdf_superres.errors import ModelError, SuperresError
from ocrmypdf_superres.evaluation.methods.code_digest import NET_CODE, code_digest
from ocrmypdf_superres.modelstore.store import Model
from ocrmypdf_superres.page.image import to_grey
from ocrmypdf_superres.page.line_finder import whole_line
from ocrmypdf_superres.page.plan import PlanSettings, net_scale
from ocrmypdf_superres.upscaling.loading import load_upscaler
from ocrmypdf_superres.upscaling.textlines import LineUpscaler


def net_image(folder: str, image: Image.Image, dpi: float, line: bool = False) -> Image.Image:
    """Return *image*, which has *dpi*, in grey and enlarged by the model in *folder*, on one CPU thread.

    The scale is the one that the plugin takes to reach its dpi. With *line* the image is of one line of text, and a net
    for text lines takes it whole; otherwise such a net enlarges the lines that it finds, as in the plugin.

    Raises:
        SuperresError: the model cannot be used, or fails on this image.
    """
    upscaler = load_upscaler(folder, "cpu", threads=1)
    if line and isinstance(upscaler, LineUpscaler):
        upscaler = LineUpscaler(upscaler.model, upscaler.backend, whole_line)
    scale = net_scale(upscaler.scales, PlanSettings().target_dpi / dpi)
    try:
        return Image.fromarray(upscaler.upscale_bytes(np.asarray(to_grey(image)), scale))
    except SuperresError:
        raise
    except Exception as error:  # a network may be anybody's, and torch has several families of errors
        size = f"{image.width}x{image.height}"
        raise ModelError(f"Model {upscaler.model.card.name} fails on {size} pixels at x{scale}: {error}") from error


def decides(model: Model) -> str:
    """Return a digest of what decides the net's images, for the cache: its files and settings, and the code that runs it."""
    card = model.card
    net = [dict(card.files), card.architecture, dict(card.config), card.scales, card.radius, card.channels, card.size_multiple,
           card.line_size]  # fmt: skip
    settings = json.dumps(net, sort_keys=True, default=str)
    return hashlib.sha256(f"{settings}\n{code_digest(NET_CODE)}".encode()).hexdigest()
