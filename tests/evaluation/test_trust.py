# SPDX-License-Identifier: MPL-2.0
"""Trust figures by hand, the dictionary, pages without text, and a run that is looked at."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
from evaluation_pages import draw
from PIL import Image

from ocrmypdf_superres.commands import evaluate as command
from ocrmypdf_superres.evaluation.run_folder import read_run
from ocrmypdf_superres.evaluation.trust.invented import PAGES, SIZE, invented_words
from ocrmypdf_superres.evaluation.trust.trust import Trust, inconsistency, silent_substitutions, summarize, trust_table
from ocrmypdf_superres.evaluation.words import correct_bare_words, correct_words
from ocrmypdf_superres.ocr.hypothesis import Word


def word(text: str, confidence: float) -> Word:
    return Word(text, confidence, (0, 0, 10, 10))


def test_right_words_are_a_bag() -> None:
    assert correct_words([word("the", 90), word("the", 90), word("cat", 90)], "the cat") == [True, False, True]


def test_right_letters_leave_punctuation_aside() -> None:
    words = [word("(Name/Telephone):", 90), word("stand-alone", 90), word("name", 90), word("alone.", 90), word("--", 90)]
    assert correct_bare_words(words, "(Name/ Telephone) : stand- alone alone") == [True, True, False, True, True]
    assert correct_bare_words(words[3:4] * 2, "stand-alone") == [True, False]


def test_silent_substitutions_by_hand() -> None:
    truth = "the house was black and old"
    words = [
        word("the", 96), word("horse", 95), word("was", 96), word("blaek", 95),
        word("und", 95), word("bold,", 60), word("Old.", 97)
    ]  # fmt: skip
    # horse and Old. are English and sure; blaek is in no dictionary; bold is not sure.
    found = [w.text for w in silent_substitutions(words, truth, "eng")]
    assert not silent_substitutions([word("house.", 97)], truth, "eng")
    assert "horse" in found and "blaek" not in found and "bold," not in found and "the" not in found


def test_consistency_by_hand() -> None:
    came = Image.fromarray(np.full((10, 12), 200, np.uint8))
    assert inconsistency(came.resize((36, 30)), came) == pytest.approx(0.0, abs=1e-12)
    darker = Image.fromarray(np.full((30, 36), 149, np.uint8))
    assert inconsistency(darker, came) == pytest.approx((51 / 255) ** 2, rel=1e-4)


def test_sentences_by_hand() -> None:
    pages = [
        Trust("g", "a", "plugin", 400, 2, 1e-3),
        Trust("g", "b", "plugin", 600, 1, 1e-3),
        Trust("g", "a", "as-is", 500, 4, None),
    ]
    found = summarize(pages, [("blank", "net", 0), ("halftone", "net", 3)])
    assert found["sentences"][0].startswith("plugin: 3.0 of 1,000 words are silent substitutions")
    assert "30.0 dB from the originals" in found["sentences"][0]
    assert found["sentences"][1].startswith("as-is: 8.0 of 1,000")
    assert found["sentences"][2] == "net: words read on pages that have none: blank 0, halftone 3."


def test_substitutions_by_group() -> None:
    pages = [
        Trust("b", "1", "as-is", 500, 4, None),
        Trust("b", "1", "plugin", 400, 2, 1e-3),
        Trust("a", "2", "plugin", 100, 0, 1e-3),
    ]
    assert trust_table(pages).splitlines()[2:] == [
        "| a (1) | - | 0.0 [0.0, 0.0] |",
        "| b (1) | 8.0 [8.0, 8.0] | 5.0 [5.0, 5.0] |",
    ]
    assert summarize(pages)["table"] == trust_table(pages)


def test_pages_without_text_repeat() -> None:
    for make in PAGES.values():
        first = make()
        assert first.shape == (SIZE[1], SIZE[0]) and first.dtype == np.float32 and 0 <= first.min() <= first.max() <= 1
        np.testing.assert_array_equal(first, make())


@pytest.mark.slow
def test_nothing_is_read_on_a_blank_page(lanczos_net: Path) -> None:
    found = {(kind, method): count for kind, method, count in invented_words(str(lanczos_net))}
    assert len(found) == 4 * len(PAGES)
    assert all(found["blank", method] == 0 for method in ("as-is", "lanczos", "net", "plugin"))


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_run_with_a_peer_is_kept_and_repeats(benchmark_folder: Path, lanczos_net: Path, tmp_path: Path) -> None:
    pytest.importorskip("skimage")
    # A peer that enlarges by pixels.
    script = tmp_path / "twice"
    script.write_text(
        "#!/usr/bin/env python3\nimport sys\nfrom PIL import Image\n"
        "i = Image.open(sys.argv[1])\ni.resize((2 * i.width, 2 * i.height), 0).save(sys.argv[2])\n"
    )
    script.chmod(0o755)
    import sys

    def run(name: str) -> bytes:
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        args = parser.parse_args([
            "--data", str(benchmark_folder), "--conditions", "72-clean", "--methods", "as-is", "bicubic", "plugin", "--jobs", "1",
            "--peer", f"{sys.executable} {script} {{in}} {{out}}", "--model", str(lanczos_net), "--run", str(tmp_path / name),
            "--json", str(tmp_path / f"{name}.json"), "--markdown", str(tmp_path / f"{name}.md"),
            "--cache", str(tmp_path / "words" / name),
        ])  # fmt: skip
        assert command.run(args) == 0
        values = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
        for entry in values:
            for key in [key for key in entry if key.endswith("seconds")]:
                del entry[key]
        kept = json.loads((tmp_path / name / "run.json").read_text(encoding="utf-8"))
        return json.dumps([values, kept["pages"], kept["trust"]]).encode()

    assert run("one") == run("two")
    kept = read_run(tmp_path / "one")
    peer = Path(sys.executable).name
    assert {r["method"] for r in kept.results} == {"as-is", "bicubic", peer, "plugin"}
    assert [(p.group, p.page) for p in kept.pages] == [("faxes", "poor"), ("72 dpi clean", "good")]
    assert (
        all(w.right is not None for p in kept.pages for w in p.after.words)
        and (tmp_path / "one" / kept.pages[0].after.image).is_file()
    )
    reduced = [t for t in kept.trust["pages"] if t["group"] == "72 dpi clean" and t["method"] == "plugin"]
    assert reduced[0]["psnr"] > 10 and 0 < reduced[0]["ssim"] <= 1 and reduced[0]["words"] > 20
    table = (tmp_path / "one.md").read_text(encoding="utf-8")
    assert f"| pages: CER [95 % interval] / words missed, % | as-is | bicubic | {peer} | plugin |" in table
    assert "| as-is, 72 dpi clean | 1 |" in table
    images = draw(100).size
    assert kept.pages[0].before.size == images
