# SPDX-License-Identifier: MPL-2.0
"""PAGE-XML and ALTO as ground truth, and where it is looked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from evaluation_pages import draw

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.evaluation.data.pages import find_pages
from ocrmypdf_superres.metrics.ground_truth import read_truth, truth_of

PAGE = """<?xml version="1.0"?>
<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"><Page imageWidth="100" imageHeight="80">
<ReadingOrder><OrderedGroup id="g"><RegionRefIndexed index="1" regionRef="a"/><RegionRefIndexed index="0" regionRef="b"/>
</OrderedGroup></ReadingOrder>
<TextRegion id="a"><TextLine id="l1"><Coords points="10,10 50,10 50,20 10,20"/>
 <TextEquiv index="1"><Unicode>guess</Unicode></TextEquiv>
  <TextEquiv index="0"><Unicode>second line</Unicode></TextEquiv></TextLine>
 <TextEquiv><Unicode>never both</Unicode></TextEquiv></TextRegion>
<TextRegion id="b"><TextLine id="l2"><Coords points="0,0 9,9"/>
 <Word><Coords points="1,1 4,5"/><TextEquiv><Unicode>first</Unicode></TextEquiv></Word>
 <Word><Coords points="5,1 9,5"/><TextEquiv><Unicode>line</Unicode></TextEquiv></Word></TextLine></TextRegion>
<TextRegion id="c"><TextEquiv><Unicode>a region alone</Unicode></TextEquiv></TextRegion>
</Page></PcGts>"""

ALTO = """<?xml version="1.0"?>
<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#"><Description><MeasurementUnit>{unit}</MeasurementUnit></Description>
<Layout><Page><PrintSpace><TextBlock>
<TextLine><String CONTENT="The" HPOS="1" VPOS="2" WIDTH="3" HEIGHT="4"/><SP/>
  <String CONTENT="har" HPOS="5" VPOS="2" WIDTH="3" HEIGHT="4"/><HYP CONTENT="-"/></TextLine>
<TextLine><String CONTENT="bour"/><String CONTENT="lay"/><String CONTENT="still"/></TextLine>
</TextBlock></PrintSpace></Page></Layout></alto>"""


def test_page_xml_follows_the_reading_order(tmp_path: Path) -> None:
    (tmp_path / "p.xml").write_text(PAGE, encoding="utf-8")
    truth = read_truth(tmp_path / "p.xml")
    assert truth.text.splitlines() == ["first line", "second line", "a region alone"]
    assert truth.boxes == [(1, 1, 4, 5), (5, 1, 9, 5), (10, 10, 50, 20)]


def test_page_xml_with_regions_in_regions(tmp_path: Path) -> None:
    def region(kind: str, name: str, inside: str, text: str = "") -> str:
        said = f"<TextEquiv><Unicode>{text}</Unicode></TextEquiv>" if text else ""
        return f'<{kind} id="{name}">{inside}{said}</{kind}>'

    def line(text: str) -> str:
        return f"<TextLine><TextEquiv><Unicode>{text}</Unicode></TextEquiv></TextLine>"

    column = region(
        "TextRegion", "c", region("TextRegion", "d", line("left")) + region("TextRegion", "e", "", "right"), "left right"
    )
    rows = region("TableCell", "f", line("a cell")) + region("TableCell", "g", line("another"))
    alone = region("TextRegion", "h", region("TextRegion", "i", ""), "its own")
    order = '<ReadingOrder><OrderedGroup id="o"><RegionRefIndexed index="0" regionRef="t"/></OrderedGroup></ReadingOrder>'
    page = f"<PcGts><Page>{order}{column}{region('TableRegion', 't', rows)}{alone}</Page></PcGts>"
    (tmp_path / "p.xml").write_text(page, encoding="utf-8")
    said = read_truth(tmp_path / "p.xml").text.split("\n")
    assert [text for text in said if text] == ["a cell", "another", "left", "right", "its own"]


def test_alto(tmp_path: Path) -> None:
    (tmp_path / "p.xml").write_text(ALTO.format(unit="pixel"), encoding="utf-8")
    truth = read_truth(tmp_path / "p.xml")
    assert truth.text.splitlines() == ["The har-", "bour lay still"]
    assert truth.boxes == [(1, 2, 4, 6), (5, 2, 8, 6)]
    (tmp_path / "p.xml").write_text(ALTO.format(unit="mm10"), encoding="utf-8")
    assert read_truth(tmp_path / "p.xml").boxes == []


@pytest.mark.parametrize(("content", "message"), [("<html/>", "kind html"), ("<PcGts", "cannot be read")])
def test_other_xml_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "p.xml").write_text(content, encoding="utf-8")
    with pytest.raises(OptionError, match=message):
        read_truth(tmp_path / "p.xml")


def test_truth_is_found_beside_the_image(tmp_path: Path) -> None:
    for name, place in (("a", "a.xml"), ("b", "page/b.xml"), ("c", "alto/c.xml"), ("d", "d.gt.txt")):
        draw(90).save(tmp_path / f"{name}.png", dpi=(90, 90))
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text(PAGE if place.endswith("xml") else "plain", encoding="utf-8")
    (tmp_path / "d.xml").write_text(PAGE, encoding="utf-8")
    pages = find_pages(tmp_path, lines=True)
    assert [Path(p.truth).name for p in pages] == ["a.xml", "b.xml", "c.xml", "d.gt.txt"]
    assert all(p.line for p in pages)


def test_plain_text_without_its_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "p.gt.txt").write_bytes(b"\xef\xbb\xbfThe harbour")
    assert read_truth(tmp_path / "p.gt.txt").text == "The harbour"
    (tmp_path / "p.gt.txt").write_bytes("Müller".encode("latin-1"))
    with pytest.raises(OptionError, match=r"The ground truth .*p\.gt\.txt is not UTF-8"):
        read_truth(tmp_path / "p.gt.txt")


def test_pages_of_one_name_stay_apart(tmp_path: Path) -> None:
    for place in ("a/0001", "b/0001", "c/0002"):
        (tmp_path / place).parent.mkdir()
        draw(90).save(tmp_path / f"{place}.png", dpi=(300, 300))
        (tmp_path / f"{place}.gt.txt").write_text(place, encoding="utf-8")
    assert [page.name for page in find_pages(tmp_path)] == ["a-0001", "b-0001", "0002"]
    rows = [
        {"id": "1", "collection": place[0], "image": f"{place}.png", "text": f"{place}.gt.txt", "languages": "eng", "dpi": 300}
        for place in ("a/0001", "b/0001", "b/0001")
    ]
    (tmp_path / "index.json").write_text(json.dumps(rows), encoding="utf-8")
    assert [page.name for page in find_pages(tmp_path)] == ["a-1", "b-1", "b-1-2"]


def test_the_truth_beside_an_image(tmp_path: Path) -> None:
    image = tmp_path / "p.png"
    assert truth_of(image) is None
    (tmp_path / "p.xml").write_text("<metadata><title>An old book</title></metadata>", encoding="utf-8")
    assert truth_of(image) is None
    (tmp_path / "alto").mkdir()
    (tmp_path / "alto" / "p.xml").write_text(ALTO.format(unit="pixel"), encoding="utf-8")
    assert truth_of(image) == tmp_path / "alto" / "p.xml"
    (tmp_path / "p.xml").write_text(PAGE[: len(PAGE) // 2], encoding="utf-8")
    assert truth_of(image) == tmp_path / "p.xml"
    (tmp_path / "p.xml").write_text("cut", encoding="utf-8")
    assert truth_of(image) == tmp_path / "p.xml"  # to read it says what is wrong
    (tmp_path / "p.gt.txt").write_text("text", encoding="utf-8")
    assert truth_of(image) == tmp_path / "p.gt.txt"
