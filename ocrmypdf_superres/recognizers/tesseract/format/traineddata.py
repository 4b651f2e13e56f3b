# SPDX-License-Identifier: MPL-2.0
"""A ``.traineddata`` file with an LSTM line recognizer: read with every check, and written back.

Format as in Tesseract 4 and 5 (fast, best and combined files), little-endian.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.recognizers.tesseract.format.binary import ByteReader, ByteWriter
from ocrmypdf_superres.recognizers.tesseract.format.charset import Charset, is_right_to_left, read_recoder, read_unicharset
from ocrmypdf_superres.recognizers.tesseract.format.container import (
    LSTM,
    RECODER,
    UNICHARSET,
    join_container,
    read_container,
)
from ocrmypdf_superres.recognizers.tesseract.format.tree import CONTAINERS, PARALLEL, Node, read_node, write_node

INTEGER = 1
RECODED = 64
_LINE_HEIGHTS = (0, 1024)


@dataclass
class TrainedData:
    """The contents of a ``.traineddata`` file.

    Attributes:
        source: name of the file, for messages.
        components: every component by index, as bytes.
        network: the tree of layers.
        spec: the network's specification string, informative only.
        training_flags: bit 0: int8 weights and activations, bit 6: recoder in use.
        training_iteration, sample_iteration: counters of the training; the second seeds the border noise.
        charset: the codec, which knows the blank.
        rates: adam beta, learning rate, momentum.
    """

    source: str
    components: dict[int, bytes]
    network: Node
    spec: str
    training_flags: int
    training_iteration: int
    sample_iteration: int
    charset: Charset
    rates: tuple[float, float, float]

    @property
    def integer(self) -> bool:
        """Whether weights and activations are int8."""
        return bool(self.training_flags & INTEGER)

    @property
    def height(self) -> int:
        """Height in pixels that lines are scaled to."""
        return self.input.extents[1]

    @property
    def input(self) -> Node:
        """The Input node."""
        return next(node for node in self.network.walk() if node.kind == "Input")


def read_traineddata(path: Path) -> TrainedData:
    """Return what the file at *path* holds, after every check.

    Raises:
        RecognizerError: it cannot be read, is damaged, or has no LSTM line recognizer.
    """
    return parse(read_container(path), path.name)


def parse(components: dict[int, bytes], source: str) -> TrainedData:
    """Return what the *components* of a file hold; *source* is its name in messages. Errors as :func:`read_traineddata`."""
    if LSTM not in components:
        raise RecognizerError(
            f"The file {source} has no LSTM network (component {LSTM}), one was expected; it is a legacy-only file "
            f"such as osd.traineddata, so give a language of Tesseract 4 or later."
        )
    reader = ByteReader(components[LSTM], f"The LSTM component of {source}")
    network = read_node(reader)
    embedded = UNICHARSET not in components or RECODER not in components
    if embedded:
        raise RecognizerError(
            f"The file {source} has no unicharset or recoder (components {UNICHARSET} and {RECODER}), both were "
            f"expected; it is a training checkpoint, so combine it with combine_tessdata first."
        )
    spec = reader.text("network specification", 1 << 16)
    flags = reader.i32("training flags")
    iteration, sample, blank = (reader.i32(f) for f in ("training iteration", "sample iteration", "null code"))
    rates = (reader.f32("adam beta"), reader.f32("learning rate"), reader.f32("momentum"))
    reader.end()
    texts, _ = read_unicharset(components[UNICHARSET], f"The file {source}")
    if flags & RECODED:
        codes = read_recoder(ByteReader(components[RECODER], f"The recoder component of {source}"), len(texts))
    else:
        codes = [(index,) for index in range(len(texts))]
    charset = Charset(source, texts, codes, blank, is_right_to_left(texts))
    result = TrainedData(source, components, network, spec, flags, iteration, sample, charset, rates)
    _check(reader, result, blank)
    return result


def _check(reader: ByteReader, data: TrainedData, blank: int) -> None:
    """Check what only the whole file shows; raises RecognizerError."""
    nodes = list(data.network.walk())
    inputs = [node for node in nodes if node.kind == "Input"]
    first = data.network
    while first.kind == "Series":
        first = first.children[0]
    if len(inputs) != 1 or first is not inputs[0]:
        raise reader.fail("Input", f"{len(inputs)} input layers", "one, in front of all others")
    low, high = _LINE_HEIGHTS
    if not low < inputs[0].extents[1] <= high or inputs[0].extents[3] not in (1,):
        raise reader.fail("Input", f"height {inputs[0].extents[1]}, depth {inputs[0].extents[3]}", "grey lines of fixed height")
    last = data.network
    while last.kind in CONTAINERS - PARALLEL:
        last = last.children[-1]
    if last.kind != "Softmax" or sum(node.kind.startswith("Softmax") for node in nodes) != 1:
        raise reader.fail("last layer", last.kind, "one Softmax")
    top = max((code for codes in data.charset.codes for code in codes), default=-1) + 1
    classes = last.no
    # Without a recoder the blank is one class more than the unicharset has.
    if top != classes and not (not data.training_flags & RECODED and top + 1 == classes):
        raise reader.fail("Softmax outputs", str(classes), f"{top} as in the recoder")
    if not 0 <= blank < classes:
        raise reader.fail("null code", str(blank), f"a code below {classes}")
    if data.charset.unichars[0] != " " or data.charset.codes[0] != (0,):
        raise reader.fail("unicharset", "a first character that is not the space", "the space with code 0")
    for node in nodes:
        if any(matrix.integer != data.integer for matrix in node.matrices):
            raise reader.fail(f"{node.kind} {node.name} weights", "another number format than the training flags say", "the same")
    _check_shape(reader, data.network, inputs[0].extents[1])


def _check_shape(reader: ByteReader, root: Node, height: int) -> None:
    """Check that the height is reduced to one row, and that only a known extent is summarised; raises RecognizerError."""

    def pass_through(node: Node, rows: int | None, columns: int | None) -> tuple[int | None, int | None]:
        if node.kind in PARALLEL:
            results = {pass_through(child, rows, columns) for child in node.children}
            if len(results) != 1:
                raise reader.fail(f"{node.kind} {node.name}", "branches of several sizes", "branches of one size")
            return results.pop()
        if node.kind == "XYTranspose":
            columns, rows = pass_through(node.children[0], columns, rows)
            return rows, columns
        for child in node.children:
            rows, columns = pass_through(child, rows, columns)
        if node.kind in ("Maxpool", "Reconfig"):
            x, y = node.extents
            rows = None if rows is None else rows // y
            columns = None if columns is None else columns // x
        if node.kind == "SummLSTM":
            if columns is None:
                raise reader.fail(f"SummLSTM {node.name}", "a line of variable width to summarise", "a fixed extent")
            columns = 1
        if rows == 0 or columns == 0:
            raise reader.fail(f"{node.kind} {node.name}", "an output without rows", "at least one row")
        return rows, columns

    rows, columns = pass_through(root, height, None)
    if rows != 1 or columns is not None:
        raise reader.fail("network", f"an output of {rows} rows", "one row and a variable width")


def write_lstm(data: TrainedData) -> bytes:
    """Return component 17 of *data*, from its tree and fields."""
    writer = ByteWriter()
    write_node(writer, data.network)
    writer.text(data.spec)
    writer.pack("iiii", data.training_flags, data.training_iteration, data.sample_iteration, data.charset.blank)
    writer.pack("fff", *data.rates)
    return writer.data()


def write_traineddata(data: TrainedData) -> bytes:
    """Return the bytes of a file with the network of *data* and all its other components unchanged."""
    components = {**data.components, LSTM: write_lstm(data)}
    return join_container(components, max(24, max(components) + 1))
