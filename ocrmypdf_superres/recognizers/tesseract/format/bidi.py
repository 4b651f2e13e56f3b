# SPDX-License-Identifier: MPL-2.0
"""Logical and visual order of lines in right-to-left scripts.

A reduced form of the Unicode bidirectional algorithm (UAX 9) for one line without explicit embeddings whose base
direction is right to left: Hebrew, Arabic and their kin, with numbers and Latin words in them. It is its own
inverse, so that the same function turns logical into visual order and back.
"""

from __future__ import annotations

import unicodedata


def visual_order(text: str) -> str:
    """*text* with the order of its characters turned between logical and visual (left to right) order.

    Characters are reversed, combining marks included, and runs of Latin letters and of digits are set back. Brackets
    do not mirror: Tesseract's networks give the logical character, so that an opening bracket is "(" in either order,
    though in a right-to-left line its image is that of ")".
    """
    pieces: list[str] = []
    for kind, run in _runs(text):
        pieces.append(run if kind == "L" else "".join(reversed(run)))
    return "".join(reversed(pieces))


def _runs(text: str) -> list[tuple[str, str]]:
    """Split *text* into runs of direction L or R; neutrals between two L runs belong to them."""
    kinds = []
    for sign in text:
        kind = unicodedata.bidirectional(sign)
        kinds.append("L" if kind in ("L", "EN", "AN") else "R" if kind in ("R", "AL") else "N")
    at = 0
    while at < len(kinds):
        if kinds[at] == "N":
            end = at
            while end < len(kinds) and kinds[end] == "N":
                end += 1
            inside = at > 0 and end < len(kinds) and kinds[at - 1] == "L" and kinds[end] == "L"
            kinds[at:end] = ["L" if inside else "R"] * (end - at)
            at = end
        else:
            at += 1
    runs: list[tuple[str, str]] = []
    for kind, sign in zip(kinds, text, strict=True):
        if runs and runs[-1][0] == kind:
            runs[-1] = (kind, runs[-1][1] + sign)
        else:
            runs.append((kind, sign))
    return runs
