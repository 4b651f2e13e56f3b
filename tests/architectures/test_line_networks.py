# SPDX-License-Identifier: MPL-2.0
"""The nets for text lines: parameter counts as published or counted from the authors' code, shapes, gradients."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

from ocrmypdf_superres.architectures import get
from ocrmypdf_superres.architectures.blocks.abinet import Prior, PriorConfig, encode, text_lengths
from ocrmypdf_superres.architectures.blocks.line_layers import (
    Attention,
    DeviationNorm,
    gather_channels,
    sinusoid,
    spread_channels,
)
from ocrmypdf_superres.architectures.blocks.tps import RareGrid, STNHead, TPSGrid, edge_points, rare_points, rare_start

STN = {"stn_widths": [4, 4, 4, 4, 4, 4], "stn_hidden": 8}
SMALL = {
    "tsrn": {"features": 8, "blocks": 1, **STN},
    "tbsrn": {"features": 8, "blocks": 1, **STN},
    "edsr-stn": {"features": 8, "blocks": 1, **STN},
    "lemma": {
        "features": 8, "blocks": 1, "positions": 100, "prior_base": 2, "prior_counts": [1, 1, 1, 1, 1], "prior_layers": 1,
        "prior_inner": 16, "prior_attention": 4, "prior_language_layers": 1, **STN,
    },
}  # fmt: skip


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def build(name: str, **values) -> nn.Module:
    spec = get(name)
    return spec.build(spec.parse_config(values))


@pytest.mark.parametrize(
    ("name", "values", "parameters"),
    [
        ("tsrn", {"input_channels": 3, "stn": False}, 816_260),
        ("tsrn", {"input_channels": 4, "stn": False}, 826_629),
        ("tbsrn", {"compat": True}, 3_210_335),
        # The count without the two GRUs and the stem; of what is never called, 25 weights that mix heads are left too.
        ("tbsrn", {}, 2_980_485 - 25),
        ("edsr-stn", {}, 40_729_603 + 1_854_760),
        ("lemma", {}, 39_754_541),
    ],
)
def test_full_configurations_have_the_known_counts(name, values, parameters):
    with torch.device("meta"):
        assert count(build(name, **values)) == parameters


def test_parts_have_the_known_counts():
    with torch.device("meta"):
        assert (count(STNHead(3)), count(STNHead(4))) == (1_854_760, 1_855_048)
        prior = Prior(PriorConfig())
        assert (count(prior.vision), count(prior.language)) == (23_547_461, 12_647_461)
        lemma = build("lemma")
        assert (count(lemma.prior), count(lemma.stn), count(lemma.guidance)) == (36_194_922, 1_855_048, 296_802)
        assert count(build("lemma")) - 36_194_922 - 1_855_048 - 296_802 == 1_407_769


@pytest.mark.parametrize("name", SMALL)
def test_luma_and_colour_go_in_and_come_out_larger(name):
    torch.manual_seed(0)
    net = build(name, **SMALL[name])
    for channels in (1, 3):
        y = net.train()(torch.rand(2, channels, 16, 64))
        assert y.shape == (2, channels, 32, 128)
    y.square().mean().backward()
    unused = [n for n, p in net.named_parameters() if p.grad is None]
    # Language sees a detached softmax, so that vision's own classes learn from the prior's loss alone.
    assert unused == (["prior.vision.classes.weight", "prior.vision.classes.bias"] if name == "lemma" else [])
    assert any(p.grad is not None and bool(p.grad.abs().sum() > 0) for n, p in net.named_parameters() if n.startswith("stn"))


@pytest.mark.parametrize("name", SMALL)
def test_a_line_does_not_depend_on_the_others_of_its_batch(name):
    torch.manual_seed(0)
    net = build(name, **SMALL[name]).eval()
    x = torch.rand(3, 1, 16, 64)
    with torch.inference_mode():
        assert torch.allclose(net(x)[:1], net(x[:1]), atol=1e-5)


ABLATIONS = [
    {"location": "none", "alignment": "none", "fusion": False},
    {"location": "selection"},
    {"location": "attention", "alignment": "text"},
    {"prior_language": False},
    {"expansion": False},
    {"region": False},
]


def test_without_adaptive_fusion_the_guide_is_concatenated():
    net = build("lemma", **{**SMALL["lemma"], "fusion": False})
    fusion = net.blocks[0].fusion
    assert count(fusion) == 2 * 8 * 8 + 8
    x, guide = torch.rand(1, 8, 16, 64), torch.rand(1, 8, 16, 64)
    by_hand = torch.einsum("oi,bihw->bohw", fusion.mix.weight[:, :, 0, 0], torch.cat([x, guide], dim=1))
    assert torch.allclose(fusion(x, guide), by_hand + fusion.mix.bias[:, None, None], atol=1e-6)


def test_one_way_of_alignment_has_as_many_parameters_as_both():
    both, one, none = (build("lemma", **{**SMALL["lemma"], "alignment": way}) for way in ("both", "text", "none"))
    assert count(both.guidance) == count(one.guidance) > count(none.guidance)


def test_without_expansion_and_region_the_scores_alone_weigh_the_features():
    plain = build("lemma", **{**SMALL["lemma"], "expansion": False, "region": False}).guidance.location
    assert count(plain) == 0
    x, maps = torch.rand(2, 8, 16, 64), torch.rand(2, 3, 16, 64)
    raised, scores = plain(x, maps, torch.tensor([3, 2]))
    assert torch.equal(scores[1, 0], maps[1, :2].amax(dim=0))
    normal = (x - x.mean(dim=(2, 3), keepdim=True)) / (x.var(dim=(2, 3), keepdim=True, unbiased=False) + 1e-5).sqrt()
    assert torch.allclose(raised, normal * scores.flatten(1).softmax(dim=1).reshape(2, 1, 16, 64), atol=1e-6)


def test_the_projections_of_the_guide_start_as_one_matrix_of_three_would():
    torch.manual_seed(0)
    attention = build("lemma", features=64, prior_base=2, prior_inner=16).guidance.text[0].attention
    for layer in (attention.query, attention.key, attention.value):
        assert float(layer.weight.detach().abs().max()) == pytest.approx((6 / (64 + 3 * 64)) ** 0.5, rel=0.01)
    assert float(attention.out.weight.detach().abs().max()) == pytest.approx((6 / 128) ** 0.5, rel=0.01)


def test_tbsrn_drops_within_its_attention_and_starts_by_xavier():
    torch.manual_seed(0)
    net = build("tbsrn", features=8, blocks=1, stn=False)
    block = net.blocks[0]
    assert float(block.first[0].weight.detach().abs().max()) == pytest.approx((6 / (2 * 8 * 9)) ** 0.5, rel=0.05)
    x = torch.rand(1, 16, 16)
    assert torch.equal(block.look.eval()(x, x, x), block.look(x, x, x))
    assert not torch.equal(block.look.train()(x, x, x), block.look(x, x, x))
    assert (block.look.attention.dropout.p, block.look.feed[2].p, block.look.dropout.p) == (0.1, 0.1, 0.0)


def test_the_norm_of_scene_text_telescope_by_hand():
    norm = DeviationNorm(3)
    x = torch.tensor([[[1.0, 2.0, 6.0]]])
    # Mean 3; deviation with n - 1 = 2: sqrt((4 + 1 + 9) / 2) = sqrt(7).
    assert torch.allclose(norm(x), (x - 3) / 7**0.5, atol=1e-5)


@pytest.mark.parametrize("change", ABLATIONS)
def test_the_ablations_of_lemma_run(change):
    net = build("lemma", **{**SMALL["lemma"], **change}).train()
    sr, readings = net.forward_with_readings(torch.rand(2, 1, 16, 64))
    assert sr.shape == (2, 1, 32, 128)
    losses = net.own_losses(readings, ["Ab1", ""], {})
    assert float(losses["prior"].detach()) > 0
    # Soft-maxed twice the loss cannot fall below log(1 + 36 / e) for each reading.
    assert float(net.own_losses(readings, ["ab", ""], {"double_softmax": True})["prior"].detach()) > 2 * 2.6
    assert net.eval()(torch.rand(1, 1, 16, 64)).shape == (1, 1, 32, 128)


def test_rectification_moves_nothing_when_told_to_move_nothing():
    x = torch.rand(1, 2, 16, 64)
    assert torch.allclose(TPSGrid((16, 64))(x, edge_points(0.05)[None]), x, atol=1e-3)
    moved = TPSGrid((16, 64))(x, edge_points(0.05)[None] + torch.tensor([1 / 63, 0.0]))
    assert torch.allclose(moved[..., :-2], x[..., 1:-1], atol=1e-3)
    points = STNHead(1)(torch.rand(2, 1, 16, 64))
    assert torch.allclose(points, edge_points(0.01).expand(2, -1, -1))


def test_the_grid_of_rare_repeats_the_border_and_takes_points_from_minus_one_to_one():
    grid = RareGrid((4, 100))
    line = torch.rand(100)
    made = grid(line.expand(1, 1, 4, 100), rare_points()[None])[0, 0, 2]
    # It places pixels by their centres and samples with corners aligned: column c comes from 99 (2 c + 1) / 200.
    columns = 99 * (2 * torch.arange(100) + 1) / 200
    low = columns.long()
    by_hand = line[low] + (line[(low + 1).clamp(max=99)] - line[low]) * (columns - low)
    assert torch.allclose(made, by_hand, atol=1e-4)
    x = torch.rand(1, 1, 4, 100)
    assert bool((grid(x, rare_points()[None] + 10.0) == x[..., -1:, -1:]).all()), "outside, the border repeats"
    start = rare_start()
    assert [start[i].tolist() for i in (0, 9, 10, 19)] == [[-1, 0], [1, -1], [-1, 1], [1, 0]]


def test_channels_by_hand():
    x = torch.tensor([[[[0.0, 1.0, 1.0]]]])
    spread = spread_channels(x, 4)
    assert spread[0, :, 0].tolist() == [[0, 1, 1]] * 3 + [[1, 0, 0]]
    assert torch.allclose(gather_channels(spread, 1), x)
    assert gather_channels(spread, 3).shape[1] == 3


def test_attention_is_torchs():
    torch.manual_seed(0)
    ours, theirs = Attention(8, 2), nn.MultiheadAttention(8, 2, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key.weight, ours.value.weight]))
        theirs.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key.bias, ours.value.bias]))
    theirs.out_proj.load_state_dict(ours.out.state_dict())
    query, key = torch.rand(2, 3, 8), torch.rand(2, 5, 8)
    value, maps = ours(query, key, key)
    expected, weights = theirs(query, key, key, average_attn_weights=False)
    assert torch.allclose(value, expected, atol=1e-6) and torch.allclose(maps, weights, atol=1e-6)
    assert torch.allclose(sinusoid(3, 4)[1], torch.tensor([0.8415, 0.5403, 0.0100, 0.9999]), atol=1e-4)


def test_the_priors_text():
    assert encode("Ab-10 z") == encode("ab10z") and encode("z10") == [26, 27, 36]
    logits = torch.zeros(2, 5, 37)
    logits[0, :3, 4] = 1.0
    logits[1, :, 4] = 1.0
    assert text_lengths(logits).tolist() == [4, 5]


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_full_configurations_train_one_step(name):
    net = build(name).train()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-5, betas=(0.5, 0.999))
    lr, hr = torch.rand(2, 1, 16, 64), torch.rand(2, 1, 32, 128)
    if name == "lemma":
        sr, readings = net.forward_with_readings(lr)
        loss = (sr - hr).square().mean() + 0.01 * net.own_losses(readings, ["abc", "d9"], {})["prior"]
    else:
        loss = (net(lr) - hr).square().mean()
    loss.backward()
    before = {n: p.detach().clone() for n, p in net.named_parameters() if p.grad is not None and bool(p.grad.abs().sum() > 0)}
    optimizer.step()
    assert all(bool(torch.isfinite(p).all()) for p in net.parameters())
    assert any(bool((dict(net.named_parameters())[n] != old).any()) for n, old in before.items())


def test_configurations_survive_a_card():
    for name, values in SMALL.items():
        spec = get(name)
        config = spec.parse_config(values)
        assert (
            spec.parse_config({k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(config).items()})
            == config
        )


def test_attention_without_maps_gives_the_same_value():
    torch.manual_seed(0)
    attention = Attention(16, 4).eval()
    query, key, value = torch.rand(2, 5, 16), torch.rand(2, 7, 16), torch.rand(2, 7, 16)
    mask = torch.rand(2, 1, 5, 7) > 0.4
    mask[0, 0, 2] = False  # a step that may look nowhere
    for shown in (None, mask):
        wanted, _ = attention(query, key, value, shown)
        assert torch.allclose(attention.value_alone(query, key, value, shown), wanted, atol=1e-6)
