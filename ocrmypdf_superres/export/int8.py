# SPDX-License-Identifier: MPL-2.0
"""ONNX graphs from 8-bit pixels to 8-bit pixels whose convolutions compute in 8-bit integers, for onnxruntime on a CPU."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ocrmypdf_superres.architectures import get
from ocrmypdf_superres.architectures.blocks.fake_quantization import FakeQuantConv2d, scale_and_zero
from ocrmypdf_superres.architectures.spec import Foldable, HasInt8Form
from ocrmypdf_superres.errors import MissingDependencyError, ModelError, OptionError
from ocrmypdf_superres.export.onnx import example_tiles, export_graph, model_readme
from ocrmypdf_superres.extras import install_line
from ocrmypdf_superres.modelstore.cards import CARD, check_name, int8_name, read_card
from ocrmypdf_superres.modelstore.store import Model, sha256_of
from ocrmypdf_superres.modelstore.writer import model_folder, write_card
from ocrmypdf_superres.onnx_sessions import open_session
from ocrmypdf_superres.upscaling.backends.base import to_levels
from ocrmypdf_superres.upscaling.backends.onnx import Graph

TOLERANCE = 2.0 / 255
"""Largest mean difference, of [0, 1], of the rounded net in torch and its graph; ties are rounded otherwise here and there."""


def prepare_int8(net: nn.Module) -> nn.Module:
    """Return a copy of *net*, folded, whose convolutions round as integers do, with ranges that are still empty.

    Raises:
        OptionError: the architecture has no 8-bit form.
    """
    made = copy.deepcopy(net)
    if isinstance(made, Foldable):
        made.fold()
    if not isinstance(made, HasInt8Form):
        raise OptionError(f"{type(net).__name__} has no 8-bit form; give a model of the architecture docsr.")
    inner, last = made.int8_convolutions()
    for name in (*inner, *last):
        convolution = made.get_submodule(name)
        if not isinstance(convolution, nn.Conv2d):
            raise TypeError(f"{name} is not a convolution")
        made.set_submodule(name, FakeQuantConv2d(convolution, name in last))
    return made


def rounding_layers(net: nn.Module) -> dict[str, FakeQuantConv2d]:
    """Return the layers that :func:`prepare_int8` put into *net*, by name."""
    return {name: layer for name, layer in net.named_modules() if isinstance(layer, FakeQuantConv2d)}


def export_int8(model: Model, net: nn.Module, folder: Path, name: str, about: Mapping[str, Any] | None = None) -> Model:
    """Write *model* with an 8-bit graph for each scale beside its own files as the model *name* to *folder*; return it.

    Args:
        model: whose files are copied.
        net: made of its net by :func:`prepare_int8`, with ranges and weights that suit each other.
        folder: the model folder to write.
        name: the new model's.
        about: what the card is to say about the 8-bit graphs, added to its metrics.

    Raises:
        MissingDependencyError: the package onnx is missing.
        ModelError: *folder* exists and does not hold a model, *model* is damaged, or a graph differs from *net*.
    """
    check_name(name)
    layers = rounding_layers(net)
    plain = copy.deepcopy(net)
    for path in layers:
        plain.set_submodule(path, plain.get_submodule(f"{path}.convolution"))
    spec = get(model.card.architecture)
    model.verify()
    with model_folder(folder) as part, tempfile.TemporaryDirectory() as temporary:
        for file in model.card.files:
            (part / file).write_bytes(model.file(file).read_bytes())
        for scale in model.card.scales:
            floats = Path(temporary) / "floats.onnx"
            export_graph(plain, scale, spec, model.card.channels, floats)
            _quantize_graph(floats, layers, part / int8_name(scale))
            _compare(net, scale, part / int8_name(scale), example_tiles(spec))
        card = replace(
            model.card,
            name=name,
            files={p.name: sha256_of(p) for p in sorted(part.iterdir())},
            metrics={**model.card.metrics, **(about or {})},
        )
        write_card(card, part / CARD)
        read_card(part / CARD)
        text = model_readme(card, sum(p.numel() for p in plain.parameters()))
        (part / "README.md").write_text(text, encoding="utf-8")
    return Model(read_card(folder / CARD), folder)


def _quantize_graph(floats: Path, layers: Mapping[str, FakeQuantConv2d], path: Path) -> None:
    """Write the graph in *floats* to *path*, with the convolutions that belong to *layers* in integers."""
    try:
        import onnx
        from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"8-bit graphs need the package {error.name}, which is not installed; run: {install_line('train')}"
        ) from error
    quant_pre_process(str(floats), str(floats), skip_symbolic_shape=True)
    nodes = list(onnx.load(str(floats)).graph.node)
    ends: dict[str, list[dict[str, Any]]] = {}
    kept = []
    for node in nodes:
        if node.op_type != "Conv":
            continue
        layer = layers.get(node.input[1].removeprefix("net.").removesuffix(".weight"))
        if layer is not None:
            ends[node.input[1]] = _weight_overrides(layer)
            for name in _rounded_before(node.input[0], nodes):
                # Features that go to two layers are rounded as the first of them wants it; both ranges are about the same.
                ends.setdefault(name, [_override(layer.input_range)])
            if layer.last:
                ends[node.output[0]] = [_override(layer.output_range)]
        else:
            kept.append(node.name)
    quantize_static(
        str(floats),
        str(path),
        _NoCalibration(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=kept,
        op_types_to_quantize=["Conv", "Relu"],
        extra_options={"TensorQuantOverrides": ends},
    )
    graph = onnx.load(str(path))
    _take_bytes(graph.graph)
    onnx.checker.check_model(graph)
    onnx.save(graph, str(path))


def _take_bytes(graph: Any) -> None:
    """Make *graph* take and give 8-bit levels: a page's pixels are moved and shuffled in a quarter of the memory."""
    from onnx import TensorProto, helper

    step, zero = "level", "level_of_black"
    graph.initializer.extend(
        [helper.make_tensor(step, TensorProto.FLOAT, [], [1 / 255]), helper.make_tensor(zero, TensorProto.UINT8, [], [0])]
    )
    for node in graph.node:
        node.input[:] = ["lr_floats" if name == "lr" else name for name in node.input]
    last = next(node for node in graph.node if "sr" in node.output)
    place = list(graph.node).index(last)
    if last.op_type == "DepthToSpace":
        # Shuffling costs least after rounding.
        floats, levels = last.input[0], "sr_levels"
        last.input[0] = levels
    else:
        floats, levels, place = "sr_floats", "sr", place + 1
        last.output[:] = [floats]
    graph.node.insert(place, helper.make_node("QuantizeLinear", [floats, step, zero], [levels], name="to_levels"))
    graph.node.insert(0, helper.make_node("DequantizeLinear", ["lr", step, zero], ["lr_floats"], name="from_levels"))
    for value in (graph.input[0], graph.output[0]):
        value.type.tensor_type.elem_type = TensorProto.UINT8


def _rounded_before(name: str, nodes: Sequence[Any]) -> list[str]:
    """Return the tensor *name* and those that are only put together or rearranged to it, back to what was computed.

    A convolution computes in integers only where its own output is rounded, and not after it was moved.
    """
    found, moved = [name], {"Concat", "DepthToSpace"}
    for node in nodes:
        if name in node.output and node.op_type in moved:
            found += [each for source in node.input for each in _rounded_before(source, nodes)]
    return found


def _override(ends: torch.Tensor) -> dict[str, Any]:
    scale, zero = scale_and_zero(ends)
    return {"scale": np.array(scale, np.float32), "zero_point": np.array(zero, np.uint8)}


def _weight_overrides(layer: FakeQuantConv2d) -> list[dict[str, Any]]:
    zero = np.array(0, np.int8)
    return [{"axis": 0, "scale": np.array(scale, np.float32), "zero_point": zero} for scale in layer.weight_scales().tolist()]


class _NoCalibration:
    """Gives onnxruntime one tile: all ranges are given, but it requires data."""

    def __init__(self) -> None:
        self.tiles = iter([{"lr": np.random.default_rng(0).random((1, 1, 32, 32), dtype=np.float32)}])

    def get_next(self) -> dict[str, Any] | None:
        """Return the next input, None after the last."""
        return next(self.tiles, None)


def _compare(net: nn.Module, scale: int, path: Path, tiles: np.ndarray[Any, np.dtype[np.float32]]) -> None:
    with torch.inference_mode():
        expected = net(torch.from_numpy(to_levels(tiles)) / 255, scale).clamp(0, 1).numpy()
    found = Graph(open_session(path, threads=1)).run(tiles)
    mean = float(np.abs(found - expected).mean())
    if not mean <= TOLERANCE:
        raise ModelError(
            f"The 8-bit graph {path.name} differs from the net by {255 * mean:.1f} grey levels in the mean, at most "
            f"{255 * TOLERANCE:.0f} were expected; it was not kept."
        )
