# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from tesseract_specimens import TEXTS, draw_line, specimens
from tinydata import parse_traineddata, tiny

from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.metrics.text import edit_distance
from ocrmypdf_superres.recognizers.tesseract.format.traineddata import TrainedData, read_traineddata, write_traineddata
from ocrmypdf_superres.recognizers.tesseract.format.writer import save_traineddata
from ocrmypdf_superres.tesseract import find_traineddata, read_lines
from ocrmypdf_superres.training.loop.checkpoint import load_checkpoint
from ocrmypdf_superres.training.loop.run_log import read_log
from ocrmypdf_superres.training.workflows.tune_network import LineExample, TuneSettings, read_examples, tune

CHANCERY = Path("/usr/share/fonts/opentype/urw-base35/Z003-MediumItalic.otf")


def strokes(text: str, seed: int) -> LineExample:
    """An image in which each letter is bars of its own pattern, so that a tiny network can learn it."""
    rng = np.random.default_rng(seed)
    columns = []
    for sign in text:
        pattern = ord(sign) % 7 + 1
        for bit in range(3):
            columns += [0 if pattern >> bit & 1 else 255] * 4
        columns += [255] * 4
    image = np.tile(np.array(columns, dtype=np.float64), (24, 1)) + rng.normal(0, 6, (24, len(columns)))
    return LineExample(Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)), text)


def test_tuning_lowers_the_loss_and_reports_what_it_left_out() -> None:
    rng = np.random.default_rng(0)
    lines = [strokes("".join(rng.choice(list("abcdef"), 6)), seed) for seed in range(24)]
    lines += [LineExample(lines[0].image, "Ω"), LineExample(lines[0].image, "abc" * 40)]
    data = tiny()
    tuned, report = tune(data, lines, TuneSettings(epochs=8, batch=8, lr=1e-2))
    assert report.losses[-1] < 0.7 * report.losses[0]
    assert set(report.skipped) == {24, 25}
    assert "U+03A9" in report.skipped[24]
    again = parse_traineddata(write_traineddata(tuned), "tuned")
    assert not again.integer
    assert again.training_iteration > data.training_iteration
    assert data.integer


def some_lines() -> list[LineExample]:
    rng = np.random.default_rng(0)
    return [strokes("".join(rng.choice(list("abcdef"), 6)), seed) for seed in range(8)]


def test_tuning_goes_on_from_a_checkpoint_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = TuneSettings(epochs=3, batch=4, lr=1e-2, ema=0.5, validate_every=1)
    rates = iter([5.0, 4.0, 3.0, 2.0])

    def interrupted(data: TrainedData) -> float:
        rate = next(rates, None)
        if rate is None:
            raise KeyboardInterrupt
        return rate

    whole, report = tune(tiny(), some_lines(), settings, error_rate=lambda data: 1.0 - data.training_iteration)
    monkeypatch.setattr("ocrmypdf_superres.training.workflows.tune_network.CHECKPOINT_EVERY", 1)
    with pytest.raises(KeyboardInterrupt):
        tune(tiny(), some_lines(), settings, tmp_path / "run", error_rate=interrupted)
    assert load_checkpoint(tmp_path / "run" / "checkpoint.pt")["step"] == 3
    again, told = tune(tiny(), some_lines(), settings, tmp_path / "run", resume=True, error_rate=lambda data: 10.0)
    assert told.steps == report.steps == 6 and told.losses == report.losses
    assert [row["step"] for row in read_log(tmp_path / "run") if "validation cer" in row] == [0, 1, 2, 3, 4, 5, 6]
    assert write_traineddata(again) != write_traineddata(whole), "the best weights are those of step 3, not of the last"


def test_tuning_ends_early_with_the_best_weights() -> None:
    rates = iter([5.0, 1.0, 2.0, 3.0])
    settings = TuneSettings(epochs=9, batch=4, lr=1e-2, validate_every=1, patience=2)
    seen = []

    def error_rate(data: TrainedData) -> float:
        seen.append(write_traineddata(data))
        return next(rates)

    tuned, report = tune(tiny(), some_lines(), settings, error_rate=error_rate)
    assert len(seen) == 4 and len(report.losses) == 2
    tuned.training_iteration -= report.steps * settings.batch
    assert write_traineddata(tuned) == seen[1]


def test_no_usable_line_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecognizerError, match="None of 1 lines"):
        tune(tiny(), [LineExample(Image.new("L", (40, 24), 255), "ΩΩ")])
    with pytest.raises(RecognizerError, match="no line was given"):
        tune(tiny(), [])
    with pytest.raises(RecognizerError, match=r"001\.gt\.txt"):
        read_examples(tmp_path)


def test_examples_are_read_in_order(tmp_path: Path) -> None:
    for name in ("b", "a"):
        Image.new("RGB", (30, 20), "white").save(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.gt.txt").write_text(f" {name}x\n", encoding="utf-8")
    Image.new("L", (5, 5)).save(tmp_path / "untold.png")
    assert [example.text for example in read_examples(tmp_path)] == ["ax", "bx"]


def hard_line(text: str, rng: np.random.Generator) -> Image.Image:
    """Chancery hand at about 15 pixels line height, blurred and noisy."""
    image = draw_line(text, str(CHANCERY), float(rng.uniform(20, 26)))
    image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.6, 1.1))))
    factor = float(rng.uniform(0.42, 0.55))
    small = image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BOX)
    noisy = np.asarray(small) + rng.normal(0, 8, (small.height, small.width))
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


@pytest.mark.slow
def test_tuning_on_a_hard_font_helps_the_binary(needs_eng: None, tmp_path: Path) -> None:
    if not CHANCERY.is_file():
        pytest.skip("The font Z003 is not installed")
    rng = np.random.default_rng(2)
    words = [word for text in TEXTS["eng"][:16] for word in text.split()]
    texts = [" ".join(rng.choice(words, int(rng.integers(6, 12)))) for _ in range(500)]
    learnt = [LineExample(hard_line(text, rng), text) for text in texts]
    held = [text for text in TEXTS["eng"][16:] for _ in range(8)]
    images = [hard_line(text, rng) for text in held]

    def rate(language: str, folder: Path | None) -> float:
        read = read_lines(images, language, folder)
        return 100.0 * sum(map(edit_distance, read, held)) / sum(map(len, held))

    tuned, report = tune(read_traineddata(find_traineddata("eng")), learnt, TuneSettings(epochs=3))
    save_traineddata(tuned, tmp_path / "hard.traineddata")
    before, after = rate("eng", None), rate("hard", tmp_path)
    others = specimens("eng", 40)
    other = [read_lines([line.image for line in others], name, folder) for name, folder in (("eng", None), ("hard", tmp_path))]
    sums = [sum(edit_distance(text, line.text) for text, line in zip(texts, others, strict=True)) for texts in other]
    print(f"CER of the binary {before:.2f} % before, {after:.2f} % after {report.steps} steps; other fonts {sums} edits")
    assert after <= 0.7 * before
