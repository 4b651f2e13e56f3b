# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from archive_files import image_bytes, page, pdf_bytes

from ocrmypdf_superres.archive.intake.enqueue import Intake
from ocrmypdf_superres.archive.intake.scan import Scan, classify
from ocrmypdf_superres.archive.store.manifest import Manifest
from ocrmypdf_superres.archive.tasks import FileResult, Kind, Output, State

METS = """<mets xmlns="http://www.loc.gov/METS/" xmlns:xlink="http://www.w3.org/1999/xlink"><fileSec><fileGrp USE="MASTER">
<file ID="F1"><FLocat LOCTYPE="URL" xlink:href="images/1.png"/></file></fileGrp></fileSec>
<structMap TYPE="PHYSICAL"><div TYPE="physSequence"><div TYPE="page" ORDER="1"><fptr FILEID="F1"/></div></div></structMap>
</mets>"""


@pytest.fixture
def tree(tmp_path):
    source = tmp_path / "in"
    (source / "sub").mkdir(parents=True)
    (source / "out").mkdir()
    return source


def found(source, out=None):
    """path -> (kind, state, code)."""
    return {f.path: f.verdict or classify(f.full) for f in Scan(str(source), str(out or source / "out"))}


def short(verdict):
    return (verdict.kind, verdict.state, verdict.code)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.pdf", pdf_bytes(page()), (Kind.PDF, State.WAITING, "")),
        ("no suffix", pdf_bytes(page()), (Kind.PDF, State.WAITING, "")),
        ("lies.jpg", pdf_bytes(page()), (Kind.PDF, State.WAITING, "")),
        ("a.png", image_bytes(page()), (Kind.IMAGE, State.WAITING, "")),
        ("a.tif", image_bytes(page(), "TIFF"), (Kind.IMAGE, State.WAITING, "")),
        ("a.JPG", image_bytes(page(), "JPEG"), (Kind.IMAGE, State.WAITING, "")),
        ("a.jp2", image_bytes(page(), "JPEG2000", None), (Kind.IMAGE, State.WAITING, "")),
        ("a.webp", image_bytes(page(), "WEBP", None), (Kind.IMAGE, State.WAITING, "")),
        ("empty.pdf", b"", (Kind.OTHER, State.FAILED, "empty")),
        ("text.pdf", b"no pdf", (Kind.OTHER, State.FAILED, "not-as-named")),
        ("notes.txt", b"notes", (Kind.OTHER, State.SKIPPED, "no-input")),
        ("alto.xml", b"<alto/>", (Kind.OTHER, State.SKIPPED, "no-input")),
        ("BM.txt", b"BMI of everyone", (Kind.OTHER, State.SKIPPED, "no-input")),
    ],
)
def test_what_a_file_is(tree, name, content, expected):
    (tree / name).write_bytes(content)
    (verdict,) = found(tree).values()
    assert short(verdict) == expected


def test_strange_names(tree):
    names = [b"a b.pdf", b"a'\"b.pdf", b"line\nend.pdf", "ümlaut.pdf".encode(), b"\xff\xfe.pdf", b"-rf.pdf", b"$(x);.pdf"]
    for name in names:
        with open(os.path.join(os.fsencode(tree / "sub"), name), "wb") as stream:
            stream.write(pdf_bytes(page()))
    assert {os.fsencode(path) for path in found(tree)} == {b"sub/" + name for name in names}


def test_links_and_the_output_folder(tree, tmp_path):
    (tree / "out" / "made.pdf").write_bytes(pdf_bytes(page()))
    (tree / "sub" / "loop").symlink_to(tree)
    (tree / "made").symlink_to(tree / "out")
    (tmp_path / "shelf").mkdir()
    (tree / "shelf").symlink_to(tmp_path / "shelf")
    (tree / "file").symlink_to(tmp_path / "elsewhere.pdf")
    (tmp_path / "elsewhere.pdf").write_bytes(pdf_bytes(page()))
    (tree / "broken.pdf").symlink_to(tmp_path / "nosuch")
    os.mkfifo(tree / "pipe.pdf")
    verdicts = {path: short(verdict) for path, verdict in found(tree).items()}
    assert verdicts == {
        "sub/loop": (Kind.OTHER, State.SKIPPED, "no-input"),
        "made": (Kind.OTHER, State.SKIPPED, "no-input"),
        "shelf": (Kind.OTHER, State.SKIPPED, "linked-folder"),
        "file": (Kind.PDF, State.WAITING, ""),
        "broken.pdf": (Kind.OTHER, State.FAILED, "unreadable"),
        "pipe.pdf": (Kind.OTHER, State.SKIPPED, "no-input"),
    }
    assert "a link to a file that is missing" in found(tree)["broken.pdf"].reason


@contextmanager
def unreadable(tree, folder):
    """Let nobody into *folder*, and be somebody who may not read everything."""
    folder.chmod(0)
    # Only this user may enter pytest's own folders; with xdist there is one more of them.
    root = Path(tempfile.gettempdir())
    for parent in (tree, *(parent for parent in tree.parents if parent.is_relative_to(root) and parent != root)):
        parent.chmod(0o755)
    user = os.geteuid()
    try:
        if user == 0:  # who may read everything
            os.seteuid(65534)
        yield
    finally:
        os.seteuid(user)
        folder.chmod(0o755)


def test_folders_and_files_that_may_not_be_read(tree):
    (tree / "sub" / "a.pdf").write_bytes(pdf_bytes(page()))
    (tree / "secret.pdf").write_bytes(pdf_bytes(page()))
    (tree / "secret.pdf").chmod(0)
    with unreadable(tree, tree / "sub"):
        verdicts = found(tree)
    assert {path: short(v) for path, v in verdicts.items()} == dict.fromkeys(
        ("sub", "secret.pdf"), (Kind.OTHER, State.FAILED, "unreadable")
    )
    assert "Permission denied" in verdicts["sub"].reason


def test_a_mets_document_owns_its_images(tree):
    (tree / "sub" / "mets.xml").write_text(METS)
    (tree / "sub" / "images").mkdir()
    for name in ("1", "2"):
        (tree / "sub" / "images" / f"{name}.png").write_bytes(image_bytes(page()))
    verdicts = {path: short(verdict) for path, verdict in found(tree).items()}
    assert verdicts == {
        "sub/mets.xml": (Kind.METS, State.WAITING, ""),
        "sub/images/1.png": (Kind.OTHER, State.SKIPPED, "in-mets"),
        "sub/images/2.png": (Kind.IMAGE, State.WAITING, ""),
    }


def test_a_mets_document_owns_its_images_while_one_is_missing(tree, tmp_path):
    pages = "".join(f'<div TYPE="page" ORDER="{n}"><fptr FILEID="F{n}"/></div>' for n in (1, 2))
    files = "".join(f'<file ID="F{n}"><FLocat LOCTYPE="URL" xlink:href="images/{n}.png"/></file>' for n in (1, 2))
    start, _, _ = METS.partition("<file ID")
    (tree / "mets.xml").write_text(
        f"{start}{files}</fileGrp></fileSec><structMap TYPE='PHYSICAL'><div>{pages}</div></structMap></mets>"
    )
    (tree / "images").mkdir()
    for name in ("1", "2"):
        (tree / "images" / f"{name}.png").write_bytes(image_bytes(page()))
    failed, skipped, waiting = State.FAILED, State.SKIPPED, State.WAITING
    (tree / "images" / "2.png").rename(tmp_path / "2.png")
    with Manifest(tmp_path / "first.sqlite", write=True) as manifest:
        assert take_all(tree, manifest) == {"images/1.png": skipped, "mets.xml": failed}
    (tmp_path / "2.png").rename(tree / "images" / "2.png")
    with Manifest(tmp_path / "m.sqlite", write=True) as manifest:
        complete = {"images/1.png": skipped, "images/2.png": skipped, "mets.xml": waiting}
        assert take_all(tree, manifest) == complete
        (tree / "images" / "2.png").rename(tmp_path / "2.png")
        assert take_all(tree, manifest) == {**complete, "mets.xml": failed}
        (tmp_path / "2.png").rename(tree / "images" / "2.png")
        assert take_all(tree, manifest) == complete


def test_a_mets_document_that_is_found_late_takes_back_images_that_wait(tree, tmp_path):
    (tree / "sub" / "images").mkdir()
    (tree / "sub" / "images" / "1.png").write_bytes(image_bytes(page()))
    with Manifest(tmp_path / "m.sqlite", write=True) as manifest:
        assert take_all(tree, manifest) == {"sub/images/1.png": State.WAITING}
        (tree / "sub" / "mets.xml").write_text(METS)
        assert take_all(tree, manifest) == {"sub/images/1.png": State.SKIPPED, "sub/mets.xml": State.WAITING}


@pytest.mark.parametrize("end", [State.DONE, State.FAILED])
def test_a_mets_document_that_is_found_late_takes_images_that_have_ended(tree, tmp_path, end):
    name = "sub/images/1.png"
    (tree / "sub" / "images").mkdir()
    (tree / name).write_bytes(image_bytes(page()))
    with Manifest(tmp_path / "m.sqlite", write=True) as manifest:
        take_all(tree, manifest)
        number = manifest.find(name).number
        if end is State.DONE:
            outputs = [Output("pdf", f"{name}.pdf", "x", 1)]
            manifest.stage(FileResult(number, State.STAGED, "ok", sha256="ab", outputs=outputs), "S", "1.1")
            manifest.publish(number)
        else:
            manifest.finish(FileResult(number, State.FAILED, "no-dpi"), "S")
        assert take_all(tree, manifest) == {name: end}
        (tree / "sub" / "mets.xml").write_text(METS)
        for _ in range(2):
            assert take_all(tree, manifest) == {name: State.SKIPPED, "sub/mets.xml": State.WAITING}
            assert ("is left in OUT" in manifest.find(name).reason) == (end is State.DONE)
        (tree / "sub" / "mets.xml").unlink()
        assert take_all(tree, manifest)[name] is State.WAITING
        assert len(manifest.outputs(number)) == (end is State.DONE), "it may replace them"


def take_all(tree, manifest, settings="S", **keywords):
    intake = Intake(Scan(str(tree), str(tree / "out")), manifest, settings, **keywords)
    while intake.take():
        pass
    return {row.path: row.state for row in manifest.files()}


@pytest.mark.parametrize("mets", ["sub/mets.xml", "sub/z/mets.xml"])
def test_images_that_a_mets_document_no_longer_names_are_inputs(tree, tmp_path, mets):
    (tree / "sub" / "images").mkdir()
    for name in ("1", "2"):
        (tree / "sub" / "images" / f"{name}.png").write_bytes(image_bytes(page()))
    (tree / mets).parent.mkdir(exist_ok=True)
    (tree / mets).write_text(METS if mets == "sub/mets.xml" else METS.replace("images/", "../images/"))
    first = "sub/images/1.png"
    with Manifest(tmp_path / "m.sqlite", write=True) as manifest:
        for settings in ("S", "S", "T"):
            assert take_all(tree, manifest, settings)[first] is State.SKIPPED
        (tree / mets).unlink()
        assert take_all(tree, manifest, "T")[first] is State.WAITING


def test_what_is_done_again(tree, tmp_path):
    for name in ("done", "failed", "transient", "waiting"):
        (tree / f"{name}.pdf").write_bytes(pdf_bytes(page()))
    (tree / "text.pdf").write_bytes(b"no pdf")
    with Manifest(tmp_path / "m.sqlite", write=True) as manifest:
        take_all(tree, manifest)
        number = {row.path: row.number for row in manifest.files()}
        manifest.stage(
            FileResult(number["done.pdf"], State.STAGED, "ok", sha256="ab", outputs=[Output("pdf", "done.pdf", "x", 1)]),
            "S",
            "1.1",
        )
        manifest.publish(number["done.pdf"])
        manifest.finish(FileResult(number["failed.pdf"], State.FAILED, "damaged"), "S")
        manifest.finish(FileResult(number["transient.pdf"], State.FAILED, "io", transient=True), "S")
        failed, done, waiting = State.FAILED, State.DONE, State.WAITING
        assert take_all(tree, manifest) == {
            "done.pdf": done,
            "failed.pdf": failed,
            "transient.pdf": waiting,
            "waiting.pdf": waiting,
            "text.pdf": failed,
        }
        os.utime(tree / "done.pdf", (1, 1))
        assert take_all(tree, manifest)["done.pdf"] is waiting
        manifest.publish(number["done.pdf"])
        assert take_all(tree, manifest)["done.pdf"] is done
        assert take_all(tree, manifest, retry_failed=True)["failed.pdf"] is waiting
        assert take_all(tree, manifest, settings="T")["done.pdf"] is waiting
        (tree / "text.pdf").write_bytes(pdf_bytes(page()))
        assert take_all(tree, manifest, settings="T")["text.pdf"] is waiting


def test_a_folder_that_can_be_read_again_is_no_failure_any_more(tree, tmp_path):
    with Manifest(tmp_path / "m.sqlite", write=True) as manifest:
        manifest.finish(FileResult(manifest.add("sub", Kind.OTHER, 0, 0), State.FAILED, "unreadable", "why"), "S")
        assert take_all(tree, manifest) == {}


@pytest.mark.parametrize("removed", ["sub/a.pdf", "sub"])
def test_a_failed_file_that_was_removed_is_no_failure_any_more(tree, tmp_path, removed):
    (tree / "sub" / "a.pdf").write_bytes(pdf_bytes(page()))
    (tree / "b.pdf").write_bytes(pdf_bytes(page()))
    with Manifest(tmp_path / "m.sqlite", write=True) as manifest:
        take_all(tree, manifest)
        for row in list(manifest.files()):
            manifest.finish(FileResult(row.number, State.FAILED, "damaged"), "S")
        shutil.rmtree(tree / "sub") if removed == "sub" else (tree / removed).unlink()
        ended = []
        states = take_all(tree, manifest, ended=lambda path, verdict: ended.append((path, verdict.state, verdict.code)))
        assert states == {"sub/a.pdf": State.SKIPPED, "b.pdf": State.FAILED}
        assert ended == [("sub/a.pdf", State.SKIPPED, "gone")]
        (tree / "sub").mkdir(exist_ok=True)
        (tree / "sub" / "a.pdf").write_bytes(pdf_bytes(page()))
        assert take_all(tree, manifest)["sub/a.pdf"] is State.WAITING


def test_a_failed_file_in_a_folder_that_may_not_be_read_stays_a_failure(tree, tmp_path):
    (tree / "sub" / "a.pdf").write_bytes(pdf_bytes(page()))
    with Manifest(tmp_path / "m.sqlite", write=True) as manifest:
        take_all(tree, manifest)
        manifest.finish(FileResult(manifest.find("sub/a.pdf").number, State.FAILED, "damaged"), "S")
        with unreadable(tree, tree / "sub"):
            assert take_all(tree, manifest) == {"sub/a.pdf": State.FAILED, "sub": State.FAILED}
