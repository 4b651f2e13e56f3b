# SPDX-License-Identifier: MPL-2.0
"""The engine that delegates: what OCRmyPDF gets from it, which other engines it wraps, and what is kept."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import ocrmypdf
import pikepdf
import pytest
from ocrmypdf.builtin_plugins.tesseract_ocr import TesseractOcrEngine
from ocrmypdf.hocrtransform import BoundingBox, OcrClass, OcrElement
from ocrmypdf.pluginspec import OcrEngine
from PIL import Image
from plugin_pages import grid_page, image_pdf

from ocrmypdf_superres.ocr.kept_pages import PageFiles, kept_pages
from ocrmypdf_superres.plugin import handover
from ocrmypdf_superres.plugin.handover import PageState
from ocrmypdf_superres.plugin.ocr_engine import VerifyingEngine
from ocrmypdf_superres.plugin.reading import engine_name
from ocrmypdf_superres.plugin.record import PageRecord

DPI = 80.0


@pytest.fixture(scope="module")
def pdf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    page, _ = grid_page(dpi=DPI)
    return image_pdf(tmp_path_factory.mktemp("pdf") / "in.pdf", [page], DPI)


def read(source: Path, folder: Path, *plugins: str, **options: Any) -> str:
    folder.mkdir(exist_ok=True)
    settings = {
        "output_type": "pdf",
        "optimize": 0,
        "jobs": 1,
        "use_threads": True,
        "progress_bar": False,
        "sidecar": folder / "out.txt",
    }
    assert ocrmypdf.ocr(source, folder / "out.pdf", plugins=list(plugins), **{**settings, **options}) == 0
    return (folder / "out.txt").read_text(encoding="utf-8")


def text_layers(path: Path) -> list[bytes]:
    with pikepdf.open(path) as document:
        forms = [f for page in document.pages for f in page.resources.get("/XObject", {}).values() if f.Subtype == "/Form"]
        return [form.read_bytes() for form in forms]


def test_every_method_of_the_interface_is_delegated() -> None:
    public = {name for name in vars(OcrEngine) if not name.startswith("_")} | {"__str__"}
    assert public <= set(vars(VerifyingEngine))


@pytest.mark.parametrize("renderer", ["auto", "sandwich"])
def test_one_reading_gives_the_text_layer_and_text_that_ocrmypdf_makes_alone(pdf: Path, tmp_path: Path, renderer: str) -> None:
    alone = read(pdf, tmp_path / "alone", pdf_renderer=renderer)
    kept = {"superres_trigger": "off", "superres_keep": str(tmp_path / "kept"), "pdf_renderer": renderer}
    assert read(pdf, tmp_path / "wrapped", "ocrmypdf_superres", **kept) == alone
    assert text_layers(tmp_path / "wrapped" / "out.pdf") == text_layers(tmp_path / "alone" / "out.pdf") != []


def test_a_page_and_its_record_are_kept(pdf: Path, tmp_path: Path, lanczos_net: Path) -> None:
    text = read(
        pdf,
        tmp_path,
        "ocrmypdf_superres",
        superres_keep=str(tmp_path / "new" / "kept"),
        superres_model=str(lanczos_net),
        superres_verify="always",
    )
    (page,) = kept_pages(tmp_path / "new" / "kept")
    assert page == PageFiles(tmp_path / "new" / "kept", 1)
    found, record = page.hypothesis(), page.record()
    assert found is not None and record is not None
    assert found.text().split() == text.split() and list(found.size) == record["new_size"]
    assert record["action"] == "enlarged" and page.image.read_bytes().startswith(b"\x89PNG")


def test_the_image_for_ocr_is_compressed_lightly(pdf: Path, tmp_path: Path, lanczos_net: Path) -> None:
    """zlib's usual effort costs more than the net."""
    read(pdf, tmp_path, "ocrmypdf_superres", superres_model=str(lanczos_net), superres_keep=str(tmp_path / "kept"))
    data = (tmp_path / "kept" / "page-0001.png").read_bytes()
    # The first two bytes of a zlib stream: 78 01 for the lightest levels, 78 9C for the usual one.
    assert data[data.index(b"IDAT") + 4 :][:2] == b"\x78\x01"


def test_a_page_that_is_left_is_not_compressed_again(tmp_path: Path, monkeypatch) -> None:
    """OCRmyPDF links the raster of a page that nobody decoded; to compress it costs more than to measure it."""
    page, _ = grid_page((1400, 900), 300.0, em=40)
    source = image_pdf(tmp_path / "in.pdf", [page], 300.0)
    saved, save = [], Image.Image.save

    def noted(image: Image.Image, target: Any, *args: Any, **options: Any) -> None:
        saved.append(Path(str(target)).name)
        save(image, target, *args, **options)

    monkeypatch.setattr(Image.Image, "save", noted)
    alone = read(source, tmp_path / "alone")
    assert not any(name.endswith("ocr.png") for name in saved)
    report = tmp_path / "report.jsonl"
    options = {"superres_networks": "stock", "superres_verify": "off", "superres_report": str(report)}
    assert read(source, tmp_path / "left", "ocrmypdf_superres", **options) == alone
    assert json.loads(report.read_text())["action"] == "left"
    assert not any(name.endswith("ocr.png") for name in saved)


def test_a_page_that_took_too_long_keeps_the_text_layer_it_had(pdf: Path, tmp_path: Path, lanczos_net: Path, monkeypatch) -> None:
    read(pdf, tmp_path / "first")
    shim = tmp_path / "bin" / "tesseract"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\ncase "$*" in *hocr*) exec sleep 60;; esac\nexec {shutil.which("tesseract")} "$@"\n')
    shim.chmod(0o755)
    import os

    monkeypatch.setenv("PATH", f"{shim.parent}{os.pathsep}{os.environ['PATH']}")
    given = {"redo_ocr": True, "tesseract_timeout": 1.0}
    alone = read(tmp_path / "first" / "out.pdf", tmp_path / "alone", **given)
    given |= {"superres_model": str(lanczos_net), "superres_verify": "always", "superres_keep": str(tmp_path / "kept")}
    given["superres_engines"] = "none"  # a further engine would read the page that Tesseract did not
    assert read(tmp_path / "first" / "out.pdf", tmp_path / "wrapped", "ocrmypdf_superres", **given) == alone
    assert text_layers(tmp_path / "wrapped" / "out.pdf") == text_layers(tmp_path / "alone" / "out.pdf") != []
    found = PageFiles(tmp_path / "kept", 1).hypothesis()
    assert found is not None and found.words == []


SPY = """
import json, os, threading
from pathlib import Path
from ocrmypdf import hookimpl

LOG = Path({log!r})

def note(hook, page):
    with LOG.open("a") as stream:
        stream.write(json.dumps([os.getpid(), threading.get_ident(), hook, page]) + "\\n")

class Spy:
    def __init__(self, engine):
        self.engine = engine

    def __getattr__(self, name):
        return getattr(self.engine, name)

    def generate_ocr(self, input_file, options, page_number):
        note("engine", page_number + 1)
        return self.engine.generate_ocr(input_file=input_file, options=options, page_number=page_number)

@hookimpl(wrapper=True, tryfirst=True)
def get_ocr_engine(options):
    engine = yield
    return engine if engine is None else Spy(engine)

@hookimpl(wrapper=True, tryfirst=True)
def rasterize_pdf_page(pageno):
    note("raster", pageno)
    return (yield)

@hookimpl(wrapper=True, tryfirst=True)
def filter_ocr_image(page):
    note("filter", page.pageno + 1)
    return (yield)
"""


@pytest.mark.parametrize("use_threads", [True, False])
def test_the_hooks_of_a_page_run_one_after_another_in_one_thread(use_threads: bool, tmp_path: Path, lanczos_net: Path) -> None:
    page, _ = grid_page(dpi=DPI)
    source = image_pdf(tmp_path / "in.pdf", [page, page, page, page], DPI)
    (tmp_path / "spy.py").write_text(SPY.format(log=str(tmp_path / "log")))
    options = {"superres_model": str(lanczos_net), "superres_verify": "off", "superres_report": str(tmp_path / "report.jsonl")}
    plugins = ("ocrmypdf_superres", str(tmp_path / "spy.py"))
    read(source, tmp_path, *plugins, jobs=2, use_threads=use_threads, **options)
    notes = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    seen = []
    for _, mine in groupby(sorted(notes, key=lambda n: n[:2]), key=lambda n: n[:2]):
        for number, hooks in groupby(mine, key=lambda n: n[3]):
            seen.append(number)
            assert [hook for _, _, hook, _ in hooks] == ["raster", "filter", "engine"]
    assert sorted(seen) == [1, 2, 3, 4]
    # What was handed over arrived.
    records = [json.loads(line) for line in (tmp_path / "report.jsonl").read_text().splitlines()]
    assert sorted((r["page"], r["reading"]) for r in records) == [(n, "net") for n in (1, 2, 3, 4)]


def test_tesseract_is_asked_for_its_version_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OCRmyPDF makes its engine anew for each page, and the engine starts the program to tell its version."""
    shim, calls = tmp_path / "bin" / "tesseract", tmp_path / "calls"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\necho "$*" >>{calls}\nexec {shutil.which("tesseract")} "$@"\n')
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{shim.parent}{os.pathsep}{os.environ['PATH']}")

    class Fresh(TesseractOcrEngine):
        """One whose name no other test asked for."""

    names = {engine_name(Fresh()) for _ in range(3)}
    assert names == {str(Fresh())}
    assert calls.read_text().splitlines() == ["--version"] * 2


def test_the_slot_is_emptied_once_and_for_its_own_page() -> None:
    state = PageState(PageRecord("a.pdf", 3), (20, 10))
    for page, size, found in ((3, (20, 10), state), (None, (20, 10), state), (4, (20, 10), None), (3, (10, 20), None)):
        assert handover.put(state) is None
        assert handover.take(page, size) is found
        assert handover.take(page, size) is None


class TreeEngine(OcrEngine):
    """An engine that has nothing to do with Tesseract, and returns trees."""

    asked: list[tuple[int, int]] = []  # noqa: RUF012 - OCRmyPDF makes the engine anew for each page

    @staticmethod
    def version() -> str:
        return "1"

    @staticmethod
    def creator_tag(options: Any) -> str:
        return "Trees 1"

    def __str__(self) -> str:
        return "Trees 1"

    @staticmethod
    def languages(options: Any) -> set[str]:
        return {"eng"}

    @staticmethod
    def get_orientation(input_file: Path, options: Any) -> Any:
        raise NotImplementedError

    @staticmethod
    def supports_generate_ocr() -> bool:
        return True

    @staticmethod
    def generate_ocr(input_file: Path, options: Any, page_number: int = 0) -> tuple[OcrElement, str]:
        from PIL import Image

        with Image.open(input_file) as image:
            size = image.size
        TreeEngine.asked.append(size)
        box = BoundingBox(10, 10, size[0] // 2, 40)
        word = OcrElement(OcrClass.WORD, bbox=box, text="tree", confidence=0.4)
        line = OcrElement(OcrClass.LINE, bbox=box, children=[word])
        paragraph = OcrElement(OcrClass.PARAGRAPH, bbox=box, children=[line])
        return OcrElement(OcrClass.PAGE, bbox=BoundingBox(0, 0, *size), dpi=300.0, children=[paragraph]), "tree\n"

    @staticmethod
    def generate_hocr(input_file: Path, output_hocr: Path, output_text: Path, options: Any) -> None:
        raise NotImplementedError

    @staticmethod
    def generate_pdf(input_file: Path, output_pdf: Path, output_text: Path, options: Any) -> None:
        raise NotImplementedError


class DrawingEngine(TreeEngine):
    """An engine that only draws text PDFs, and has no hOCR of them."""

    @staticmethod
    def supports_generate_ocr() -> bool:
        return False

    @staticmethod
    def generate_pdf(input_file: Path, output_pdf: Path, output_text: Path, options: Any) -> None:
        TreeEngine.asked.append((0, 0))
        shutil.copyfile(Path(options.sidecar).with_name("drawn.pdf"), output_pdf)
        output_text.write_text("drawn\n", encoding="utf-8")


@dataclass
class ComparableEngine(TreeEngine):
    """An engine with settings, which is equal to another one and cannot be hashed."""

    settings: tuple[str, ...] = ()


TREES = """
from ocrmypdf import hookimpl
import test_engine

@hookimpl(tryfirst=True)
def get_ocr_engine(options):
    return test_engine.NAME()
"""


@pytest.mark.parametrize("name", ["TreeEngine", "ComparableEngine"])
def test_an_engine_that_returns_trees(name: str, pdf: Path, tmp_path: Path, lanczos_net: Path) -> None:
    (tmp_path / "trees.py").write_text(TREES.replace("NAME", name))
    TreeEngine.asked.clear()
    options = {"superres_model": str(lanczos_net), "superres_verify": "always", "superres_report": str(tmp_path / "report.jsonl")}
    text = read(pdf, tmp_path, "ocrmypdf_superres", str(tmp_path / "trees.py"), **options)
    assert text == "tree\n" and len(TreeEngine.asked) == 4
    record = json.loads((tmp_path / "report.jsonl").read_text())
    assert set(record["words"].values()) == {1}


def test_an_engine_that_only_draws_is_asked_once(pdf: Path, tmp_path: Path, lanczos_net: Path) -> None:
    (tmp_path / "draws.py").write_text(TREES.replace("NAME", "DrawingEngine"))
    blank = pikepdf.new()
    blank.add_blank_page(page_size=(612, 792))
    blank.save(tmp_path / "drawn.pdf")
    TreeEngine.asked.clear()
    options = {"superres_model": str(lanczos_net), "superres_report": str(tmp_path / "report.jsonl"), "pdf_renderer": "sandwich"}
    text = read(pdf, tmp_path, "ocrmypdf_superres", str(tmp_path / "draws.py"), **options)
    assert text == "drawn\n" and len(TreeEngine.asked) == 1
    assert "tells no words" in json.loads((tmp_path / "report.jsonl").read_text())["reason"]


HOCR_ONLY = """
from ocrmypdf import hookimpl

class HocrOnly:
    def __init__(self, engine):
        self.engine = engine

    def __getattr__(self, name):
        return getattr(self.engine, name)

    def supports_generate_ocr(self):
        return False

@hookimpl(wrapper=True, tryfirst=True)
def get_ocr_engine(options):
    engine = yield
    return engine if engine is None else HocrOnly(engine)
"""


@pytest.mark.parametrize("verify", ["off", "always"])
def test_the_path_over_hocr_files_reads_the_same(pdf: Path, tmp_path: Path, lanczos_net: Path, verify: str) -> None:
    (tmp_path / "hocr_only.py").write_text(HOCR_ONLY)
    options = {"superres_model": str(lanczos_net), "superres_verify": verify}
    direct = read(pdf, tmp_path / "direct", "ocrmypdf_superres", **options)
    over_files = read(pdf, tmp_path / "files", "ocrmypdf_superres", str(tmp_path / "hocr_only.py"), **options)
    assert over_files == direct and len(direct.split()) > 15
    assert text_layers(tmp_path / "files" / "out.pdf") == text_layers(tmp_path / "direct" / "out.pdf") or verify == "always"
