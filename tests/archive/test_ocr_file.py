# SPDX-License-Identifier: MPL-2.0
"""One file at a time, in this process: how it ends, and what is left of it."""

from __future__ import annotations

import errno
import io
import os
import shutil
from pathlib import Path

import pikepdf
import pytest
from archive_files import encrypted_bytes, image_bytes, page, pdf_bytes, scratched, task, with_text_bytes
from PIL import Image, ImageChops, ImageFilter

from ocrmypdf_superres.archive.formats.xmp import read_history
from ocrmypdf_superres.archive.tasks import Kind, State
from ocrmypdf_superres.archive.worker.ocr_file import ocr_file, scratch_folder
from ocrmypdf_superres.archive.worker.outcomes import DISK_FULL, outcome_of
from ocrmypdf_superres.archive.worker.products import synced_outputs
from ocrmypdf_superres.modelstore.networks import AUTO, networks_for

GOOD = pdf_bytes(page())


def changed_pdf(change) -> bytes:
    stream = io.BytesIO()
    with pikepdf.open(io.BytesIO(GOOD)) as pdf:
        change(pdf)
        pdf.save(stream)
    return stream.getvalue()


def sign(pdf):
    pdf.Root.AcroForm = pikepdf.Dictionary(SigFlags=3, Fields=pikepdf.Array())


def tag(pdf):
    pdf.Root.MarkInfo = pikepdf.Dictionary(Marked=True)


def no_pages(pdf):
    del pdf.pages[0]


def tiff_bytes(first, *others) -> bytes:
    stream = io.BytesIO()
    first.save(stream, "TIFF", save_all=True, append_images=others, dpi=(150, 150))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("kind", "content", "end"),
    [
        (Kind.PDF, encrypted_bytes(), (State.FAILED, "encrypted")),
        (Kind.PDF, GOOD[: len(GOOD) // 3], (State.FAILED, "damaged")),
        (Kind.PDF, b"%PDF-1.7\nnonsense", (State.FAILED, "damaged")),
        (Kind.PDF, with_text_bytes(), (State.SKIPPED, "has-text")),
        (Kind.PDF, changed_pdf(tag), (State.SKIPPED, "has-text")),
        (Kind.PDF, changed_pdf(sign), (State.SKIPPED, "signed")),
        (Kind.PDF, changed_pdf(no_pages), (State.FAILED, "empty")),
        (Kind.IMAGE, image_bytes(page(), dpi=None), (State.FAILED, "no-dpi")),
        (Kind.IMAGE, image_bytes(page(), "JPEG")[:200], (State.FAILED, "unsupported")),
        (Kind.IMAGE, image_bytes(page(), "TIFF")[:3000], (State.FAILED, "damaged")),
        (Kind.IMAGE, tiff_bytes(page(), page())[: len(tiff_bytes(page()))], (State.FAILED, "damaged")),
        (Kind.IMAGE, b"\x89PNG\r\n\x1a\nnonsense", (State.FAILED, "unsupported")),
        (Kind.IMAGE, image_bytes(Image.new("1", (30000, 20000))), (State.FAILED, "too-large")),
        (Kind.PDF, None, (State.FAILED, "gone")),
    ],
)
def test_how_bad_files_end(tmp_path, kind, content, end):
    source = tmp_path / "input"
    if content is not None:
        source.write_bytes(content)
    made = task(tmp_path, source, kind)
    result = ocr_file(made)
    assert (result.state, result.code) == end, result
    assert result.reason.endswith(".") and "\n" not in result.reason and not result.transient and not result.outputs
    assert not os.path.exists(made.staging) and not scratch_folder(made).exists() and os.path.exists(made.log)
    assert str(scratch_folder(made)) not in result.reason


THREE = pdf_bytes(page(), page("old walls"), page("sea wind"))


def without_object(number_of) -> bytes:
    """THREE without the head of an object, as where a sector of a disk is lost."""
    stream = io.BytesIO()
    with pikepdf.open(io.BytesIO(THREE)) as pdf:
        pdf.save(stream, object_stream_mode=pikepdf.ObjectStreamMode.disable)
    with pikepdf.open(stream) as pdf:
        head = b"\n%d 0 obj" % number_of(pdf.pages[1])
    return stream.getvalue().replace(head, b"\n" + bytes(len(head) - 1))


def test_a_pdf_whose_page_is_lost_fails(tmp_path):
    source = tmp_path / "a.pdf"
    source.write_bytes(without_object(lambda page: page.obj.objgen[0]))
    result = ocr_file(task(tmp_path, source))
    assert (result.state, result.code) == (State.FAILED, "damaged"), result
    assert "claims 3 pages, but 2 can be read" in result.reason


def test_a_pdf_whose_page_has_lost_its_content_is_to_be_checked(tmp_path):
    source = tmp_path / "a.pdf"
    source.write_bytes(without_object(lambda page: page.Contents.objgen[0]))
    result = ocr_file(task(tmp_path, source))
    assert result.state is State.STAGED and len(result.pages) == 3
    assert any("the input is damaged" in finding for finding in result.findings), result


def test_images_that_ghostscript_handles_stay_as_they_are(tmp_path):
    source = tmp_path / "a.pdf"
    grey = page(size=(840, 240)).filter(ImageFilter.GaussianBlur(2))
    with pikepdf.open(io.BytesIO(pdf_bytes(grey))) as pdf:
        # Something that OCRmyPDF leaves to Ghostscript.
        pdf.attachments["note.txt"] = pikepdf.AttachedFileSpec(pdf, b"a note", filename="note.txt")
        pdf.save(source)
    made = task(tmp_path, source, ocr={"language": ["eng"], "output_type": "pdfa", "jobs": 1, "superres_trigger": "off"})
    assert ocr_file(made).state is State.STAGED
    assert "using Ghostscript" in Path(made.log).read_text(encoding="utf-8")
    with pikepdf.open(Path(made.staging) / "a.pdf") as pdf:
        (image,) = pdf.pages[0].get_images().values()
        assert ImageChops.difference(pikepdf.PdfImage(image).as_pil_image().convert("L"), grey).getbbox() is None


def with_metadata(packet: bytes) -> bytes:
    stream = io.BytesIO()
    with pikepdf.open(io.BytesIO(GOOD)) as pdf:
        pdf.Root.Metadata = pdf.make_stream(packet, Type=pikepdf.Name.Metadata, Subtype=pikepdf.Name.XML)
        pdf.save(stream, fix_metadata_version=False)  # which would repair them
    return stream.getvalue()


EMPTY_XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></x:xmpmeta>'


@pytest.mark.parametrize(("packet", "found"), [(b"<x:xmpmeta><rdf:RDF><broken", 1), (b"<other/>", 1), (EMPTY_XMP, 0)])
def test_metadata_cost_no_page(tmp_path, packet, found):
    source = tmp_path / "a.pdf"
    source.write_bytes(with_metadata(packet))
    made = task(tmp_path, source, Kind.PDF)
    result = ocr_file(made)
    assert (result.state, result.code) == (State.STAGED, "ok"), result
    assert len([finding for finding in result.findings if "XMP metadata are damaged" in finding]) == found
    assert [step.action for step in read_history(next(Path(made.staging).glob("*.pdf")))][-1] == "recognised"


def test_a_good_file_with_all_outputs(tmp_path, lanczos_net):
    source = tmp_path / "two pages.tif"
    page().save(source, dpi=(75, 75), save_all=True, append_images=[page("old walls")])
    ocr = {"language": ["eng"], "output_type": "pdfa", "superres_model": str(lanczos_net), "superres_threads": 1,
           "superres_verify": "off",
           "superres_trigger": "always"}  # fmt: skip
    made = task(tmp_path, source, Kind.IMAGE, outputs=("pdf", "text", "alto", "hocr", "images"), ocr=ocr, image_dpi=75)
    result = ocr_file(made)
    assert (result.state, result.code, result.findings) == (State.STAGED, "ok", [])
    base = "two pages.tif.pdf"
    assert {output.name: output.kind for output in result.outputs} == {
        base: "pdf", f"{base}.txt": "text",
        **{
            f"{base}.{kind}/{n:04d}.{end}": kind
            for n in (1, 2)
            for kind, end in (("alto", "xml"), ("hocr", "hocr"), ("images", "png"))
        },
    }  # fmt: skip
    assert result.outputs == synced_outputs(made)
    staging = tmp_path / "staging" / "1.1"
    text = (staging / f"{base}.txt").read_text()
    assert "harbour street" in text and "old walls" in text
    assert [(p.page, p.action, round(p.dpi), p.words, p.findings) for p in result.pages] == [
        (n, "enlarged", 75, 2, []) for n in (1, 2)
    ]
    assert all(0.5 < p.confidence <= 1 and p.record["file"] == source.name for p in result.pages)
    with pikepdf.open(staging / base) as pdf:
        assert len(pdf.pages) == 2 and "pdfaid" in str(pdf.open_metadata())
    steps = read_history(staging / base)
    assert [step.action for step in steps] == ["enlarged", "recognised"]
    card = networks_for(AUTO, ["eng"])[0].card
    assert steps[1].parameters["networks"] == [f"eng: {card.name} {card.sha256[:12]}"]
    alto = (staging / f"{base}.alto" / "0001.xml").read_text()
    assert 'WIDTH="420"' in alto and "harbour" in alto, "coordinates are of the original page"


def test_ink_without_words_is_a_finding(tmp_path):
    source = tmp_path / "a.pdf"
    source.write_bytes(pdf_bytes(page(), scratched(), page("")))
    result = ocr_file(task(tmp_path, source))
    assert [(p.words, p.findings) for p in result.pages] == [(2, []), (0, ["ink but no words"]), (0, [])]
    assert result.findings == ["ink but no words on 1 of 3 pages, the first is page 2"]


def test_a_variant_that_could_not_be_read_is_a_finding(tmp_path, lanczos_net, monkeypatch):
    source, shim = tmp_path / "a.pdf", tmp_path / "bin" / "tesseract"
    source.write_bytes(pdf_bytes(page(), page("old walls")))
    shim.parent.mkdir()
    # The system kills it where memory runs out.
    shim.write_text(f'#!/bin/sh\ncase "$*" in *2_ocr_superres_net*) kill -9 $$;; esac\nexec {shutil.which("tesseract")} "$@"\n')
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{shim.parent}{os.pathsep}{os.environ['PATH']}")
    made = task(tmp_path, source)
    made.ocr.update(superres_model=str(lanczos_net), superres_trigger="always", superres_engines="none")
    result = ocr_file(made)
    assert [(p.words, p.findings) for p in result.pages] == [(2, []), (2, ["could not be read in the variant net"])]
    assert "tesseract was ended by signal 9 (Killed)" in result.pages[1].record["faults"][0]


def test_pages_with_text_may_be_left(tmp_path):
    source = tmp_path / "a.pdf"
    source.write_bytes(with_text_bytes())
    made = task(tmp_path, source)
    made.ocr["mode"] = "skip"
    result = ocr_file(made)
    assert result.state is State.STAGED and [(p.action, p.words) for p in result.pages] == [("not-read", None)]


def test_unchanged_input_is_left_alone(tmp_path):
    source = tmp_path / "a.pdf"
    source.write_bytes(GOOD)
    first = ocr_file(task(tmp_path, source))
    assert ocr_file(task(tmp_path, source, known=first.sha256)).code == "unchanged"
    assert ocr_file(task(tmp_path, source, known="other")).state is State.STAGED


def test_a_mets_document_is_one_pdf(tmp_path):
    from test_scan import METS

    (tmp_path / "images").mkdir()
    image = tmp_path / "images" / "1.png"
    image.write_bytes(image_bytes(page()))
    mets = tmp_path / "mets.xml"
    mets.write_text(METS)
    first = ocr_file(task(tmp_path, mets, Kind.METS))
    assert first.state is State.STAGED and [o.name for o in first.outputs] == ["mets.xml.pdf", "mets.xml.pdf.txt"]
    image.write_bytes(image_bytes(page("another")))
    assert ocr_file(task(tmp_path, mets, Kind.METS, known=first.sha256)).code == "ok", "its hash is of the images too"
    image.unlink()
    assert ocr_file(task(tmp_path, mets, Kind.METS)).code == "damaged"


def test_a_name_that_is_no_text(tmp_path):
    source = tmp_path / os.fsdecode(b"a \n'\xff.pdf")
    source.write_bytes(GOOD)
    result = ocr_file(task(tmp_path, source, outputs=("pdf", "alto")))
    assert result.state is State.STAGED, result.reason
    assert [os.fsencode(o.name) for o in result.outputs] == [b"a \n'\xff.pdf", b"a \n'\xff.pdf.alto/0001.xml"]


def test_a_name_that_is_all_suffix(tmp_path):
    source = tmp_path / ".pdf"
    source.write_bytes(GOOD)
    result = ocr_file(task(tmp_path, source))
    assert [(output.kind, output.name) for output in result.outputs] == [("pdf", ".pdf"), ("text", ".pdf.txt")], result.reason


def test_a_name_too_long_for_its_outputs_fails_before_it_is_read(tmp_path, monkeypatch):
    source = tmp_path / f"{'x' * 250}.tif"
    source.write_bytes(image_bytes(page(), "TIFF"))
    monkeypatch.setattr("ocrmypdf_superres.archive.worker.ocr_file._ocr", lambda *_: pytest.fail("it was read"))
    result = ocr_file(task(tmp_path, source, Kind.IMAGE))
    assert (result.state, result.code) == (State.FAILED, "name-too-long") and "shorten the input's name" in result.reason


def test_a_file_that_fails_at_its_end_has_no_pages(tmp_path, monkeypatch):
    source = tmp_path / "a.pdf"
    source.write_bytes(GOOD)

    def fail(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("ocrmypdf_superres.archive.worker.products.synced_outputs", fail)
    result = ocr_file(task(tmp_path, source))
    assert (result.state, result.code, result.pages, result.outputs) == (State.FAILED, "io", [], [])


@pytest.mark.parametrize(("name", "told"), [("{staging}/a.pdf", "staging"), ("{scratch}/a.pdf", "tmp"), (None, "")])
def test_the_disk_that_is_full_is_told(tmp_path, name, told):
    staging, scratch = tmp_path / "out/staging/1.1", tmp_path / "tmp/scratch"
    for folder in (staging, scratch):
        folder.mkdir(parents=True)
    error = OSError(errno.ENOSPC, "No space left on device", name and name.format(staging=staging, scratch=scratch))
    outcome = outcome_of(error, (staging, scratch))
    assert (outcome.code, outcome.transient) == (DISK_FULL, True)
    assert outcome.reason.startswith(f"The disk of {tmp_path}") and outcome.reason.endswith(f"{told} is full.")


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_a_folder_of_the_run_that_is_read_only_is_not_the_input(tmp_path, code):
    staging, source = tmp_path / "out/staging/1.1", tmp_path / "in/a.pdf"
    own, other = (outcome_of(OSError(code, os.strerror(code), str(name)), (staging,)) for name in (staging / "a.pdf", source))
    assert (own.code, own.transient) == ("io", True) and (other.code, other.transient) == ("unreadable", False)
    assert str(staging / "a.pdf") in own.reason and str(source) in other.reason


@pytest.mark.parametrize(("missing", "end"), [("scratch", ("io", True)), ("source", ("gone", False))])
def test_a_temporary_file_that_was_cleared_away_is_not_the_input(tmp_path, monkeypatch, missing, end):
    source = tmp_path / "a.pdf"
    source.write_bytes(GOOD)
    made = task(tmp_path, source)

    def clear(*_):
        folder = scratch_folder(made) if missing == "scratch" else tmp_path
        (folder / "nosuch").read_bytes()

    monkeypatch.setattr("ocrmypdf_superres.archive.worker.ocr_file._ocr", clear)
    result = ocr_file(made)
    assert (result.code, result.transient) == end
