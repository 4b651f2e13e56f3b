# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch

from ocrmypdf_superres.detectors.ctpn import ANCHOR_HEIGHTS, CTPN, CTPNConfig, anchors, by_anchor, load_public
from ocrmypdf_superres.detectors.ctpn_lines import LineSettings, lines_of, proposals, union_mask
from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.metrics.boxes import non_maximum_suppression

SMALL = CTPNConfig(widths=(16, 24, 32, 48, 48), hidden=32, deep=64)


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_parameters_are_the_published_ones():
    with torch.device("meta"):
        net = CTPN()
    parts = {name: count(part) for name, part in net.named_children()}
    assert parts == {
        "trunk": 14_714_688, "window": 2_359_808, "rows": 493_056, "deep": 131_584, "scores": 10_260, "coordinates": 10_260,
    }  # fmt: skip
    assert count(net) == 17_719_656


def test_shapes_and_gradients():
    net = CTPN(SMALL)
    image = torch.rand(2, 1, 50, 100, requires_grad=True)
    deep, scores, coordinates = net.detect(image)
    assert deep.shape == (2, 64, 3, 6) and scores.shape == coordinates.shape == (2, 20, 3, 6)
    deep.sum().backward()
    assert image.grad is not None and bool(image.grad.abs().sum() > 0)
    assert count(net) < 200_000


def test_compat_is_bgr_with_means_in_rgb_order():
    ours, theirs = CTPN(SMALL), CTPN(CTPNConfig(SMALL.widths, SMALL.hidden, SMALL.deep, compat=True))
    theirs.load_state_dict(ours.state_dict())
    seen = []
    theirs.trunk[0].register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    image = torch.tensor([0.2, 0.4, 0.6]).reshape(1, 3, 1, 1).expand(1, 3, 16, 16)
    theirs(image)
    expected = torch.tensor([0.6 * 255 - 123.68, 0.4 * 255 - 116.779, 0.2 * 255 - 103.939])
    assert torch.allclose(seen[0][0, :, 0, 0], expected, atol=1e-3)


def test_anchors_by_hand():
    found = anchors(2, 3)
    assert found.shape == (60, 4)
    # The second place of the second row, anchor of 11: centred at (23.5, 23.5).
    assert found[40].tolist() == [15.5, 18.0, 31.5, 29.0]
    assert (found[:, 3] - found[:, 1]).reshape(6, 10)[4].tolist() == list(ANCHOR_HEIGHTS)
    maps = torch.arange(20 * 6.0).reshape(1, 20, 2, 3)
    assert by_anchor(maps)[0, 43].tolist() == [maps[0, 6, 1, 1], maps[0, 7, 1, 1]]


def test_decoding_by_hand():
    scores = torch.zeros(1, 20, 4, 12)
    coordinates = torch.zeros(1, 20, 4, 12)
    scores[0, 0::2] = 5.0
    # Anchor of 23 pixels in row 1, columns 2 to 9; moved down by a tenth of its height, and a tenth higher.
    scores[0, 5, 1, 2:10] = 10.0
    coordinates[0, 4, 1, 2:10] = 0.1
    coordinates[0, 5, 1, 2:10] = float(np.log(1.1))
    settings = LineSettings()
    boxes, probabilities = proposals(scores, coordinates, (64, 192), settings)
    assert len(boxes) == 8 and probabilities.min() > 0.99
    # Offsets and factors refer to 24 pixels, since the public code counts both ends.
    middle, half = 23.5 + 2.4, 24 * 1.1 / 2
    assert np.allclose(sorted(boxes[:, 0]), np.arange(2, 10) * 16 - 0.5) and np.allclose(
        boxes[0, 1::2], [middle - half, middle + half]
    )
    (line,) = lines_of(boxes, probabilities, (64, 192), settings)
    assert line.left == 21.5 and line.right == 169.5 and line.height == pytest.approx(2 * half + 2.5, abs=1e-3)
    assert line.begins == pytest.approx(middle, abs=1e-3) and line.box[1] == pytest.approx(middle - half - 1.25, abs=1e-3)
    mask = union_mask([line], (64, 192))
    assert mask.sum() == 149 * len([r for r in range(64) if abs(r - middle) <= line.height / 2])
    # Alone, a proposal is no line.
    assert lines_of(boxes[:1], probabilities[:1], (64, 192), settings) == []


def test_without_regression_boxes_are_a_pixel_higher_than_their_anchors_are_called():
    # As in the public code, whose height is bottom - top + 1 of an anchor that spans its name's pixels.
    scores = torch.zeros(1, 20, 40, 1)
    scores[0, 0::2], scores[0, 1::2, 20] = 5.0, 10.0
    boxes, _ = proposals(scores, torch.zeros(1, 20, 40, 1), (640, 16), LineSettings(suppression=2.0))
    heights = np.sort(boxes[:, 3] - boxes[:, 1])
    assert np.allclose(heights, [height + 1 for height in ANCHOR_HEIGHTS if height + 2 >= 16])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_the_gradient_passes_a_frozen_detector_and_recognizer_on_a_gpu():
    from ocrmypdf_superres.recognizers.crnn import CRNN, CRNNConfig

    for net, image in ((CTPN(SMALL), torch.rand(1, 1, 64, 96)), (CRNN(CRNNConfig(base=4, hidden=8)), torch.rand(1, 1, 32, 100))):
        frozen = net.cuda().eval().requires_grad_(False)
        seen = image.cuda().requires_grad_()
        found = frozen(seen)
        (found if isinstance(found, torch.Tensor) else found[0]).sum().backward()
        assert seen.grad is not None and bool(seen.grad.abs().sum() > 0)


def test_non_maximum_suppression_keeps_the_better():
    boxes = np.array([[0, 0, 15, 31], [0, 4, 15, 35], [0, 60, 15, 91]], np.float32)
    kept = non_maximum_suppression(boxes, np.array([0.9, 0.8, 0.7], np.float32), 0.3, inclusive=True)
    assert boxes[kept, 1].tolist() == [0, 60]


def test_lines_are_as_high_as_the_anchors_and_stay_in_the_image():
    net = CTPN(SMALL)
    with torch.no_grad():
        for head in (net.scores, net.coordinates):
            head.weight.zero_()
            head.bias.zero_()
        net.scores.bias[0::2] = 5.0
        net.scores.bias[9] = 9.0  # the anchor of 48 pixels is text everywhere
        _, scores, coordinates = net(torch.rand(1, 1, 480, 600))
    lines = lines_of(*proposals(scores, coordinates, (480, 600), LineSettings()), (480, 600), LineSettings())
    assert len(lines) > 2 and all(line.right <= 600 and line.height == pytest.approx(50.5, abs=2) for line in lines[1:-1])


def test_public_weights(tmp_path):
    with torch.device("meta"):
        net = CTPN(CTPNConfig(compat=True))
    names = {"trunk": "base_layers", "window": "rpn.conv", "rows": "brnn", "deep": "lstm_fc.conv", "scores": "rpn_class.conv",
             "coordinates": "rpn_regress.conv"}  # fmt: skip
    state = {}
    for name, tensor in net.state_dict().items():
        part, _, rest = name.partition(".")
        state[f"{names[part]}.{rest}"] = torch.zeros(1).expand(tensor.shape) if tensor.dim() else torch.zeros(())
    state["rpn_class.conv.bias"] = torch.arange(20.0)
    path = tmp_path / "ctpn.pth"
    torch.save({"model_state_dict": state, "epoch": 1}, path)
    loaded = load_public(path)
    assert loaded.config.compat and loaded.scores.bias.tolist() == list(range(20)) and not loaded.scores.bias.requires_grad
    del state["brnn.bias_hh_l0"]
    torch.save({"model_state_dict": state}, path)
    with pytest.raises(RecognizerError, match="another network"):
        load_public(path)
    path.write_bytes(b"nothing")
    with pytest.raises(RecognizerError, match="not a checkpoint"):
        load_public(path)
    with pytest.raises(RecognizerError, match="cannot be read"):
        load_public(tmp_path / "none.pth")
