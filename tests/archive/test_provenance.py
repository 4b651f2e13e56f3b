# SPDX-License-Identifier: MPL-2.0
"""A PDF's history: written, read back, kept, and PDF/A all the same."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import ocrmypdf
import pikepdf
import pytest
from lxml import etree
from ocrmypdf._exec import verapdf
from ocrmypdf.pdfa import file_claims_pdfa

from ocrmypdf_superres.archive.formats.xmp import ENLARGED, RECOGNISED, Step, add_history, page_ranges, read_history
from ocrmypdf_superres.errors import ImageError, OptionError

STEPS = [
    Step(
        ENLARGED,
        "ocrmypdf-superres",
        "0.1.0",
        "2026-05-01T12:00:00+02:00",
        "docsr-s2",
        "ab" * 32,
        (2, 4),
        (1, 2, 3, 7),
        "cd" * 32,
    ),
    Step(
        RECOGNISED, "Tesseract", "5.3.0", "2026-05-01T12:00:05+02:00", parameters={"languages": "deu+eng", "note": "Ж <&> \x01"}
    ),
]
SCANNED = Step("created", "Scanner", when="2020-01-01T00:00:00Z")

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
EVENT = "{http://ns.adobe.com/xap/1.0/sType/ResourceEvent#}"
# ISO 19005-1, 6.7.2, with the XMP specification of January 2004; all of these are also in that of 2005 (ISO 19005-2 and -3).
PREDEFINED = {
    "{http://ns.adobe.com/xap/1.0/}MetadataDate", "{http://ns.adobe.com/xap/1.0/}CreatorTool",
    "{http://ns.adobe.com/xap/1.0/}ModifyDate", "{http://ns.adobe.com/xap/1.0/}CreateDate",
    "{http://ns.adobe.com/pdf/1.3/}Producer", "{http://ns.adobe.com/xap/1.0/mm/}History",
    "{http://www.aiim.org/pdfa/ns/id/}part", "{http://www.aiim.org/pdfa/ns/id/}conformance",
}  # fmt: skip


def blank(path: Path, pages: int = 1) -> Path:
    pdf = pikepdf.new()
    for _ in range(pages):
        pdf.add_blank_page(page_size=(200, 200))
    pdf.save(path)
    return path


@pytest.fixture(scope="module", params=["pdfa-1", "pdfa-2", "pdfa-3"])
def archival(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Path]:
    """Level, input with a history, and OCRmyPDF's PDF/A of it."""
    folder = tmp_path_factory.mktemp(request.param)
    source = blank(folder / "in.pdf")
    add_history(source, [SCANNED])
    out = folder / "out.pdf"
    ocrmypdf.ocr(source, out, output_type=request.param, tesseract_timeout=0, progress_bar=False, language=["eng"])
    return f"{request.param[-1]}b", source, out


def test_reads_back_what_was_written(tmp_path):
    pdf = blank(tmp_path / "a.pdf")
    assert read_history(pdf) == []
    add_history(pdf, STEPS)
    assert read_history(pdf) == STEPS


def test_keeps_what_was_there_and_writes_no_step_twice(tmp_path):
    pdf = blank(tmp_path / "a.pdf")
    add_history(pdf, STEPS[:1])
    add_history(pdf, STEPS)
    before = pdf.read_bytes()
    add_history(pdf, STEPS)
    assert read_history(pdf) == STEPS
    assert pdf.read_bytes() == before
    assert list(tmp_path.iterdir()) == [pdf]


def test_equal_arguments_give_equal_bytes(tmp_path):
    first = blank(tmp_path / "a.pdf")
    second = Path(shutil.copyfile(first, tmp_path / "b.pdf"))
    add_history(first, STEPS)
    add_history(second, STEPS)
    assert first.read_bytes() == second.read_bytes()


def test_pdfa_keeps_its_claim_and_gets_the_inputs_history_back(archival, tmp_path):
    level, source, made = archival
    pdf = Path(shutil.copyfile(made, tmp_path / "a.pdf"))
    assert read_history(pdf) == []
    add_history(pdf, STEPS, earlier=source)
    assert read_history(pdf) == [SCANNED, *STEPS]
    assert file_claims_pdfa(pdf) == {"pass": True, "output": "pdfa", "conformance": f"PDF/A-{level}"}


def test_pdfa_rules_hold_by_hand(archival, tmp_path):
    """Metadata stream, packet header, properties, RDF forms, document information and identifiers, clause by clause."""
    level, source, made = archival
    pdf = Path(shutil.copyfile(made, tmp_path / "a.pdf"))
    add_history(pdf, STEPS, earlier=source)
    with pikepdf.open(pdf) as after, pikepdf.open(made) as before:
        metadata = after.Root.Metadata
        packet = metadata.read_raw_bytes()
        # Unfiltered, and without filters in its dictionary (ISO 19005-1, 6.7.2).
        assert set(metadata.keys()) == {"/Type", "/Subtype", "/Length"}
        header = packet.split(b"\n", 1)[0]
        assert b"bytes" not in header and b"encoding" not in header and packet.rstrip().endswith(b'<?xpacket end="w"?>')
        assert after.pdf_version == before.pdf_version
        assert after.trailer.ID[0] == before.trailer.ID[0]
        assert dict(after.docinfo) == dict(before.docinfo)
        if level == "1b":
            assert b"/ObjStm" not in pdf.read_bytes() and b"/XRef" not in pdf.read_bytes()
    root = etree.fromstring(packet)
    descriptions = root.findall(f".//{RDF}Description")
    assert [d.get(f"{RDF}about") for d in descriptions] == [""]
    properties = [child.tag for child in descriptions[0]]
    assert len(properties) == len(set(properties)) and set(properties) <= PREDEFINED
    (history,) = root.iter("{http://ns.adobe.com/xap/1.0/mm/}History")
    (listed,) = history
    assert listed.tag == f"{RDF}Seq"
    assert len(listed) == 3
    for item in listed:
        assert item.tag == f"{RDF}li" and dict(item.attrib) == {f"{RDF}parseType": "Resource"}
        assert {f.tag for f in item} <= {EVENT + name for name in ("action", "instanceID", "parameters", "softwareAgent", "when")}
        assert all(len(f) == 0 and not f.attrib and f.text for f in item)


def test_pikepdfs_validator_finds_nothing_but_the_history_it_does_not_look_into(archival, tmp_path):
    pdfa = pytest.importorskip("pikepdf.pdfa")
    level, source, made = archival
    pdf = Path(shutil.copyfile(made, tmp_path / "a.pdf"))
    add_history(pdf, STEPS, earlier=source)
    assert pdfa.validate_written(made, level).verdict == "pass"
    findings = pdfa.validate_written(pdf, level).findings
    assert [f.message for f in findings if "xmpMM:History" not in f.message] == []


@pytest.mark.skipif(not verapdf.available(), reason="veraPDF is not installed")
def test_verapdf_accepts(archival, tmp_path):
    level, source, made = archival
    pdf = Path(shutil.copyfile(made, tmp_path / "a.pdf"))
    add_history(pdf, STEPS, earlier=source)
    assert verapdf.validate(pdf, level).valid


def test_reads_events_in_every_form_of_rdf(tmp_path):
    pdf = blank(tmp_path / "a.pdf")
    packet = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
      <rdf:Description rdf:about="" xmlns:m="http://ns.adobe.com/xap/1.0/mm/" xmlns:e="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#">
      <m:History><rdf:Seq>
        <rdf:li e:action="created" e:softwareAgent="One"/>
        <rdf:li><rdf:Description e:action="edited"><e:parameters>[bent</e:parameters></rdf:Description></rdf:li>
        <rdf:li rdf:parseType="Resource">
          <e:action>saved</e:action><e:changed>/metadata</e:changed><e:when>yesterday</e:when>
        </rdf:li>
      </rdf:Seq></m:History></rdf:Description></rdf:RDF></x:xmpmeta>"""
    with pikepdf.open(pdf, allow_overwriting_input=True) as document:
        document.Root.Metadata = document.make_stream(packet, Type=pikepdf.Name.Metadata, Subtype=pikepdf.Name.XML)
        document.save(pdf)
    found = read_history(pdf)
    assert [step.action for step in found] == ["created", "edited", "saved"]
    assert found[1].parameters == {"text": "[bent"}
    made = blank(tmp_path / "b.pdf")
    add_history(made, STEPS, earlier=pdf)
    # What PDF/A does not allow of another program's event is left out.
    assert read_history(made)[2] == Step("saved", "")
    assert read_history(made)[3:] == STEPS


def test_newer_metadata_date_only(archival, tmp_path):
    _, _, made = archival
    old = Path(shutil.copyfile(made, tmp_path / "old.pdf"))
    new = Path(shutil.copyfile(made, tmp_path / "new.pdf"))
    add_history(old, [replace(STEPS[0], when="1999-01-01T00:00:00Z")])
    add_history(new, [replace(STEPS[0], when="2999-01-01T00:00:00Z")])
    with pikepdf.open(made) as a, pikepdf.open(old) as b, pikepdf.open(new) as c:
        dates = [pdf.open_metadata()["xmp:MetadataDate"] for pdf in (a, b, c)]
    assert dates[0] == dates[1] and dates[2] == "2999-01-01T00:00:00Z"


@pytest.mark.parametrize("step", [replace(STEPS[0], when="2026-05-01T12:00:00"), replace(STEPS[0], action=""),
                                  replace(STEPS[0], when="2026-13-01T12:00:00Z")])  # fmt: skip
def test_a_step_without_action_or_zone_is_refused(tmp_path, step):
    pdf = blank(tmp_path / "a.pdf")
    with pytest.raises(OptionError, match="time and zone"):
        add_history(pdf, [step])


def test_no_pdf_and_damaged_metadata_are_said(tmp_path):
    text = tmp_path / "a.pdf"
    text.write_text("no")
    with pytest.raises(ImageError, match="cannot be opened"):
        read_history(text)
    pdf = blank(tmp_path / "b.pdf")
    with pikepdf.open(pdf, allow_overwriting_input=True) as document:
        document.Root.Metadata = document.make_stream(b"<x:xmpmeta", Type=pikepdf.Name.Metadata, Subtype=pikepdf.Name.XML)
        document.save(pdf, fix_metadata_version=False)
    with pytest.raises(ImageError, match="is damaged"):
        add_history(pdf, STEPS)


def test_names_that_are_no_text(tmp_path):
    pdf = tmp_path / os.fsdecode(b"a\xff\n.pdf")
    blank(tmp_path / "a.pdf").rename(pdf)
    add_history(pdf, STEPS, earlier=pdf)
    assert read_history(pdf) == STEPS
    pdf.write_bytes(b"")
    with pytest.raises(ImageError, match=r"a\\xff\\x0a.pdf cannot be opened"):
        read_history(pdf)


@pytest.mark.parametrize("parameters", ['{"pages": "1-99999999999"}', "[" * 100_000])
def test_an_event_of_another_program_may_hold_anything(tmp_path, parameters):
    pdf = blank(tmp_path / "a.pdf")
    add_history(pdf, [Step("scanned", "Scanner", when="2026-05-01T12:00:00+02:00", parameters={"k": "anything"})])
    with pikepdf.open(pdf, allow_overwriting_input=True) as document:
        packet = document.Root.Metadata.read_bytes().replace(b'{"k": "anything"}', parameters.encode())
        document.Root.Metadata = document.make_stream(packet, Type=pikepdf.Name.Metadata, Subtype=pikepdf.Name.XML)
        document.save(pdf, fix_metadata_version=False)
    assert read_history(pdf)[0].parameters == {"text": parameters}


def test_page_ranges():
    assert page_ranges([]) == ""
    assert page_ranges([7, 2, 1, 3, 9, 10]) == "1-3,7,9-10"
