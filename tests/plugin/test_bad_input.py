# SPDX-License-Identifier: MPL-2.0
"""Bad input: a clear sentence and OCRmyPDF's exit code, or the page is left unchanged; nothing half-written."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import pikepdf
import pytest
from PIL import Image
from plugin_pages import grid_page, image_pdf, image_streams, printed_words
from plugin_pages import ocrmypdf as run

QUICK = ("--output-type", "pdf", "-O0")


def records(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def broken_net(lanczos_net: Path, tmp_path: Path) -> Path:
    """A model whose card is in order and whose graphs are no graphs: it fails only when it is loaded."""
    folder = tmp_path / "broken-net"
    shutil.copytree(lanczos_net, folder)
    card = (folder / "card.toml").read_text(encoding="utf-8")
    for graph in folder.glob("*.onnx"):
        old = hashlib.sha256(graph.read_bytes()).hexdigest()
        graph.write_bytes(b"no graph at all")
        card = card.replace(old, hashlib.sha256(graph.read_bytes()).hexdigest())
    (folder / "card.toml").write_text(card, encoding="utf-8")
    return folder


def test_a_net_that_fails_leaves_the_page_as_it_came(broken_net: Path, tmp_path: Path) -> None:
    page, words = grid_page()
    source, target, report = image_pdf(tmp_path / "in.pdf", [page], 80), tmp_path / "out.pdf", tmp_path / "report.jsonl"
    done = run("--superres-model", broken_net, "--superres-report", report, *QUICK, source, target)
    assert "page 1 is left unchanged" in done.stderr
    assert [record["action"] for record in records(report)] == ["failed"]
    assert image_streams(target) == image_streams(source)
    assert len(printed_words(target)) > len(words) / 2


@pytest.mark.parametrize("apply", ["ocr", "page"])
def test_a_net_that_fails_ends_the_job_where_that_is_asked_for(apply: str, broken_net: Path, tmp_path: Path) -> None:
    source, target = image_pdf(tmp_path / "in.pdf", [grid_page()[0]], 80), tmp_path / "out.pdf"
    arguments = ("--superres-on-error", "fail", "--superres-use-for", apply)
    done = run("--superres-model", broken_net, *arguments, *QUICK, source, target, check=False)
    assert done.returncode == 15
    assert "Page 1 could not be enlarged" in done.stderr
    assert "Traceback" not in done.stderr
    assert not target.exists()


def test_pages_without_text_and_the_smallest_page(lanczos_net: Path, tmp_path: Path) -> None:
    pages = [Image.new("L", (1, 1), 255), Image.new("L", (200, 300), 255), Image.new("L", (200, 300), 0)]
    source, target, report = image_pdf(tmp_path / "in.pdf", pages, 20), tmp_path / "out.pdf", tmp_path / "report.jsonl"
    run("--superres-model", lanczos_net, "--superres-report", report, *QUICK, source, target)
    found = records(report)
    assert sorted(record["page"] for record in found) == [1, 2, 3]
    assert {record["action"] for record in found} == {"left"}
    assert image_streams(target) == image_streams(source)


def test_encrypted_and_damaged_files_have_ocrmypdfs_exit_codes(lanczos_net: Path, tmp_path: Path) -> None:
    source = image_pdf(tmp_path / "in.pdf", [Image.new("L", (50, 50), 255)])
    locked = tmp_path / "locked.pdf"
    with pikepdf.open(source) as document:
        document.save(locked, encryption=pikepdf.Encryption(owner="owner", user="user"))
    damaged = tmp_path / "damaged.pdf"
    damaged.write_bytes(b"%PDF-1.4\nnothing that a reader could use")
    for path, code in ((locked, 8), (damaged, 2)):
        done = run("--superres-model", lanczos_net, path, tmp_path / "out.pdf", check=False)
        assert done.returncode == code
        assert not (tmp_path / "out.pdf").exists()


def test_a_page_over_the_limit_is_left(lanczos_net: Path, tmp_path: Path) -> None:
    source, target, report = image_pdf(tmp_path / "in.pdf", [grid_page()[0]], 80), tmp_path / "out.pdf", tmp_path / "report.jsonl"
    run("--superres-model", lanczos_net, "--superres-report", report, "--superres-max-mpixels", "0.5", *QUICK, source, target)
    (record,) = records(report)
    assert (record["action"], record["new_size"]) == ("left", None)
    assert "no room" in record["reason"]


def test_switched_off_or_without_ocr_nothing_is_enlarged(lanczos_net: Path, tmp_path: Path) -> None:
    source, target, report = image_pdf(tmp_path / "in.pdf", [grid_page()[0]], 80), tmp_path / "out.pdf", tmp_path / "report.jsonl"
    run("--superres-trigger", "off", "--superres-model", "no-such-model", "--superres-report", report, *QUICK, source, target)
    assert not report.exists()
    run("--superres-model", lanczos_net, "--superres-report", report, "--tesseract-timeout", "0", *QUICK, source, target)
    (record,) = records(report)
    assert (record["action"], record["reason"]) == ("left", "no OCR is asked for")


def test_main_job_where_torch_cannot_be_imported(lanczos_net: Path, tmp_path: Path) -> None:
    (tmp_path / "no_torch" / "torch").mkdir(parents=True)
    (tmp_path / "no_torch" / "torch" / "__init__.py").write_text("raise ImportError('there is no torch here')\n")
    page, words = grid_page()
    source, target = image_pdf(tmp_path / "in.pdf", [page], 80), tmp_path / "out.pdf"
    import os

    search = os.pathsep.join([str(tmp_path / "no_torch"), os.getcwd(), os.environ.get("PYTHONPATH", "")])
    done = run("-v", "1", "--superres-model", lanczos_net, *QUICK, source, target, env={"PYTHONPATH": search})
    assert re.search(r"enlarged .* on cpu \(onnxruntime", done.stderr)
    assert len(printed_words(target)) >= len(words) * 0.75
    refused = run(
        "--superres-device", "cuda", "--superres-model", lanczos_net, source, target, env={"PYTHONPATH": search}, check=False
    )
    assert refused.returncode == 3
    assert "PyTorch cannot be imported here" in refused.stderr
