# SPDX-License-Identifier: MPL-2.0
"""The readers of the published line systems: counts, reading, folders."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ocrmypdf_superres.architectures.blocks.abinet import PriorConfig
from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.metrics.text import letters_and_digits
from ocrmypdf_superres.modelstore.cards import RECOGNIZER_CARD
from ocrmypdf_superres.recognizers import REGISTRY, abinet, aster, cdistnet, crnn, load, moran, text_focus
from ocrmypdf_superres.recognizers.base import Recognizer
from ocrmypdf_superres.recognizers.folder import KINDS, build, save
from ocrmypdf_superres.recognizers.folder import load as load_folder
from ocrmypdf_superres.recognizers.line_recognizer import resized

TINY = {
    "crnn": {"base": 4, "hidden": 16},
    "text-focus": {"base": 2, "blocks": [1, 1, 1, 1], "heads": 2, "inner": 16},
    "cdistnet": {"base": 2, "counts": [1, 1, 1, 1, 1], "encoder_layers": 1, "decoder_layers": 1, "heads": 2, "encoder_inner": 16,
                 "decoder_inner": 16, "localisation": [4, 4, 4, 4], "localisation_inner": 4, "beam": 3},
    "aster": {"base": 2, "counts": [1, 1, 1, 1, 1], "hidden": 8, "state": 8, "localisation": [2, 2, 2, 2, 2, 2],
              "localisation_inner": 4, "beam": 2, "longest": 12},
    "moran": {"base": 2, "counts": [1, 1, 1, 1, 1], "hidden": 8, "offsets": [2, 2, 2, 2]},
    "abinet": {"base": 2, "counts": [1, 1, 1, 1, 1], "layers": 1, "heads": 2, "inner": 16, "attention": 4, "language_layers": 1},
}  # fmt: skip


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_full_readers_have_the_known_counts():
    with torch.device("meta"):
        assert count(crnn.CRNN()) == 8_331_301
        published = text_focus.TextFocus(text_focus.TextFocusConfig(compat=True))
        assert (count(published), count(published.encoder), count(published.decoder)) == (62_314_951, 49_657_728, 12_600_354)
        assert count(text_focus.TextFocus()) == 62_314_951 - 34
        assert count(cdistnet.CDistNet(cdistnet.CDistNetConfig(compat=True))) == 65_459_272
        assert count(cdistnet.CDistNet()) == 46_523_464 == 65_459_272 - 18_935_808
        assert count(aster.ASTER()) == 20_991_594 and count(moran.MORAN()) == 20_340_141
        assert count(abinet.ABINet()) == count(abinet.ABINet(PriorConfig())) == 36_194_922


@pytest.mark.parametrize("kind", TINY)
def test_readers_learn_read_and_pass_gradients(kind):
    torch.manual_seed(0)
    net = build(kind, TINY[kind])
    lines = torch.rand(3, 1, 20, 70, requires_grad=True)
    loss = net.loss(lines, ["Ab-1", "x", "kk"])
    while kind == "moran" and net.rectify.convolutions[1].weight.grad is None:
        # Every second batch is not rectified in training.
        loss = net.loss(lines, ["Ab-1", "x", "kk"])
        loss.backward(retain_graph=True)
    loss.backward()
    assert bool(torch.isfinite(loss)) and lines.grad is not None and bool(lines.grad.abs().sum() > 0)
    # The language part sees a detached softmax.
    assert all(p.grad is not None for n, p in net.named_parameters())
    texts = net.eval().read(lines.detach(), torch.tensor([70, 40, 70]))
    assert len(texts) == 3 and all(isinstance(text, str) for text in texts)
    assert net.height == 32
    if kind == "aster":
        assert net.decode(net.encode("Ab-1 é")) == "Ab-1"
    else:
        assert net.decode(net.encode("Ab-1")) == "ab1" and all(letters_and_digits(text) == text for text in texts)


def test_the_fully_attentive_readers_say_where_they_look():
    for kind, places in (("text-focus", 256), ("cdistnet", 64)):
        net = build(kind, TINY[kind]).eval()
        codes = net.targets(["ab", "abc"])
        assert [len(line) for line in codes] == [3, 4]
        logits, maps = net.attend(torch.rand(2, 1, 32, 128), torch.tensor([[*codes[0], 0], codes[1]]))
        assert logits.shape == (2, 4, len(net.classes)) and maps.shape == (2, 2, 4, places)
        assert torch.allclose(maps.sum(dim=3), torch.ones(2, 2, 4), atol=1e-5)


def test_cdistnet_scales_its_attention_twice_as_published():
    torch.manual_seed(0)
    published, plain = (build("cdistnet", {**TINY["cdistnet"], "scaled_twice": twice}).eval() for twice in (True, False))
    plain.load_state_dict(published.state_dict())
    # A head has 16 channels: dividing the queries by 4 is the second scaling.
    for name, parameter in plain.named_parameters():
        if ".attention.query." in name:
            parameter.data /= 4
    line, codes = torch.rand(1, 3, 32, 128), torch.tensor([[12, 13, 14]])
    assert torch.allclose(published.attend(line, codes)[0], plain.attend(line, codes)[0], atol=1e-6)
    unit = published.encoder[0]
    assert (unit.attention.dropout.p, unit.feed[2].p, unit.dropout.p, published.dropout.p) == (0.0, 0.0, 0.1, 0.1)


def test_recognizers_that_take_colour_see_it():
    line = torch.rand(1, 3, 32, 128)
    grey = (line * torch.tensor([0.299, 0.587, 0.114]).reshape(1, 3, 1, 1)).sum(dim=1, keepdim=True)
    codes = torch.tensor([[12, 13]])
    for kind, colour in (("cdistnet", True), ("text-focus", False)):
        net = build(kind, TINY[kind]).eval()
        same = torch.allclose(net.attend(line, codes)[0], net.attend(grey, codes)[0], atol=1e-6)
        assert same != colour


def test_a_character_does_not_see_later_ones():
    for kind in ("text-focus", "cdistnet"):
        net = build(kind, TINY[kind]).eval()
        line = torch.rand(1, 1, 32, 128)
        first, _ = net.attend(line, torch.tensor([[12, 13, 14, 15]]))
        second, _ = net.attend(line, torch.tensor([[12, 13, 20, 15]]))
        assert torch.allclose(first[:, :3], second[:, :3], atol=1e-6) and not torch.allclose(first[:, 3], second[:, 3])


def test_lines_are_cut_at_their_widths_before_they_are_resized():
    lines = torch.zeros(2, 1, 8, 40)
    lines[:, :, :, 20:] = 1.0
    out = resized(lines, torch.tensor([20, 40]), (8, 16))
    assert float(out[0].abs().max()) < 1e-6 and float(out[1, ..., -4:].mean()) > 0.9


def test_a_tiny_reader_overfits_one_batch():
    torch.manual_seed(1)
    net = build("text-focus", {"base": 4, "blocks": [1, 1, 1, 1], "heads": 4, "inner": 64})
    lines, texts = torch.rand(3, 1, 32, 64), ["cab", "1d", "ace"]
    optimizer = torch.optim.Adam(net.parameters(), lr=4e-3)
    for _ in range(120):
        loss = net.loss(lines, texts)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss.item() < 0.02:
            break
    # Batch normalisation's running figures lag behind after so few steps.
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
            module.reset_running_stats()
    net.loss(lines, texts)
    assert net.eval().read(lines) == texts


def test_a_recognizer_is_saved_to_a_folder_and_loaded(tmp_path, monkeypatch):
    net = build("crnn", TINY["crnn"]).eval()
    folder = save(net, "crnn", tmp_path / "judge", "judge", description="for a test", metrics={"accuracy": 0.5})
    loaded = load_folder(str(folder))
    lines = torch.rand(2, 1, 32, 64)
    assert torch.equal(loaded(loaded.grey(lines, None)), net(net.grey(lines, None)))
    assert not any(p.requires_grad for p in loaded.parameters())
    monkeypatch.setenv("OCRMYPDF_SUPERRES_MODELS", str(tmp_path))
    reader = load("folder:judge")
    assert isinstance(reader, Recognizer) and "folder" in REGISTRY.names() and reader.name == "judge"
    logits, lengths = reader.logits(lines, torch.tensor([64, 30]))
    assert logits.shape[:2] == (2, int(lengths[0]))
    assert reader.features(lines, torch.tensor([64, 30]), ["conv"])["conv"][0].shape[3] == int(lengths[0])
    with pytest.raises(RecognizerError, match="no layer 'deep'"):
        reader.features(lines, torch.tensor([64, 30]), ["deep"])
    with pytest.raises(RecognizerError, match="kind crnn, but ctpn"):
        load_folder("judge", ("ctpn",))
    card = folder / RECOGNIZER_CARD
    text = card.read_text()
    card.write_text(text.replace('kind = "crnn"', 'kind = "other"'))
    with pytest.raises(RecognizerError, match="'other'"):
        load_folder("judge")
    card.write_text(text.replace("base = 4", "base = 5"))
    with pytest.raises(RecognizerError, match="does not hold weights"):
        load_folder("judge")
    card.write_text(text)
    (folder / "model.safetensors").write_bytes(b"no")
    with pytest.raises(RecognizerError, match="SHA-256"):
        load_folder("judge")
    with pytest.raises(RecognizerError, match="no recognizer or detector 'none'"):
        load_folder("none")
    with pytest.raises(RecognizerError, match="unknown key 'size'"):
        build("crnn", {"size": 3})
    with pytest.raises(RecognizerError, match="has hidden = '4', but expected is a valid integer"):
        build("crnn", {"hidden": "4"})
    assert set(KINDS) == {*TINY, "ctpn"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["crnn", "text-focus", "cdistnet", "abinet", "aster", "moran", "ctpn"])
def test_full_networks_train_one_step(kind):
    from ocrmypdf_superres.training.recognizers.detector_targets import CTPNLoss

    net = build(kind, {}).train()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    if kind == "ctpn":
        _, scores, coordinates = net(torch.rand(1, 1, 64, 96))
        loss = CTPNLoss()(scores, coordinates, [torch.tensor([[16.0, 20.0, 64.0, 44.0]])], (64, 96))
    else:
        loss = net.loss(torch.rand(2, 1, 32, 128), ["abc", "d9"])
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimizer.step()
    assert all(bool(torch.isfinite(p).all()) for p in net.parameters())
