# SPDX-License-Identifier: MPL-2.0
"""Descending the recognizers' gradients on pixels, judged by the real binary."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from tesseract_specimens import TEXTS, draw_line, text_fonts
from torch import Tensor

from ocrmypdf_superres import tesseract
from ocrmypdf_superres.metrics.text import edit_distance
from ocrmypdf_superres.recognizers import load
from ocrmypdf_superres.recognizers.base import read_lines, stack_lines
from ocrmypdf_superres.training.losses.recognition.jitter import Jitter
from ocrmypdf_superres.training.losses.recognition.reading import RecognizerLosses

LEVEL = 1.0 / 255.0


def blurred_lines(texts: Sequence[str]) -> list[Image.Image]:
    """Lines of 13 pixels height, blurred, enlarged three times."""
    fonts = text_fonts("eng", 5)
    images = []
    for index, text in enumerate(texts):
        large = draw_line(text, fonts[index % len(fonts)], 34.0)
        small = large.resize((round(large.width * 13 / large.height), 13), Image.Resampling.BOX)
        small = small.filter(ImageFilter.GaussianBlur(1.05))
        images.append(small.resize((small.width * 3, small.height * 3), Image.Resampling.BICUBIC))
    return images


def to_tensors(images: Sequence[Image.Image]) -> tuple[Tensor, Tensor]:
    return stack_lines([torch.from_numpy(np.asarray(image, dtype=np.float32) / 255.0) for image in images])


def to_images(lines: Tensor, widths: Tensor) -> list[Image.Image]:
    levels = (lines.detach().clamp(0.0, 1.0) * 255.0 + 0.5).to(torch.uint8).numpy()
    return [Image.fromarray(levels[index, 0, :, :width]) for index, width in enumerate(widths.tolist())]


def descend(losses: RecognizerLosses, lines: Tensor, widths: Tensor, texts: Sequence[str], steps: int) -> Tensor:
    """Pixels after *steps* of Adam, 4 levels a step, down the CTC loss."""
    pixels = lines.clone().requires_grad_(True)
    optimiser = torch.optim.Adam([pixels], lr=4 * LEVEL)
    for step in range(steps):
        value = losses(pixels.clamp(0.0, 1.0), widths, texts=texts, step=step, losses=("ctc",)).losses["ctc"]
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
    return pixels.detach()


def total_edits(images: Sequence[Image.Image], texts: Sequence[str], language: str) -> int:
    return sum(edit_distance(read, text) for read, text in zip(tesseract.read_lines(images, language), texts, strict=True))


@pytest.mark.slow
def test_descent_makes_the_binary_read(needs_languages: object) -> None:
    texts = TEXTS["eng"][:10]
    images = blurred_lines(texts)
    lines, widths = to_tensors(images)
    before = total_edits(images, texts, "eng")
    after_lines = descend(RecognizerLosses([load("tesseract:eng")]), lines, widths, texts, 25)
    after = total_edits(to_images(after_lines, widths), texts, "eng")
    print(f"edits of the binary: {before} before, {after} after")
    assert before >= 10
    assert after <= 0.2 * before


@pytest.mark.slow
def test_two_recognizers_and_jitter_help_a_third(needs_languages: object) -> None:
    texts = TEXTS["eng"][:10]
    images = blurred_lines(texts)
    lines, widths = to_tensors(images)
    two = RecognizerLosses([load("tesseract:eng"), load("tesseract:script/Latin")], jitter=Jitter())
    one = RecognizerLosses([load("tesseract:eng")])
    before = {language: total_edits(images, texts, language) for language in ("deu", "fra")}
    both = to_images(descend(two, lines, widths, texts, 25), widths)
    single = to_images(descend(one, lines, widths, texts, 25), widths)
    for language, start in before.items():
        after, alone = total_edits(both, texts, language), total_edits(single, texts, language)
        print(f"edits of {language}: {start} before, {after} with two and jitter, {alone} with eng alone")
        assert after <= start


@pytest.mark.slow
def test_texture_for_one_reader_is_caught(needs_languages: object) -> None:
    """Pixels bent until eng reads another text: the losses of two readers with jitter do not fall for it."""
    truth = TEXTS["eng"][:6]
    wanted = [text.translate(str.maketrans("en", "sd")) for text in truth]
    eng = load("tesseract:eng")
    image = [draw_line(text, text_fonts("eng", 1)[0], 28.0) for text in truth]
    height = max(item.height for item in image)
    padded = []
    for item in image:
        page = Image.new("L", (item.width, height), 255)
        page.paste(item, (0, (height - item.height) // 2))
        padded.append(page)
    lines, widths = to_tensors(padded)
    bent = descend(RecognizerLosses([eng]), lines, widths, wanted, 60).clamp(0.0, 1.0)
    fooled = sum(edit_distance(read, text) for read, text in zip(read_lines(eng, bent, widths), wanted, strict=True))
    judge = RecognizerLosses([load("tesseract:deu"), load("tesseract:script/Latin")], jitter=Jitter())
    alone = float(RecognizerLosses([eng])(bent, widths, texts=wanted, losses=("ctc",)).losses["ctc"])
    caught = float(judge(bent, widths, texts=wanted, losses=("ctc",)).losses["ctc"])
    distance = float(judge(bent, widths, hr=lines, losses=("probabilities",)).losses["probabilities"])
    print(f"eng: {fooled} edits, {alone:.3f} nats; two others with jitter {caught:.3f} nats, distance {distance:.3f}")
    changed = sum(edit_distance(text, other) for text, other in zip(truth, wanted, strict=True))
    assert fooled < 0.1 * changed
    assert caught > 10 * alone
