# SPDX-License-Identifier: MPL-2.0
"""Tesseract's search for the best text in a network's output, without its dictionaries.

Unlike greedy decoding it reads only texts that the recoder knows, follows the two best codes of each step and the
blank, and may score one step of a letter with the sum of the letter's and the blank's probability, provided that
another step of this letter is beside it with its own score. Behaviour as observed in Tesseract 5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ocrmypdf_superres.recognizers.tesseract.format.charset import Charset

_LEAST = math.exp(-20.0)

# What may follow a step: anything; only the same code with its own score; anything but the same code.
_ANY, _SAME, _OTHER = range(3)

_Key = tuple[tuple[int, ...], int, int]  # codes of an unfinished character, last code, what may follow


@dataclass(frozen=True)
class _Path:
    score: float
    codes: tuple[int, ...] | None  # last code that was added, and the path before it; None at the start
    before: _Path | None


def best_codes(probabilities: NDArray[np.float64], charset: Charset) -> list[int]:
    """Codes of the best text, without blanks, in *probabilities* (T, K)."""
    beam: dict[_Key, _Path] = {((), charset.blank, _ANY): _Path(0.0, None, None)}
    for step in probabilities:
        order = np.argpartition(step, -2)[-2:]
        second, top = (int(code) for code in order[np.argsort(step[order])])
        following = _advance(beam, step, {top, second, charset.blank}, (top, second), charset)
        if not following:
            following = _advance(beam, step, set(range(len(step))), (top, second), charset)
        beam = following or beam
    ends = [path for (prefix, _, follow), path in beam.items() if follow != _SAME and not prefix]
    best: _Path | None = max(ends or beam.values(), key=lambda path: path.score)
    codes: list[int] = []
    while best is not None:
        if best.codes is not None:
            codes.extend(best.codes)
        best = best.before
    return codes[::-1]


def _advance(
    beam: dict[_Key, _Path], step: NDArray[np.float64], allowed: set[int], leaders: tuple[int, int], charset: Charset
) -> dict[_Key, _Path]:
    blank = charset.blank
    following: dict[_Key, _Path] = {}

    def push(key: _Key, path: _Path, probability: float, code: int | None) -> None:
        score = path.score + math.log(max(float(probability), _LEAST))
        known = following.get(key)
        if known is None or known.score < score:
            added = None if code is None or code == blank else (code,)
            # A step that adds no code needs no link of its own.
            following[key] = _Path(score, added, path) if added else _Path(score, path.codes, path.before)

    for (prefix, last, follow), path in beam.items():
        if last in allowed and follow != _OTHER:
            push((prefix, last, _ANY), path, step[last], None)
            if follow == _ANY and last != blank:
                push((prefix, last, _OTHER), path, step[last] + step[blank], None)
        if follow == _SAME:
            continue
        if last != blank and prefix and blank in allowed:
            push((prefix, blank, _ANY), path, step[blank], None)
        if last != blank and not prefix and blank in allowed:
            push(((), blank, _ANY), path, step[blank], None)
        for code in allowed:
            if code in (last, blank):
                continue
            grown = (*prefix, code)
            shared = step[code] + step[blank]
            if follow == _ANY and last != blank and {last, code} == set(leaders):
                shared = shared + step[last]
            for state in _states(grown, charset):
                push((state, code, _ANY), path, step[code], code)
                push((state, code, _SAME), path, shared, code)
    return following


def _states(codes: tuple[int, ...], charset: Charset) -> list[tuple[int, ...]]:
    """Return what may be unfinished after *codes*: nothing if they are a character, *codes* if a character starts so."""
    states: list[tuple[int, ...]] = []
    if charset.is_character(codes):
        states.append(())
    if charset.is_start(codes):
        states.append(codes)
    return states
