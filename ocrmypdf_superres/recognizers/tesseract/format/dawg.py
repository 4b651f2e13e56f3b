# SPDX-License-Identifier: MPL-2.0
"""The word list of a language file: a directed acyclic word graph (DAWG) over the ids of its charset.

Little-endian: int16 42, int32 size of the charset, int32 number of edges, and as many edges of 64 bits. The lowest bits
of an edge are its character's id, as many as the size of the charset needs; then come three flags (the last edge of its
node, one that leads backwards, the end of a word), and above them the index of the first edge of the next node.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ocrmypdf_superres.recognizers.tesseract.format.binary import ByteReader

_MAGIC = 42
_FLAGS = 3
_LAST, _BACKWARD, _END = 1, 2, 4
_MOST_EDGES = 1 << 26


class WordGraph:
    """The words of a graph, to be listed or looked up.

    Args:
        edges: uint64 (N,).
        texts: text of each id of the charset.
        right_to_left: whether words are looked for from their last character too, as some lists keep them.
    """

    def __init__(self, edges: NDArray[np.uint64], texts: Sequence[str], right_to_left: bool = False) -> None:
        self._edges, self._texts = edges, texts
        # As many bits as the size itself needs, which is one more than its last id may need.
        self._bits = len(texts).bit_length()
        self._ids: dict[str, int] = {}
        for index, text in enumerate(texts):
            if text:
                self._ids.setdefault(text, index)
        self._longest = max(map(len, self._ids), default=1)
        self._right_to_left = right_to_left

    def __contains__(self, word: object) -> bool:
        """Whether *word* is in the list, as it is written."""
        if not isinstance(word, str) or not word:
            return False
        ids = self._encode(word)
        return ids is not None and (self._holds(ids) or (self._right_to_left and self._holds(ids[::-1])))

    def words(self, longest: int = 24) -> list[str]:
        """Return all words of at most *longest* characters, in the order of a depth-first search."""
        found: list[str] = []
        waiting = [(0, "")]
        while waiting:
            node, start = waiting.pop()
            for index, flags, following in self._edges_of(node):
                text = start + (self._texts[index] if index < len(self._texts) else "")
                if flags & _END:
                    found.append(text)
                if 0 < following < len(self._edges) and len(text) < longest:
                    waiting.append((following, text))
        return found

    def _encode(self, word: str) -> list[int] | None:
        """Return the ids of the characters of *word*, the longest first; None where one has none."""
        ids, at = [], 0
        while at < len(word):
            for length in range(min(self._longest, len(word) - at), 0, -1):
                index = self._ids.get(word[at : at + length])
                if index is not None:
                    ids.append(index)
                    at += length
                    break
            else:
                return None
        return ids

    def _holds(self, ids: Sequence[int]) -> bool:
        node, flags = 0, 0
        for position, index in enumerate(ids):
            edges = self._edges_of(node) if node or not position else ()
            # A node has at most one edge for a character.
            found = next((edge for edge in edges if edge[0] == index), None)
            if found is None:
                return False
            _, flags, node = found
        return bool(flags & _END)

    def _edges_of(self, node: int) -> Iterator[tuple[int, int, int]]:
        """Yield character, flags and next node of the forward edges of *node*; no node has more than there are edges."""
        mask = (1 << self._bits) - 1
        for place in range(node, len(self._edges)):
            edge = int(self._edges[place])
            flags = edge >> self._bits & ((1 << _FLAGS) - 1)
            if not flags & _BACKWARD:
                yield edge & mask, flags, edge >> (self._bits + _FLAGS)
            if flags & _LAST:
                return


def read_word_graph(data: bytes, texts: Sequence[str], source: str, right_to_left: bool = False) -> WordGraph:
    """Return the words that a component such as ``lstm-word-dawg`` holds.

    Args:
        data: its bytes.
        texts: text of each id of the charset that it was made with.
        source: name of the file, for messages.
        right_to_left: see :class:`WordGraph`.

    Raises:
        RecognizerError: it is damaged, or was made with another charset.
    """
    reader = ByteReader(data, f"{source}, word list")
    magic = int.from_bytes(reader.take(2, "magic number"), "little", signed=True)
    if magic != _MAGIC:
        raise reader.fail("magic number", str(magic), str(_MAGIC))
    size = reader.i32("size of the charset")
    if size != len(texts):
        raise reader.fail("size of the charset", str(size), str(len(texts)))
    count = reader.i32("number of edges")
    if not 0 <= count <= _MOST_EDGES or 8 * count > reader.left:
        raise reader.fail("number of edges", str(count), f"at most {reader.left // 8}")
    edges = np.frombuffer(reader.take(8 * count, "edges"), dtype="<u8")
    return WordGraph(edges, texts, right_to_left)
