# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tinydata import HEIGHT, tiny

from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.recognizers import REGISTRY, load
from ocrmypdf_superres.recognizers.base import Recognizer, collapse, read_lines, stack_lines
from ocrmypdf_superres.recognizers.tesseract.format.writer import float_copy
from ocrmypdf_superres.recognizers.tesseract.network import LineNetwork
from ocrmypdf_superres.recognizers.tesseract.noise import border_noise, minstd
from ocrmypdf_superres.recognizers.tesseract.recognizer import TesseractRecognizer
from ocrmypdf_superres.recognizers.tesseract.verification.integer import IntegerNetwork


def lines(count: int, width: int, height: int = HEIGHT, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 1, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("other", [False, True])
def test_padding_and_company_change_nothing(other: bool) -> None:
    reader = TesseractRecognizer(tiny(other=other))
    assert isinstance(reader, Recognizer)
    single = lines(1, 61)
    alone, steps = reader.logits(single, torch.tensor([61]))
    batch = torch.rand(3, 1, HEIGHT, 90)
    batch[1, :, :, :61] = single[0]
    together, all_steps = reader.logits(batch, torch.tensor([90, 61, 33]))
    assert int(all_steps[1]) == int(steps[0])
    torch.testing.assert_close(together[1, : int(steps[0])], alone[0, : int(steps[0])], atol=2e-6, rtol=1e-5)


def test_steps_are_a_third_of_the_width() -> None:
    reader = TesseractRecognizer(tiny())
    _, steps = reader.logits(lines(3, 50, height=24), torch.tensor([50, 31, 2]))
    assert steps.tolist() == [8, 5, 0]


@pytest.mark.parametrize("height", [7, HEIGHT, 15, 40])
def test_gradient_agrees_with_finite_differences(height: int) -> None:
    reader = TesseractRecognizer(float_copy(tiny()), dtype=torch.float64)
    image = lines(2, 40, height).double() * 0.6 + 0.2
    # The contrast levels come from one row and are constants of the gradient; keep that row out of the comparison.
    widths = torch.tensor([40, 33])
    weight = torch.randn(reader.logits(image, widths)[0].shape, generator=torch.Generator().manual_seed(2)).double()

    levels = FrozenLevels(reader, image, widths)

    def value(pixels: torch.Tensor) -> torch.Tensor:
        with levels:
            logits, _ = reader.logits(pixels, widths)
        return (torch.log_softmax(logits, 2) * weight).sum()

    pixels = image.clone().requires_grad_(True)
    value(pixels).backward()
    assert pixels.grad is not None
    rng = np.random.default_rng(0)
    for _ in range(12):
        direction = torch.from_numpy(rng.normal(size=image.shape))
        step = 1e-6
        numeric = float(value(image + step * direction) - value(image - step * direction)) / (2 * step)
        analytic = float((pixels.grad * direction).sum())
        assert abs(numeric - analytic) <= 1e-6 * max(abs(numeric), abs(analytic), float(pixels.grad.norm()))


class FrozenLevels:
    """Contrast levels of a given image, whatever is read inside."""

    def __init__(self, reader: TesseractRecognizer, image: torch.Tensor, widths: torch.Tensor) -> None:
        from ocrmypdf_superres.recognizers.tesseract import preprocess

        self.module = preprocess
        self.real = preprocess.contrast_levels
        scaled, places = preprocess.scale_lines(image[:, 0] * 255.0, widths, reader.height)
        self.levels = self.real(scaled, places)

    def __enter__(self) -> None:
        self.module.contrast_levels = lambda lines, widths: self.levels

    def __exit__(self, *_: object) -> None:
        self.module.contrast_levels = self.real


def test_clipped_pixels_keep_some_gradient() -> None:
    reader = TesseractRecognizer(tiny())
    pixels = lines(1, 60).round().requires_grad_(True)
    logits, _ = reader.logits(pixels, torch.tensor([60]))
    torch.log_softmax(logits, 2)[0, :, 3].sum().backward()
    assert pixels.grad is not None
    assert float((pixels.grad != 0).float().mean()) > 0.4
    strict = TesseractRecognizer(tiny(), slope=0.0)
    again = pixels.detach().clone().requires_grad_(True)
    logits, _ = strict.logits(again, torch.tensor([60]))
    torch.log_softmax(logits, 2)[0, :, 3].sum().backward()
    assert again.grad is not None
    assert float((again.grad != 0).sum()) < float((pixels.grad != 0).sum())


@pytest.mark.parametrize("other", [False, True])
def test_float_port_follows_the_integer_arithmetic(other: bool) -> None:
    data = tiny(other=other)
    reader = TesseractRecognizer(data, rounding=True, dtype=torch.float64)
    if other:
        # An Unfold has no noise in the port; its image is read without a border.
        reader.set_border("zero")
    else:
        reader.set_border("exact")
    image = lines(1, 66, 30)
    value, widths = reader.prepare(image, torch.tensor([66]))
    logits, steps = reader.network(value, widths)
    exact = IntegerNetwork(data).logits(value[0, 0, :, : int(widths[0])].numpy())
    port = torch.softmax(logits[0, : int(steps[0])], 1).numpy()
    share = np.exp(exact - exact.max(1, keepdims=True))
    share /= share.sum(1, keepdims=True)
    assert share.shape == port.shape
    edge = 3 if other else 0
    assert np.abs(share - port)[edge : len(port) - edge].max() < 0.05


def test_integer_forward_wants_integers() -> None:
    with pytest.raises(RecognizerError, match="float weights"):
        IntegerNetwork(float_copy(tiny()))


def test_noise_is_the_generator_of_the_standard() -> None:
    # The 10000th draw of minstd_rand after the seed 1 is 399268537 by the C++ standard.
    draws = minstd(1, 9999)
    assert int(draws[-1]) == 399268537
    noise = border_noise(4, 5, 1, (1, 1), 4321, True)
    assert noise.shape == (4, 5, 9, 1)
    assert not noise[1:-1, 1:-1].any()
    assert np.abs(noise).max() <= 1.0
    np.testing.assert_allclose(noise * 127.0, np.round(noise * 127.0), atol=1e-9)


def test_features_have_names_and_shapes() -> None:
    reader = TesseractRecognizer(tiny())
    assert reader.network.names == ("conv", "SummLSTM5", "LSTM6", "LSTM6-2", "LSTM7", "Softmax26")
    found = reader.features(lines(2, 60), torch.tensor([60, 30]), ["conv", "SummLSTM5", "LSTM6-2"])
    assert found["conv"][0].shape == (2, 4, 4, 20)
    assert found["SummLSTM5"][0].shape == (2, 5, 1, 20)
    assert found["LSTM6-2"][0].shape == (2, 6, 1, 20)
    assert found["conv"][1].tolist() == [20, 10]
    with pytest.raises(RecognizerError, match="conv, SummLSTM5"):
        reader.features(lines(1, 30), torch.tensor([30]), ["nothing"])


def test_weights_are_frozen_and_training_mode_stays() -> None:
    reader = TesseractRecognizer(tiny()).eval()
    assert reader.training
    assert reader.network.root.training
    assert not any(parameter.requires_grad for parameter in reader.parameters())


def test_random_border_differs_and_others_are_refused() -> None:
    reader = TesseractRecognizer(tiny())
    image = lines(1, 40)
    plain = reader.logits(image, torch.tensor([40]))[0]
    reader.set_border("random")
    torch.manual_seed(0)
    assert not torch.equal(plain, reader.logits(image, torch.tensor([40]))[0])
    with pytest.raises(RecognizerError, match="zero, random or exact"):
        reader.set_border("none")


def test_shapes_that_do_not_fit_are_named() -> None:
    reader = TesseractRecognizer(tiny())
    for image, widths in ((lines(1, 20)[0], [20]), (lines(2, 20), [20]), (lines(1, 20, 1), [20])):
        with pytest.raises(RecognizerError, match="were given"):
            reader.logits(image, torch.tensor(widths))


def test_blank_paper_and_tiny_images_are_read_as_nothing_or_little() -> None:
    reader = TesseractRecognizer(tiny())
    for height, width in ((HEIGHT, 1), (2, 2), (300, 5), (HEIGHT, 400)):
        logits, steps = reader.logits(torch.ones(1, 1, height, width), torch.tensor([width]))
        assert bool(torch.isfinite(logits).all())
        assert 0 <= int(steps[0]) <= logits.shape[1]


def test_matrices_come_back_as_they_were() -> None:
    data = tiny(integer=False)
    network = LineNetwork(data, torch.float64)
    for node, values in network.matrices():
        for matrix, value in zip(node.matrices, values, strict=True):
            np.testing.assert_allclose(matrix.values, value, atol=1e-15)


def test_greedy_reading() -> None:
    assert collapse([5, 1, 1, 5, 1, 2, 2], 5) == [1, 1, 2]
    assert collapse([], 5) == []
    batch, places = stack_lines([torch.zeros(4, 6), torch.zeros(4, 3)])
    assert places.tolist() == [6, 3]
    assert batch.shape == (2, 1, 4, 6)
    assert float(batch[1, 0, :, 3:].min()) == 1.0
    reader = TesseractRecognizer(tiny())
    assert all(isinstance(text, str) for text in read_lines(reader, lines(2, 50), torch.tensor([50, 20])))


def test_names_of_recognizers() -> None:
    assert "tesseract" in REGISTRY.names()
    for name in ("tesseract", "tesseract:", "eng"):
        with pytest.raises(RecognizerError, match="'tesseract:eng'"):
            load(name)
    with pytest.raises(RecognizerError, match="kind of recognizer 'magic'"):
        load("magic:eng")


def test_other_packages_add_recognizers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "magic-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: magic\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ocrmypdf_superres.recognizers]\nmagic = magic_reader:load\n")
    (tmp_path / "magic_reader.py").write_text("def load(which, folder):\n    return (which, folder)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert REGISTRY.names() == ["folder", "magic", "ppocr", "tesseract", "tuned"]
    assert load("magic:old:books", tmp_path) == ("old:books", tmp_path)


def test_onnx_graph_gives_the_same(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed")
    import onnxruntime

    from ocrmypdf_superres.export.recognizer_onnx import export_recognizer

    reader = TesseractRecognizer(tiny())
    path = tmp_path / "tiny.onnx"
    export_recognizer(reader, path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for count, width in ((1, 40), (3, 101)):
        value, widths = reader.prepare(lines(count, width), torch.arange(width, width - count, -1))
        logits, steps = reader.network(value, widths)
        log_probs, lengths = session.run(None, {"lines": value.numpy(), "widths": widths.numpy()})
        assert lengths.tolist() == steps.tolist()
        for index, length in enumerate(lengths.tolist()):
            wanted = torch.log_softmax(logits[index, :length], 1).numpy()
            np.testing.assert_allclose(log_probs[index, :length], wanted, atol=2e-3)
