# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from ocrmypdf_superres.architectures import get, names
from ocrmypdf_superres.errors import ModelError

SPEC = get("docsr")


CONTEXT = {"features": 8, "convolutions": 5, "context": 2, "context_features": 12}


def trained_like(features: int = 8, convolutions: int = 3, **more: int):
    """A net whose weights are all random, so that nothing cancels."""
    torch.manual_seed(3)
    net = SPEC.build(SPEC.parse_config({"features": features, "convolutions": convolutions, **more}))
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


@pytest.mark.parametrize("config", [{}, CONTEXT])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_folding_changes_nothing(scale, config):
    net = trained_like(**config)
    x = torch.rand(2, 1, 12, 16)
    before = net(x, scale)
    net.fold()
    assert torch.allclose(net(x, scale), before, atol=1e-5)


@pytest.mark.parametrize("config", [{}, CONTEXT, {**CONTEXT, "context": 3, "convolutions": 7}])
@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_receptive_radius_is_enough(config, place):
    net = trained_like(**config)
    radius, scale = SPEC.receptive_radius(net.config), 2
    middle, length = 3 * radius + place, 6 * radius // 4 * 4 + 8
    x = torch.rand(1, 1, length, length)
    y = x.clone()
    y[..., middle, middle] += 1.0
    with torch.no_grad():
        changed = (net(x, scale) - net(y, scale)).abs()[0, 0] > 0
    for axis in (0, 1):
        seen = changed.any(dim=axis).nonzero()[:, 0]
        assert int(seen.min()) >= (middle - radius) * scale
        assert int(seen.max()) < (middle + radius + 1) * scale


def test_a_branch_of_context_sees_further_along_the_line_than_across():
    net = trained_like(**CONTEXT)
    x = torch.rand(1, 1, 96, 96)
    y = x.clone()
    y[..., 48, 48] += 1.0
    with torch.no_grad():
        changed = (net(x, 2) - net(y, 2)).abs()[0, 0] > 0
    across, along = (int(changed.any(dim=axis).sum()) for axis in (1, 0))
    assert along > 1.5 * across


def test_tiles_agree_with_the_whole_page_on_the_grid_of_the_branch():
    net = trained_like(**CONTEXT)
    radius = SPEC.receptive_radius(net.config)
    edge = -(-radius // SPEC.size_multiple) * SPEC.size_multiple
    page = torch.rand(1, 1, 2 * edge + 40, 2 * edge + 48)
    with torch.no_grad():
        whole = net(page, 3)
        tile = net(page[..., 4 : 4 + 2 * edge + 16, 8 : 8 + 2 * edge + 24], 3)
    inner = whole[..., 3 * (4 + edge) : 3 * (20 + edge), 3 * (8 + edge) : 3 * (32 + edge)]
    assert torch.allclose(tile[..., 3 * edge : -3 * edge, 3 * edge : -3 * edge], inner, atol=1e-5)


def test_gradients_agree_with_finite_differences():
    net = trained_like(4, 2).double()
    x = torch.rand(1, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: net(t, 2), (x,))


def test_bad_configurations_are_refused_by_name():
    with pytest.raises(ModelError, match="'feature'"):
        SPEC.parse_config({"feature": 3})
    with pytest.raises(ModelError, match="scales"):
        SPEC.parse_config({"scales": [1]})
    with pytest.raises(ModelError, match=r"has features = 8\.5, but expected is a valid integer"):
        SPEC.parse_config({"features": 8.5})
    for config in ({"convolutions": 4}, {"context_features": 6}, {"context": -1}):
        with pytest.raises(ModelError, match="branch of context"):
            SPEC.parse_config({"context": 1, **config})
    with pytest.raises(ModelError, match="'nosuch'"):
        get("nosuch")
    assert "docsr" in names()
