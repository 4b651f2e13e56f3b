# SPDX-License-Identifier: MPL-2.0
"""The losses of real scans in colour: recognition on whole patches, keypoints, hue, and RGB through the page nets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
from ocrmypdf_superres.detectors.keynet import FACTOR, KeyNet, handcrafted, load_keynet, published_state, reduced
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.recognizers.folder import build, save
from ocrmypdf_superres.training.data.sources.patches import PatchSource
from ocrmypdf_superres.training.losses.image.hue import HueLoss
from ocrmypdf_superres.training.losses.recognition.detector import DetectorLoss
from ocrmypdf_superres.training.losses.recognition.keypoints import KeypointLoss
from ocrmypdf_superres.training.losses.recognition.patch_features import PatchFeatureLoss
from ocrmypdf_superres.training.recipe import Stage, read_recipe
from ocrmypdf_superres.training.super_resolution import super_resolution_trainer

PAPERS = Path(__file__).parents[3] / "examples" / "recipes" / "papers"


def published(path: Path) -> KeyNet:
    """Write a random Key.Net to *path* under the names that the public file has, and return it."""
    torch.manual_seed(0)
    net = KeyNet().eval()
    net.last.bias.data.fill_(1.0)
    state = published_state(net)
    assert "feature_extractor.lb_block.conv2.1.running_var" in state and "last_conv.0.weight" in state
    torch.save({"epoch": 1, "state_dict": state}, path)
    return net


def test_keynet_takes_its_public_names_and_has_their_number_of_weights(tmp_path):
    net = published(tmp_path / "keynet.pth")
    assert sum(p.numel() for p in net.parameters()) == 8 * 10 * 25 + 2 * 8 * 8 * 25 + 3 * 8 + 3 * 16 + 24 * 25 + 1
    image = torch.rand(2, 1, 24, 40)
    loaded = load_keynet(tmp_path / "keynet.pth")
    assert torch.equal(loaded(image), net(image)) and loaded(image).shape == image.shape and float(loaded(image).min()) >= 0
    assert not any(p.requires_grad for p in loaded.parameters())
    torch.save({"a": torch.rand(1)}, tmp_path / "other.pth")
    with pytest.raises(OptionError, match="does not hold the tensors of Key"):
        load_keynet(tmp_path / "other.pth")


def test_derivatives_of_a_ramp_and_of_a_parabola():
    x = torch.arange(20.0).reshape(1, 1, 1, 20).expand(1, 1, 12, 20)
    maps = handcrafted(0.01 * x)[0, :, 4:8, 4:16]
    # dx, dy, dx^2, dy^2, dx dy, dxy, dxy^2, dxx, dyy, dxx dyy of a slope of 0.01.
    wanted = [0.01, 0, 1e-4, 0, 0, 0, 0, 0, 0, 0]
    assert torch.allclose(maps, torch.tensor(wanted).reshape(10, 1, 1).expand_as(maps), atol=1e-6)
    curved = handcrafted(0.001 * x * x)[0, 7, 4:8, 6:14]
    assert torch.allclose(curved, torch.full_like(curved, 0.002), atol=1e-6)
    small = reduced(torch.full((1, 1, 24, 36), 0.3))
    assert small.shape == (1, 1, int(24 / FACTOR), int(36 / FACTOR)) and torch.allclose(small, torch.tensor(0.3))


@pytest.mark.parametrize("weights", [True, False])
def test_keypoints_of_the_same_image_are_the_same(weights, tmp_path):
    published(tmp_path / "keynet.pth")
    loss = KeypointLoss(str(tmp_path / "keynet.pth") if weights else "")
    hr = torch.rand(1, 3, 32, 48)
    sr = torch.rand(1, 3, 32, 48, requires_grad=True)
    assert float(loss(hr, hr)) == 0.0
    value = loss(sr, hr)
    value.backward()
    assert float(value.detach()) > 0 and sr.grad is not None and float(sr.grad.abs().sum()) > 0


def test_hue_by_hand():
    red, green, grey = (torch.tensor(c).reshape(1, 3, 1, 1).expand(1, 3, 2, 2) for c in ([1.0, 0, 0], [0, 1.0, 0], [0.4] * 3))
    loss = HueLoss()
    assert float(loss(0.5 * red, red)) == pytest.approx(0.0, abs=1e-4)
    # Red and green are 120 degrees apart, red and cyan are opposite.
    assert float(loss(green, red)) == pytest.approx(1.5, abs=1e-3)
    assert float(loss(1 - red, red)) == pytest.approx(2.0, abs=1e-3)
    assert float(loss(red, grey)) == pytest.approx(0.0, abs=1e-4)
    # Half of the pixels are grey and count nothing.
    half = torch.cat([red, grey], dim=3)
    assert float(loss(torch.cat([green, green], dim=3), half)) == pytest.approx(1.5, abs=1e-3)
    sr = grey.clone().requires_grad_()
    loss(sr, red).backward()
    assert bool(torch.isfinite(sr.grad).all())
    with pytest.raises(OptionError, match="RGB was expected"):
        loss(red[:, :1], red[:, :1])


def test_a_crnn_looks_at_whole_patches(tmp_path, monkeypatch):
    save(build("crnn", {"base": 4, "hidden": 8}).eval(), "crnn", tmp_path / "judge", "judge")
    monkeypatch.setenv("OCRMYPDF_SUPERRES_MODELS", str(tmp_path))
    loss = PatchFeatureLoss("judge")
    hr = torch.rand(2, 3, 96, 64)
    sr = torch.rand(2, 3, 96, 64, requires_grad=True)
    assert float(loss(hr, hr)) == 0.0
    loss(sr, hr).backward()
    assert float(sr.grad.abs().sum()) > 0
    with pytest.raises(OptionError, match="needs a CRNN"):
        PatchFeatureLoss()


def test_detectors_look_at_colour_in_luma():
    class Seen:
        def detect(self, images):
            assert images.shape[1] == 1
            return images, images, images

        def parameters(self):
            return iter(())

    image = torch.rand(1, 3, 8, 8)
    assert float(DetectorLoss(Seen())(image, image)["features"]) == 0.0


def scans(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for part in ("hr", "lr"):
        (folder / "train" / part).mkdir(parents=True)
    small = rng.integers(0, 255, (40, 80, 3)).astype(np.uint8)
    Image.fromarray(small).save(folder / "train" / "lr" / "a.png")
    Image.fromarray(small).resize((320, 160), Image.Resampling.BICUBIC).save(folder / "train" / "hr" / "a.png")


def test_crops_in_colour_are_pairs_of_the_same_place(tmp_path):
    scans(tmp_path)
    source = PatchSource(tmp_path / "train" / "hr", (96, 256), tmp_path / "train" / "lr", colour=True)
    sample = source.sample(np.random.default_rng(1), 40, 4)
    assert sample.target.shape == (3, 96, 256) and sample.lr is not None and sample.lr.shape == (3, 24, 64)
    assert abs(float(sample.target.mean()) - float(sample.lr.mean())) < 0.02
    assert source.each(0, 4)[0].target.shape == (3, 96, 256)


def test_the_recipe_trains_in_colour_before_all_its_terms(tmp_path, monkeypatch):
    scans(tmp_path)
    save(build("crnn", {"base": 4, "hidden": 8}).eval(), "crnn", tmp_path / "judge", "judge")
    monkeypatch.setenv("OCRMYPDF_SUPERRES_MODELS", str(tmp_path))
    recipe = read_recipe(PAPERS / "srresnet-real-small.toml")
    losses = {**recipe.stages[0].losses, "recognizer": {"weights": "judge"}}
    stage = Stage("all", 2, losses, batch=2, balance=recipe.stages[0].balance)
    config = {"features": 8, "blocks": 1, "channels": 3}
    trainer = super_resolution_trainer(replace(recipe, stages=(stage,), config=config, workers=0), tmp_path, tmp_path / "run")
    batch = trainer.task.batches[0]
    assert batch.lr.shape == (2, 3, 24, 64) and batch.hr.shape == (2, 3, 96, 256)
    values = trainer.train_step(batch)
    assert {"l2", "consistency", "detector scores", "recognizer", "keypoints", "hue"} <= set(values)
    assert all(np.isfinite(value) for value in values.values())


def test_colour_of_pages_needs_crops_in_colour(tmp_path):
    text = (PAPERS / "srresnet-real-small.toml").read_text().replace(", colour = true", "")
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(OptionError, match="colour = true"):
        read_recipe(tmp_path / "r.toml")
