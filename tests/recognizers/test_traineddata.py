# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tinydata import parse_traineddata, tiny

from ocrmypdf_superres.errors import RecognizerError, SuperresError
from ocrmypdf_superres.recognizers.tesseract.format.container import (
    LSTM,
    RECODER,
    UNICHARSET,
    join_container,
    read_container,
    split_container,
)
from ocrmypdf_superres.recognizers.tesseract.format.traineddata import (
    read_traineddata,
    write_lstm,
    write_traineddata,
)
from ocrmypdf_superres.recognizers.tesseract.format.writer import float_copy, save_traineddata
from ocrmypdf_superres.recognizers.tesseract.recognizer import TesseractRecognizer
from ocrmypdf_superres.tesseract import find_traineddata

WHOLE = write_traineddata(tiny())
PARTS = split_container(WHOLE, "tiny")
BLANK = tiny().charset.blank


def changed(index: int, old: bytes, new: bytes) -> bytes:
    assert old in PARTS[index]
    return join_container({**PARTS, index: PARTS[index].replace(old, new, 1)})


def test_a_file_is_written_as_it_was_read() -> None:
    for data in (tiny(), tiny(integer=False), tiny(other=True)):
        whole = write_traineddata(data)
        again = parse_traineddata(whole, "again")
        assert write_traineddata(again) == whole
        assert again.integer == data.integer


def test_an_installed_file_is_written_as_it_was_read(needs_eng: None) -> None:
    path = find_traineddata("eng")
    data = read_traineddata(path)
    assert write_lstm(data) == data.components[LSTM]
    assert split_container(write_traineddata(data), "again") == read_container(path)


def test_float_copy_keeps_the_weights(tmp_path: Path) -> None:
    data = tiny()
    save_traineddata(float_copy(data), tmp_path / "t.traineddata")
    again = read_traineddata(tmp_path / "t.traineddata")
    assert not again.integer
    for old, new in zip(data.network.walk(), again.network.walk(), strict=True):
        for left, right in zip(old.matrices, new.matrices, strict=True):
            np.testing.assert_array_equal(left.floats(), right.floats())
    with pytest.raises(RecognizerError, match="ending"):
        save_traineddata(data, tmp_path / "t.bin")
    with pytest.raises(RecognizerError, match="cannot be written"):
        save_traineddata(data, tmp_path / "none" / "t.traineddata")


def test_optimiser_state_is_passed_over() -> None:
    data = tiny(integer=False)
    for node in data.network.walk():
        node.training = 0
    plain = write_lstm(data)
    # A checkpoint's Softmax carries two more matrices and says so in its header.
    matrix = data.network.children[-1].matrices[0].values
    body = struct.pack("<II", *matrix.shape) + bytes(8) + matrix.tobytes()
    at = plain.index(body)
    head = plain.rindex(b"Softmax", 0, plain.rindex(b"Softmax7" if b"Softmax7" in plain else b"Softmax", 0, at))
    stated = bytearray(plain[:at] + body * 3 + plain[at + len(body) :])
    stated[head + len("Softmax")] = 1
    again = parse_traineddata(join_container({**data.components, LSTM: bytes(stated)}), "checkpoint")
    np.testing.assert_array_equal(again.network.children[-1].matrices[0].values, matrix)


@pytest.mark.parametrize(
    ("whole", "message"),
    [
        (b"", "0 bytes"),
        (b"\x00\x00\x00\x18" + WHOLE[4:], "table entries"),
        (WHOLE[:100], "table entries"),
        (WHOLE[:4] + struct.pack("<q", 5) + WHOLE[12:], "offset 5"),
        (join_container({UNICHARSET: b"1\n"}), "no LSTM network"),
        (join_container({LSTM: PARTS[LSTM]}), "checkpoint"),
        (changed(LSTM, b"Softmax", b"Softmin"), "layer type"),
        (changed(LSTM, b"Softmax", b"Linear\x00"), "layer type"),
        (changed(LSTM, b"XYTranspose", b"RTLReversed"), "variable width to summarise"),
        (changed(LSTM, struct.pack("<ii", 3, 3), struct.pack("<ii", 3, 0)), "Maxpool extents"),
        (changed(LSTM, struct.pack("<ii", 3, 3), struct.pack("<ii", 3, 13)), "at least one row"),
        (changed(LSTM, b"\x85", b"\x05"), "mode"),
        (changed(LSTM, b"\x85", b"\x84"), "matrix|left|field"),
        (changed(LSTM, struct.pack("<iiii", 65, 7, 4321, BLANK), struct.pack("<iiii", 64, 7, 4321, BLANK)), "flags"),
        (changed(LSTM, struct.pack("<iiii", 65, 7, 4321, BLANK), struct.pack("<iiii", 65, 7, 4321, BLANK + 1)), "null code"),
        (join_container({**PARTS, LSTM: PARTS[LSTM] + b"\x00"}), "too many"),
        (join_container({**PARTS, RECODER: PARTS[RECODER] + b"\x00"}), "too many"),
        (join_container({**PARTS, RECODER: struct.pack("<I", 5) + PARTS[RECODER][4:]}), "recoder count"),
        (join_container({**PARTS, UNICHARSET: b"\xff\xfe"}), "UTF-8"),
        (join_container({**PARTS, UNICHARSET: b"many\n"}), "number of characters"),
        (join_container({**PARTS, UNICHARSET: b"400000\na\n"}), "a count that fits"),
        (changed(UNICHARSET, b"NULL", b"x"), "space"),
    ],
)
def test_each_check_has_its_sentence(whole: bytes, message: str) -> None:
    with pytest.raises(RecognizerError, match=message) as caught:
        parse_traineddata(whole, "bad.traineddata")
    assert "bad.traineddata" in str(caught.value)
    assert str(caught.value).endswith((".", "anew."))


def test_scales_and_weights_must_be_finite() -> None:
    data = tiny(integer=False)
    data.network.children[-1].matrices[0].values = np.full_like(data.network.children[-1].matrices[0].values, np.nan)
    with pytest.raises(RecognizerError, match="not finite"):
        parse_traineddata(write_traineddata(data), "nan")
    data = tiny()
    scales = data.network.children[-1].matrices[0].scales
    assert scales is not None
    data.network.children[-1].matrices[0].scales = -scales
    with pytest.raises(RecognizerError, match="negative"):
        parse_traineddata(write_traineddata(data), "negative")


def test_nesting_is_bounded() -> None:
    data = tiny()
    for _ in range(20):
        data.network.children[-1:] = [
            type(data.network)("Series", "deep", 7, 24, data.network.children[-1].weights, children=data.network.children[-1:])
        ]
    with pytest.raises(RecognizerError, match="levels"):
        parse_traineddata(write_traineddata(data), "deep")


def parse_or_complain(whole: bytes) -> bool:
    """Whether it loads; what loads can be built and run."""
    message = ""
    try:
        data = parse_traineddata(whole, "mutant")
    except SuperresError as error:
        message = str(error)
    if message:
        assert "mutant" in message
        return False
    reader = TesseractRecognizer(data)
    logits, _ = reader.logits(torch.rand(1, 1, 14, 33), torch.tensor([33]))
    reader.decode([0, 1, 2])
    assert logits.shape[0] == 1
    return True


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=8), st.integers(0, 8))
def test_changed_bytes_load_or_complain(place: int, new: bytes, dropped: int) -> None:
    parse_or_complain(WHOLE[:place] + new + WHOLE[place + dropped :])


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_foreign_bytes_are_refused(whole: bytes) -> None:
    parse_or_complain(whole)
    parse_or_complain(WHOLE[:196] + whole)


def test_five_hundred_mutants_load_or_complain() -> None:
    rng = np.random.default_rng(5)
    loaded = 0
    tracemalloc.start()
    for index in range(500):
        whole = bytearray(WHOLE)
        if index % 5 == 0:
            whole = whole[: int(rng.integers(len(whole)))]
        else:
            for place in rng.integers(0, len(whole), 1 + index % 7):
                whole[int(place)] = int(rng.integers(256)) if index % 2 else whole[int(place)] ^ (1 << int(rng.integers(8)))
        loaded += parse_or_complain(bytes(whole))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200e6
    assert 0 < loaded < 400


def test_missing_and_strange_names() -> None:
    for name in ("no-such-language", "../eng", "a/b/c", "/nowhere/x.traineddata", ""):
        with pytest.raises(RecognizerError):
            find_traineddata(name, Path("/nonexistent"))
