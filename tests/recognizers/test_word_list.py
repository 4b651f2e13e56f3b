# SPDX-License-Identifier: MPL-2.0
"""Word lists of language files: a graph made by hand, the installed English one, and damaged ones."""

from __future__ import annotations

import shutil
import struct
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.recognizers.tesseract.format.container import WORD_DAWG, join_container, read_container
from ocrmypdf_superres.recognizers.tesseract.format.dawg import read_word_graph
from ocrmypdf_superres.recognizers.tesseract.networks.word_list import word_lists
from ocrmypdf_superres.tesseract import data_folder, find_traineddata

TEXTS = [" ", "", "a", "b", "t", "ch"]
LAST, END = 1, 4


def graph(edges, texts=TEXTS):
    """Return a word list: *edges* are (text, flags, next node)."""
    bits = len(texts).bit_length()
    packed = [texts.index(text) | flags << bits | node << (bits + 3) for text, flags, node in edges]
    return struct.pack(f"<hii{len(packed)}Q", 42, len(texts), len(packed), *packed)


# at, bat, cha, chat: node 0 is b > 3, a > 4, ch > 5; node 3 is a > 4; node 4 is t; node 5 is a > 4, where a word ends too.
EDGES = [("b", 0, 3), ("a", 0, 4), ("ch", LAST, 5), ("a", LAST, 4), ("t", LAST | END, 0), ("a", LAST | END, 4)]


def test_words_of_a_graph():
    words = read_word_graph(graph(EDGES), TEXTS, "x")
    asked = ("at", "bat", "cha", "chat", "a", "ba", "b", "t", "bata", "", "zat", "ch")
    assert sorted(read_word_graph(graph(EDGES), TEXTS, "x").words()) == ["at", "bat", "cha", "chat"]
    assert [word for word in asked if word in words] == ["at", "bat", "cha", "chat"]
    assert 3 not in words


def test_words_from_right_to_left_are_found_both_ways():
    assert "ta" not in read_word_graph(graph(EDGES), TEXTS, "x")
    assert "ta" in read_word_graph(graph(EDGES), TEXTS, "x", right_to_left=True)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"", "magic number"),
        (struct.pack("<hii", 41, len(TEXTS), 0), "magic number"),
        (struct.pack("<hii", 42, 5, 0), "size of the charset"),
        (struct.pack("<hii", 42, len(TEXTS), 9), "number of edges"),
        (struct.pack("<hii", 42, len(TEXTS), -1), "number of edges"),
    ],
)
def test_a_damaged_list_is_one_sentence(data, named):
    with pytest.raises(RecognizerError, match=named):
        read_word_graph(data, TEXTS, "x")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1), max_size=30), st.text("abtch", max_size=12))
def test_any_edges_end_the_walk(edges, word):
    data = struct.pack(f"<hii{len(edges)}Q", 42, len(TEXTS), len(edges), *edges)
    assert (word in read_word_graph(data, TEXTS, "x")) in (True, False)


def test_the_installed_words():
    (words,) = word_lists(["eng"])
    assert all(word in words for word in ("the", "house", "receive", "London", "don't"))
    assert not any(word in words for word in ("hou5e", "housc", "Lond0n", "qxqzq"))


def test_languages_without_words_are_left_out(tmp_path, monkeypatch):
    parts = read_container(data_folder() / "eng.traineddata")
    (tmp_path / "none.traineddata").write_bytes(join_container({k: v for k, v in parts.items() if k != WORD_DAWG}))
    (tmp_path / "short.traineddata").write_bytes(join_container({**parts, WORD_DAWG: parts[WORD_DAWG][:100]}))
    (tmp_path / "eng.traineddata").write_bytes((data_folder() / "eng.traineddata").read_bytes())
    monkeypatch.setenv("TESSDATA_PREFIX", str(tmp_path))
    assert len(word_lists(["none", "short", "missing", "eng"])) == 1


def test_words_are_those_that_tesseracts_tool_lists(tmp_path):
    tools = [shutil.which("combine_tessdata"), shutil.which("dawg2wordlist")]
    if None in tools:
        pytest.skip("Tesseract's training tools are not installed")
    try:
        installed = find_traineddata("eng")
    except RecognizerError:
        pytest.skip("the language eng is not installed")
    subprocess.run([tools[0], "-u", str(installed), str(tmp_path / "eng.")], check=True, capture_output=True)
    listed = tmp_path / "words.txt"
    files = [str(tmp_path / "eng.lstm-unicharset"), str(tmp_path / "eng.lstm-word-dawg"), str(listed)]
    subprocess.run([tools[1], *files], check=True, capture_output=True)
    (graph,) = word_lists(["eng"])
    ours = set(graph.words())
    theirs = set(listed.read_text(encoding="utf-8").splitlines())
    assert len(theirs - ours) < len(theirs) / 1000
    assert len(ours - theirs) < len(theirs) / 1000
