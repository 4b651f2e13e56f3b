# SPDX-License-Identifier: MPL-2.0
"""Sample grids: the strips that a net is given, and its results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from ocrmypdf_superres.architectures.blocks.layers import grey_of
from ocrmypdf_superres.training.data.batches import Batch, StepBatches

DATA_BATCHES, DATA_STRIPS = 4, 6
"""How many batches of the data are shown, and how many strips of each."""
RESULT_STRIPS = 10


def _grey(images: Tensor) -> NDArray[np.float32]:
    return np.asarray(grey_of(images)[:, 0].cpu().numpy(), dtype=np.float32)


def _enlarged(lr: NDArray[np.float32], hr: NDArray[np.float32]) -> NDArray[np.float32]:
    image = Image.fromarray(lr).resize((hr.shape[1], hr.shape[0]), Image.Resampling.NEAREST)
    return np.asarray(image, dtype=np.float32)


def _save(rows: list[NDArray[np.float32]], path: Path) -> None:
    sheet = np.clip(np.vstack(rows), 0, 1) * 255 + 0.5
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet.astype(np.uint8)).save(path)


def save_data_sheet(batches: StepBatches, path: Path) -> None:
    """Write some strips of each of the first batches to *path*: lr on the left, hr on the right."""
    sheet = []
    for step in range(min(DATA_BATCHES, len(batches))):
        batch = batches[step]
        for lr, hr, box in list(zip(_grey(batch.lr), _grey(batch.hr), batch.boxes, strict=True))[:DATA_STRIPS]:
            marked = hr.copy()
            if box is not None:
                marked[box[1] : box[3], [box[0], box[2] - 1]] = 0.5
            sheet.append(np.hstack([_enlarged(lr, hr), marked]))
    _save(sheet, path)


@torch.no_grad()
def save_result_sheet(net: nn.Module, batch: Batch, path: Path) -> None:
    """Write the first strips of *batch* to *path*: lr, sr and hr side by side."""
    sr = _grey(net(batch.lr[:RESULT_STRIPS].float(), batch.scale))
    hr, lr = _grey(batch.hr[:RESULT_STRIPS]), _grey(batch.lr[:RESULT_STRIPS])
    _save([np.hstack([_enlarged(a, c), b, c]) for a, b, c in zip(lr, sr, hr, strict=True)], path)
