# SPDX-License-Identifier: MPL-2.0
"""Lines in memory, scaled to the height of a Tesseract network, and the folders of prepared lines that they come from."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ocrmypdf_superres.errors import OptionError, RecognizerError
from ocrmypdf_superres.recognizers.tesseract.preprocess import scale_lines
from ocrmypdf_superres.recognizers.tesseract.recognizer import TesseractRecognizer
from ocrmypdf_superres.training.data.ocr_lines.shards import read_shard, shard_paths
from ocrmypdf_superres.training.data.ocr_lines.stream import Line
from ocrmypdf_superres.training.losses.recognition.ctc import steps_needed

log = logging.getLogger(__name__)

WIDEST = 1400
"""Lines wider than this at the network's height are left out of training: their batches would be slow and few."""


@dataclass
class LinePool:
    """Lines to train on.

    Attributes:
        recognizer: whose height and charset the lines are for.
        widest: in pixels at that height; wider lines are left out.
        levels: uint8 (height, W) of each line. codes: of its text. reasons: why lines were left out, by number.
    """

    recognizer: TesseractRecognizer
    widest: int = WIDEST
    levels: list[Tensor] = field(default_factory=list)
    codes: list[list[int]] = field(default_factory=list)
    reasons: dict[int, str] = field(default_factory=dict)
    _seen: int = 0

    def add(self, lines: Sequence[Line]) -> None:
        """Take in those of *lines* whose text can be written and fits into the image."""
        found: list[Tensor] = []
        for line in lines:
            number, self._seen = self._seen, self._seen + 1
            try:
                codes = self.recognizer.encode(line.text)
            except RecognizerError as error:
                self.reasons[number] = str(error)
                continue
            grey = torch.from_numpy(line.image.astype(np.float32))[None]
            scaled, _ = scale_lines(grey, torch.tensor([grey.shape[2]]), self.recognizer.height, rounding=True)
            width = scaled.shape[2]
            # A third of the width is what the published networks have as steps.
            if not codes or steps_needed(codes) > width // 3:
                self.reasons[number] = f"The text {line.text[:60]!r} does not fit into {width // 3} steps."
            elif width > self.widest:
                self.reasons[number] = f"The line {line.text[:60]!r} is {width} pixels wide, more than {self.widest}."
            else:
                found.append((scaled[0] + 0.5).to(torch.uint8))
                self.codes.append(codes)
        self._keep(found)

    def _keep(self, found: Sequence[Tensor]) -> None:
        # One block for all: small ones among large ones that pass keep the heap from shrinking.
        if found:
            block = torch.cat([levels.reshape(-1) for levels in found])
            parts = torch.split(block, [levels.numel() for levels in found])
            self.levels += [part.view(levels.shape) for part, levels in zip(parts, found, strict=True)]

    def __len__(self) -> int:
        return len(self.levels)

    def widths(self) -> list[int]:
        """Return the width of each line in pixels."""
        return [levels.shape[1] for levels in self.levels]


class LineFolder:
    """The files of prepared lines in *folder*, which more may be added to while it is trained on.

    Attributes:
        names: of the files read so far, in the order in which they were found. pool: their lines.
    """

    def __init__(self, folder: Path, pool: LinePool) -> None:
        self.folder = folder
        self.pool = pool
        self.names: list[str] = []
        self._damaged: set[str] = set()

    def update(self) -> bool:
        """Read the files that are new; return whether there was one. A damaged one is left out with a warning."""
        fresh = [path for path in shard_paths(self.folder) if path.name not in {*self.names, *self._damaged}]
        for path in fresh:
            try:
                lines = read_shard(path)
            except OptionError as error:
                log.warning("%s", error)
                # Not among the names, which a run that is continued reads again.
                self._damaged.add(path.name)
                continue
            self.pool.add(lines)
            self.names.append(path.name)
        return bool(fresh)

    def restore(self, names: Sequence[str]) -> None:
        """Read the files *names* in this order, which is that of the run that is continued.

        Raises:
            OptionError: one is missing or damaged.
        """
        for name in names[len(self.names) :]:
            self.pool.add(read_shard(self.folder / name))
            self.names.append(name)
        if self.names[: len(names)] != list(names):
            raise OptionError(f"{self.folder} has other files than the interrupted run read; give its own folder of lines.")
