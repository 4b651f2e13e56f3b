# SPDX-License-Identifier: MPL-2.0
"""One PDF read by real OCRmyPDF without and with the plugin, and the report of a production run's records."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from evaluation_pages import draw

img2pdf = pytest.importorskip("img2pdf")
pytest.importorskip("jinja2")

from ocrmypdf_superres.cli import main
from ocrmypdf_superres.errors import SuperresError
from ocrmypdf_superres.evaluation import read_again as read_again_module
from ocrmypdf_superres.evaluation.methods.pdf_pages import PdfSettings, read_pdf
from ocrmypdf_superres.evaluation.run_folder import read_run
from ocrmypdf_superres.plugin.record import PageRecord
from ocrmypdf_superres.reporting.page_comparison import PageComparison


@pytest.fixture
def pdf(tmp_path: Path) -> Path:
    pages = []
    for number in range(2):
        draw(72).save(tmp_path / f"{number}.png", dpi=(72, 72))
        pages.append(str(tmp_path / f"{number}.png"))
    path = tmp_path / "letter.pdf"
    path.write_bytes(img2pdf.convert(pages))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("verify", ["off", "always"])
def test_compare(pdf: Path, lanczos_net: Path, tmp_path: Path, verify: str, capsys: pytest.CaptureFixture[str]) -> None:
    out, run, searchable = tmp_path / "r.html", tmp_path / "run", tmp_path / "searchable.pdf"
    given = ["compare", str(pdf), "-o", str(out), "--run", str(run), "--pdf-output", str(searchable), "--model", str(lanczos_net)]
    assert main([*given, "--pages", "1", "--verify", verify, "--jobs", "1"]) == 0
    assert "There is no ground truth here" in capsys.readouterr().out
    (page,) = read_run(run).pages
    assert (page.group, page.page, page.action) == ("letter.pdf", "page 1", "enlarged")
    assert page.after.size[0] >= 2 * page.before.size[0] and page.before.size == draw(72).size
    assert len(page.after.words) > 35 and all(w.right is None for w in page.after.words)
    assert "letter.pdf" in out.read_text(encoding="utf-8") and searchable.read_bytes().startswith(b"%PDF-")
    # The searchable PDF has text now, and is refused unless the option to read it again is given.
    with pytest.raises(SuperresError, match="--force-ocr"):
        read_pdf(searchable, tmp_path / "again", PdfSettings(model=str(lanczos_net)))


@pytest.mark.slow
def test_images_of_a_production_run(pdf: Path, lanczos_net: Path, tmp_path: Path) -> None:
    records = [
        PageRecord(pdf.name, n, "enlarged", "small", size=(432, 158), new_size=(1296, 474), x_height=5.0, model=str(lanczos_net))
        for n in (1, 2)
    ]
    source = tmp_path / "report.jsonl"
    source.write_text("".join(r.to_json() + "\n" for r in records), encoding="utf-8")
    assert main(["report", str(source), "-o", str(tmp_path / "r.html"), "--images", "1"]) == 0
    assert (tmp_path / "r.html").read_text(encoding="utf-8").count('type="text/plain"') == 2


def test_a_damaged_pdf(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cut.pdf").write_bytes(b"%PDF-1.7 nothing more")
    assert main(["compare", str(tmp_path / "cut.pdf")]) == 1
    assert "cut.pdf: it is damaged, or neither a PDF nor an image" in " ".join(capsys.readouterr().err.split())


def test_no_such_pdf(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(tmp_path / "none.pdf")]) == 1
    assert "is missing or is not" in capsys.readouterr().err


def test_a_level_that_the_caller_disabled_stays_disabled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def levels(*_: object) -> list[PageComparison]:
        assert logging.root.manager.disable == logging.ERROR
        return []

    monkeypatch.setattr(read_again_module, "read_pdf", levels)
    logging.disable(logging.ERROR)
    try:
        assert read_again_module.read_again(tmp_path / "in.pdf", tmp_path, "pages", PdfSettings()) == {}
        assert logging.root.manager.disable == logging.ERROR
    finally:
        logging.disable(logging.NOTSET)
