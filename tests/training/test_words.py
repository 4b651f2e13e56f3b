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

pytest.importorskip("torch")
from ocrmypdf_superres.training.data.batches import StepBatches
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
    (tmp_path / "high" / "a.gt.txt").write_text("Word\n")
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
    assert lr is not None and sample.text == "Café" and lr.shape == (16, 64) and sample.target.shape == (32, 128)
    assert float(lr[0, 0]) == pytest.approx(20 / 255) and float(sample.target[0, 0]) == pytest.approx(10 / 255)
    # Worker processes get a copy that opens the database itself.
    assert pickle.loads(pickle.dumps(source)).line(1).text == "two"
    batch = StepBatches(recipe(kind="textzoom", folder="train1"), tmp_path, tmp_path, [3])[0]
    assert set(batch.texts) <= {"Café", "two"} and batch.lr.shape == (3, 1, 16, 64)
    with pytest.raises(IndexError):
        source.line(2)
    textzoom(tmp_path / "other", {"something": b"1"})
    with pytest.raises(OptionError, match="lacks the entry num-samples"):
        TextZoom(tmp_path / "other")
    with pytest.raises(OptionError, match="not an LMDB"):
        TextZoom(tmp_path / "none")


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
