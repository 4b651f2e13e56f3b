# SPDX-License-Identifier: MPL-2.0
"""Beam search for recognizers that predict character by character."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Step = Callable[[Tensor, Tensor], Tensor]
"""Called as ``step(given, parents)``: codes int64 (N, T) that begin each of N hypotheses, and int64 (N,) which hypothesis of the
call before each continues; returns the logits (N, K) of the next code. A line's hypotheses are neighbours."""


@torch.no_grad()
def beam_search(step: Step, lines: int, width: int, longest: int, start: int, end: int, device: torch.device) -> list[list[int]]:
    """Return the codes of the most probable text of each line, without *start* and *end*.

    A hypothesis' score is the sum of its codes' log-probabilities, without regard to its length, as in the released decoders of
    ASTER (a width of 5) and CDistNet (10). Ended ones are set aside and compete by their score; a line is done when no hypothesis
    that continues can still win.

    Args:
        step: see :data:`Step`; at the first call each line has one hypothesis, later *width*.
        lines: number of lines.
        width: of the beam.
        longest: the most codes of a text; what has not ended by then counts as it is.
        start: the code that begins a text.
        end: the code that ends it.
        device: where the codes are.
    """
    given = torch.full((lines, 1), start, dtype=torch.int64, device=device)
    scores = torch.zeros(lines, 1, device=device)
    parents = torch.arange(lines, device=device)
    best: list[tuple[float, list[int]]] = [(-torch.inf, []) for _ in range(lines)]
    for _ in range(longest):
        logits = step(given, parents).float().log_softmax(dim=1)
        kept, classes = scores.shape[1], logits.shape[1]
        total = (scores[:, :, None] + logits.reshape(lines, kept, classes)).flatten(1)
        scores, chosen = total.topk(min(width, total.shape[1]), dim=1)
        at = torch.arange(lines, device=device)[:, None] * kept
        parents = (at + torch.div(chosen, classes, rounding_mode="floor")).flatten()
        codes = (chosen % classes).flatten()
        given = torch.cat([given[parents], codes[:, None]], dim=1)
        for row in (codes == end).nonzero().flatten().tolist():
            line, score = row // scores.shape[1], float(scores.flatten()[row])
            if score > best[line][0]:
                best[line] = (score, given[row, 1:-1].tolist())
        scores = scores.masked_fill((codes == end).reshape_as(scores), -torch.inf)
        ended = torch.tensor([score for score, _ in best], device=device)
        if bool((scores.amax(dim=1) <= ended).all()):
            return [text for _, text in best]
    highest, which = scores.max(dim=1)
    rows = given.reshape(lines, -1, given.shape[1])
    return [
        rows[line, int(which[line]), 1:].tolist() if float(highest[line]) > score else text
        for line, (score, text) in enumerate(best)
    ]
