# SPDX-License-Identifier: MPL-2.0
"""The image of a page that each method gives to Tesseract, for the report's viewer and for measures on images."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.evaluation.data.pages import Case
from ocrmypdf_superres.evaluation.methods.images import TARGET_DPI, lr_image, peer_image, resampled
from ocrmypdf_superres.evaluation.methods.names import PLUGIN_METHODS
from ocrmypdf_superres.evaluation.methods.peers import Peer
from ocrmypdf_superres.ocr.variants import enlarge
from ocrmypdf_superres.page.image import to_grey


@dataclass(frozen=True)
class Prepared:
    """A page as a method prepares it: grey image, dpi, what was done (``enlarged`` or ``left``) and why."""

    image: Image.Image
    dpi: float
    action: str
    reason: str


def prepare(case: Case, method: str, model: str, peer: Peer | None = None) -> Prepared:
    """Return what *method* makes of *case*; the plugin's image is planned and enlarged as in an OCRmyPDF run.

    Raises:
        OptionError: the method prepares no image of its own (oversample: OCRmyPDF's rasterizer does; native: the scan).
        SuperresError: the model or the peer fails.
    """
    image, dpi = lr_image(case)
    if peer is not None:
        return Prepared(
            peer_image(image, dpi, peer, case.page.line), TARGET_DPI, "enlarged", f"{peer.name} to {TARGET_DPI:.0f} dpi"
        )
    if method == "as-is":
        return Prepared(to_grey(image), dpi, "left", "the original")
    if method in ("lanczos", "bicubic"):
        kind = Image.Resampling.LANCZOS if method == "lanczos" else Image.Resampling.BICUBIC
        return Prepared(resampled(image, dpi, kind), TARGET_DPI, "enlarged", f"{method} to {TARGET_DPI:.0f} dpi")
    if method not in PLUGIN_METHODS:
        raise OptionError(f"The method {method!r} prepares no image of its own; give as-is, lanczos, bicubic, plugin or a peer.")
    from ocrmypdf_superres.page.plan import PlanSettings, plan_image
    from ocrmypdf_superres.upscaling.loading import load_upscaler

    upscaler = load_upscaler(model, "cpu", threads=1)
    plan = plan_image(image, (dpi, dpi), PlanSettings(trigger="always" if case.page.line else "auto", scales=upscaler.scales))
    if plan.action != "enlarge":
        return Prepared(to_grey(image), dpi, "left", plan.reason)
    large = enlarge(image, plan, upscaler, ink_only=True)
    return Prepared(large, float(large.info["dpi"][0]), "enlarged", plan.reason)
