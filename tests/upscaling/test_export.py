# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch
from nets import CONFIG, SPEC, random_net

from ocrmypdf_superres.errors import ModelError
from ocrmypdf_superres.export.onnx import export_model
from ocrmypdf_superres.modelstore.store import find_model


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("shape", [(1, 1, 2, 2), (3, 1, 10, 38)])
def test_graphs_equal_the_net_for_any_batch_and_size(model, scale, shape):
    x = np.random.default_rng(scale).random(shape, dtype=np.float32)
    with torch.inference_mode():
        expected = random_net()(torch.from_numpy(x), scale).numpy()
    session = onnxruntime.InferenceSession(str(model.onnx_path(scale)), providers=["CPUExecutionProvider"])
    assert np.abs(session.run(["sr"], {"lr": x})[0] - expected).max() <= 1e-4


def test_the_folder_holds_what_the_card_lists(model):
    assert sorted(model.card.files) == ["model.safetensors", "model.x2.onnx", "model.x3.onnx", "model.x4.onnx"]
    model.verify()
    assert model.card.radius == SPEC.receptive_radius(CONFIG)
    assert "random weights" in (model.folder / "README.md").read_text()
    assert [p.name for p in model.folder.parent.iterdir()] == ["random"]


def test_confidences_of_another_model_hold_where_the_card_says_so(model, tmp_path):
    assert model.card.calibration_sha256 == model.card.files["model.safetensors"]
    like = export_model(random_net(), SPEC, CONFIG, tmp_path / "like", "like", calibrated_as="ab" * 32)
    assert like.card.calibration_sha256 == "ab" * 32


def test_a_folder_that_is_no_model_is_kept(tmp_path):
    (tmp_path / "letters.txt").write_text("dear")
    with pytest.raises(ModelError, match=r"does not hold a card\.toml"):
        export_model(random_net(), SPEC, CONFIG, tmp_path, "x")
    assert (tmp_path / "letters.txt").read_text() == "dear"


def test_a_net_whose_graph_disagrees_is_not_kept(tmp_path):
    class Moody(torch.nn.Module):
        def forward(self, x, scale=2):
            repeated = x.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
            return repeated if torch.jit.is_tracing() else repeated + 0.5

    with pytest.raises(ModelError, match="differs from the net"):
        export_model(Moody(), SPEC, CONFIG, tmp_path / "m", "moody")
    assert list(tmp_path.iterdir()) == []


def test_export_replaces_a_model(tmp_path):
    for seed in (1, 2):
        first = export_model(random_net(seed), SPEC, CONFIG, tmp_path / "m", "again", metrics={"cer": 0.1})
    assert find_model(str(tmp_path / "m")).card == first.card
