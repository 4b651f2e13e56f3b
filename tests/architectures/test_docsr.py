# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from ocrmypdf_superres.architectures import get, names
from ocrmypdf_superres.errors import ModelError

SPEC = get("docsr")


def trained_like(features: int = 8, convolutions: int = 3):
    """A net whose weights are all random, so that nothing cancels."""
    torch.manual_seed(3)
    net = SPEC.build(SPEC.parse_config({"features": features, "convolutions": convolutions}))
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    return net.eval()


def test_parameter_count_of_the_shipped_size():
    net = SPEC.build(SPEC.parse_config({}))
    net.fold()
    first = 4 * 48 * 9 + 48
    body = 5 * (48 * 48 * 9 + 48)
    tails = sum((48 * 9 + 1) * (2 * scale) ** 2 for scale in (2, 3, 4))
    assert sum(p.numel() for p in net.parameters()) == first + body + tails


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_untrained_net_is_lanczos(scale):
    image = np.random.default_rng(0).random((24, 32), dtype=np.float32)
    size = (32 * scale, 24 * scale)
    expected = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))
    got = SPEC.build(SPEC.parse_config({}))(torch.from_numpy(image)[None, None], scale)[0, 0].detach().numpy()
    inner = slice(4 * scale, -4 * scale)
    assert got.shape == expected.shape
    assert np.abs(got - expected)[inner, inner].max() < 1e-5


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_folding_changes_nothing(scale):
    net = trained_like()
    x = torch.rand(2, 1, 12, 16)
    before = net(x, scale)
    net.fold()
    assert torch.allclose(net(x, scale), before, atol=1e-5)


@pytest.mark.parametrize("scale", [2, 4])
def test_receptive_radius_is_enough(scale):
    net = trained_like()
    radius = SPEC.receptive_radius(net.config)
    x = torch.rand(1, 1, 6 * radius, 6 * radius)
    y = x.clone()
    y[..., 3 * radius, 3 * radius] += 1.0
    with torch.no_grad():
        changed = (net(x, scale) - net(y, scale)).abs()[0, 0] > 0
    rows = changed.any(dim=1).nonzero()[:, 0]
    assert int(rows.min()) >= (3 * radius - radius) * scale
    assert int(rows.max()) < (3 * radius + radius + 1) * scale


def test_gradients_agree_with_finite_differences():
    net = trained_like(4, 2).double()
    x = torch.rand(1, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: net(t, 2), (x,))


def test_bad_configurations_are_refused_by_name():
    with pytest.raises(ModelError, match="'feature'"):
        SPEC.parse_config({"feature": 3})
    with pytest.raises(ModelError, match="scales"):
        SPEC.parse_config({"scales": [1]})
    with pytest.raises(ModelError, match="'nosuch'"):
        get("nosuch")
    assert "docsr" in names()
