# SPDX-License-Identifier: MPL-2.0
"""The papers' page networks: sizes, how far they look, tiles, and what is exported."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ocrmypdf_superres.architectures import get
from ocrmypdf_superres.architectures.page_nets.epgr import EPGRConfig
from ocrmypdf_superres.architectures.receptive_field import radius_of
from ocrmypdf_superres.errors import ModelError
from ocrmypdf_superres.export.onnx import export_model
from ocrmypdf_superres.page.plan import PlanSettings, plan_image
from ocrmypdf_superres.upscaling.backends.torch import TorchBackend
from ocrmypdf_superres.upscaling.upscaler import PageUpscaler

COUNTS = [
    ("srcnn", {}, 8_129),
    ("srcnn", {"channels": 3}, 20_099),
    ("srcnn", {"middle": 5}, 57_281),
    ("srcnn", {"middle": 5, "channels": 3}, 69_251),
    ("fsrcnn", {}, 12_809),
    ("fsrcnn", {"channels": 3}, 24_683),
    ("srresnet", {"channels": 3}, 1_549_462),
    ("srresnet", {"channels": 3, "bias": False}, 1_547_350),
    ("srresnet", {}, 1_528_724),
    ("edsr", {"channels": 3}, 40_729_603),
    ("edsr", {"channels": 3, "scale": 4}, 43_089_923),
    ("edsr", {"channels": 3, "features": 64, "blocks": 16, "residual_scale": 1.0}, 1_369_859),
    ("edsr", {"channels": 3, "features": 64, "blocks": 16, "residual_scale": 1.0, "scale": 4}, 1_517_571),
    ("dpnet", {"stages": 1}, 565_768),
    ("dpnet", {"stages": 1, "channels": 3}, 586_506),
    ("dpnet", {"stages": 1, "output_kernel": 3}, 561_160),
    ("dpnet", {"stages": 1, "output_kernel": 3, "channels": 3}, 572_682),
    ("dpnet", {"stages": 2}, 1_131_536),
    ("dpnet", {}, 3 * 565_768),
    ("epgr", {"modules": 1, "channels": 3}, 2_898_756),
    ("epgr", {"modules": 1}, 2_888_386),
    ("epgr", {"channels": 3}, 8_692_812),
    ("epgr", {}, 8_661_702),
]


def built(name: str, values: dict):
    spec = get(name)
    config = spec.parse_config(values)
    return spec, config, spec.build(config)


@pytest.mark.parametrize(("name", "values", "count"), COUNTS)
def test_parameters_of_the_published_sizes(name, values, count):
    with torch.device("meta"):
        _, _, net = built(name, values)
    assert sum(p.numel() for p in net.parameters()) == count


@pytest.mark.parametrize(
    ("channels", "first", "later", "gr"), [(3, 1_449_665, 1_447_937, 1_449_091), (1, 1_445_057, 1_443_329, 1_443_329)]
)
def test_parameters_of_the_collaborating_networks(channels, first, later, gr):
    with torch.device("meta"):
        _, _, net = built("epgr", {"channels": channels})
    found = [sum(p.numel() for p in part.parameters()) for part in (net.stages[0].ep, net.stages[1].ep, net.stages[2].gr)]
    assert found == [first, later, gr]


SMALL = [
    ("srcnn", {"features": [6, 4]}),
    ("srcnn", {"features": [6, 4], "middle": 5}),
    ("srcnn", {"features": [6, 4], "scale": 3}),
    ("srcnn", {"features": [6, 4], "scale": 2, "channels": 3}),
    ("fsrcnn", {"features": 6, "shrunken": 4, "mapping": 2}),
    ("fsrcnn", {"features": 6, "shrunken": 4, "mapping": 1, "scale": 3}),
    ("fsrcnn", {"features": 6, "shrunken": 4, "mapping": 1, "scale": 2, "channels": 3}),
    ("srresnet", {"features": 4, "blocks": 1}),
    ("srresnet", {"features": 4, "blocks": 2, "scale": 2, "channels": 3, "bias": False}),
    ("edsr", {"features": 4, "blocks": 2}),
    ("edsr", {"features": 4, "blocks": 1, "scale": 4, "channels": 3}),
    ("dpnet", {"features": 4, "blocks": 1, "stages": 2}),
    ("dpnet", {"features": 4, "blocks": 1, "output_kernel": 3}),
    ("epgr", {"features": 4, "blocks": 1, "modules": 2}),
    ("epgr", {"features": 4, "blocks": 1, "modules": 1, "channels": 3}),
    ("epgr", {"features": 4, "blocks": 2, "modules": 2, "scale": 1}),
    ("epgr", {"features": 4, "blocks": 2, "modules": 1, "edges": False}),
]


def lively(net):
    """*net* in evaluation mode with random weights, chosen so that no ReLU is shut everywhere."""
    torch.manual_seed(5)
    for name, parameter in net.named_parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=1.5 / parameter[0].numel() ** 0.5)
        elif name.endswith("bias"):
            torch.nn.init.normal_(parameter, mean=0.05, std=0.1)
    return net.eval()


@pytest.mark.parametrize(("name", "values"), SMALL)
def test_receptive_radius_is_exact(name, values):
    spec, config, net = built(name, values)
    net = lively(net).double()
    scale, multiple = max(spec.scales(config)), spec.size_multiple
    radius = spec.receptive_radius(config)
    centre = (radius + 4) // multiple * multiple
    x = torch.rand(1, spec.channels_of(config), 2 * radius + 10, 2 * radius + 10, dtype=torch.float64, requires_grad=True)
    # All output pixels of one cell, weighted at random so that nothing cancels.
    cell = net(x, scale)[..., centre * scale : (centre + multiple) * scale, centre * scale : (centre + multiple) * scale]
    (cell * torch.rand_like(cell)).sum().backward()
    seen = (x.grad != 0).any(dim=1)[0]
    for along in (seen.any(dim=1), seen.any(dim=0)):
        places = along.nonzero()[:, 0]
        reached = max(centre - int(places.min()), int(places.max()) - (centre + multiple - 1))
        assert reached == radius


@pytest.mark.parametrize(("name", "values"), SMALL)
def test_the_measured_radius_is_the_counted_one(name, values):
    spec, config, net = built(name, values)
    scale = max(spec.scales(config))
    found = radius_of(net, scale, spec.size_multiple, spec.channels_of(config), limit=96)
    assert found == spec.receptive_radius(config)


def test_a_field_that_is_too_large_or_missing_is_refused():
    with pytest.raises(ValueError, match="above 2 pixels"):
        radius_of(torch.nn.Conv2d(1, 1, 7, padding=3), limit=2)
    assert radius_of(torch.nn.Conv2d(1, 1, 7, padding=3)) == 3

    class Blind(torch.nn.Module):
        def forward(self, x):
            return 0.0 * x

    with pytest.raises(ValueError, match="does not depend"):
        radius_of(Blind())


@pytest.fixture(scope="module", params=SMALL, ids=lambda p: f"{p[0]}-{'-'.join(str(v) for v in p[1].values())}")
def exported(request, tmp_path_factory):
    """A model of a small network with random weights, its ONNX files compared with torch by the export."""
    name, values = request.param
    spec, config, net = built(name, values)
    lively(net)
    # About middle grey, so that clipping hides nothing.
    last = [module for module in net.modules() if isinstance(module, (torch.nn.Conv2d, torch.nn.ConvTranspose2d))][-1]
    with torch.no_grad():
        last.bias += 0.5 - net(torch.full((1, spec.channels_of(config), 16, 16), 0.5)).mean()
    return export_model(net, spec, config, tmp_path_factory.mktemp("page") / "model", "random")


def test_tiles_equal_the_whole_page_at_any_size(exported):
    page = (0.3 + 0.4 * np.random.default_rng(1).random((45, 39))).astype(np.float32)
    scale = max(exported.card.scales)
    backend = TorchBackend(exported, "cpu")
    whole, tiled = (PageUpscaler(exported, backend, tile).upscale(page, scale) for tile in (64, 16))
    assert whole.shape == (45 * scale, 39 * scale)
    # Float32 through dozens of layers rounds by a few 1e-5 where other tile sizes take other kernels; a seam would be far above.
    assert np.abs(whole - tiled).max() < 5e-5
    assert whole.std() > 1e-3


def test_an_rgb_net_runs_on_grey(tmp_path):
    spec, config, net = built("fsrcnn", {"features": 6, "shrunken": 4, "mapping": 1, "channels": 3})
    model = export_model(lively(net), spec, config, tmp_path / "m", "rgb")
    page = np.random.default_rng(2).random((1, 1, 12, 14), dtype=np.float32)
    with torch.inference_mode():
        colour = net(torch.from_numpy(page).repeat(1, 3, 1, 1)).numpy()[0]
    expected = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    assert np.abs(TorchBackend(model, "cpu").run(page, 4)[0, 0] - expected).max() < 1e-5
    assert model.card.channels == 3


@pytest.mark.parametrize(("scales", "wanted"), [((4,), 4), ((2,), 2), ((2, 4, 8), 2), ((1,), 1)])
def test_pages_are_planned_for_models_of_few_scales(scales, wanted, text_page):
    plan = plan_image(text_page, (100, 100), PlanSettings(trigger="dpi", scales=scales, target_dpi=200))
    assert (plan.action, plan.scale, plan.target_size) == ("enlarge", wanted, (2 * text_page.width, 2 * text_page.height))


@pytest.fixture
def text_page():
    from PIL import Image

    return Image.new("L", (300, 200), 255)


@pytest.mark.parametrize("spelling", ["srcnn", "fsrcnn"])
def test_bicubic_and_sizes_of_odd_scales(spelling):
    values = {"scale": 3, **({"features": [4, 4]} if spelling == "srcnn" else {"features": 4, "shrunken": 2, "mapping": 1})}
    _, _, net = built(spelling, values)
    assert net(torch.rand(2, 1, 7, 5)).shape == (2, 1, 21, 15)


def test_srcnn_begins_with_pillows_bicubic():
    from PIL import Image

    image = np.random.default_rng(0).random((12, 16), dtype=np.float32)
    expected = np.asarray(Image.fromarray(image).resize((64, 48), Image.Resampling.BICUBIC))
    _, _, net = built("srcnn", {})
    got = net.enlarge(torch.from_numpy(image)[None, None])[0, 0].numpy()
    assert np.abs(got - expected)[8:-8, 8:-8].max() < 1e-5


def test_a_cascade_stops_where_it_is_told():
    _, _, net = built("dpnet", {"features": 4, "blocks": 1})
    lively(net)
    x = torch.rand(1, 1, 6, 5)
    twice = net(x, 2)
    assert torch.equal(net(x, 4), net.stages[1](twice))
    assert net(x).shape == (1, 1, 48, 40)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("srcnn", {"middle": 2}, "odd"),
        ("fsrcnn", {"channels": 2}, "channels"),
        ("srresnet", {"scale": 3}, "2, 4 or 8"),
        ("dpnet", {"stages": 4}, "stages"),
        ("epgr", {"scale": 2}, "deblurring"),
        ("epgr", {"edges": False}, "modules"),
    ],
)
def test_sizes_that_cannot_be_are_refused(name, values, message):
    with pytest.raises(ModelError, match=message):
        get(name).parse_config(values)


def test_the_number_of_layers_is_the_papers():
    with torch.device("meta"):
        _, _, net = built("epgr", {})
    kinds = (torch.nn.Conv2d, torch.nn.ConvTranspose2d)
    assert EPGRConfig().modules == 3
    assert [sum(isinstance(m, kinds) for m in module.modules()) for module in net.stages] == [70, 70, 70]


@pytest.mark.slow
@pytest.mark.parametrize("values", [{"channels": 3}, {"channels": 3, "features": 64, "blocks": 16, "residual_scale": 1.0}])
def test_edsr_takes_a_step_at_full_size(values):
    _, _, net = built("edsr", values)
    lr, hr = torch.rand(1, 3, 16, 16), torch.rand(1, 3, 32, 32)
    optimizer = torch.optim.Adam(net.parameters(), 1e-4)
    losses = []
    for _ in range(2):
        loss = (net(lr) - hr).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[1] < losses[0]


def test_protocols_of_networks_need_nothing_that_isinstance_does_not_see():
    """From Python 3.12 on, isinstance with a protocol does not call a module's __getattr__, which finds sub-modules."""
    from typing import Protocol

    from ocrmypdf_superres.architectures import spec

    protocols = [kind for kind in vars(spec).values() if isinstance(kind, type) and Protocol in kind.__bases__]
    assert protocols
    for protocol in protocols:
        assert not getattr(protocol, "__annotations__", {}), protocol.__name__
