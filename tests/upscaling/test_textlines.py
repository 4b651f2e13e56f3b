# SPDX-License-Identifier: MPL-2.0
"""Nets for text lines on pages: lines are found, cut between words, and laid back without seams."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from ocrmypdf_superres.errors import ImageError, ModelError
from ocrmypdf_superres.modelstore.cards import Card
from ocrmypdf_superres.modelstore.store import Model
from ocrmypdf_superres.page.image import resize_luma
from ocrmypdf_superres.page.line_finder import find_lines, whole_line
from ocrmypdf_superres.upscaling.loading import load_upscaler
from ocrmypdf_superres.upscaling.textlines import LineUpscaler
from ocrmypdf_superres.upscaling.upscaler import PageUpscaler

TEXT = (
    "The quick brown fox jumps over the lazy dog and runs",
    "away from all the hunters of the forest near here",
    "because nobody wants to be eaten, not even a fox",
    "that is as clever as this one was said to have been",
)


def page(size: int = 11, columns: int = 1, angle: float = 0.0) -> np.ndarray:
    font = ImageFont.truetype("DejaVuSerif.ttf", 4 * size)
    image = Image.new("L", (4 * 340 * columns, 4 * 24 * 5), 255)
    pen = ImageDraw.Draw(image)
    for column in range(columns):
        for row, line in enumerate(TEXT):
            pen.text((4 * (14 + 340 * column), 4 * (12 + 24 * row)), line, fill=0, font=font)
    image = image.rotate(angle, Image.Resampling.BICUBIC, fillcolor=255)
    small = image.resize((image.width // 4, image.height // 4), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32) / 255.0


class Net:
    """A backend that enlarges as Lanczos does, and remembers what it was given."""

    device, batch, tile = "test", 4, 64

    def __init__(self, change: float = 0.0) -> None:
        self.seen: list[np.ndarray] = []
        self.change = change

    def run(self, tiles, scale):
        self.seen.extend(tiles[:, 0])
        drawn = [resize_luma(t[0], (t.shape[2] * scale, t.shape[1] * scale)) for t in tiles]
        return np.clip(np.stack(drawn)[:, None] - self.change, 0, 1)


def model(tmp_path, **changes) -> Model:
    values = {
        "name": "lines",
        "architecture": "tsrn",
        "config": {},
        "scales": (2,),
        "radius": None,
        "files": {},
        "line_size": [16, 64],
    }
    return Model(Card(**{**values, **changes}), tmp_path)


@pytest.mark.parametrize(("columns", "angle"), [(1, 0.0), (2, 0.0), (1, 0.8)])
def test_lines_are_found(columns, angle):
    luma = page(columns=columns, angle=angle)
    lines = find_lines(luma)
    assert len(lines) == 4 * columns
    for line in lines:
        assert 11 < line.height < 17 and line.right - line.left > 200
        assert len(line.ink) == line.right - line.left
    tops = [line.middle(line.left) for line in lines[::columns]]
    assert all(abs(below - above - 24) < 3 for above, below in itertools.pairwise(tops))
    assert find_lines(np.ones((60, 80), np.float32)) == []


@pytest.mark.parametrize("levels", [0, 2, 4, 8, 12])
@pytest.mark.parametrize("paper", [1.0, 0.85])
def test_paper_noise_is_no_line_and_hides_none(levels, paper):
    luma = np.tile(page() * paper, (4, 2))  # most of a page is paper
    luma = np.pad(luma, ((200, 200), (60, 60)), constant_values=paper)
    noise = np.random.default_rng(levels).normal(0, levels / 255, luma.shape)
    found = find_lines(np.clip(luma + noise, 0, 1).astype(np.float32))
    assert len(found) == 4 * 4 * 2


def test_an_identity_like_net_leaves_no_seam(tmp_path):
    luma = page()
    net = Net()
    upscaler = LineUpscaler(model(tmp_path), net)
    out = upscaler.upscale(luma, 2)
    plain = resize_luma(luma, (luma.shape[1] * 2, luma.shape[0] * 2))
    assert out.shape == plain.shape and out.dtype == np.float32
    assert len(net.seen) > 12 and all(piece.shape == (16, 64) for piece in net.seen)
    difference = np.abs(out - plain)
    # The lines are brought to 16 rows and back, which softens strokes; it must not show where pieces meet.
    assert difference.mean() < 0.02
    pieces = [p for line in find_lines(luma) for p in upscaler._pieces(line, 2)]
    seams = [difference[max(0, p.top) : p.bottom, p.ends - 3 : p.ends + 3].mean() for p in pieces if p.ends < p.right - 20]
    inside = [difference[max(0, p.top) : p.bottom, p.begins : p.ends].mean() for p in pieces]
    assert seams and np.mean(seams) < 1.2 * np.mean(inside)


def test_cuts_lie_between_words_and_cover_the_line(tmp_path):
    luma = page()
    upscaler = LineUpscaler(model(tmp_path), Net())
    inked = []
    for line in find_lines(luma):
        pieces = upscaler._pieces(line, 2)
        assert pieces[0].begins <= 2 * line.left and pieces[-1].ends >= 2 * line.right
        for before, after in itertools.pairwise(pieces):
            assert before.ends == after.begins and after.left < before.ends < before.right
            inked.append(float(line.ink[min(len(line.ink) - 1, before.ends // 2 - line.left)]) > 0.6)
    # A word may be longer than the part of a piece in which it may be cut.
    assert np.mean(inked) < 0.15


def test_the_net_draws_the_lines_and_nothing_else(tmp_path):
    luma = page()
    luma[:] = 0.2 + 0.6 * luma
    out = LineUpscaler(model(tmp_path), Net(change=0.1)).upscale(luma, 2)
    plain = resize_luma(luma, (luma.shape[1] * 2, luma.shape[0] * 2))
    for line in find_lines(luma):
        row, column = round(2 * line.middle(line.left + 60)), 2 * (line.left + 60)
        assert (plain - out)[row - 2 : row + 2, column : column + 40].mean() > 0.06
    assert np.abs(plain - out)[-30:].max() < 1e-6
    levels = LineUpscaler(model(tmp_path), Net()).upscale_bytes((luma * 255).astype(np.uint8), 2)
    assert levels.shape == plain.shape and abs(float(levels.mean()) / 255 - float(plain.mean())) < 0.01


def test_tall_lines_and_empty_pages_bypass_the_net(tmp_path):
    net = Net()
    upscaler = LineUpscaler(model(tmp_path), net)
    tall = resize_luma(page(), (340 * 3, 120 * 3))
    plain = resize_luma(tall, (tall.shape[1] * 2, tall.shape[0] * 2))
    assert np.abs(upscaler.upscale(tall, 2) - plain).max() < 1e-6 and net.seen == []
    blank = np.full((7, 5), 0.9, np.float32)
    assert np.allclose(upscaler.upscale(blank, 2), 0.9)


def test_the_image_of_one_line_is_taken_whole(tmp_path):
    word = page()[10:26, 10:74]
    net = Net(change=0.1)
    out = LineUpscaler(model(tmp_path), net, whole_line).upscale(word, 2)
    assert len(net.seen) == 1 and np.abs(net.seen[0] - word).max() < 1e-6
    plain = resize_luma(word, (128, 32))
    assert 0.05 < (plain - out)[4:-4].mean() < 0.11
    long = LineUpscaler(model(tmp_path), Net(), whole_line).upscale(page()[10:28], 2)
    assert np.abs(long - resize_luma(page()[10:28], (680, 36))).mean() < 0.03
    assert whole_line(np.ones((16, 64), np.float32)) == []


def test_what_does_not_fit_is_refused(tmp_path):
    upscaler = LineUpscaler(model(tmp_path), Net())
    with pytest.raises(ModelError, match="x3, but offers x2"):
        upscaler.upscale(page(), 3)
    with pytest.raises(ImageError, match="at least one pixel"):
        upscaler.upscale(np.ones((0, 4), np.float32), 2)
    with pytest.raises(ModelError, match="cannot be tiled"):
        PageUpscaler(model(tmp_path), Net())
    with pytest.raises(ModelError, match="not a net for text lines"):
        LineUpscaler(model(tmp_path, line_size=[], radius=3), Net())


@pytest.mark.parametrize("name", ["tsrn", "tbsrn", "edsr-stn", "lemma"])
def test_exported_line_nets_run_on_pages(name, tmp_path):
    torch = pytest.importorskip("torch")
    from ocrmypdf_superres.architectures import get
    from ocrmypdf_superres.export.onnx import export_model

    stn = {"stn_widths": [4, 4, 4, 4, 4, 4], "stn_hidden": 8, "features": 8, "blocks": 1}
    prior = {
        "prior_base": 2, "prior_counts": [1, 1, 1, 1, 1], "prior_layers": 1, "prior_inner": 16, "prior_attention": 4,
        "prior_language_layers": 1, "positions": 100,
    }  # fmt: skip
    spec = get(name)
    config = spec.parse_config({**stn, **(prior if name == "lemma" else {})})
    torch.manual_seed(0)
    made = export_model(spec.build(config), spec, config, tmp_path / name, "small-lines")
    assert list(made.card.line_size) == [16, 64] and made.card.radius is None
    upscaler = load_upscaler(str(tmp_path / name), "cpu", 1)
    assert isinstance(upscaler, LineUpscaler)
    out = upscaler.upscale(page(), 2)
    assert out.shape == (240, 680) and out.min() >= 0.0 and out.max() <= 1.0
