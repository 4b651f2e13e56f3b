# SPDX-License-Identifier: MPL-2.0
"""Lines that page segmentation cut in two, often in the middle of a word, joined again."""

from __future__ import annotations

from collections.abc import Sequence

from ocrmypdf_superres.metrics.boxes import Box, as_array, bounding_box, common_height, in_rows_of
from ocrmypdf_superres.ocr.hypothesis import Hypothesis, Word

GAP = 0.4
"""Two lines in one row are one line when they are at most this many line heights apart: less than columns or cells are."""
OVERLAP = 0.5
"""... and overlap by at most this many."""
SAME_ROW = 0.7
"""They share at least this part of the height of the lower one ..."""
SAME_HEIGHT = 1.5
"""... and neither is more than this many times as high as the other."""


def join_seams(reading: Hypothesis) -> tuple[Hypothesis, list[Box]]:
    """Return *reading* with lines that touch end to end joined, and the boxes of the joined ones.

    Each keeps its words, in the direction in which its longest part is read, in the place of that part.
    """
    after = {}
    lines, rows = reading.lines, as_array(line.box for line in reading.lines)
    for i, line in enumerate(lines):
        if line.turned:
            continue
        near = (k for k in in_rows_of(line.box, rows) if k != i and not lines[k].turned)
        found = [k for k in near if _continues(line.box, lines[k].box)]
        if found:
            after[i] = min(found, key=lambda k: lines[k].box[0])
    taken: set[int] = set()
    words: dict[int, Sequence[Word]] = {}
    boxes: list[Box] = []
    for first in sorted(after, key=lambda i: reading.lines[i].box[0]):
        if first in taken:
            continue
        chain = [first]
        while (following := after.get(chain[-1])) is not None and following not in taken and following not in chain:
            chain.append(following)
        if len(chain) < 2:
            continue
        taken.update(chain)
        # A note in the margin that touches a line must not take it along to its own place.
        place = max(chain, key=lambda k: len(reading.lines[k].text))
        words |= {k: [] for k in chain}
        read = chain[::-1] if reading.lines[place].from_right else chain
        words[place] = [word for k in read for word in reading.lines[k].words]
        boxes.append(bounding_box([reading.lines[place].box, *(word.box for word in words[place])]))
    return (reading.edited(words, {}, {}), boxes) if words else (reading, [])


def _continues(left: Box, right: Box) -> bool:
    heights = left[3] - left[1], right[3] - right[1]
    low, high = max(1, min(heights)), max(heights)
    gap = right[0] - left[2]
    return (
        -OVERLAP * low <= gap <= GAP * low
        and right[0] > left[0]
        and right[2] > left[2]
        and high <= SAME_HEIGHT * low
        and common_height(left, right) >= SAME_ROW
    )
