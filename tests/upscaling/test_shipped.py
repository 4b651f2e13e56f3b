# SPDX-License-Identifier: MPL-2.0
"""Every net and recognizer in ``models/``: files as their cards say, torch as ONNX, tiles as the whole page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ocrmypdf_superres.architectures.blocks.layers import on_luma
from ocrmypdf_superres.modelstore.cards import DETECTOR_CARD, RECOGNIZER_CARD, read_recognizer_card
from ocrmypdf_superres.modelstore.store import find_model, find_recognizer
from ocrmypdf_superres.recognizers import folder as recognizers
from ocrmypdf_superres.upscaling.backends.onnx import OnnxBackend
from ocrmypdf_superres.upscaling.backends.torch import load_network
from ocrmypdf_superres.upscaling.upscaler import PageUpscaler

MODELS = Path(__file__).parents[2] / "models"
NETS = sorted(path.parent for path in MODELS.glob("*/card.toml"))
RECOGNIZERS = sorted(path.parent for card in (RECOGNIZER_CARD, DETECTOR_CARD) for path in MODELS.glob(f"*/{card}"))


def names(paths: list[Path]) -> dict[str, object]:
    return {"argvalues": paths, "ids": [path.name for path in paths]}


@pytest.mark.parametrize("folder", **names(NETS))
def test_torch_equals_onnx(folder):
    model = find_model(str(folder))
    model.verify()
    card = model.card
    assert card.name == folder.name and card.recipe and card.metrics and (folder / "README.md").is_file()
    net = on_luma(load_network(model), card.channels)
    size = card.line_size or (12 * card.size_multiple, 20 * card.size_multiple)
    lr = torch.rand(2, 1, *size, generator=torch.Generator().manual_seed(1))
    for scale in card.scales:
        with torch.inference_mode():
            wanted = net(lr, scale).numpy()
        assert np.abs(OnnxBackend(model, 1, full=True).run(lr.numpy(), scale) - wanted).max() <= 1e-4


@pytest.mark.parametrize("folder", **names([path for path in NETS if not find_model(str(path)).card.line_size]))
def test_tiled_equals_whole(folder):
    model = find_model(str(folder))
    page = np.random.default_rng(2).random((46, 70), dtype=np.float32)
    scale = model.card.scales[0]
    backend = OnnxBackend(model, 1, full=True)
    tiled, whole = (PageUpscaler(model, backend, tile).upscale(page, scale) for tile in (32, 256))
    assert np.abs(tiled - whole).max() <= 5e-5


@pytest.mark.parametrize("folder", **names(RECOGNIZERS))
def test_recognizers_load_and_read(folder):
    reader = recognizers.load(str(folder))
    card = read_recognizer_card(find_recognizer(str(folder)))
    assert card.name == folder.name and card.recipe and card.description and not any(p.requires_grad for p in reader.parameters())
    lines = torch.rand(1, 1, 32, 128, generator=torch.Generator().manual_seed(3))
    if card.kind == "ctpn":
        assert [value.shape[2:] for value in reader.detect(lines)] == [(2, 8)] * 3
    else:
        assert isinstance(reader.read(lines)[0], str)
