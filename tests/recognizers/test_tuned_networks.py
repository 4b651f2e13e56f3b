# SPDX-License-Identifier: MPL-2.0
"""Tuned networks as folders, and the cache of files that join them with installed ones, under real faults."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import tinydata

from ocrmypdf_superres.errors import OptionError, RecognizerError
from ocrmypdf_superres.files import atomic_create
from ocrmypdf_superres.modelstore.networks import NETWORK, NETWORK_CARD, networks_in, read_network
from ocrmypdf_superres.recognizers.tesseract.format.container import LSTM, VERSION, join_container, read_container
from ocrmypdf_superres.recognizers.tesseract.format.int8 import int8_copy
from ocrmypdf_superres.recognizers.tesseract.format.traineddata import TrainedData, read_traineddata, write_traineddata
from ocrmypdf_superres.recognizers.tesseract.format.writer import float_copy
from ocrmypdf_superres.recognizers.tesseract.networks import cache
from ocrmypdf_superres.recognizers.tesseract.networks.cache import CACHE_VARIABLE, cache_folders, joined_file
from ocrmypdf_superres.recognizers.tesseract.networks.language_file import (
    identity_of,
    open_language_file,
    same_content,
    write_pieces,
)
from ocrmypdf_superres.recognizers.tesseract.networks.pack import (
    About,
    change_card,
    mean_network,
    pack_network,
    with_outputs,
)

WORDS = 19


def write(data: TrainedData, path: Path, **more: bytes) -> Path:
    """*data* as a language file, with a dictionary and a version as published ones have them."""
    data.components |= {WORDS: more.get("words", b"dictionary" * 3000), VERSION: more.get("version", b"4.0:tst:fast")}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(write_traineddata(data))
    return path


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write(tinydata.tiny(), tmp_path / "tessdata" / "tst.traineddata")


@pytest.fixture
def network(tmp_path: Path, base: Path):
    tuned = write(tinydata.tiny(seed=1), tmp_path / "tuned.traineddata")
    return pack_network(tuned, base, tmp_path / "networks" / "tst", "tst", About("small", "lines", "none", 7))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_folder_holds_the_network_and_its_card_and_comes_back(network, base, tmp_path):
    assert sorted(path.name for path in network.folder.iterdir()) == [NETWORK, NETWORK_CARD]
    assert network.data() == read_container(tmp_path / "tuned.traineddata")[LSTM]
    again = read_network(network.folder)
    assert again == network and networks_in(network.folder.parent) == [network]
    assert again.card.steps == 7 and again.card.base.version == "4.0:tst:fast" and "Apache License" in again.card.notice
    changed = change_card(network, metrics={"low": {"cer": 2.5, "ratio": [0.4, 0.3, 0.5]}})
    assert read_network(network.folder) == changed and changed.data() == network.data()


def test_a_float_network_is_packed_as_the_int8_that_the_program_reads(base, tmp_path):
    tuned = write(float_copy(tinydata.tiny(seed=1)), tmp_path / "tuned.traineddata")
    network = pack_network(tuned, base, tmp_path / "n", "tst")
    assert network.card.name == "n" and len(network.data()) == network.card.base.network_bytes


def test_a_mean_with_the_installed_network_lies_between_both(base, tmp_path):
    tuned = write(tinydata.tiny(seed=1), tmp_path / "tuned.traineddata")
    pair = read_traineddata(tuned), read_traineddata(base)
    mean = mean_network(*pair, 0.25)
    assert not mean.integer and pair[0].integer == read_traineddata(tuned).integer
    for one, own, old in zip(*(data.network.walk() for data in (mean, *pair)), strict=True):
        for matrix, a, b in zip(one.matrices, own.matrices, old.matrices, strict=True):
            assert np.allclose(matrix.floats(), 0.75 * a.floats() + 0.25 * b.floats())
    packed = pack_network(tuned, base, tmp_path / "mean", "tst", base_share=0.25)
    assert packed.data() == int8_copy(mean).components[LSTM] != read_container(tuned)[LSTM]
    with pytest.raises(OptionError, match="0 to below 1"):
        pack_network(tuned, base, tmp_path / "much", "tst", base_share=1.0)


def test_outputs_are_taken_back_from_the_installed_network(base, tmp_path):
    data = read_traineddata(write(tinydata.tiny(seed=1), tmp_path / "tuned.traineddata"))
    installed = read_traineddata(base)
    character = next(c for c in "abcde_" if installed.charset.decode(installed.charset.encode(c)) == c)
    row = installed.charset.encode(character)[0]
    found = with_outputs(data, installed, character)
    for number, (one, own, old) in enumerate(
        zip(*(list(d.network.walk())[-1].matrices[0].floats() for d in (found, data, installed)), strict=True)
    ):
        assert np.allclose(one, old if number == row else own, atol=1e-5)
    with pytest.raises(RecognizerError, match="cannot write"):
        with_outputs(data, installed, "\u4e00")


def test_the_joined_file_is_the_installed_one_with_the_other_network(network, base):
    installed = open_language_file(base)
    path = joined_file(installed, network.data())
    parts, found = read_container(base), read_container(path)
    assert path.name == "tst.traineddata" and found == {**parts, LSTM: network.data()}
    assert path.read_bytes() == join_container({**parts, LSTM: network.data()})
    assert joined_file(installed, network.data()) == path


def test_what_a_network_fits(network, base, tmp_path):
    fits = lambda path: open_language_file(path).fits(network.card.base)  # noqa: E731
    assert fits(base)
    # Another packaging: dictionaries of a distribution's own, another version text, further components.
    other = write(tinydata.tiny(), tmp_path / "other" / "tst.traineddata", words=b"shorter", version=b"4.1")
    assert fits(other)
    with_config = tmp_path / "config.traineddata"
    with_config.write_bytes(join_container({0: b"config 1\n", **read_container(base)}))
    assert fits(with_config)
    # Another network (best is float), another charset, and legacy files do not.
    assert not fits(write(tinydata.tiny(seed=3), tmp_path / "seed.traineddata"))
    assert not fits(write(float_copy(tinydata.tiny()), tmp_path / "best.traineddata"))
    charset = tinydata.tiny()
    charset.components[21] = charset.components[21].replace(b"a 0", b"b 0")
    assert not fits(write(charset, tmp_path / "charset.traineddata"))
    legacy = tmp_path / "osd.traineddata"
    legacy.write_bytes(join_container({1: b"legacy"}))
    assert not fits(legacy)


def test_packing_refuses_what_was_not_tuned_from_the_base(base, tmp_path):
    with pytest.raises(RecognizerError, match="another layers"):
        pack_network(write(tinydata.tiny(other=True), tmp_path / "o.traineddata"), base, tmp_path / "n", "tst")
    with pytest.raises(RecognizerError, match="a tuned one was expected"):
        pack_network(base, base, tmp_path / "n", "tst")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    tuned = write(tinydata.tiny(seed=1), tmp_path / "tuned.traineddata")
    with pytest.raises(RecognizerError, match="give a new folder"):
        pack_network(tuned, base, tmp_path / "full", "tst")


def test_damaged_networks_and_cards_are_named(network, tmp_path):
    (network.folder / NETWORK).write_bytes(network.data()[:-1] + b"x")
    with pytest.raises(RecognizerError, match="damaged or was changed"):
        network.data()
    (network.folder / NETWORK).unlink()
    with pytest.raises(RecognizerError, match="lacks its file"):
        network.data()
    card = network.folder / NETWORK_CARD
    card.write_text(card.read_text().replace("steps", "stpes"))
    with pytest.raises(RecognizerError, match="did you mean 'steps'"):
        read_network(network.folder)
    with pytest.raises(RecognizerError, match="no tuned network"):
        networks_in(tmp_path / "nothing")


@pytest.mark.parametrize("damage", [b"", b"nonsense", None])
def test_a_damaged_file_of_the_cache_is_made_anew(network, base, damage):
    path = joined_file(open_language_file(base), network.data())
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]) if damage is None else damage)
    assert joined_file(open_language_file(base), network.data()) == path and path.read_bytes() == whole


def test_another_installed_file_gets_a_file_of_its_own(network, base):
    first = joined_file(open_language_file(base), network.data())
    write(tinydata.tiny(), base, words=b"a new dictionary")
    second = joined_file(open_language_file(base), network.data())
    assert first != second and read_container(second)[WORDS] == b"a new dictionary"


def test_what_lies_beside_the_installed_file_is_found_beside_the_joined_one(network, base):
    (base.parent / "tst.user-words").write_text("Zauberflöte\n")
    path = joined_file(open_language_file(base), network.data())
    assert path.with_name("tst.user-words").read_text() == "Zauberflöte\n"


def test_what_was_left_behind_is_removed(network, base, own_cache):
    old, recent = own_cache / "networks" / "old", own_cache / "networks" / "recent"
    for folder in (old, recent):
        folder.mkdir(parents=True)
        (folder / "tst.traineddata").write_bytes(b"x")
    os.utime(old, (time.time() - 1e7, time.time() - 1e7))
    path = joined_file(open_language_file(base), network.data())
    assert not old.exists() and recent.exists()
    left = path.with_name(".tst.0123.part.traineddata")
    left.write_bytes(b"half")
    os.utime(left, (time.time() - 1e5, time.time() - 1e5))
    path.write_bytes(b"damaged")
    joined_file(open_language_file(base), network.data())
    assert not left.exists()


def unwritable(folder: Path) -> None:
    """Make *folder* refuse files to everyone, root included: a plain file stands where the cache goes on."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "networks").write_text("not a folder")


def test_a_cache_that_cannot_be_written_is_passed_over(network, base, own_cache, monkeypatch, tmp_path):
    unwritable(own_cache)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    path = joined_file(open_language_file(base), network.data())
    assert path.is_relative_to(tmp_path / "xdg")
    unwritable(tmp_path / "xdg2" / "ocrmypdf-superres")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg2"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    assert joined_file(open_language_file(base), network.data()).is_relative_to(tmp_path / "temporary")
    unwritable(tmp_path / "t2" / cache_folders()[-1].name)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "t2"))
    with pytest.raises(RecognizerError, match=f"set {CACHE_VARIABLE} to a folder with room"):
        joined_file(open_language_file(base), network.data())


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may write everywhere")
def test_a_read_only_cache_that_is_whole_is_used(network, base, own_cache):
    path = joined_file(open_language_file(base), network.data())
    path.parent.chmod(0o500)
    try:
        assert joined_file(open_language_file(base), network.data()) == path
    finally:
        path.parent.chmod(0o700)


def test_a_temporary_folder_that_others_may_write_to_is_not_trusted(network, base, monkeypatch, tmp_path, own_cache):
    unwritable(own_cache)
    monkeypatch.setenv("XDG_CACHE_HOME", str(own_cache / "networks"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = cache_folders()[-1]
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(RecognizerError, match="may be written to by others"):
        joined_file(open_language_file(base), network.data())


def test_a_folder_whose_name_means_something_else_to_the_program_is_passed_over(network, base, monkeypatch, tmp_path):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "a+b"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "plain"))
    assert joined_file(open_language_file(base), network.data()).is_relative_to(tmp_path / "plain")


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("only root can mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_passed_over(network, base, monkeypatch, tmp_path):
    with small_disk(tmp_path / "disk", "16k") as disk:
        monkeypatch.setenv(CACHE_VARIABLE, str(disk / "cache"))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "roomy"))
        path = joined_file(open_language_file(base), network.data())
        assert path.is_relative_to(tmp_path / "roomy") and not list(disk.rglob("*.traineddata"))


def test_a_read_only_disk_is_used_where_it_is_whole_and_passed_over_where_it_is_not(network, base, monkeypatch, tmp_path):
    with small_disk(tmp_path / "disk", "1m") as disk:
        monkeypatch.setenv(CACHE_VARIABLE, str(disk / "cache"))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "writable"))
        path = joined_file(open_language_file(base), network.data())
        for damage, place in ((False, disk), (True, tmp_path / "writable")):
            if damage:
                path.write_bytes(b"damaged")
            subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
            assert joined_file(open_language_file(base), network.data()).is_relative_to(place)
            subprocess.run(["mount", "-o", "remount,rw", disk], check=True)


RACE = """
import sys, time
from pathlib import Path
from ocrmypdf_superres.modelstore.networks import read_network
from ocrmypdf_superres.recognizers.tesseract.networks import cache
from ocrmypdf_superres.recognizers.tesseract.networks.cache import joined_file
from ocrmypdf_superres.recognizers.tesseract.networks.language_file import open_language_file, same_content
base, network, start = open_language_file(Path(sys.argv[1])), read_network(Path(sys.argv[2])), float(sys.argv[3])
time.sleep(max(0.0, start - time.time()))
for _ in range(20):
    path = joined_file(base, network.data())
    assert same_content(path, base.with_network(network.data()))
    print("read")
"""


def test_twenty_processes_at_once_make_one_whole_file(network, base, own_cache):
    start = time.time() + 6
    command = [sys.executable, "-c", RACE, str(base), str(network.folder), str(start)]
    racing = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(20)]
    for process in racing:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0 and out.split() == ["read"] * 20, err
    files = [path for path in own_cache.rglob("*") if path.is_file()]
    assert len(files) == 1 and read_container(files[0])[LSTM] == network.data()


def test_a_file_that_another_process_is_reading_with_stays(network, base, monkeypatch):
    wanted, seen = open_language_file(base), []

    def slowly(part, pieces):
        if not seen:
            seen.append(None)
            seen[0] = identity_of(joined_file(wanted, network.data()))  # the other process is faster
        write_pieces(part, pieces)

    monkeypatch.setattr(cache, "write_pieces", slowly)
    assert identity_of(joined_file(wanted, network.data())) == seen[0]
    path = joined_file(wanted, network.data())
    path.write_bytes(b"damaged")
    assert same_content(joined_file(wanted, network.data()), wanted.with_network(network.data()))


def test_where_there_are_no_links_the_last_whole_file_wins(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", refuse)
    for text in ("first", "second"):
        with atomic_create(tmp_path / "file.txt") as part:
            part.write_text(text)
    assert (tmp_path / "file.txt").read_text() == "second" and len(list(tmp_path.iterdir())) == 1


def refuse(*_paths):
    raise OSError(errno.EPERM, "no links here")
