# SPDX-License-Identifier: MPL-2.0
"""Words read on blank and on textured pages, which have none, without and with super-resolution."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from ocrmypdf_superres.evaluation.methods.readings import ocrmypdf_text
from ocrmypdf_superres.evaluation.words import read_words
from ocrmypdf_superres.page.image import FloatImage, from_luma

SIZE, DPI = (437, 310), 75.0
"""Half a sheet of A5 at a low resolution."""
LANGUAGE = "eng"


def _noise(seed: int, sigma: float, blur: float = 0.0) -> FloatImage:
    """Return Gaussian noise of standard deviation *sigma*, of 1, smoothed by *blur* pixels; float32 (H, W) around 0."""
    levels = np.random.default_rng(seed).standard_normal((SIZE[1], SIZE[0]), dtype=np.float32)
    if blur:
        eight = Image.fromarray(np.clip(levels * 32 + 128, 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(blur))
        levels = np.asarray(eight, dtype=np.float32) - 128
        levels /= np.float32(max(float(levels.std()), 1e-6))
    return np.asarray(levels * np.float32(sigma), dtype=np.float32)


def _lines() -> FloatImage:
    page = np.full((SIZE[1], SIZE[0]), 0.95, np.float32)
    page[60::24] = 0.55
    return page


def _halftone() -> FloatImage:
    y, x = np.mgrid[: SIZE[1], : SIZE[0]].astype(np.float32)
    tone = 0.5 + 0.3 * np.sin(x / 90) * np.cos(y / 110)
    dots = 0.5 + 0.25 * (np.sin(x * 1.6) + np.sin(y * 1.6))
    return np.asarray(dots > 1 - tone, dtype=np.float32)


#: Pages without a single word, by name; each is float32 (H, W) in [0, 1].
PAGES: dict[str, Callable[[], FloatImage]] = {
    "blank": lambda: np.full((SIZE[1], SIZE[0]), 0.97, np.float32),
    "noisy paper": lambda: np.clip(0.93 + _noise(1, 0.03), 0, 1),
    "stained paper": lambda: np.clip(0.8 + _noise(2, 0.08, 12.0) + _noise(3, 0.02), 0, 1),
    "grain of film": lambda: np.clip(0.7 + _noise(4, 0.12, 1.2), 0, 1),
    "ruled paper": _lines,
    "halftone": _halftone,
}


def invented_words(model: str) -> list[tuple[str, str, int]]:
    """Return (page, method, words read) for every page of :data:`PAGES`: as is, by Lanczos, by the net, and by the plugin.

    The net is applied at its largest scale although the plugin's plan would leave most of these pages alone; the plugin is
    an OCRmyPDF run with its defaults.

    Raises:
        SuperresError: Tesseract or the model cannot be used.
    """
    from ocrmypdf_superres.upscaling.loading import load_upscaler

    upscaler = load_upscaler(model, "cpu", threads=1)
    scale = max(upscaler.scales)
    found = []
    for kind, make in PAGES.items():
        original = from_luma(make())
        lanczos = original.resize((original.width * scale, original.height * scale), Image.Resampling.LANCZOS)
        net = Image.fromarray(upscaler.upscale_bytes(np.asarray(original), scale))
        for method, image, dpi in (("as-is", original, DPI), ("lanczos", lanczos, DPI * scale), ("net", net, DPI * scale)):
            found.append((kind, method, len(read_words(image, dpi, LANGUAGE))))
        ran = ocrmypdf_text(original, DPI, LANGUAGE, plugins=["ocrmypdf_superres"], superres_model=model, superres_device="cpu")
        found.append((kind, "plugin", len(ran.words)))
    return found
