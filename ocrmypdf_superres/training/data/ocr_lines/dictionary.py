# SPDX-License-Identifier: MPL-2.0
"""The word list of a ``.traineddata`` file, which is a directed acyclic word graph (DAWG)."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ocrmypdf_superres.errors import RecognizerError

#: Index of the component with the LSTM network's word list.
WORD_DAWG = 19
_MAGIC = 42
_LAST, _BACKWARD, _ENDS = 1, 2, 4
_FLAG_BITS = 3
_MAX_LENGTH = 24


class Dictionary:
    """The words of a DAWG.

    The format: int16 42, int32 number of characters, int32 number of edges, then one uint64 per edge. From the lowest bit:
    the character's id, three flags (last edge of its node, backward, ends a word), and the index of the next node's first edge.

    Args:
        component: the bytes of component :data:`WORD_DAWG`.
        characters: text of each character id.

    Raises:
        RecognizerError: the component is not such a graph.
    """

    def __init__(self, component: bytes, characters: Sequence[str]) -> None:
        if len(component) < 10:
            raise RecognizerError(
                f"A word list of {len(component)} bytes was given, at least 10 were expected; use another file."
            )
        magic, count, edges = struct.unpack_from("<hii", component)
        if magic != _MAGIC or count < 1 or edges < 1 or len(component) != 10 + 8 * edges:
            raise RecognizerError(
                f"A word list with the magic number {magic} and {edges} edges in {len(component)} bytes was given, "
                f"the magic number {_MAGIC} and 8 bytes per edge were expected; use another file."
            )
        self.edges: NDArray[np.uint64] = np.frombuffer(component, "<u8", edges, 10)
        self.bits = max(1, int(np.ceil(np.log2(count + 1))))
        self.characters = characters

    def words(self) -> list[str]:
        """Return all words of at most 24 characters, in the order of a depth-first search."""
        found: list[str] = []
        waiting = [(0, "")]
        while waiting:
            node, start = waiting.pop()
            for letter, flags, following in self._node(node):
                text = start + (self.characters[letter] if letter < len(self.characters) else "")
                if flags & _ENDS:
                    found.append(text)
                if 0 < following < len(self.edges) and len(text) < _MAX_LENGTH:
                    waiting.append((following, text))
        return found

    def _node(self, first: int) -> list[tuple[int, int, int]]:
        """Return (character, flags, next node) of the forward edges of the node that starts at edge *first*."""
        found = []
        for edge in self.edges[first:]:
            value = int(edge)
            flags = value >> self.bits & 7
            if not flags & _BACKWARD:
                found.append((value & ((1 << self.bits) - 1), flags, value >> (self.bits + _FLAG_BITS)))
            if flags & _LAST:
                break
        return found
