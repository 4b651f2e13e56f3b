# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from ocrmypdf_superres.architectures import get
from ocrmypdf_superres.errors import ModelError
from ocrmypdf_superres.training.starting_weights import start_from
from ocrmypdf_superres.upscaling.backends.torch import load_network

SPEC = get("docsr")


def test_a_net_that_starts_from_a_model_draws_what_it_draws(random_model):
    net = SPEC.build(SPEC.parse_config(random_model.card.config))
    start_from(net, random_model)
    x = torch.rand(1, 1, 24, 32, generator=torch.Generator().manual_seed(0))
    for scale in net.config.scales:
        assert torch.allclose(net(x, scale), load_network(random_model)(x, scale), atol=1e-5)
    # Its branches are there to be trained.
    assert net.body[0].point is not None and net.body[0].point.weight.requires_grad


def test_another_configuration_is_refused(random_model):
    net = SPEC.build(SPEC.parse_config({**random_model.card.config, "features": random_model.card.config["features"] - 1}))
    with pytest.raises(ModelError, match="cannot be the base of this net"):
        start_from(net, random_model)
    fewer = SPEC.build(SPEC.parse_config({**random_model.card.config, "scales": (2,)}))
    with pytest.raises(ModelError, match="they differ at tails"):
        start_from(fewer, random_model)


def test_a_larger_net_starts_as_the_smaller_one_and_all_of_it_learns(random_model):
    config = random_model.card.config
    larger = {**config, "features": config["features"] + 5, "convolutions": config["convolutions"] + 2}
    net = SPEC.build(SPEC.parse_config(larger))
    start_from(net, random_model)
    x = torch.rand(2, 1, 24, 32, generator=torch.Generator().manual_seed(0))
    for scale in net.config.scales:
        assert torch.allclose(net(x, scale), load_network(random_model)(x, scale), atol=1e-5)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    for _ in range(2):  # the new features are seen from the second step on
        optimizer.zero_grad()
        sum(net(x, scale).square().mean() for scale in net.config.scales).backward()
        optimizer.step()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_a_net_that_gets_a_branch_of_context_starts_as_it_was_and_the_branch_learns(tmp_path):
    from ocrmypdf_superres.export.onnx import export_model

    plain = SPEC.parse_config({"features": 6, "convolutions": 5, "scales": [2]})
    model = export_model(SPEC.build(plain), SPEC, plain, tmp_path / "plain", "plain")
    net = SPEC.build(SPEC.parse_config({"features": 6, "convolutions": 5, "scales": [2], "context": 1, "context_features": 8}))
    start_from(net, model)
    x = torch.rand(2, 1, 24, 32, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(net(x, 2), load_network(model)(x, 2), atol=1e-5)
    before = {name: value.clone() for name, value in net.context.named_parameters()}
    optimizer = torch.optim.SGD(net.parameters(), 1.0)
    target = torch.rand(2, 1, 48, 64, generator=torch.Generator().manual_seed(1))
    for _ in range(4):  # the tail of a net that is Lanczos enlargement learns first, then what joins, then the branch
        optimizer.zero_grad()
        (net(x, 2) - target).square().mean().backward()
        optimizer.step()
    assert all(not torch.equal(before[name], value) for name, value in net.context.named_parameters())
    with_branch = export_model(net, SPEC, net.config, tmp_path / "with", "with")
    again = SPEC.build(net.config)
    start_from(again, with_branch)
    assert torch.allclose(again(x, 2), load_network(with_branch)(x, 2), atol=1e-5)


def test_a_part_starts_from_a_model(tmp_path):
    from ocrmypdf_superres.errors import OptionError
    from ocrmypdf_superres.export.onnx import export_model
    from ocrmypdf_superres.training.starting_weights import take_parts

    edsr, behind = get("edsr"), get("edsr-stn")
    config = edsr.parse_config({"features": 4, "blocks": 1, "scale": 2, "channels": 3})
    export_model(edsr.build(config), edsr, config, tmp_path / "car", "car")
    widths = {"stn_widths": [4, 4, 4, 4, 4, 4], "stn_hidden": 8}
    net = behind.build(behind.parse_config({"features": 4, "blocks": 1, **widths}))
    take_parts(net, {"edsr": str(tmp_path / "car")})
    line = torch.rand(1, 3, 16, 64)
    with torch.inference_mode():
        assert torch.allclose(net.eval()(line), load_network_of(tmp_path / "car")(line), atol=1e-6)
    with pytest.raises(OptionError, match="no recognizer and no model of that name"):
        take_parts(net, {"edsr": "nowhere"})


def load_network_of(folder):
    from ocrmypdf_superres.modelstore.store import find_model

    return load_network(find_model(str(folder)))


def test_a_part_starts_from_a_reader(tmp_path):
    from ocrmypdf_superres.errors import OptionError
    from ocrmypdf_superres.recognizers.folder import build, save
    from ocrmypdf_superres.training.starting_weights import take_parts

    small = {"base": 2, "counts": [1, 1, 1, 1, 1], "layers": 1, "heads": 2, "inner": 8, "attention": 4, "language_layers": 1}
    reader = build("abinet", small)
    save(reader, "abinet", tmp_path / "prior", "prior")
    lemma = get("lemma")
    prior = {f"prior_{name}": value for name, value in small.items()}
    net = lemma.build(lemma.parse_config({"features": 4, "blocks": 1, "heads": 2, "stn": False, **prior}))
    take_parts(net, {"prior": str(tmp_path / "prior")})
    wanted = reader.prior.state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in net.prior.state_dict().items())
    for part, told in (("nothing", "nothing"), ("tail", "tail")):
        with pytest.raises(OptionError, match=told):
            take_parts(net, {part: str(tmp_path / "prior")})
    other = lemma.build(lemma.parse_config({"features": 4, "blocks": 1, "heads": 2, "stn": False, **prior, "prior_base": 4}))
    with pytest.raises(OptionError, match="do not fit"):
        take_parts(other, {"prior": str(tmp_path / "prior")})
