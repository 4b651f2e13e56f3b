# SPDX-License-Identifier: MPL-2.0
"""Sources of text lines: rendered words, folders of line images, TextZoom's database."""

from __future__ import annotations

import io
import pickle
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from ocrmypdf_superres.errors import ImageError, OptionError

torch = pytest.importorskip("torch")
from ocrmypdf_superres.training.data.batches import StepBatches, load_batches
from ocrmypdf_superres.training.data.colour import planes
from ocrmypdf_superres.training.data.sources.recognition import RecognitionSet, degrade
from ocrmypdf_superres.training.data.sources.textzoom import TextZoom
from ocrmypdf_superres.training.data.sources.words import FolderLines, WordSource
from ocrmypdf_superres.training.recipe import Source, parse_recipe
from ocrmypdf_superres.training.sample_grid import save_data_sheet


def png(level: int, size: tuple[int, int]) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, (level, level, level)).save(stream, "PNG")
    return stream.getvalue()


def textzoom(folder, entries) -> None:
    lmdb = pytest.importorskip("lmdb")
    with lmdb.open(str(folder), map_size=1 << 20) as environment, environment.begin(write=True) as transaction:
        for key, value in entries.items():
            transaction.put(key.encode(), value)


LINES = {
    "name": "lines",
    "architecture": "tsrn",
    "degradation": [{"name": "downsample"}],
    "stages": [{"name": "a", "steps": 1, "losses": {"l2": 1.0}}],
}


def recipe(**source):
    return parse_recipe(
        {
            "name": "lines",
            "architecture": "tsrn",
            "sources": [source],
            "scales": {"2": 1.0},
            "clean": 1.0,
            "degradation": [{"name": "downsample", "kernels": ["bicubic"]}],
            "stages": [{"name": "a", "steps": 2, "losses": {"l2": 1.0}}],
        },
        "lines.toml",
    )


def test_words_are_drawn_by_the_generator_alone(data_folder, tmp_path):
    source = WordSource(data_folder / "text", {"eng": 1.0})
    samples = [source.sample(np.random.default_rng(seed), 40, 2) for seed in range(12)]
    again = source.sample(np.random.default_rng(3), 60, 2)
    assert np.array_equal(samples[3].target, again.target) and samples[3].text == again.text
    assert all(s.target.shape == (32, 128) and s.box == (0, 0, 128, 32) and s.language == "eng" and s.text for s in samples)
    # There is ink, and paper around it.
    assert all(np.ptp(s.target) > 0.3 and np.median(s.target) > 0.4 for s in samples)
    batches = StepBatches(recipe(kind="words", folder="text"), data_folder, tmp_path, [5, 5])
    batch = batches[1]
    assert batch.lr.shape == (5, 1, 16, 64) and batch.hr.shape == (5, 1, 32, 128) and all(batch.texts)
    save_data_sheet(batches, tmp_path / "sheet.png")
    assert Image.open(tmp_path / "sheet.png").width == 256


def test_line_images_with_and_without_partners(tmp_path):
    for folder, level, size in (("high", 40, (300, 60)), ("low", 200, (90, 20))):
        (tmp_path / folder).mkdir()
        for name in ("a", "b"):
            (tmp_path / folder / f"{name}.png").write_bytes(png(level, size))
    (tmp_path / "high" / "a.gt.txt").write_text("Word\n", encoding="utf-8-sig")
    rng = np.random.default_rng(0)
    alone = FolderLines(tmp_path / "high")
    assert len(alone.items) == 1 and alone.sample(rng, 40, 2).lr is None and alone.sample(rng, 40, 2).text == "Word"
    pairs = StepBatches(recipe(kind="lines", folder="high", low="low"), tmp_path, tmp_path, [2])[0]
    assert float(pairs.lr[0, 0, 3, 3]) == pytest.approx(200 / 255) and float(pairs.hr[0, 0, 3, 3]) == pytest.approx(40 / 255)
    (tmp_path / "low" / "a.png").unlink()
    with pytest.raises(OptionError, match="no image of the same name"):
        FolderLines(tmp_path / "high", tmp_path / "low")
    (tmp_path / "high" / "a.png").write_bytes(b"nothing")
    with pytest.raises(ImageError, match="cannot be read"):
        alone.sample(rng, 40, 2)
    with pytest.raises(OptionError, match="no line images"):
        FolderLines(tmp_path / "low")


def test_textzoom(tmp_path):
    textzoom(
        tmp_path / "train1",
        {
            "num-samples": b"2",
            "image_hr-000000001": png(10, (140, 40)),
            "image_lr-000000001": png(20, (60, 18)),
            "label-000000001": "Caf\u00e9".encode(),
            "image_hr-000000002": png(30, (140, 40)),
            "image_lr-000000002": png(40, (60, 18)),
            "label-000000002": b"two",
        },
    )
    source = TextZoom(tmp_path / "train1")
    sample = source.line(0)
    lr = sample.lr
    assert lr is not None and sample.text == "Café" and lr.shape == (3, 16, 64) and sample.target.shape == (3, 32, 128)
    assert float(lr[0, 0, 0]) == pytest.approx(20 / 255) and float(sample.target[0, 0, 0]) == pytest.approx(10 / 255)
    assert pickle.loads(pickle.dumps(source)).line(1).text == "two"
    batches = StepBatches(recipe(kind="textzoom", folder="train1"), tmp_path, tmp_path, [3, 3])
    batch = batches[0]
    assert set(batch.texts) <= {"Café", "two"} and batch.lr.shape == (3, 1, 16, 64)
    # This process has read the database, and a worker that is forked from it reads it again.
    read = list(load_batches(batches, 0, workers=1))
    assert len(read) == 2 and torch.equal(read[0].lr, batch.lr) and read[0].texts == batch.texts
    coloured = StepBatches(replace(recipe(kind="textzoom", folder="train1"), colour="rgb+mask"), tmp_path, tmp_path, [3])[0]
    assert coloured.lr.shape == (3, 4, 16, 64) and coloured.hr.shape == (3, 4, 32, 128)
    assert torch.allclose(coloured.hr[:, :1], batch.hr, atol=1e-6)
    by_hand = planes(np.array([[[0.2, 0.9]], [[0.2, 0.9]], [[0.2, 0.9]]], dtype=np.float32), "rgb+mask")
    assert by_hand[3].tolist() == [[1, 0]]
    with pytest.raises(IndexError):
        source.line(2)
    textzoom(tmp_path / "other", {"something": b"1"})
    with pytest.raises(OptionError, match="lacks the entry num-samples"):
        TextZoom(tmp_path / "other")
    with pytest.raises(OptionError, match="not an LMDB"):
        TextZoom(tmp_path / "none")
    entries = {"num-samples": b"1", "image-000000001": b"", "label-000000001": b"one"}
    textzoom(tmp_path / "damaged", {**entries, "image_hr-000000001": png(10, (140, 40)), "image_lr-000000001": b"no image"})
    with pytest.raises(ImageError, match=r"The image image_lr-000000001 in .*damaged is damaged"):
        TextZoom(tmp_path / "damaged").line(0)
    with pytest.raises(ImageError, match="The image image-000000001 in"):
        RecognitionSet(tmp_path / "damaged")


def test_benchmarks_of_recognition_are_small_words_degraded(tmp_path):
    textzoom(
        tmp_path / "IC15",
        {
            "num-samples": b"3",
            "image-000000001": png(100, (60, 17)), "label-000000001": b"Exit",
            "image-000000002": png(100, (61, 17)), "label-000000002": b"large",
            "image-000000003": png(30, (20, 9)), "label-000000003": b"5",
        },
    )  # fmt: skip
    source = RecognitionSet(tmp_path / "IC15")
    assert source.count == 2 and [source.line(i).text for i in range(2)] == ["Exit", "5"]
    first = source.line(0)
    assert first.lr is not None and first.lr.shape == (3, 16, 64) and first.target.shape == (3, 32, 128)
    assert np.array_equal(first.lr, source.line(0).lr), "the degradation of a word is its own"
    assert RecognitionSet(tmp_path / "IC15", largest=0).count == 3
    with pytest.raises(OptionError, match="at most 100 pixels"):
        RecognitionSet(tmp_path / "IC15", largest=100)
    batch = StepBatches(recipe(kind="recognition", folder="IC15", options={"degraded": False}), tmp_path, tmp_path, [2])[0]
    assert batch.lr.shape == (2, 1, 16, 64)


def test_the_degradation_of_the_benchmarks_keeps_flat_images_and_softens_edges():
    flat = np.full((12, 40, 3), 90, np.uint8)
    for seed in range(6):
        assert np.abs(degrade(flat, np.random.default_rng(seed)).astype(int) - 90).max() <= 8
    edge = np.zeros((16, 40, 3), np.uint8)
    edge[:, 20:] = 200
    made = degrade(edge, np.random.default_rng(1)).astype(int)
    assert made.shape == edge.shape and 0 < made[8, 19, 0] < 200 and made[8, 20, 0] > made[8, 19, 0]


def test_a_colour_that_is_not_known_or_is_for_pages_is_refused():
    with pytest.raises(OptionError, match="colour = 'blue'"):
        parse_recipe({**LINES, "colour": "blue", "sources": [{"kind": "words", "folder": "text"}]}, "x.toml")
    with pytest.raises(OptionError, match="for pages luma"):
        parse_recipe({**LINES, "colour": "rgb", "sources": [{"kind": "rendered", "folder": "text"}]}, "x.toml")


def test_colour_of_line_images_is_kept_and_degraded_alike_in_all_channels(tmp_path):
    (tmp_path / "words").mkdir()
    image = Image.new("RGB", (128, 32), (200, 100, 50))
    image.paste((10, 20, 30), (0, 0, 64, 32))
    image.save(tmp_path / "words" / "a.png")
    (tmp_path / "words" / "a.gt.txt").write_text("a")
    made = replace(recipe(kind="lines", folder="words"), colour="rgb")
    noisy = replace(
        made, clean=0.0, degradation=({"name": "downsample", "kernels": ["bicubic"]}, {"name": "noise", "grain": 0.0})
    )
    batch = StepBatches(noisy, tmp_path, tmp_path, [1])[0]
    assert torch.allclose(batch.hr[0, :, 5, 120] * 255, torch.tensor([200.0, 100.0, 50.0]), atol=0.01)
    noise = batch.lr[0, :, :, 40:60] * 255 - torch.tensor([200.0, 100.0, 50.0])[:, None, None]
    assert float(noise.std()) > 0.5 and torch.allclose(noise[0], noise[1], atol=0.01)


def test_lines_and_strips_do_not_mix(data_folder, tmp_path):
    made = recipe(kind="words", folder="text")
    assert made.sources[0].kind == "words"
    with pytest.raises(OptionError, match="mixes sources of page strips and of text lines"):
        parse_recipe(
            {
                "name": "x",
                "architecture": "docsr",
                "sources": [{"kind": "words", "folder": "text"}, {"kind": "rendered", "folder": "text"}],
                "degradation": [{"name": "downsample"}],
                "stages": [{"name": "a", "steps": 1, "losses": {"l2": 1.0}}],
            },
            "x.toml",
        )
    both = replace(made, sources=(*made.sources, Source("rendered", "text")))
    with pytest.raises(OptionError, match="mixes sources of page strips and of text lines"):
        StepBatches(both, data_folder, tmp_path, [1])
    with pytest.raises(OptionError, match="has no low"):
        recipe(kind="words", folder="text", low="text")
