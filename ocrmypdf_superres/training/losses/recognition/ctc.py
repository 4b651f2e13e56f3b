# SPDX-License-Identifier: MPL-2.0
"""CTC loss of a recognizer's logits against known text (Graves et al., ICML 2006)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional

from ocrmypdf_superres.recognizers.base import Recognizer


def steps_needed(codes: Sequence[int]) -> int:
    """Least number of steps in which CTC can write *codes*: one each, and a blank between equal neighbours."""
    return len(codes) + sum(left == right for left, right in pairwise(codes))


def sum_equals(log_probs: Tensor, equals: Sequence[Sequence[int]]) -> Tensor:
    """*log_probs* (B, T, K) with the probability of each group of codes in *equals* on the group's first code."""
    if not equals:
        return log_probs
    device = log_probs.device
    sums = [torch.logsumexp(log_probs[..., torch.tensor(list(group), device=device)], dim=2) for group in equals]
    members = torch.tensor([code for group in equals for code in group], device=device)
    # No target names the others any more; a finite value keeps the gradients finite.
    emptied = log_probs.index_fill(2, members, -1e4)
    firsts = torch.tensor([group[0] for group in equals], device=device)
    return emptied.index_copy(2, firsts, torch.stack(sums, dim=2))


@runtime_checkable
class HasEqualCodes(Protocol):
    """A recognizer with groups of codes any of which is right where one is, such as straight and curly quotes."""

    equals: Sequence[Sequence[int]]


def equal_codes(recognizer: Recognizer) -> Sequence[Sequence[int]]:
    """Return the groups of *recognizer*, none where it has no such groups."""
    return recognizer.equals if isinstance(recognizer, HasEqualCodes) else ()


class CTCLoss(nn.Module):
    """Mean over the feasible lines of -log p(text | line) / number of codes, in nats a character.

    A line whose text needs more steps than its image has, or that has no text, counts nothing and has no
    gradient; :attr:`infeasible` tells how many of the last batch were so. No line may count more than *limit*: its
    gradient is scaled down accordingly, so that one wrong ground truth does not steer a batch.
    """

    infeasible: int

    def __init__(self, limit: float = 8.0) -> None:
        super().__init__()
        self.limit = limit
        self.infeasible = 0

    def forward(
        self,
        logits: Tensor,
        lengths: Tensor,
        codes: Sequence[Sequence[int]],
        blank: int,
        equals: Sequence[Sequence[int]] = (),
    ) -> Tensor:
        """*logits*: float (B, T, K); *lengths*: valid steps, int64 (B,); *codes*: B texts as codes. A scalar.

        *equals*: groups of codes any of which is right where one is, such as straight and curly quotes.
        """
        first = {code: group[0] for group in equals for code in group}
        codes = [[first.get(code, code) for code in line] for line in codes]
        sizes = [len(line) for line in codes]
        steps = lengths.tolist()
        feasible = [size > 0 and steps_needed(line) <= step for size, line, step in zip(sizes, codes, steps, strict=True)]
        self.infeasible = len(sizes) - sum(feasible)
        if not any(feasible):
            return logits.sum() * 0.0
        chosen = [index for index, good in enumerate(feasible) if good]
        picked = logits if len(chosen) == len(sizes) else logits[torch.tensor(chosen, device=logits.device)]
        target = torch.tensor([code for index in chosen for code in codes[index]], dtype=torch.int64)
        log_probs = functional.log_softmax(picked.float() if picked.dtype.itemsize < 4 else picked, dim=2)
        losses = functional.ctc_loss(
            sum_equals(log_probs, equals).transpose(0, 1),
            target.to(logits.device),
            torch.tensor([steps[index] for index in chosen], dtype=torch.int64),
            torch.tensor([sizes[index] for index in chosen], dtype=torch.int64),
            blank=blank,
            reduction="none",
            zero_infinity=True,
        )
        losses = losses / torch.tensor([sizes[index] for index in chosen], device=losses.device, dtype=losses.dtype)
        with torch.no_grad():
            share = (self.limit / losses.clamp(min=self.limit)).to(losses.dtype)
        return (losses * share).mean()
