# SPDX-License-Identifier: MPL-2.0
"""The dry run says what the plugin then does, page by page, and takes what OCRmyPDF takes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import ocrmypdf
import pikepdf
import pytest
from PIL import Image, ImageDraw, ImageFont

from ocrmypdf_superres.cli import main
from ocrmypdf_superres.plugin.page_reader import PageReader
from ocrmypdf_superres.plugin.planning.job import plan_document

SAMPLE = Path(__file__).parents[2] / "examples" / "sample-72dpi.pdf"
TEXT = "the quick brown fox jumps over a lazy dog while seven wizards mix liquor"


def page(em: int, size: tuple[int, int] = (620, 400), shade: int = 255) -> Image.Image:
    big = Image.new("L", (size[0] * 4, size[1] * 4), shade)
    draw = ImageDraw.Draw(big)
    for line in range(8):
        draw.text((160, 160 + line * em * 7), TEXT, font=ImageFont.truetype("DejaVuSerif.ttf", em * 4), fill=10)
    return big.resize(size, Image.Resampling.BOX)


@pytest.fixture
def document(tmp_path) -> Path:
    """Small text at 72 dpi, a blank page, and large text at 300 dpi."""
    path = tmp_path / "three pages.pdf"
    pages = [(page(10), 72), (Image.new("L", (620, 400), 255), 100), (page(42, (2400, 1500)), 300)]
    with pikepdf.new() as pdf:
        for index, (image, dpi) in enumerate(pages):
            one = tmp_path / f"{index}.pdf"
            image.save(one, resolution=dpi)
            with pikepdf.open(one) as source:
                pdf.pages.extend(source.pages)
        pdf.save(path)
    return path


def planned(path: Path, tmp_path: Path, *options: str) -> list[dict]:
    target = tmp_path / "plan.json"
    assert main(["plan", str(path), "--json", str(target), *options]) == 0
    return json.loads(target.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "options", [{}, {"trigger": "dpi"}, {"trigger": "always"}, {"target_x_height": 30.0}, {"use_for": "page"}]
)
def test_the_plugin_does_what_was_planned(document, tmp_path, options):
    given = [word for name, value in options.items() for word in (f"--superres-{name.replace('_', '-')}", str(value))]
    plans = planned(document, tmp_path, *given)
    report = tmp_path / "report.jsonl"
    ocrmypdf.ocr(
        document, tmp_path / "out.pdf", plugins=["ocrmypdf_superres"], output_type="pdf", progress_bar=False, use_threads=True,
        superres_report=str(report), superres_verify="off", superres_engines="none",
        **{f"superres_{name}": value for name, value in options.items()},
    )  # fmt: skip
    records = sorted(map(json.loads, report.read_text(encoding="utf-8").splitlines()), key=lambda record: record["page"])
    assert [plan["page"] for plan in plans] == [record["page"] for record in records] == [1, 2, 3]
    done = {"enlarge": "enlarged", "leave": "left"}
    for plan, record in zip(plans, records, strict=True):
        assert done[plan["action"]] == record["action"]
        for key in ("reason", "source", "size", "scale", "x_height", "new_size"):
            assert plan[key] == record[key], key
    assert {plan["action"] for plan in plans} == {"enlarge", "leave"} or options.get("trigger") == "always"


@pytest.mark.parametrize("renderer", ["auto", "sandwich"])
def test_no_page_is_read(renderer, document, monkeypatch):
    def read(*_, **__):
        raise AssertionError("a page was read")

    monkeypatch.setattr(PageReader, "__init__", read)
    records = plan_document(document, {"pdf_renderer": renderer, "language": ["eng"]})
    assert [record.action for record in records] == ["enlarge", "leave", "leave"]


def test_the_table_and_the_sentence(document, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    assert main(["plan", str(document)]) == 0
    said = capsys.readouterr().out
    assert "enlarge x" in said and "blank page" in said and "is large enough" in said
    assert "1 of 3 pages would be enlarged; the net would take about" in said


def test_only_the_pages_that_are_asked_for(document, tmp_path, capsys):
    assert [plan["page"] for plan in planned(document, tmp_path, "--pages", "2-3")] == [2, 3]
    capsys.readouterr()
    assert main(["plan", str(document), "--json", "-", "--pages", "1"]) == 0
    (plan,) = json.loads(capsys.readouterr().out)
    assert plan["action"] == "enlarge" and plan["seconds"] > 0


def test_pages_with_text_are_named(tmp_path, document):
    ocrmypdf.ocr(document, tmp_path / "with.pdf", output_type="pdf", progress_bar=False, use_threads=True)
    plans = planned(tmp_path / "with.pdf", tmp_path)
    assert {plan["action"] for plan in plans if plan["page"] != 2} == {"skip"}
    assert "has text already" in plans[0]["reason"]
    assert planned(tmp_path / "with.pdf", tmp_path, "--force-ocr")[0]["action"] == "enlarge"


def test_nothing_is_left_behind_and_the_file_is_not_touched(document, tmp_path):
    before, listed = document.read_bytes(), {path.name for path in document.parent.iterdir()}
    assert main(["plan", str(document), "--superres-report", str(tmp_path / "report.jsonl")]) == 0
    assert document.read_bytes() == before and {path.name for path in document.parent.iterdir()} == listed


def test_an_image_is_planned_for_as_ocrmypdf_takes_it(tmp_path):
    image = tmp_path / "page.png"
    page(10).save(image)
    (plan,) = planned(image, tmp_path, "--image-dpi", "72")
    assert plan["action"] == "enlarge" and plan["dpi"] == pytest.approx(72, abs=1)


def encrypted(path: Path) -> None:
    with pikepdf.new() as pdf:
        pdf.add_blank_page()
        pdf.save(path, encryption=pikepdf.Encryption(owner="a", user="b"))


def no_pages(path: Path) -> None:
    with pikepdf.new() as pdf:
        pdf.save(path)


def image_without_dpi(path: Path) -> None:
    page(10).save(path, "PNG")


def cut_image(path: Path) -> None:
    page(10).save(path, "PNG", dpi=(100, 100))
    path.write_bytes(path.read_bytes()[:-2000])


BAD = {
    "missing": lambda path: None,
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(SAMPLE.read_bytes()[:300]),
    "text": lambda path: path.write_text("no PDF at all"),
    "encrypted": encrypted,
    "without pages": no_pages,
    "image without dpi": image_without_dpi,
    "cut image": cut_image,
}


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_read_is_one_sentence(kind, tmp_path, capfd):
    path = tmp_path / "bad [one].pdf"
    BAD[kind](path)
    assert main(["plan", str(path)]) == 1
    said = capfd.readouterr().err
    assert said.count("Error:") == 1 and "bad [one].pdf" in said and "Traceback" not in said
    assert len(said.strip().splitlines()) == 1, said
    if kind in ("missing", "empty", "cut", "text"):
        assert "give " in said and ("is missing" in said or "is damaged" in said)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--superres-model", "nosuch"], "nosuch"),
        (["--superres-below-dpi", "0"], "--superres-below-dpi was given"),
        (["--pages", "9"], "page"),
        (["--pages", "x"], "page"),
        (["-l", "nosuch"], "nosuch"),
    ],
)
def test_wrong_options_are_one_sentence(options, said, capfd):
    assert main(["plan", str(SAMPLE), *options]) == 1
    printed = " ".join(capfd.readouterr().err.split())
    assert said in printed and "Traceback" not in printed


def test_it_needs_no_torch():
    code = (
        "import sys\n"
        "class No:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('torch', 'scipy', 'jinja2'):\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, No())\n"
        "from ocrmypdf_superres.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "plan", str(SAMPLE)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "enlarge x" in done.stdout
