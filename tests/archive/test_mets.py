# SPDX-License-Identifier: MPL-2.0
"""METS: the right images in the right order, and nothing read that the document should not reach."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ocrmypdf_superres.archive.formats.mets import read_mets
from ocrmypdf_superres.errors import ImageError

HEAD = (
    "<mets:mets xmlns:mets='http://www.loc.gov/METS/' xmlns:xlink='http://www.w3.org/1999/xlink' LABEL='A book'>"
    "<mets:metsHdr/><mets:fileSec>"
)


def file(name: str, href: str, kind: str = "image/tiff") -> str:
    return f"<mets:file ID='{name}' MIMETYPE='{kind}'><mets:FLocat LOCTYPE='URL' xlink:href='{href}'/></mets:file>"


def group(use: str, *files: str) -> str:
    return f"<mets:fileGrp USE='{use}'>{''.join(files)}</mets:fileGrp>"


def pointer(name: str) -> str:
    return f"<mets:fptr FILEID='{name}'/>"


def page(order: object, *names: str, label: str = "") -> str:
    more = f" ORDERLABEL='{label}'" if label else ""
    return f"<mets:div TYPE='page' ORDER='{order}'{more}>{''.join(map(pointer, names))}</mets:div>"


def write(folder: Path, groups: str, pages: str, images: tuple[str, ...] = ()) -> Path:
    for name in images:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    path = folder / "mets.xml"
    path.write_text(
        f"{HEAD}{groups}</mets:fileSec><mets:structMap TYPE='LOGICAL'><mets:div/></mets:structMap>"
        f"<mets:structMap TYPE='PHYSICAL'><mets:div TYPE='physSequence'>{pages}</mets:div></mets:structMap></mets:mets>",
        encoding="utf-8",
    )
    return path


def names(path: Path, within: Path | None = None) -> list[str]:
    return [p.path.name for p in read_mets(path, within).pages]


def test_physical_order_labels_and_masters(tmp_path):
    groups = (
        group("THUMBS", file("t1", "t/1.jpg", "image/jpeg"), file("t2", "t/2.jpg", "image/jpeg"))
        + group("DEFAULT", file("d1", "d/1.jpg", "image/jpeg"), file("d2", "d/2.jpg", "image/jpeg"))
        + group("MASTER", file("m1", "m/1.tif"), file("m2", "m/2.tif"))
        + group("FULLTEXT", file("x1", "alto/1.xml", "application/alto+xml"), file("x2", "alto/gone.xml", "text/xml"))
    )
    pages = page(10, "t2", "d2", "m2", "x2") + page(9, "x1", "t1", "d1", "m1", label="xii")
    path = write(tmp_path, groups, pages, ("t/1.jpg", "t/2.jpg", "d/1.jpg", "d/2.jpg", "m/1.tif", "m/2.tif", "alto/1.xml"))
    document = read_mets(path)
    assert (document.use, document.label) == ("MASTER", "A book")
    assert [(p.path, p.order, p.label) for p in document.pages] == [
        (tmp_path / "m/1.tif", 1, "xii"),
        (tmp_path / "m/2.tif", 2, None),
    ]
    assert [p.alto for p in document.pages] == [tmp_path / "alto/1.xml", None]


def test_the_next_best_group_where_masters_are_not_here(tmp_path):
    groups = (
        group("MASTER", file("m1", "https://example.org/1.tif"))
        + group("PRESENTATION", file("p1", "p/1.jpg"))
        + group("DEFAULT", file("d1", "d/1.jpg"))
    )
    path = write(tmp_path, groups, page(1, "p1", "d1", "m1"), ("p/1.jpg", "d/1.jpg"))
    assert read_mets(path).use == "DEFAULT"


def test_use_on_the_file_and_groups_in_groups(tmp_path):
    """As in newspapers: one group a page, the use on each file."""
    groups = (
        "<mets:fileGrp ID='page1'>"
        + file("a", "a.jp2", "image/jp2").replace("MIMETYPE", "USE='service' MIMETYPE")
        + file("b", "b.tif").replace("MIMETYPE", "USE='master' MIMETYPE")
        + "</mets:fileGrp>"
        + f"<mets:fileGrp USE='master'><mets:fileGrp>{file('c', 'c.tif')}</mets:fileGrp></mets:fileGrp>"
    )
    assert names(write(tmp_path, groups, page(1, "a", "b") + page(2, "c"), ("a.jp2", "b.tif", "c.tif"))) == ["b.tif", "c.tif"]


@pytest.mark.parametrize(("href", "name"), [
    ("sub/a%20b%C3%A4.tif", "sub/a bä.tif"), ("100%.tif", "100%.tif"), ("sub\\one.tif", "sub/one.tif"), ("a#1?.tif", "a#1?.tif"),
    ("./x/../sub/one.tif", "sub/one.tif"), ("file:sub/one.tif", "sub/one.tif"), ("a&amp;b.tif", "a&b.tif"),
])  # fmt: skip
def test_a_reference_leads_to_its_file(tmp_path, href, name):
    (tmp_path / "x").mkdir()
    path = write(tmp_path, group("", file("f", href)), page(1, "f"), (name,))
    (only,) = read_mets(path).pages
    assert only.path.samefile(tmp_path / name)


def test_file_urls_and_names_that_are_no_text(tmp_path):
    (tmp_path / "a b.tif").write_bytes(b"")
    (tmp_path / os.fsdecode(b"\xff.tif")).write_bytes(b"")
    start = "file://" + str(tmp_path)
    groups = group("", file("f", f"{start}/a%20b.tif"), file("g", f"file://localhost{tmp_path}/a b.tif"), file("h", "%FF.tif"))
    path = write(tmp_path, groups, page(1, "f") + page(2, "g") + page(3, "h"))
    assert names(path) == ["a b.tif", "a b.tif", "\udcff.tif"]


def test_an_address_on_the_net_and_a_place_here(tmp_path):
    both = file("a", "https://example.org/a.tif").replace(
        "</mets:file>", "<mets:FLocat LOCTYPE='OTHER' xlink:href='a.tif'/></mets:file>"
    )
    assert names(write(tmp_path, group("OCR-D-IMG", both), page(1, "a"), ("a.tif",))) == ["a.tif"]


def test_areas_and_two_images_of_a_page(tmp_path):
    areas = "<mets:area FILEID='a'/><mets:area FILEID='a'/>"
    area = f"<mets:div ORDER='1'><mets:fptr><mets:seq>{areas}</mets:seq></mets:fptr></mets:div>"
    groups = group("", file("a", "a.tif"), file("b", "b.tif"), file("c", "c.tif"))
    assert names(write(tmp_path, groups, area + page(2, "b", "c"), ("a.tif", "b.tif", "c.tif"))) == ["a.tif", "b.tif", "c.tif"]


def test_images_outside_the_input_folder_are_refused(tmp_path):
    inside = tmp_path / "in" / "book"
    inside.mkdir(parents=True)
    (tmp_path / "secret.tif").write_bytes(b"")
    (tmp_path / "in" / "a.tif").write_bytes(b"")
    path = write(inside, group("", file("f", "../../secret.tif")), page(1, "f"))
    with pytest.raises(ImageError, match="is outside"):
        read_mets(path, tmp_path / "in")
    path = write(inside, group("", file("f", "../a.tif")), page(1, "f"))
    assert [p.path for p in read_mets(path, tmp_path / "in").pages] == [tmp_path / "in" / "a.tif"]
    with pytest.raises(ImageError, match="is outside"):
        read_mets(path)
    (inside / "link.tif").symlink_to(tmp_path / "secret.tif")
    with pytest.raises(ImageError, match="is outside"):
        read_mets(write(inside, group("", file("f", "link.tif")), page(1, "f")), tmp_path / "in")


@pytest.mark.parametrize(("groups", "pages", "said"), [
    (group("MASTER", file("a", "a.tif")), page(1, "a"), "'a.tif' is missing"),
    (group("MASTER", file("a", "http://x.org/a.tif")), page(1, "a"), "is remote"),
    (group("A", file("a", "here.tif")) + group("B", file("b", "b.tif")), page(1, "a") + page(2, "b"), "only 1 of 2 pages"),
    (group("MASTER", file("a", "here.tif")), "", "no physical structMap"),
    (group("THUMBS", file("a", "here.tif")), page(1, "a"), "no physical structMap"),
])  # fmt: skip
def test_what_is_wrong_is_said_in_one_sentence(tmp_path, groups, pages, said):
    with pytest.raises(ImageError, match=said) as caught:
        read_mets(write(tmp_path, groups, pages, ("here.tif",)))
    assert "\n" not in str(caught.value)


def test_nothing_is_read_from_outside(tmp_path):
    (tmp_path / "secret").write_text("a.tif")
    (tmp_path / "a.tif").write_bytes(b"")
    path = write(tmp_path, group("", file("f", "a.tif")), page(1, "f", label="L"))
    text = path.read_text("utf-8").replace("<mets:metsHdr/>", "<mets:metsHdr>&x;</mets:metsHdr>")
    path.write_text(f"<!DOCTYPE mets [<!ENTITY x SYSTEM 'secret'>]>{text}", encoding="utf-8")
    with pytest.raises(ImageError, match="document type declaration"):
        read_mets(path)


def test_other_files_are_no_mets(tmp_path):
    other = tmp_path / "other.xml"
    for text, said in (("<alto/>", "type alto"), ("not xml", "cannot be read")):
        other.write_text(text)
        with pytest.raises(ImageError, match=said):
            read_mets(other)
    with pytest.raises(ImageError, match="cannot be read"):
        read_mets(tmp_path / "gone.xml")
