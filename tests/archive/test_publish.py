# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from ocrmypdf_superres.archive.publish import NotOursError, StagingLostError, publish
from ocrmypdf_superres.archive.tasks import Output


class Place:
    """An output folder with a staging folder in it."""

    def __init__(self, out: Path) -> None:
        self.out, self.staging = out, out / ".superres" / "staging" / "1.1"

    def stage(self, **files: bytes) -> list[Output]:
        """Put files into staging; ``__`` in a name is a folder's end."""
        outputs = []
        for name, content in files.items():
            path = self.staging / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            outputs.append(Output("pdf", name.replace("__", "/"), hashlib.sha256(content).hexdigest(), len(content)))
        return outputs

    def found(self) -> dict[str, bytes]:
        return {str(p.relative_to(self.out)): p.read_bytes() for p in self.out.rglob("*") if p.is_file()}


@pytest.fixture(params=["links", "no links"])
def place(request, tmp_path, monkeypatch):
    if request.param == "no links":  # as FAT and some network file systems are

        def refuse(*_):
            raise OSError(errno.EPERM, "no links here")

        monkeypatch.setattr(os, "link", refuse)
    return Place(tmp_path)


def test_published_once_and_twice(place):
    outputs = place.stage(a=b"1", sub__b=b"2")
    assert publish(place.out, place.staging, outputs, []) == []
    assert place.found() == {"a": b"1", "sub/b": b"2"}
    publish(place.out, place.staging, outputs, [])
    assert place.found() == {"a": b"1", "sub/b": b"2"} and not place.staging.exists()


def test_a_part_was_published_before(place):
    outputs = place.stage(a=b"1", b=b"2", c=b"3")
    os.replace(place.staging / "a", place.out / "a")
    (place.out / "b").write_bytes(b"2")  # linked, and killed before the other name was taken away
    publish(place.out, place.staging, outputs, [])
    assert place.found() == {"a": b"1", "b": b"2", "c": b"3"}


@pytest.mark.parametrize("content", [b"mine", b""])
def test_what_is_not_ours_stays(place, content):
    outputs = place.stage(a=b"1", b=b"2")
    (place.out / "b").write_bytes(content)
    with pytest.raises(NotOursError, match="not of this run"):
        publish(place.out, place.staging, outputs, [])
    assert (place.out / "b").read_bytes() == content and not (place.out / "a").exists()


def test_a_file_where_a_folder_belongs_stays(place):
    outputs = place.stage(sub__b=b"2")
    (place.out / "sub").write_bytes(b"mine")
    with pytest.raises(NotOursError, match="needed for a folder of outputs"):
        publish(place.out, place.staging, outputs, [])
    assert (place.out / "sub").read_bytes() == b"mine"


def test_a_link_is_not_followed(place, tmp_path):
    outputs = place.stage(a=b"1")
    target = tmp_path / "target"
    target.write_bytes(b"1")
    (place.out / "a").symlink_to(target)
    with pytest.raises(NotOursError):
        publish(place.out, place.staging, outputs, [])


def test_our_earlier_output_is_replaced_unless_it_was_changed(place):
    earlier = place.stage(a=b"old", gone=b"older", kept=b"oldest")
    publish(place.out, place.staging, earlier, [])
    (place.out / "kept").write_bytes(b"changed by hand")
    outputs = place.stage(a=b"new")
    left = publish(place.out, place.staging, outputs, earlier)
    assert place.found() == {"a": b"new", "kept": b"changed by hand"}
    assert len(left) == 1 and "kept" in left[0]
    (place.out / "a").write_bytes(b"changed by hand")
    newest = place.stage(a=b"newest")
    with pytest.raises(NotOursError):
        publish(place.out, place.staging, newest, outputs)
    assert (place.out / "a").read_bytes() == b"changed by hand"


def test_lost_in_staging(place):
    outputs = place.stage(a=b"1")
    (place.staging / "a").unlink()
    with pytest.raises(StagingLostError):
        publish(place.out, place.staging, outputs, [])


def test_killed_while_a_name_was_marked(place):
    outputs = place.stage(a=b"1")
    (place.out / "a").write_bytes(f"ocrmypdf-superres places {outputs[0].sha256} here\n".encode())
    publish(place.out, place.staging, outputs, [])
    assert place.found() == {"a": b"1"}


@pytest.mark.parametrize("kind", ["folder", "dangling link", "link to the same content"])
def test_what_took_an_earlier_outputs_name_is_left_alone(place, tmp_path, kind):
    earlier = place.stage(a=b"1", b=b"old")
    publish(place.out, place.staging, earlier, [])
    (place.out / "b").unlink()
    if kind == "folder":
        (place.out / "b").mkdir()
    else:
        target = tmp_path / ("nowhere" if kind == "dangling link" else "elsewhere")
        if kind == "link to the same content":
            target.write_bytes(b"old")
        (place.out / "b").symlink_to(target)
    left = publish(place.out, place.staging, place.stage(a=b"new"), earlier)
    assert len(left) == 1 and "b was changed" in left[0]
    assert os.path.lexists(place.out / "b") and (place.out / "a").read_bytes() == b"new"


def test_a_message_about_a_name_that_is_not_text_can_be_stored(place):
    outputs = place.stage(**{"a\udcff": b"1"})
    (place.out / "a\udcff").write_bytes(b"mine")
    with pytest.raises(NotOursError) as refused:
        publish(place.out, place.staging, outputs, [])
    assert r"a\xff exists" in str(refused.value)
