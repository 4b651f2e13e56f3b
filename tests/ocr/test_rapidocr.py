# SPDX-License-Identifier: MPL-2.0
"""RapidOCR's package where it is incomplete."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image, ImageDraw, ImageFont

from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.ocr.engines.alphabets import is_foreign
from ocrmypdf_superres.ocr.engines.calibration import calibrated_engines
from ocrmypdf_superres.ocr.engines.rapidocr import RapidOcrEngine
from ocrmypdf_superres.ocr.hypothesis import Hypothesis


def test_a_package_without_models_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Older versions download their models when they are first used."""
    (tmp_path / "rapidocr").mkdir()
    (tmp_path / "rapidocr" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "rapidocr", raising=False)
    importlib.invalidate_caches()
    engine = RapidOcrEngine()
    assert "has no models; run: pip install" in (engine.missing() or "")
    assert not engine.knows(["eng"])
    assert "rapidocr" not in calibrated_engines()


@pytest.mark.parametrize(
    ("word", "languages", "foreign"),
    [
        ("本本本ネ本", ["eng"], True),
        ("本本本ネ本", ["eng", "jpn"], False),
        ("本社", ["chi_sim"], False),
        ("Hz", ["rus"], False),
        ("ωt", ["eng"], False),
        ("слово", ["eng"], True),
        ("слово", ["script/Latin", "rus"], False),
        ("12.40", ["eng"], False),
        ("***", ["eng"], False),
        ("é本", ["fra"], False),
        ("1º", ["spa"], False),
        ("2ª", ["por"], False),
        ("5µ", ["deu"], False),
        ("ＡＢＣ", ["jpn"], False),
        ("々", ["jpn"], False),
    ],
)
def test_words_in_a_script_that_the_languages_lack_are_foreign(word: str, languages: list[str], foreign: bool) -> None:
    assert is_foreign(word, languages) is foreign


@pytest.mark.parametrize("call", ["read", "detect"])
def test_an_image_that_the_package_does_not_take_is_one_sentence(call: str) -> None:
    pytest.importorskip("rapidocr")
    engine, image = RapidOcrEngine(), Image.new("L", (3000, 2), 255)
    with pytest.raises(RecognizerError, match=r"an image of 3000x2 pixels \(ResizeImgError\); leave it out"):
        engine.read(image, ["eng"], 300.0) if call == "read" else engine.detect(image)


def test_two_pages_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has networks of its own: the package's pre-processing keeps state."""
    both = threading.Barrier(2, timeout=30)

    class Networks:
        def __call__(self, pixels: object, **switches: bool) -> SimpleNamespace:
            both.wait()
            return SimpleNamespace(boxes=None)

    engine = RapidOcrEngine()
    monkeypatch.setattr(engine, "_load", Networks)
    page = Image.new("L", (20, 20), 255)
    with ThreadPoolExecutor(2) as pool:
        for _ in range(2):
            assert [job.result() for job in [pool.submit(engine.detect, page) for _ in range(2)]] == [[], []]
    assert len(engine._idle) == 2


def test_a_line_up_the_page_is_read_in_its_direction() -> None:
    pytest.importorskip("rapidocr")
    page = Image.new("L", (900, 700), 250)
    font = ImageFont.truetype("DejaVuSans.ttf", 26)
    for row in range(8):
        ImageDraw.Draw(page).text((200, 80 + 60 * row), "plain lines of printed text", font=font, fill=10)
    margin = Image.new("L", (520, 40), 250)
    ImageDraw.Draw(margin).text((10, 4), "CONFIDENTIAL DRAFT COPY", font=font, fill=10)
    page.paste(margin.transpose(Image.Transpose.ROTATE_90), (80, 80))
    found = Hypothesis(RapidOcrEngine().read(page, ["eng"], 200.0))
    (line,) = [line for line in found.lines if "CONFIDENTIAL" in line.text]
    assert line.turned and not any(other.turned for other in found.lines if other is not line)
    middles = [(word.box[1] + word.box[3]) / 2 for word in line.words]
    assert middles == sorted(middles, reverse=True), "the first word is the lowest"


FORK = """
import os, signal, threading, time
from PIL import Image
from ocrmypdf_superres.ocr.engines.rapidocr import RapidOcrEngine

loading, page = threading.Event(), Image.new("L", (200, 100), 255)
class Slow(RapidOcrEngine):
    def _load(self):
        loading.set()
        time.sleep(0.5)
        return super()._load()

engine = Slow()
thread = threading.Thread(target=engine.detect, args=(page,))
thread.start()
loading.wait()
child = os.fork()
if child == 0:
    signal.alarm(60)
    os._exit(len(engine.detect(page)))
status = os.waitpid(child, 0)[1]
thread.join()
print(status)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_that_is_forked_while_a_thread_loads_the_networks_reads() -> None:
    """As when one job of a service runs in threads, and another in processes."""
    pytest.importorskip("rapidocr")
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", FORK], capture_output=True, text=True, timeout=200, check=True)
    assert done.stdout.split() == ["0"]
