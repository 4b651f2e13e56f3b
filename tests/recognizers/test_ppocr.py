# SPDX-License-Identifier: MPL-2.0
"""PP-OCR's recognizer in PyTorch against onnxruntime and against the package that it comes from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper
from PIL import Image
from tesseract_specimens import draw_line, text_fonts

from ocrmypdf_superres import recognizers
from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.onnx_sessions import open_session
from ocrmypdf_superres.recognizers.base import Recognizer, read_lines, stack_lines
from ocrmypdf_superres.recognizers.ppocr.graph import OnnxGraph
from ocrmypdf_superres.recognizers.ppocr.onnx_file import (
    characters_of,
    is_latin,
    last_layer,
    read_model,
    save_model,
    with_characters,
    with_weights,
)
from ocrmypdf_superres.recognizers.ppocr.recognizer import ENCODED, HEIGHT, PPOCRRecognizer, scaled, stacked

pytest.importorskip("rapidocr")

from ocrmypdf_superres.modelstore.rapidocr_networks import installed_model


@pytest.fixture(scope="module")
def model() -> ModelProto:
    return read_model(installed_model())


@pytest.fixture(scope="module")
def latin(model: ModelProto) -> ModelProto:
    return with_characters(model, is_latin)


def line(text: str, height: int = 40) -> Image.Image:
    image = draw_line(text, text_fonts("eng", 1)[0], 34).convert("L")
    return image.resize((round(image.width * height / image.height), height), Image.Resampling.BICUBIC)


def as_tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.asarray(image, dtype=np.float32) / 255)


@pytest.mark.parametrize("width", [320, 483])
def test_the_module_computes_what_onnxruntime_does(model: ModelProto, width: int) -> None:
    images = torch.rand(2, 3, HEIGHT, width, generator=torch.Generator().manual_seed(0)) * 2 - 1
    expected = open_session(installed_model(), 1).run(None, {"x": images.numpy()})[0]
    with torch.no_grad():
        found = OnnxGraph(model)(images)
    assert np.abs(found.numpy() - expected).max() < 1e-4


def test_it_is_a_differentiable_recognizer_that_reads() -> None:
    recognizer = recognizers.load("ppocr:installed")
    assert isinstance(recognizer, Recognizer) and not any(p.requires_grad for p in recognizer.parameters())  # type: ignore[attr-defined]
    images = [as_tensor(line(text)) for text in ("The harvest was late", "Old carts")]
    lines, widths = stack_lines(images)
    assert read_lines(recognizer, lines, widths) == ["The harvest was late", "Old carts"]
    lines.requires_grad_(True)
    logits, steps = recognizer.logits(lines, widths)
    assert steps.tolist() == [logits.shape[1]] * 2
    logits.logsumexp(2).sum().backward()
    assert lines.grad is not None and torch.isfinite(lines.grad).all()
    assert lines.grad[0].abs().sum() > 0
    # Columns right of a line's width are ignored.
    assert lines.grad[1, 0, :, widths[1] :].abs().sum() == 0
    features, columns = recognizer.features(lines.detach(), widths, [ENCODED])[ENCODED]
    assert features.shape[2:] == (1, logits.shape[1]) and columns.tolist() == steps.tolist()
    with pytest.raises(RecognizerError, match="no layer 'lstm'; give conv"):
        recognizer.features(lines.detach(), widths, ["lstm"])


def test_the_whole_graph_moves_to_another_device(model: ModelProto) -> None:
    # A GPU refuses to mix its values with those of the CPU; so does the device without memory.
    graph = OnnxGraph(model).to("meta")
    assert graph(torch.zeros(1, 3, HEIGHT, 320, device="meta")).device.type == "meta"


def test_its_input_is_that_of_the_package() -> None:
    from rapidocr.ch_ppocr_rec.main import TextRecognizer

    package = TextRecognizer.__new__(TextRecognizer)
    package.rec_image_shape = [3, HEIGHT, 320]
    for text, height in (("short", 40), ("a line of text that is wider than it must be at least", 97)):
        image = line(text, height)
        expected = package.resize_norm_img(np.asarray(image.convert("RGB")), max(320 / HEIGHT, image.width / image.height))
        found = stacked([scaled(as_tensor(image)[None, None])])[0].numpy()
        assert found.shape == expected.shape
        # The package rounds to whole levels.
        assert np.abs(found - expected).max() <= 1.01 / 127.5


def test_codes_and_texts_are_inverse(latin: ModelProto) -> None:
    recognizer = PPOCRRecognizer(latin, "mine")
    assert recognizer.decode(recognizer.encode("  Fähre  à 12,50 € – «ja» ")) == "Fähre à 12,50 € – «ja»"
    assert recognizer.encode("e\u0301") == recognizer.encode("\u00e9")
    with pytest.raises(RecognizerError, match="mine does not know 'Ж 本'"):
        recognizer.encode("Ж in 本")


def test_other_scripts_are_left_out_and_the_rest_reads_as_before(model: ModelProto, latin: ModelProto) -> None:
    kept = characters_of(latin)
    assert {"a", "Z", "ß", "ő", "é", "€", "½", "“", " ", ""} <= set(kept) and not {"本", "Ω", "ж", "の"} & set(kept)
    known = characters_of(model)
    codes = [known.index(character) for character in kept[1:-1]]
    images = torch.rand(1, 3, HEIGHT, 320, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        whole, reduced = PPOCRRecognizer(model)(images), PPOCRRecognizer(latin)(images)
    assert torch.allclose(whole[..., codes], reduced[..., 1:-1], atol=1e-4)
    assert torch.allclose(whole[..., [0, -1]], reduced[..., [0, -1]], atol=1e-4)


def test_a_file_in_half_precision_reads_the_same(latin: ModelProto, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    save_model(latin, path)
    assert path.stat().st_size < 0.55 * latin.ByteSize()
    again = read_model(path)
    assert characters_of(again) == characters_of(latin)
    first, second = OnnxGraph(latin), OnnxGraph(again)
    assert first.names.keys() == second.names.keys()
    images = stacked([scaled(as_tensor(line("a harvest of that year"))[None, None])])
    with torch.no_grad():
        expected, found = first(images), second(images)
    assert torch.allclose(expected, found, atol=0.02)
    ran = open_session(path, 1).run(None, {"x": images.numpy()})[0]
    assert np.abs(ran - found.numpy()).max() < 1e-4
    save_model(again, tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == path.read_bytes()


def test_weights_are_written_as_a_mean_with_those_of_the_base(latin: ModelProto) -> None:
    graph = OnnxGraph(latin)
    name = last_layer(graph)[1]
    before = getattr(graph, graph.names[name]).detach().clone()
    with torch.no_grad():
        getattr(graph, graph.names[name]).add_(1.0)
    for share, added in ((0.0, 1.0), (0.25, 0.75)):
        again = OnnxGraph(with_weights(latin, graph, share))
        assert torch.allclose(getattr(again, again.names[name]), before + added)
    assert torch.equal(getattr(OnnxGraph(latin), graph.names[name]), before)


def tiny(operator: str, **attributes: object) -> ModelProto:
    """A model of one node, which lists characters."""
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2, 6, 6])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([helper.make_node(operator, ["x"], ["y"], **attributes)], "tiny", [value], [result])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=7)
    helper.set_model_props(model, {"character": "a\nb"})
    return model


@pytest.mark.parametrize(
    ("operator", "attributes"),
    [
        ("MaxPool", {"kernel_shape": [2, 2], "strides": [1, 1], "auto_pad": "SAME_UPPER"}),
        ("MaxPool", {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1]}),
        ("AveragePool", {"kernel_shape": [3, 2], "strides": [3, 2]}),
        ("HardSigmoid", {"alpha": 0.2, "beta": 0.4}),
        ("ReduceMean", {"axes": [2, 3], "keepdims": 0}),
        ("Softmax", {"axis": 3}),
        ("Transpose", {"perm": [0, 2, 3, 1]}),
        ("Squeeze", {"axes": [0]}),
        ("Unsqueeze", {"axes": [0, 2]}),
    ],
)
def test_an_operator_is_that_of_onnx(tmp_path: Path, operator: str, attributes: dict[str, object]) -> None:
    model = tiny(operator, **attributes)
    onnx.save(model, tmp_path / "tiny.onnx")
    value = np.random.default_rng(0).normal(size=(1, 2, 6, 6)).astype(np.float32)
    expected = open_session(tmp_path / "tiny.onnx", 1).run(None, {"x": value})[0]
    assert np.allclose(OnnxGraph(model)(torch.from_numpy(value)).numpy(), expected, atol=1e-6)


def test_files_of_something_else_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(RecognizerError, match="is not an ONNX file"):
        recognizers.load(f"ppocr:{tmp_path / 'text.onnx'}")
    nameless = tiny("Relu")
    del nameless.metadata_props[:]
    onnx.save(nameless, tmp_path / "nameless.onnx")
    with pytest.raises(RecognizerError, match="does not list the characters"):
        read_model(tmp_path / "nameless.onnx")
    with pytest.raises(RecognizerError, match="has the operator Sin, but one of Add"):
        OnnxGraph(tiny("Sin"))
    with pytest.raises(RecognizerError, match="averages over padding"):
        OnnxGraph(tiny("AveragePool", kernel_shape=[2, 2], strides=[1, 1], auto_pad="SAME_UPPER"))(torch.zeros(1, 2, 6, 6))
    onnx.save(tiny("Relu"), tmp_path / "relu.onnx")
    with pytest.raises(RecognizerError, match="does not end in a linear layer"):
        recognizers.load(f"ppocr:{tmp_path / 'relu.onnx'}")


def test_constants_are_no_weights() -> None:
    model = tiny("Relu")
    model.graph.initializer.append(numpy_helper.from_array(np.float32(2.0), "one"))
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 2]), "whole"))
    assert not list(OnnxGraph(model).parameters())
