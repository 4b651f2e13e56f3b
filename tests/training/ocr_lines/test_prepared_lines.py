# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pytest

from ocrmypdf_superres.cli import main
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.page import plan
from ocrmypdf_superres.page.text_height import TextHeight
from ocrmypdf_superres.tesseract import languages
from ocrmypdf_superres.training.data.ocr_lines.line_fonts import LineFonts, has_small_capitals, is_plain, relative_x_height
from ocrmypdf_superres.training.data.ocr_lines.line_images import Quality, crop, degrade, enlarge, planned_factor
from ocrmypdf_superres.training.data.ocr_lines.rendering import Strip, render
from ocrmypdf_superres.training.data.ocr_lines.shards import SHARD_LINES, make_shards, read_shard, shard_path, write_shard
from ocrmypdf_superres.training.data.ocr_lines.stream import CLEAN, HARD, LOW, Line, LineStream, StreamSettings, _legible


@pytest.fixture(scope="module")
def fonts() -> LineFonts:
    return LineFonts()


def test_a_seed_and_an_index_give_the_same_line(stream):
    again = LineStream(stream.texts, stream.net, stream.is_encodable, stream.seed)
    other = LineStream(stream.texts, stream.net, stream.is_encodable, stream.seed + 1)
    for index in (7, 3):
        first, second, third = (source.line(index) for source in (stream, again, other))
        assert first.text == second.text
        assert np.array_equal(first.image, second.image)
        assert first.text != third.text or not np.array_equal(first.image, third.image)


def test_lines_are_what_the_mixture_says(stream):
    lines = [stream.line(index) for index in range(60)]
    for line in lines:
        assert line.image.dtype == np.uint8
        assert line.text == " ".join(line.text.split())
        # Dark letters on light paper, as high as the plugin makes them.
        assert np.median(line.image) > line.image.min() + 20
        assert 25 <= line.image.shape[0] <= 110
    assert {"net", "blend", "lanczos", "as-is"} == {line.variant for line in lines}
    low = [line.x_height for line in lines if line.variant in ("net", "blend", "lanczos")]
    assert LOW[0] * 0.9 < min(low) and max(low) < CLEAN[1] * 1.1


def test_clean_lines_are_not_enlarged(stream):
    clean = LineStream(stream.texts, stream.net, stream.is_encodable, 1, settings=StreamSettings(clean=1.0))
    for index in range(8):
        line = clean.line(index)
        assert line.x_height > CLEAN[0] * 0.9
        assert line.variant == "as-is" or line.x_height < 20 / plan.MIN_FACTOR_NOISY


def test_only_texts_that_can_be_written_are_used(stream):
    picky = LineStream(stream.texts, stream.net, lambda text: "e" not in text, 1)
    assert all("e" not in picky.line(index).text for index in range(10))
    with pytest.raises(OptionError, match="charset"):
        LineStream(stream.texts, stream.net, lambda text: False, 1).line(0)


@pytest.mark.parametrize("x_height", [3.8, 4.4, 5.0, 6.1, 8.0, 11.0, 12.0, 14.0])
@pytest.mark.parametrize("noise", [0.01, 0.06])
def test_the_factor_is_the_plugins(monkeypatch, x_height, noise):
    monkeypatch.setattr(plan, "measure_text_height", lambda luma: TextHeight(x_height, 30, 0.05, 200, noise))
    page = plan.plan_page(np.ones((1000, 800), np.float32), (72.0, 72.0), plan.PlanSettings())
    factor, scale = planned_factor(x_height, noise >= plan.NOISY, (2, 3, 4))
    assert factor == pytest.approx(page.factor)
    assert scale == (page.scale or 1)


def test_forms_differ_and_have_the_planned_size(stream):
    levels = np.random.default_rng(0).integers(0, 255, (20, 50)).astype(np.uint8)
    net, blend, lanczos = (enlarge(levels, 3.3, 3, form, stream.net) for form in ("net", "blend", "lanczos"))
    assert net.shape == blend.shape == lanczos.shape == (66, 165)
    assert np.abs(blend.astype(int) - (net.astype(int) + lanczos) / 2).max() <= 1
    assert not np.array_equal(net, lanczos)


def test_a_crop_holds_the_line_and_its_padding():
    image = np.ones((60, 200), np.float32)
    strip = Strip(image, "x", baseline=40.0, x_height=12.0, left=30.0, top=28.0, right=170.0, bottom=40.0)
    heights, widths = [], []
    for seed in range(60):
        cut = crop(np.full((120, 400), 255, np.uint8), strip, 2.0, np.random.default_rng(seed))
        heights.append(cut.shape[0])
        widths.append(cut.shape[1])
    # From the ascenders to the descenders at twice the size, and 4 px on each side.
    assert np.median(heights) == pytest.approx(2 * 12 * (1.45 + 0.32) + 8, abs=2)
    assert np.median(widths) == pytest.approx(288, abs=2)
    assert len(set(heights)) > 3


def test_fonts_are_plain_and_small_capitals_are_known(fonts):
    assert all(is_plain(font) for font in fonts.mono + fonts.print)
    assert not any(has_small_capitals(font) for font in fonts.print if "DejaVuSerif" in font.path)
    with pytest.raises(OptionError, match="No installed font"):
        fonts.choose(np.random.default_rng(0), "\u0e01\u4e2d\u05d0\ua000", 0.5)


def test_a_rendered_line_stands_where_it_says(fonts):
    font = next(font for font in fonts.print if "DejaVuSerif" in font.path)
    for seed in range(6):
        strip = render("nose\tmovers", font, 30.0, [], np.random.default_rng(seed))
        assert strip is not None
        assert strip.text.lower() == "nose movers"
        assert strip.x_height == pytest.approx(30.0, rel=0.05)
        assert relative_x_height(font) == pytest.approx(0.55, abs=0.06)
        assert strip.top < strip.baseline - 0.8 * strip.x_height
        assert abs(strip.bottom - strip.baseline) < 0.2 * strip.x_height
        inside = strip.image[int(strip.top) : int(strip.bottom), int(strip.left) : int(strip.right)]
        assert inside.min() < np.median(strip.image) - 0.1


def test_legibility_falls_with_blur_noise_and_size(fonts):
    font = next(font for font in fonts.print if "DejaVuSerif" in font.path)
    strip = render("certain of every letter", font, 40.0, [], np.random.default_rng(2))
    assert strip is not None
    rng = np.random.default_rng
    grain = rng(1).normal(0, 0.8, strip.image.shape)
    noisy = dataclasses.replace(strip, image=np.clip(strip.image + grain, 0, 1).astype(np.float32))
    plain = degrade(strip, 2, True, rng(4))[1]
    small = degrade(strip, 4, True, rng(4))[1]
    rough = degrade(noisy, 2, True, rng(4))[1]
    assert plain.legibility > small.legibility
    assert rough.noise > plain.noise
    assert plain.x_height == pytest.approx(20, rel=0.05)


def test_lines_that_nobody_could_read_are_dropped():
    rng = np.random.default_rng(0)
    assert _legible(Quality(8.0, 0.6, 0.02, 0.95), rng)
    assert not _legible(Quality(4.0, 0.6, 0.3, 0.5), rng)
    assert not _legible(Quality(8.0, 0.03, 0.02, 0.95), rng)
    hard = [_legible(Quality(HARD - 0.2, 0.6, 0.1, 1.0), rng) for _ in range(200)]
    assert 50 < sum(hard) < 150


def test_shards_keep_lines_as_they_are(tmp_path):
    lines = [Line(np.full((3, 4 + n), n, np.uint8), f"Zeile „{n}“", "prose", "net", 4.5 + n) for n in range(3)]
    write_shard(tmp_path / "a.npz", lines)
    again = read_shard(tmp_path / "a.npz")
    assert [line.text for line in again] == [line.text for line in lines]
    assert [(line.kind, line.variant, line.x_height) for line in again] == [
        (line.kind, line.variant, line.x_height) for line in lines
    ]
    assert all(np.array_equal(one.image, two.image) for one, two in zip(again, lines, strict=True))


def test_making_shards_goes_on_where_it_was_stopped(stream, tmp_path, monkeypatch):
    monkeypatch.setattr("ocrmypdf_superres.training.data.ocr_lines.shards.SHARD_LINES", 3)
    first = list(make_shards(stream, tmp_path, 2))
    assert [made for _, made in first] == [True, True]
    before = shard_path(tmp_path, 1).stat().st_mtime_ns
    shard_path(tmp_path, 0).unlink()
    assert [made for _, made in make_shards(stream, tmp_path, 3)] == [True, False, True]
    assert shard_path(tmp_path, 1).stat().st_mtime_ns == before
    assert read_shard(shard_path(tmp_path, 1))[0].text == stream.line(3).text
    assert SHARD_LINES >= 100


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", None])
def test_damaged_shards_are_named(tmp_path, content):
    path = tmp_path / "lines-000000.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OptionError, match="lines-000000"):
        read_shard(path)


def test_the_command_prepares_lines(text_folder, tmp_path, monkeypatch, capsys):
    if shutil.which("tesseract") is None or "eng" not in languages():
        pytest.skip("tesseract with the language eng is not installed")
    monkeypatch.setattr("ocrmypdf_superres.training.data.ocr_lines.shards.SHARD_LINES", 2)
    arguments = ["recognizer", "lines", str(tmp_path / "out"), "--text", str(text_folder.parent), "--count", "3"]
    assert main(arguments) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["lines-000000.npz", "lines-000001.npz"]
    assert main([*arguments, "--held-out"]) == 0
    assert capsys.readouterr().out.count("was there") == 2
    assert main([*arguments[:-1], "0"]) == 1
