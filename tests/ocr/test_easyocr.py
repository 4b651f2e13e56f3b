# SPDX-License-Identifier: MPL-2.0
"""EasyOCR's interface, by a package of the same shape: its models are a download of the user's."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
from PIL import Image

from ocrmypdf_superres.errors import MissingDependencyError, RecognizerError
from ocrmypdf_superres.ocr.engines.base import Engine
from ocrmypdf_superres.ocr.engines.calibration import calibrated_engines
from ocrmypdf_superres.ocr.engines.easyocr import EasyOcrEngine
from ocrmypdf_superres.ocr.hypothesis import Hypothesis

PACKAGE = """
class Reader:
    made = []
    def __init__(self, codes, gpu=True, download_enabled=True, verbose=True):
        assert (gpu, download_enabled, verbose) == (False, False, False)
        if codes == ["fr"]:
            raise FileNotFoundError("Missing models/latin_g2.pth and downloads disabled")
        self.made.append(codes)
    def readtext(self, image):
        assert image.dtype == "uint8" and image.ndim == 2
        if image.min() == image.max() == 0:
            raise ValueError("black")
        return [([[10, 20], [110, 20], [110, 40], [10, 40]], "two words", 0.75)]
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EasyOcrEngine:
    (tmp_path / "easyocr").mkdir()
    (tmp_path / "easyocr/__init__.py").write_text(PACKAGE)
    (tmp_path / "easyocr-1.7.2.dist-info").mkdir()
    (tmp_path / "easyocr-1.7.2.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: easyocr\nVersion: 1.7.2\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "easyocr", raising=False)
    importlib.invalidate_caches()
    yield EasyOcrEngine()
    sys.modules.pop("easyocr", None)


def test_words_and_boxes(installed):
    assert isinstance(installed, Engine)
    assert installed.version() == "easyocr 1.7.2"
    page = installed.read(Image.new("RGB", (200, 100), "white"), ["eng", "deu"], 100.0)
    words = Hypothesis(page).words
    assert [(word.text, word.confidence) for word in words] == [("two", 75.0), ("words", 75.0)]
    assert words[0].box[0] == 10 and words[0].box[2] <= words[1].box[0] and words[1].box[2] == 110
    installed.read(Image.new("L", (200, 100), 255), ["eng", "deu"], 100.0)
    assert sys.modules["easyocr"].Reader.made == [["en", "de"]]


@pytest.mark.parametrize(
    ("languages", "known"),
    [(["eng", "pol"], True), (["rus", "eng"], True), (["rus", "deu"], False), (["frk"], False), ([], False)],
)
def test_languages(installed, languages, known):
    assert installed.knows(languages) is known


def test_faults_are_one_sentence(installed):
    white = Image.new("L", (50, 50), 255)
    with pytest.raises(RecognizerError, match=r"no models of fr .*easyocr\.Reader"):
        installed.read(white, ["fra"], 100.0)
    with pytest.raises(RecognizerError, match=r"50x50 pixels \(black\)"):
        installed.read(Image.new("L", (50, 50), 0), ["eng"], 100.0)


def test_it_is_not_asked_by_default(installed):
    assert installed.missing() is None
    assert "easyocr" not in calibrated_engines()


@pytest.mark.skipif(importlib.util.find_spec("easyocr") is not None, reason="EasyOCR is installed")
def test_without_the_package():
    engine = EasyOcrEngine()
    assert "pip install easyocr" in engine.missing()
    assert not engine.knows(["eng"])
    with pytest.raises(MissingDependencyError, match="pip install easyocr"):
        engine.read(Image.new("L", (50, 50), 255), ["eng"], 100.0)
