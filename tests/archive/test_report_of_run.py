# SPDX-License-Identifier: MPL-2.0
"""The report and the catalogue of a run: what they say, and that names of any kind come through."""

from __future__ import annotations

import csv
import json
import os
import re
import sqlite3
from contextlib import closing

import pytest

pytest.importorskip("jinja2")

from ocrmypdf_superres.archive.report.masters import master_of
from ocrmypdf_superres.archive.report.summary import summarize, worst_pages
from ocrmypdf_superres.archive.settings import Settings
from ocrmypdf_superres.archive.store.catalogue import file_rows, page_rows
from ocrmypdf_superres.archive.store.manifest import Manifest
from ocrmypdf_superres.archive.store.name_encoding import decode_path, encode_path
from ocrmypdf_superres.archive.tasks import State
from ocrmypdf_superres.cli import main
from ocrmypdf_superres.evaluation.methods.pdf_pages import PdfSettings
from ocrmypdf_superres.evaluation.read_again import read_again


def change(run, *statements: tuple[str, tuple[object, ...]]) -> None:
    with closing(sqlite3.connect(run.manifest)) as db, db:
        for statement, values in statements:
            db.execute(statement, values)


def test_the_figures_and_the_worst_pages_of_a_run(run):
    change(run, ("UPDATE pages SET action = 'failed', confidence = 0.2, findings = '[\"ink but no words\"]' "
                 "WHERE file = 1 AND page = 2", ()),
           ("UPDATE sessions SET started = 1000, ended = 1120", ()))  # fmt: skip
    with Manifest(run.manifest) as manifest:
        summary = summarize(manifest)
        worst = worst_pages(manifest, 30)
        assert (worst[0].file.path, worst[0].page.page) == ("sub/a b.pdf", 2)
        assert [w.page.action for w in worst] == ["failed", *["enlarged"] * 4]
        assert worst[1].page.confidence <= worst[2].page.confidence <= worst[3].page.confidence <= worst[4].page.confidence
        assert len(worst_pages(manifest, 2)) == 2 and worst_pages(manifest, 0) == []
    assert {(state, code): files for state, code, files, _ in summary.ends} == {
        (State.DONE, "ok"): 3, (State.FAILED, "damaged"): 1, (State.SKIPPED, "no-input"): 1,
    }  # fmt: skip
    assert (summary.pages, summary.wall, summary.actions["enlarged"], summary.actions["failed"]) == (5, 120.0, 4, 1)
    assert summary.words > 20 and summary.findings == {"ink but no words": 1}
    assert sum(summary.confidences) == 5 and summary.confidences[2] == 1


def test_a_session_that_was_killed_lasted_until_its_last_file(run):
    change(run, ("UPDATE sessions SET started = 1000, ended = NULL", ()), ("UPDATE files SET ended = 1060 + number", ()),
           ("INSERT INTO sessions SELECT 2, settings, 1062.5, 1100, outcome, host, software FROM sessions", ()))  # fmt: skip
    with Manifest(run.manifest) as manifest:
        assert summarize(manifest).wall == pytest.approx(62 + 37.5)


def test_the_page_says_it_all(run, tmp_path, capsys):
    page = tmp_path / "r.html"
    assert main(["archive", "report", str(run.out), "-o", str(page)]) == 0
    said = capsys.readouterr().out
    assert "Of 5 files: 3 done, 1 skipped, 1 failed." in said
    text = page.read_text("utf-8")
    assert "Files that failed" in text and "broken.pdf" in text and "It is neither a PDF nor an image." in text
    assert "Pages, the worst first" in text and "sub/a b.pdf" in text
    assert text.count("<svg ") == 2 and not re.search(r"(src|href)=[\"']?(https?:)?//", text)
    assert 'id="b0"' not in text


def test_pages_read_again_can_be_seen(run, tmp_path, capsys):
    page = tmp_path / "r.html"
    assert main(["archive", "report", str(run.out), "-o", str(page), "--images", "2", "--count", "2"]) == 0
    text = page.read_text("utf-8")
    assert len(re.findall(r'<script type="text/plain" id="b\d+">', text)) == 2
    assert "without super-resolution" in text


def test_pages_are_read_again_with_a_model_that_is_a_folder(run, tmp_path, lanczos_net, capsys):
    page = tmp_path / "r.html"
    change(run, ("UPDATE settings SET toml = ?", (Settings(superres={"model": str(lanczos_net), "verify": "off"}).toml(),)))
    assert main(["archive", "report", str(run.out), "-o", str(page), "--images", "1", "--count", "1"]) == 0
    assert 'id="b0"' in page.read_text("utf-8"), capsys.readouterr().out


@pytest.mark.parametrize("trigger", ["never", "always"])
def test_pages_are_read_again_with_the_options_of_the_run(run, tmp_path, trigger):
    superres = {"verify": "off", **({"trigger": "always"} if trigger == "always" else {"trigger": "dpi", "below_dpi": 50.0})}
    given = Settings(image_dpi=75, superres=superres, ocrmypdf={"mode": "skip", "tesseract_pagesegmode": 6})
    change(run, ("UPDATE settings SET toml = ?", (given.toml(),)))
    with Manifest(run.manifest) as manifest:
        master = master_of(manifest, run, manifest.file(1))
    assert master.options["tesseract_pagesegmode"] == 6 and "mode" not in master.options
    settings = PdfSettings(master.languages, master.model, master.verify, "1", force_ocr=True, jobs=1, options=master.options)
    (page,) = read_again(master.pdf, tmp_path, "1", settings).values()
    assert page.action == ("enlarged" if trigger == "always" else "left")
    assert (page.after.size > page.before.size) == (trigger == "always")


def test_pages_whose_file_is_gone_are_shown_without(run, tmp_path, capsys):
    (run.out / "image.tif.pdf").unlink()
    page = tmp_path / "r.html"
    change(run, ("UPDATE pages SET confidence = 0.01 WHERE file = 2", ()))
    assert main(["archive", "report", str(run.out), "-o", str(page), "--images", "1"]) == 0
    assert "is no longer in its place" in capsys.readouterr().out
    assert 'id="b0"' not in page.read_text("utf-8")


def test_catalogues_and_names_that_are_no_text(run, tmp_path, capsys):
    change(run, ("UPDATE files SET path = ? WHERE number = 2", (b'a\n\xff\\\xc3\xa4,".tif',)))
    assert (
        main(
            [
                "archive",
                "report",
                str(run.out),
                "-o",
                str(tmp_path / "r.html"),
                "--csv",
                str(tmp_path / "c"),
                "--jsonl",
                str(tmp_path / "j"),
            ]
        )
        == 0
    )
    with open(tmp_path / "c/files.csv", encoding="utf-8", newline="") as stream:
        files = list(csv.DictReader(stream))
    assert [f["file"] for f in files] == [
        "sub/a b.pdf",
        'a\\x0a\\xff\\x5cä,".tif',
        "broken.pdf",
        "notes.xyz",
        "book/mets/mets.xml",
    ]
    assert files[0]["state"] == "done" and files[0]["model"] == "docsr-s2" and len(files[0]["sha256"]) == 64
    assert files[0]["outputs"].split("; ")[0] == "sub/a b.pdf" and files[0]["ended"].endswith("+00:00")
    with open(tmp_path / "c/pages.csv", encoding="utf-8", newline="") as stream:
        pages = list(csv.DictReader(stream))
    assert [(p["file"], p["page"], p["action"]) for p in pages] == [
        ("sub/a b.pdf", "1", "enlarged"), ("sub/a b.pdf", "2", "enlarged"), (files[1]["file"], "1", "enlarged"),
        *(("book/mets/mets.xml", page, "enlarged") for page in "12"),
    ]  # fmt: skip
    lines = (tmp_path / "j/files.jsonl").read_text("utf-8").splitlines()
    with Manifest(run.manifest) as manifest:
        assert [json.loads(line) for line in lines] == list(file_rows(manifest))
        assert [json.loads(line) for line in (tmp_path / "j/pages.jsonl").read_text("utf-8").splitlines()] == list(
            page_rows(manifest)
        )


def test_what_cannot_be_written_is_said(run, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["archive", "report", str(run.out), "-o", str(tmp_path / "r.html"), "--csv", str(tmp_path / "file" / "x")]) == 1
    assert "cannot be made" in capsys.readouterr().err
    assert main(["archive", "report", str(tmp_path)]) == 1
    assert "holds no run" in capsys.readouterr().err


def test_paths_in_the_manifest():
    for path in ("/a b/ä", os.fsdecode(b"/a\xff\n")):
        assert decode_path(encode_path(path)) == path
        encode_path(path).encode("utf-8")
    assert decode_path("") == ""
