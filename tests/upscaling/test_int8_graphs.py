# SPDX-License-Identifier: MPL-2.0
"""Graphs in 8-bit integers: what they compute, when they are used, and what happens where they cannot be."""

from __future__ import annotations

import logging
import shutil

import numpy as np
import pytest
import torch
from nets import CONFIG, SPEC, random_net, random_page

from ocrmypdf_superres.architectures import get
from ocrmypdf_superres.architectures.blocks.fake_quantization import WEIGHT_LEVELS, FakeQuantConv2d, scale_and_zero
from ocrmypdf_superres.errors import ModelError, OptionError
from ocrmypdf_superres.export.int8 import export_int8, prepare_int8, rounding_layers
from ocrmypdf_superres.modelstore.cards import int8_name, onnx_name
from ocrmypdf_superres.modelstore.store import Model, find_model, sha256_of
from ocrmypdf_superres.upscaling.backends.base import to_levels
from ocrmypdf_superres.upscaling.backends.onnx import OnnxBackend
from ocrmypdf_superres.upscaling.loading import load_upscaler


def strokes(height: int, width: int) -> np.ndarray:
    """Return a page of dark and light pixels, whose activations are as large as those of text."""
    return (np.random.default_rng(1).random((height, width)) < 0.5).astype(np.float32)


def observed(net: torch.nn.Module, page: np.ndarray) -> torch.nn.Module:
    """Return *net* in its rounding form, with the ranges of its activations on *page*."""
    made = prepare_int8(net).eval()
    lr = torch.from_numpy(page)[None, None]
    for layer in rounding_layers(made).values():
        layer.observing = True
    with torch.inference_mode():
        for scale in CONFIG.scales:
            made(lr, scale)
    for layer in rounding_layers(made).values():
        layer.observing = False
    return made


@pytest.fixture(scope="module")
def int8_model(model, tmp_path_factory) -> Model:
    """The random model with 8-bit graphs beside its own."""
    made = observed(random_net(), strokes(96, 128))
    return export_int8(model, made, tmp_path_factory.mktemp("int8") / "random", "random", {"difference": "0.1"})


def changed(model: Model, folder, name: str, data: bytes, listed: bool = True) -> Model:
    """Return a copy of *model* whose file *name* holds *data*; its card says so where *listed*."""
    shutil.copytree(model.folder, folder)
    (folder / name).write_bytes(data)
    card = (folder / "card.toml").read_text()
    if listed:
        (folder / "card.toml").write_text(card.replace(model.card.files[name], sha256_of(folder / name)))
    return find_model(str(folder))


def test_weights_have_levels_of_their_channel_and_zero_is_exact():
    convolution = torch.nn.Conv2d(3, 2, 3)
    with torch.no_grad():
        convolution.weight[0] *= 100
        convolution.weight[1, 0, 0, 0] = 0.0
    rounded = FakeQuantConv2d(convolution).rounded_weight()
    steps = rounded / FakeQuantConv2d(convolution).weight_scales()[:, None, None, None]
    assert torch.allclose(steps, steps.round(), atol=1e-4) and float(steps.detach().abs().max()) <= WEIGHT_LEVELS + 1e-3
    assert float(rounded[1, 0, 0, 0].detach()) == 0.0
    # By hand: from -1 to 2 there are 255 steps of 3/255, and 0 is the 85th.
    assert scale_and_zero(torch.tensor([-1.0, 2.0])) == (pytest.approx(3 / 255), 85)


@pytest.mark.parametrize("inputs", [3, 4])
def test_neighbouring_weights_fit_into_16_bits_with_every_activation(inputs):
    """Else processors that add two products in 16 bits would compute something else."""
    convolution = torch.nn.Conv2d(inputs, 64, 3)
    torch.nn.init.uniform_(convolution.weight, -1, 1, torch.Generator().manual_seed(0))
    layer = FakeQuantConv2d(convolution)
    levels = (layer.rounded_weight() / layer.weight_scales()[:, None, None, None]).detach().round()
    in_order = levels.permute(0, 2, 3, 1).flatten(1)
    sums = in_order[:, 0 : 9 * inputs // 2 * 2 : 2] + in_order[:, 1::2]
    assert float(255 * sums.min()) >= -(2**15) and float(255 * sums.max()) < 2**15
    # Nothing is given away where no pair is large: one weight alone has all levels.
    lone = torch.nn.Conv2d(4, 1, 1)
    with torch.no_grad():
        lone.weight.copy_(torch.tensor([1.0, -1.0, 0.1, 0.2]).reshape(1, 4, 1, 1))
    assert float(FakeQuantConv2d(lone).weight_scales()) == pytest.approx(1 / WEIGHT_LEVELS)


def test_gradients_pass_the_rounding_within_the_range_alone():
    layer = FakeQuantConv2d(torch.nn.Conv2d(1, 1, 1, bias=False))
    layer.input_range[1] = 1.0
    x = torch.tensor([0.2, 0.7, 1.4]).reshape(1, 1, 1, 3).requires_grad_(True)
    layer(x).sum().backward()
    weight = float(layer.rounded_weight().detach())
    assert x.grad is not None and x.grad.flatten().tolist() == pytest.approx([weight, weight, 0.0])
    assert float(layer.convolution.weight.grad) == pytest.approx(1.9, abs=0.02)


def test_the_backend_takes_integers_and_says_so(model, int8_model):
    page = random_page(40, 52)[None, None]
    backend, full = OnnxBackend(int8_model, 1), OnnxBackend(int8_model, 1, full=True)
    for scale in CONFIG.scales:
        floats = full.run(page, scale)
        assert np.array_equal(floats, OnnxBackend(model, 1).run(page, scale))
        difference = np.abs(backend.run(page, scale) - floats)
        assert 0 < difference.mean() < 2 / 255
    assert backend.device == "cpu (onnxruntime int8, 1 thread)" and full.device == "cpu (onnxruntime, 1 thread)"
    folder = str(int8_model.folder)
    assert "int8" in load_upscaler(folder, "cpu", 1).device and "int8" not in load_upscaler(folder, "cpu:fp32", 1).device


def test_the_graph_computes_what_training_saw(int8_model):
    net = observed(random_net(), strokes(96, 128))
    page = to_levels(random_page(40, 52, seed=5))[None, None]
    with torch.inference_mode():
        expected = to_levels(net(torch.from_numpy(page) / 255, 3).numpy()).astype(int)
    found = OnnxBackend(int8_model, 1).run(page, 3)
    assert found.dtype == np.uint8 and np.abs(found - expected).mean() < 0.1


def test_graphs_in_floats_from_end_to_end_are_used_too(int8_model, tmp_path):
    """Those of models that were published before 8-bit graphs took levels."""
    import onnx

    older = onnx.load(str(int8_model.onnx_path(2)))
    data = older.SerializeToString()
    copy = changed(int8_model, tmp_path / "older", int8_name(2), data)
    page = to_levels(random_page(24, 28))[None, None]
    backend = OnnxBackend(copy, 1)
    assert np.array_equal(backend.run(page, 2), OnnxBackend(copy, 1, full=True).run(page, 2)) and "int8" in backend.device


def test_levels_and_floats_of_a_page_are_enlarged_alike(int8_model):
    levels = to_levels(random_page(24, 28))[None, None]
    backend = OnnxBackend(int8_model, 1)
    floats = backend.run(levels.astype(np.float32) / 255, 3)
    assert floats.dtype == np.float32 and np.array_equal(to_levels(floats), backend.run(levels, 3))


def test_tiles_equal_the_whole_page_in_integers(int8_model):
    page = random_page(150, 90)
    for scale in CONFIG.scales:
        tiled = load_upscaler(str(int8_model.folder), "cpu", 1, tile=16).upscale(page, scale)
        whole = load_upscaler(str(int8_model.folder), "cpu", 1, tile=160).upscale(page, scale)
        assert np.abs(tiled - whole).max() <= 1 / 255


@pytest.mark.parametrize("fault", ["damaged", "other weights", "no graph"])
def test_floats_take_over_where_integers_cannot_be_right(fault, int8_model, tmp_path, caplog):
    name = int8_name(2)
    if fault == "other weights":
        torch.manual_seed(0)
        other = random_net(9)
        for parameter in other.parameters():
            parameter.data *= 4
        broken = export_int8(int8_model, observed(other, random_page(64, 64)), tmp_path / "m", "m")
    else:
        broken = changed(int8_model, tmp_path / "m", name, b"nothing", listed=fault == "no graph")
    backend = OnnxBackend(broken, 1)
    page = random_page(20, 24)[None, None]
    with caplog.at_level(logging.INFO, "ocrmypdf.superres"):
        assert np.array_equal(backend.run(page, 2), OnnxBackend(broken, 1, full=True).run(page, 2))
        backend.run(page, 3)
    assert [record.message.split(" of ")[0] for record in caplog.records] == ["superres: the 8-bit form"]
    assert backend.device == "cpu (onnxruntime, 1 thread)"


def test_a_model_without_them_runs_in_floats(model):
    assert OnnxBackend(model, 2).device == "cpu (onnxruntime, 2 threads)"


def test_other_architectures_are_refused(model, tmp_path):
    srcnn = get("srcnn")
    with pytest.raises(OptionError, match="has no 8-bit form"):
        prepare_int8(srcnn.build(srcnn.parse_config({})))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    with pytest.raises(ModelError, match="does not hold a"):
        export_int8(model, observed(random_net(), random_page(32, 32)), tmp_path / "full", "full")
    assert SPEC.name == "docsr" and onnx_name(2) in model.card.files
