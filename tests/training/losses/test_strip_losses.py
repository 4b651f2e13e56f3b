# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.modelstore.store import find_model
from ocrmypdf_superres.training.data.batches import Batch
from ocrmypdf_superres.training.data.degradations import Downsample
from ocrmypdf_superres.training.losses.image.charbonnier import CharbonnierLoss
from ocrmypdf_superres.training.losses.image.consistency import KERNELS, ConsistencyLoss
from ocrmypdf_superres.training.losses.image.contrast import ContrastLoss, contrast
from ocrmypdf_superres.training.losses.image.distillation import DistillationLoss
from ocrmypdf_superres.training.losses.image.edge import EdgeLoss, SobelEdges
from ocrmypdf_superres.training.losses.image.gradient import GradientLoss
from ocrmypdf_superres.training.losses.image.perceptual import PerceptualLoss
from ocrmypdf_superres.training.losses.image.pixel import L1Loss, L2Loss
from ocrmypdf_superres.upscaling.backends.torch import load_network


def image(*rows):
    return torch.tensor([[rows]], dtype=torch.float64)


SR, HR = image([0.5, 1.0], [0.0, 0.25]), image([0.0, 1.0], [1.0, 0.0])


@pytest.mark.parametrize("kind", [CharbonnierLoss, GradientLoss, L1Loss, L2Loss, ContrastLoss, EdgeLoss])
def test_gradients(kind):
    torch.manual_seed(0)
    sr = torch.rand(2, 1, 4, 5, dtype=torch.float64, requires_grad=True)
    hr = torch.rand(2, 1, 4, 5, dtype=torch.float64).round()
    loss = kind()
    assert torch.autograd.gradcheck(lambda x: loss(x, hr), (sr,))
    assert float(kind()(hr, hr)) == pytest.approx(0.0, abs=0.2 if kind is EdgeLoss else 1e-12)


def test_values_by_hand():
    # Differences 0.5, 0, -1, 0.25.
    assert float(L1Loss()(SR, HR)) == pytest.approx(1.75 / 4)
    assert float(L2Loss()(SR, HR)) == pytest.approx((0.25 + 1 + 0.0625) / 4)
    roots = [math.sqrt(d * d + 1e-4) for d in (0.5, 0.0, 1.0, 0.25)]
    assert float(CharbonnierLoss()(SR, HR)) == pytest.approx(sum(roots) / 4 - 0.01)
    # Along rows -0.5 and 1.25, down columns -1.5 and 0.25.
    assert float(GradientLoss()(SR, HR)) == pytest.approx(1.75 / 2 + 1.75 / 2)


def test_contrast_by_hand():
    expected = image([0.5 + 0.5, 0.5 + 0.75], [0.5 + 0.25, 0.75 + 0.25])
    assert torch.allclose(contrast(SR), expected)
    # E of hr is 2 everywhere; the differences are -1, -0.75, -1.25, -1.
    square = (1 + 0.5625 + 1.5625 + 1) / 4
    assert float(ContrastLoss()(SR, HR)) == pytest.approx(square + 0.5 * (0.25 + 0.25))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_consistency_reduces_as_the_degradation_does(kernel, scale):
    rng = np.random.default_rng(0)
    image = rng.random((24, 36), dtype=np.float32)
    lr = torch.tensor(Downsample((kernel,))(image, rng, scale))[None, None].double()
    loss, sr = ConsistencyLoss(kernel), torch.from_numpy(image)[None, None].double()
    assert torch.allclose(loss.reduce(sr, scale), lr, atol=1e-5)
    assert float(loss(sr, lr)) < 1e-10
    small = sr[..., :12, :12].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, lr[..., : 12 // scale, : 12 // scale]), (small,))


def test_consistency_by_hand():
    # Mean of sr is 0.4375.
    assert float(ConsistencyLoss("box")(SR, image([0.4]))) == pytest.approx(0.0375**2)
    with pytest.raises(OptionError, match="'cubic'"):
        ConsistencyLoss("cubic")


def test_edge_by_hand():
    hr = torch.ones(1, 1, 3, 4, dtype=torch.float64)
    hr[..., :2] = 0.0
    logits = SobelEdges()(hr)
    # Beside the step the magnitude is 1, elsewhere 0.001 (the root's small number).
    assert torch.allclose(logits[0, 0, 1], torch.tensor([-3.588, 8.4, 8.4, -3.588], dtype=torch.float64), atol=1e-5)
    # Six of twelve pixels are edges, so beta is 0.5.  White paper has -3.588 everywhere.
    white = torch.ones_like(hr)
    hit, miss = -math.log(1 / (1 + math.exp(3.588))), -math.log(1 / (1 + math.exp(-3.588)))
    assert float(EdgeLoss()(white, hr)) == pytest.approx(0.5 * 0.5 * hit + 0.5 * 0.5 * miss, rel=1e-5)
    assert float(EdgeLoss()(hr, white)) == 0.0


def hed_weights():
    shapes = {"VggOne.0": (64, 3, 3, 3), "VggOne.2": (64, 64, 3, 3), "ScoreOne": (1, 64, 1, 1)}
    tensors = {}
    for name, shape in shapes.items():
        tensors[f"module{name}.weight"] = torch.zeros(shape)
        tensors[f"module{name}.bias"] = torch.zeros(shape[0])
    return tensors


def test_hed_weights(tmp_path):
    tensors, path = hed_weights(), tmp_path / "hed.pth"
    # Passes on blue (BGR) through both layers, then halves it: (255 x - 104.007) / 2.
    tensors["moduleVggOne.0.weight"][0, 0, 1, 1] = 1.0
    tensors["moduleVggOne.2.weight"][0, 0, 1, 1] = 1.0
    tensors["moduleScoreOne.weight"][0, 0] = 0.5
    torch.save(tensors, path)
    loss = EdgeLoss(str(path))
    assert float(loss.edges(torch.ones(1, 1, 1, 1))) == pytest.approx((255 - 104.00698793) / 2)
    del tensors["moduleScoreOne.bias"]
    torch.save(tensors, path)
    with pytest.raises(OptionError, match=r"0 tensors named ScoreOne\.bias"):
        EdgeLoss(str(path))
    path.write_bytes(b"x")
    with pytest.raises(OptionError, match="cannot be read"):
        EdgeLoss(str(path))
    with pytest.raises(OptionError, match="no weight file"):
        EdgeLoss(str(tmp_path / "none.pth"))


def test_vgg_weights(tmp_path):
    path = tmp_path / "vgg.pth"
    weight = torch.zeros(64, 3, 3, 3)
    weight[0, 0, 1, 1] = 1.0
    torch.save({"features.0.weight": weight, "features.0.bias": torch.zeros(64)}, path)
    loss = PerceptualLoss(str(path), "conv1_1").double()
    # One channel of 64 is red over its deviation.
    expected = (1.75 * 0.0 + (0.25 + 1 + 0.0625) / 4) / 0.229**2 / 64
    assert float(loss(SR, HR)) == pytest.approx(expected, rel=1e-5)
    assert torch.autograd.gradcheck(lambda x: loss(x, HR), (SR.clone().requires_grad_(),))
    with pytest.raises(OptionError, match=r"features\.2\.weight"):
        PerceptualLoss(str(path), "conv1_2")
    with pytest.raises(OptionError, match="'conv6_1'"):
        PerceptualLoss(str(path), "conv6_1")


def test_a_larger_net_is_compared_at_the_batch_s_scale_and_is_frozen():
    torch.manual_seed(0)
    batch = Batch(3, torch.rand(2, 1, 12, 16), torch.rand(2, 1, 36, 48), ["", ""], [None, None], ["", ""])
    loss = DistillationLoss("docsr-s")
    with torch.no_grad():
        wanted = load_network(find_model("docsr-s"))(batch.lr, 3)
    assert float(loss(wanted, batch)) == pytest.approx(0.0, abs=1e-6)
    sr = (wanted + 0.5).requires_grad_(True)
    value = loss(sr, batch)
    assert float(value.detach()) == pytest.approx(0.49, abs=0.01)
    value.backward()
    assert sr.grad is not None and all(parameter.grad is None for parameter in loss.parameters())
    with pytest.raises(OptionError, match="offers the scales 2, 3, 4, not 5"):
        loss(sr, Batch(5, batch.lr, batch.hr, *[[""] * 2] * 3))


def test_a_net_for_lines_is_not_distilled():
    with pytest.raises(OptionError, match="is not a page model for luma"):
        DistillationLoss("edsr-stn-small")
