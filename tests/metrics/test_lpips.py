# SPDX-License-Identifier: MPL-2.0
"""LPIPS with made-up weights: its formula, step by step, and its refusals."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch.nn import functional

from ocrmypdf_superres.errors import ImageError, OptionError
from ocrmypdf_superres.evaluation.networks.lpips_weights import load_lpips
from ocrmypdf_superres.metrics.lpips import lpips

SHAPES = {0: (64, 3, 11, 11), 3: (192, 64, 5, 5), 6: (384, 192, 3, 3), 8: (256, 384, 3, 3), 10: (256, 256, 3, 3)}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """The two files, as torchvision and the metric's authors write them."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("lpips")
    backbone = {}
    for place, shape in SHAPES.items():
        backbone[f"features.{place}.weight"] = torch.randn(shape) / (shape[1] * shape[2] * shape[3]) ** 0.5
        backbone[f"features.{place}.bias"] = torch.randn(shape[0]) * 0.1
    backbone["classifier.6.bias"] = torch.zeros(3)  # the rest of AlexNet may be there
    linear = {f"lin{i}.model.1.weight": torch.rand(1, shape[0], 1, 1) for i, shape in enumerate(SHAPES.values())}
    torch.save(backbone, folder / "alexnet.pth")
    torch.save(linear, folder / "linear.pth")
    return folder / "alexnet.pth", folder / "linear.pth"


def images():
    rng = np.random.default_rng(1)
    return rng.random((80, 72)), rng.random((80, 72))


def test_equal_images_have_no_distance(weights):
    one, other = images()
    network = load_lpips(*weights)
    assert lpips(one, one, network) == 0.0
    assert lpips(one, other, network) > 0
    assert lpips(one, other, network) == pytest.approx(lpips(other, one, network))


def test_the_formula(weights):
    """Layer by layer: unit length over the channels, squared difference, linear weights, mean over places, sum."""
    backbone, linear = (torch.load(path, weights_only=True) for path in weights)
    found = []
    for image in images():
        x = torch.from_numpy(image).float()[None, None].repeat(1, 3, 1, 1)
        shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
        x = (x * 2 - 1 - shift[None, :, None, None]) / scale[None, :, None, None]
        layers = []
        for place, stride, padding in ((0, 4, 2), (3, 1, 2), (6, 1, 1), (8, 1, 1), (10, 1, 1)):
            if place in (3, 6):
                x = functional.max_pool2d(x, kernel_size=3, stride=2)
            x = torch.relu(
                functional.conv2d(x, backbone[f"features.{place}.weight"], backbone[f"features.{place}.bias"], stride, padding)
            )
            layers.append(x[0] / x[0].pow(2).sum(0).sqrt())
        found.append(layers)
    expected = 0.0
    for i, (a, b) in enumerate(zip(*found, strict=True)):
        expected += float(((a - b) ** 2 * linear[f"lin{i}.model.1.weight"][0]).nan_to_num().sum(0).mean())
    assert lpips(*images(), load_lpips(*weights)) == pytest.approx(expected, rel=1e-4)


def test_what_does_not_fit_is_refused(weights, tmp_path):
    one, other = images()
    with pytest.raises(ImageError, match="at least 64 pixels"):
        lpips(one[:40], other[:40], load_lpips(*weights))
    with pytest.raises(OptionError, match="none is downloaded"):
        load_lpips(tmp_path / "alexnet.pth", weights[1])
    with pytest.raises(OptionError, match=r"LPIPS 0\.1"):
        load_lpips(weights[0], weights[0])
