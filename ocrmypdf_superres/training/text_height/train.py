# SPDX-License-Identifier: MPL-2.0
"""Training: made-up pages, tiles cut and turned at random, one loss for each answer."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.export.tracing import trace_to_onnx
from ocrmypdf_superres.files import atomic_write_text
from ocrmypdf_superres.modelstore.published_weights import read_tensors
from ocrmypdf_superres.modelstore.store import sha256_of
from ocrmypdf_superres.page.height_network import BINS, KINDS, RATIO, TILE, TURNS, WEIGHTS, standardized
from ocrmypdf_superres.training.text_height.network import HeightNetwork
from ocrmypdf_superres.training.text_height.tiles import SIDE, Tile, bin_of

log = logging.getLogger(__name__)

BATCH = 64
BLUR = 0.8
"""Standard deviation, in bins, of the target around the true height."""
STRETCH, STRETCHED = 1.16, 0.5
"""How many times wider or narrower tiles are made at most, as letters of one height are in faces that training lacks; and the
share of tiles that are."""


def as_arrays(tiles: list[Tile]) -> dict[str, np.ndarray]:
    """Return *tiles* as arrays that can be kept in a file."""
    return {
        "pixels": np.stack([tile.pixels for tile in tiles]),
        "bins": np.array([bin_of(tile.height) if tile.is_text else -1.0 for tile in tiles], np.float32),
        "skew": np.array([tile.skew for tile in tiles], np.float32),
        "kind": np.array([tile.kind for tile in tiles], np.int64),
    }


def train(
    data: dict[str, np.ndarray], steps: int, seed: int, save: Path | None = None, start: Path | None = None
) -> HeightNetwork:
    """Return a network trained on *data* (as of :func:`as_arrays`) for *steps* batches, kept at *save* as it goes.

    It starts from the weights in *start*, if given.

    Raises:
        OptionError: they cannot be used.
    """
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    net = HeightNetwork(len(KINDS))
    if start is not None:
        try:
            net.load_state_dict(read_tensors(start))
        except RuntimeError as error:
            raise OptionError(f"{start} does not hold weights of this network; give the OUTPUT.pt of a training.") from error
    optimizer = torch.optim.AdamW(net.parameters(), 3e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps + 1)
    held = np.arange(len(data["bins"])) % 40 == 0
    fitted, tested = np.flatnonzero(~held), np.flatnonzero(held)
    mean = 0.0
    for step in range(1, steps + 1):
        tiles, targets = _batch(data, generator.choice(fitted, BATCH), generator)
        loss = _loss(net(tiles), targets)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimizer.step()
        schedule.step()
        mean += 0.02 * (float(loss.detach()) - mean)
        if step % 250 == 0 or step == steps:
            log.info("step %d loss %.3f: %s", step, mean, _test(net, data, tested))
            if save is not None:
                torch.save(net.state_dict(), save)
    return net.eval()


def export(net: HeightNetwork, path: Path = WEIGHTS, description: str = "") -> None:
    """Write *net* to the ONNX file *path*, with a card NAME.json that has its SHA-256.

    Raises:
        OSError: the files cannot be written.
    """
    trace_to_onnx(net.eval(), (torch.rand(2, 1, TILE, TILE),), path, ["answer"], {"tiles": {0: "n"}, "answer": {0: "n"}})
    card = {
        "name": path.stem,
        "sha256": sha256_of(path),
        "licence": "MPL-2.0",
        "parameters": sum(p.numel() for p in net.parameters()),
        "description": description,
    }
    atomic_write_text(path.with_suffix(".json"), json.dumps(card, indent=1) + "\n")


def _batch(data: dict[str, np.ndarray], chosen: np.ndarray, generator: np.random.Generator) -> tuple[Tensor, dict[str, Tensor]]:
    cut = np.empty((len(chosen), TILE, TILE), np.uint8)
    turns = generator.choice(TURNS, len(chosen), p=(0.55, 0.15, 0.15, 0.15))
    powers = generator.uniform(-1, 1, len(chosen)) * (generator.random(len(chosen)) < STRETCHED)
    stretch = (STRETCH**powers).astype(np.float32)
    for index, which in enumerate(chosen):
        wide = round(TILE / float(stretch[index]))
        top, left = (int(generator.integers(0, SIDE - side + 1)) for side in (TILE, wide))
        tile = data["pixels"][which, top : top + TILE, left : left + wide]
        cut[index] = np.rot90(_stretched(tile), turns[index])
    targets = {
        "bins": torch.from_numpy(data["bins"][chosen]),
        # Lines across a wider tile are less steep.
        "skew": torch.from_numpy(data["skew"][chosen] / 10 / stretch),
        "kind": torch.from_numpy(data["kind"][chosen]),
        "turn": torch.from_numpy(turns),
    }
    return torch.from_numpy(standardized(cut / np.float32(255)))[:, None], targets


def _stretched(tile: np.ndarray) -> np.ndarray:
    """Return *tile*, uint8 (TILE, W), resampled to the width TILE."""
    return np.asarray(Image.fromarray(tile).resize((TILE, TILE), Image.Resampling.BICUBIC))


def _loss(answer: Tensor, targets: dict[str, Tensor]) -> Tensor:
    text = targets["bins"] >= 0
    found = F.binary_cross_entropy_with_logits(answer[:, 0], text.float())
    if not text.any():
        return found
    places = torch.arange(BINS).float()
    wanted = torch.softmax(-0.5 * ((places - targets["bins"][text, None]) / BLUR) ** 2, 1)
    heights = -(wanted * F.log_softmax(answer[text, 1 : 1 + BINS], 1)).sum(1).mean()
    turned = F.cross_entropy(answer[text, 1 + BINS : 1 + BINS + TURNS], targets["turn"][text])
    kinds = answer[text, 1 + BINS + TURNS : -1]
    kind = (
        F.cross_entropy(kinds, targets["kind"][text], ignore_index=-1) if (targets["kind"][text] >= 0).any() else kinds.sum() * 0
    )
    skew = F.smooth_l1_loss(answer[text, -1], targets["skew"][text])
    return 2 * found + heights + 0.5 * turned + 0.5 * kind + skew


@torch.no_grad()
def _test(net: HeightNetwork, data: dict[str, np.ndarray], tested: np.ndarray) -> str:
    net.eval()
    tiles, targets = _batch(data, tested, np.random.default_rng(0))
    answer = net(tiles)
    net.train()
    text = targets["bins"] >= 0
    error = (answer[text, 1 : 1 + BINS].argmax(1) - targets["bins"][text]).abs() * math.log(RATIO)
    seen = ((answer[:, 0] > 0) == text).float().mean()
    turned = (answer[text, 1 + BINS : 1 + BINS + TURNS].argmax(1) == targets["turn"][text]).float().mean()
    off = (error > 0.2).float().mean()
    return f"text {seen:.3f} right, height off by {error.median():.3f} (above 20 %: {off:.3f}), turn {turned:.3f} right"
