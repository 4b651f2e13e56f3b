# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageCms

from ocrmypdf_superres.ocr.variants import AS_IS, make_variant
from ocrmypdf_superres.page.image import to_grey
from ocrmypdf_superres.page.shading import even_out

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def photograph(mode: str) -> Image.Image:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 50, 3), np.uint8)).convert(mode)
    image.info.update(dpi=(100, 100), icc_profile=SRGB)
    return image


@pytest.mark.parametrize("mode", ["RGB", "P", "CMYK"])
@pytest.mark.parametrize("grey_of", [to_grey, even_out, lambda image: make_variant(AS_IS, image, image)])
def test_a_grey_image_keeps_no_colour_profile(mode, grey_of):
    image = photograph(mode)
    grey = grey_of(image)
    assert grey.mode == "L" and grey.size == image.size
    assert "icc_profile" not in grey.info and grey.info["dpi"] == (100, 100)
    assert image.info["icc_profile"] == SRGB


def test_an_image_in_grey_is_a_copy_that_outlives_its_file(tmp_path):
    photograph("L").save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        grey = to_grey(image)
        assert make_variant(AS_IS, image, image) is not image
    assert np.array_equal(np.asarray(grey), np.asarray(photograph("L")))
