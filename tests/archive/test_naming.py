# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrmypdf_superres.archive.store.output_names import page_name, pdf_name, text_name
from ocrmypdf_superres.archive.tasks import Kind


@pytest.mark.parametrize(
    ("name", "kind", "made"),
    [
        ("a.pdf", Kind.PDF, "a.pdf"),
        ("b/A.PDF", Kind.PDF, "b/A.PDF"),
        ("a.tif", Kind.IMAGE, "a.tif.pdf"),
        ("a.tif.pdf", Kind.PDF, "a.tif.pdf.pdf"),
        ("a.pdf", Kind.IMAGE, "a.pdf.pdf"),
        ("scan", Kind.PDF, "scan.ocr.pdf"),
        ("scan.ocr.pdf", Kind.PDF, "scan.ocr.pdf.pdf"),
        ("mets.xml", Kind.METS, "mets.xml.pdf"),
        ("box.pdf/a.pdf", Kind.PDF, "box.pdf.d/a.pdf"),
        ("box.pdf.alto/a.pdf", Kind.PDF, "box.pdf.alto.d/a.pdf"),
        (".superres/a.pdf", Kind.PDF, ".superres.d/a.pdf"),
    ],
)
def test_the_name_of_the_output(name, kind, made):
    assert pdf_name(name, kind) == made


PARTS = ["a", ".", ".pdf", ".PDF", ".tif", ".ocr", ".txt", ".alto", ".d", ".superres", "0001", ".xml"]
NAME = st.lists(st.sampled_from(PARTS), min_size=1, max_size=4).map("".join).filter(lambda name: name not in (".", ".."))
INPUT = st.tuples(st.lists(NAME, max_size=2).map(lambda f: "/".join([*f, ""])), NAME).map("".join)


@given(
    st.lists(st.tuples(INPUT, st.sampled_from([Kind.PDF, Kind.IMAGE])), min_size=2, max_size=6, unique_by=lambda item: item[0])
)
def test_no_two_inputs_share_an_output_and_no_output_is_anothers_folder(inputs):
    # An input that is another's folder cannot be in one tree.
    inputs = [item for item in inputs if not any(other[0].startswith(f"{item[0]}/") for other in inputs)]
    made = []
    for name, kind in inputs:
        pdf = pdf_name(name, kind)
        made += [pdf, text_name(pdf), *(page_name(pdf, output, 1) for output in ("alto", "hocr", "images"))]
    assert len(set(made)) == len(made)
    files = set(made)
    for name in made:
        folders = name.split("/")[:-1]
        assert all("/".join(folders[:depth]) not in files for depth in range(1, len(folders) + 1))
        assert folders[:1] != [".superres"]
