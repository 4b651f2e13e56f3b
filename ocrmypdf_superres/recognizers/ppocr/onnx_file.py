# SPDX-License-Identifier: MPL-2.0
"""ONNX files of PP-OCR's recognizers: their table of characters, and their weights, read and changed."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.recognizers.ppocr.graph import OnnxGraph

_CHARACTERS = "character"
_HALF = ":half"
_LATIN_BLOCKS = (range(0x250), range(0x1E00, 0x1F00), range(0xFB00, 0xFB07))
_LETTERS_AS_SYMBOLS = "ªºµ"
_EAST_ASIA = 0x2E80
"""The code point from which on scripts and symbols are those of East Asia."""
_OTHER_SCRIPTS = ("ARABIC", "BENGALI", "DEVANAGARI", "HEBREW", "THAI")
_SMALL = 64
"""Initializers of at most so many numbers are kept in single precision: they are settings as often as weights."""


def read_model(path: Path) -> ModelProto:
    """Return the model in *path*, its weights in single precision.

    Raises:
        RecognizerError: the file is missing or damaged, or does not list its characters.
    """
    return parse_model(read_file(path), path)


def read_file(path: Path) -> bytes:
    """Return the content of the ONNX file *path*, for :func:`parse_model`.

    Raises:
        RecognizerError: it is missing or cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise RecognizerError(f"{path} is not an ONNX file that can be read ({error}); give another.") from error


def parse_model(data: bytes, path: Path) -> ModelProto:
    """Return the model in *data*, the content of the file *path*, its weights in single precision.

    Raises:
        RecognizerError: it is damaged, or does not list its characters.
    """
    try:
        model = onnx.load_from_string(data)
    except Exception as error:  # protobuf's errors do not belong to onnx's interface
        raise RecognizerError(f"{path} is not an ONNX file that can be read ({error}); give another.") from error
    if _CHARACTERS not in {entry.key for entry in model.metadata_props}:
        raise RecognizerError(f"{path} does not list the characters that it reads; give the ONNX file of a PP-OCR recognizer.")
    return _in_single_precision(model)


def characters_of(model: ModelProto) -> list[str]:
    """Return the characters by code; code 0 is CTC's blank, an empty text, and the last one is the space between words."""
    listed = next(entry.value for entry in model.metadata_props if entry.key == _CHARACTERS)
    return ["", *listed.split("\n"), " "]


def is_latin(character: str) -> bool:
    """Whether *character* stands on pages in Latin letters: such a letter (not one of phonetics), a digit, a mark, a symbol."""
    if len(character) != 1:
        return False
    code, name = ord(character), unicodedata.name(character, "")
    if unicodedata.category(character)[0] in "LM":
        european = name.startswith("LATIN") and any(code in block for block in _LATIN_BLOCKS)
        return european or character in _LETTERS_AS_SYMBOLS
    return code < _EAST_ASIA and not name.startswith(_OTHER_SCRIPTS)


def with_characters(model: ModelProto, wanted: Callable[[str], bool]) -> ModelProto:
    """Return a copy of *model* that reads only the characters that are *wanted*, besides the space.

    Its last layer has rows for these alone, which makes it smaller and faster, and texts of other scripts impossible.
    """
    known = characters_of(model)
    codes = [code for code, character in enumerate(known) if code in (0, len(known) - 1) or wanted(character)]
    result = ModelProto()
    result.CopyFrom(model)
    weight, bias = last_layer(OnnxGraph(model))
    for initializer in result.graph.initializer:
        if initializer.name in (weight, bias):
            kept = np.ascontiguousarray(numpy_helper.to_array(initializer)[..., codes])
            initializer.CopyFrom(numpy_helper.from_array(kept, initializer.name))
    del result.graph.value_info[:]  # which has the shapes before
    result.graph.output[0].type.tensor_type.shape.dim[2].dim_value = len(codes)
    for entry in result.metadata_props:
        if entry.key == _CHARACTERS:
            entry.value = "\n".join(known[code] for code in codes[1:-1])
    return result


def last_layer(graph: OnnxGraph) -> tuple[str, str]:
    """Return the names of weight and bias of the layer before the softmax.

    Raises:
        RecognizerError: the graph does not end in a linear layer and a softmax.
    """
    operator, (logits, *_) = graph.made_by(graph.output)
    if operator == "Softmax":
        operator, (product, bias, *_) = graph.made_by(logits)
        if operator == "Add":
            operator, (_, weight, *_) = graph.made_by(product)
            if operator == "MatMul":
                return weight, bias
    raise RecognizerError("The model does not end in a linear layer and a softmax; give the ONNX file of a PP-OCR recognizer.")


def with_weights(model: ModelProto, graph: OnnxGraph, base_share: float = 0.0) -> ModelProto:
    """Return a copy of *model* with the weights of *graph*, which was made of it.

    Args:
        model: the base.
        graph: tuned from it.
        base_share: the share, 0 to 1, of the base's weights in the mean that is written (Wortsman et al., CVPR 2022).
    """
    tuned = {name: getattr(graph, own).detach().cpu().numpy() for name, own in graph.names.items()}
    result = ModelProto()
    result.CopyFrom(model)
    for initializer in result.graph.initializer:
        if initializer.name in tuned:
            mean = base_share * numpy_helper.to_array(initializer) + (1 - base_share) * tuned[initializer.name]
            initializer.CopyFrom(numpy_helper.from_array(mean.astype(np.float32), initializer.name))
    return result


def save_model(model: ModelProto, path: Path) -> None:
    """Write *model* to *path* with its weights in half precision, which are computed with in single precision.

    Raises:
        OSError: the file cannot be written.
    """
    result = ModelProto()
    result.CopyFrom(model)
    del result.graph.initializer[:], result.graph.node[:], result.graph.value_info[:]
    casts = []
    for initializer in model.graph.initializer:
        value: NDArray[np.generic] = numpy_helper.to_array(initializer)
        if value.dtype == np.float32 and value.size > _SMALL:
            half = numpy_helper.from_array(value.astype(np.float16), initializer.name + _HALF)
            casts.append(helper.make_node("Cast", [half.name], [initializer.name], to=TensorProto.FLOAT))
            result.graph.initializer.append(half)
        else:
            result.graph.initializer.append(initializer)
    result.graph.node.extend([*casts, *model.graph.node])
    without_initializers_as_inputs(result)
    onnx.checker.check_model(result)
    path.write_bytes(result.SerializeToString())


def _in_single_precision(model: ModelProto) -> ModelProto:
    """Undo what :func:`save_model` did to the weights of *model*."""
    halves = {node.input[0]: node.output[0] for node in model.graph.node if node.op_type == "Cast" and _HALF in node.input[0]}
    for initializer in model.graph.initializer:
        if initializer.name in halves:
            value = numpy_helper.to_array(initializer).astype(np.float32)
            initializer.CopyFrom(numpy_helper.from_array(value, halves[initializer.name]))
    kept = [node for node in model.graph.node if node.op_type != "Cast" or node.input[0] not in halves]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    return model


def without_initializers_as_inputs(model: ModelProto) -> None:
    """Take the initializers of *model* off its inputs, where old files list them and newer checks refuse them."""
    weights = {initializer.name for initializer in model.graph.initializer}
    weights |= {name.removesuffix(_HALF) for name in weights}
    kept = [one for one in model.graph.input if one.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(kept)
