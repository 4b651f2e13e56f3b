# SPDX-License-Identifier: MPL-2.0
"""Real OCRmyPDF runs that read with tuned networks, and what happens where they cannot be used."""

from __future__ import annotations

import copy
import json
import os
import pickle
import re
import shutil
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from plugin_pages import draw_page, image_pdf, ocrmypdf

from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.evaluation.data.pages import BenchmarkPage, Case
from ocrmypdf_superres.evaluation.reading_cache import key_of
from ocrmypdf_superres.modelstore.networks import NETWORK, installed_networks, read_network
from ocrmypdf_superres.ocr.calibration import read_table
from ocrmypdf_superres.plugin.networks import NetworkChoice, Replaced
from ocrmypdf_superres.plugin.options import SuperresOptions
from ocrmypdf_superres.recognizers.tesseract.format.container import LSTM, join_container, read_container
from ocrmypdf_superres.recognizers.tesseract.networks import choice as networks_choice
from ocrmypdf_superres.recognizers.tesseract.networks.language_file import open_language_file
from ocrmypdf_superres.recognizers.tesseract.networks.pack import change_card
from ocrmypdf_superres.tesseract import data_folder, find_traineddata

ROOT = Path(__file__).parents[2]
ENG = ROOT / "models" / "recognizers" / "eng"


def fits_eng() -> bool:
    try:
        return open_language_file(find_traineddata("eng")).fits(read_network(ENG).card.base)
    except RecognizerError:
        return False


pytestmark = pytest.mark.skipif(not fits_eng(), reason="English of tessdata_fast is not installed")


@pytest.fixture(scope="module")
def pdf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return image_pdf(tmp_path_factory.mktemp("pdf") / "small.pdf", [draw_page((500, 400), em=10, lines=8)], dpi=72)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OCRMYPDF_SUPERRES_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def run(pdf: Path, folder: Path, *more: object, env: dict[str, str] | None = None, check: bool = True):
    """Read *pdf*; return the program's messages, the text, the records, and the hOCR of the first page."""
    folder.mkdir(exist_ok=True)
    sidecar, report, kept = folder / "o.txt", folder / "r.jsonl", folder / "kept"
    done = ocrmypdf(
        "--output-type", "pdf", "--sidecar", sidecar, "--superres-report", report, "--superres-keep", kept,
        "--superres-device", "cpu", "--superres-engines", "none", *more, pdf, folder / "o.pdf", env=env, check=check,
    )  # fmt: skip
    records = [json.loads(line) for line in report.read_text().splitlines()] if report.exists() else []
    hocr = kept / "page-0001.hocr"
    text = sidecar.read_text() if sidecar.exists() else ""
    return done, text, records, hocr.read_text() if hocr.exists() else ""


def languages_of(hocr: str) -> set[str]:
    return set(re.findall(r"lang='([^']*)'", hocr))


@pytest.mark.parametrize("mode", [(), ("--pdf-renderer", "sandwich"), ("--superres-verify", "always"), ("--no-use-threads",)])
def test_an_enlarged_page_is_read_with_the_tuned_network(pdf, tmp_path, mode, own_cache):
    _, text, records, hocr = run(pdf, tmp_path, *mode)
    card = read_network(ENG).card
    assert records[0]["networks"] == {"eng": f"eng {card.sha256[:12]}"} and "faults" not in records[0]
    assert "quick brown fox" in text and languages_of(hocr) in ({"eng"}, {"en"}, set())
    files = list(own_cache.rglob("*.traineddata"))
    assert len(files) == 1 and read_container(files[0])[LSTM] == read_network(ENG).data()


def test_stock_reads_with_the_installed_network(pdf, tmp_path, own_cache):
    _, text, records, _ = run(pdf, tmp_path, "--superres-networks", "stock")
    assert records[0]["networks"] == {} and "quick brown fox" in text and not own_cache.exists()


def test_a_tuned_and_an_installed_language_are_combined(pdf, tmp_path):
    parts = read_container(find_traineddata("eng"))
    foreign = {**parts, LSTM: read_network(ENG).data()}  # its own network is another one than tessdata_fast's
    env = elsewhere(tmp_path / "tessdata", "other", join_container(foreign))
    _, text, records, hocr = run(pdf, tmp_path, "-l", "eng+other", env=env)
    assert list(records[0]["networks"]) == ["eng"] and "quick brown fox" in text
    assert languages_of(hocr) <= {"eng", "other"} and "eng" in languages_of(hocr)


def test_pages_that_are_left_are_read_with_it_too(tmp_path):
    large = image_pdf(tmp_path / "large.pdf", [draw_page((1700, 1100), em=42, lines=6)], dpi=300)
    _, text, records, _ = run(large, tmp_path)
    assert records[0]["action"] == "left" and "eng" in records[0]["networks"] and "quick brown fox" in text


def test_switched_off_and_with_the_legacy_engine_nothing_is_done(tmp_path, pdf, own_cache):
    run(pdf, tmp_path / "off", "--superres-trigger", "off")
    done, _, _, _ = run(pdf, tmp_path / "legacy", "--tesseract-oem", "0", check=False)
    assert not own_cache.exists() and done.returncode != 0  # the installed file has no legacy engine either


def test_words_patterns_orientation_and_deskew_work_as_before(pdf, tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("quick\n")
    options = ("--user-words", words, "--user-patterns", words, "--rotate-pages", "--deskew")
    _, text, records, _ = run(pdf, tmp_path, *options)
    assert "eng" in records[0]["networks"] and "brown fox" in text


def elsewhere(folder: Path, language: str, data: bytes) -> dict[str, str]:
    """A folder of language files in which *language* has the bytes *data*, as an environment."""
    installed = data_folder()
    folder.mkdir()
    for path in installed.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / f"{language}.traineddata").unlink(missing_ok=True)
    (folder / f"{language}.traineddata").write_bytes(data)
    return {"TESSDATA_PREFIX": str(folder)}


def test_another_packaging_in_another_folder_is_accepted(pdf, tmp_path):
    parts = read_container(find_traineddata("eng"))
    env = elsewhere(tmp_path / "tessdata", "eng", join_container({**parts, 23: b"4.1.0 of a distribution"}))
    _, text, records, _ = run(pdf, tmp_path, env=env)
    assert "eng" in records[0]["networks"] and "quick brown fox" in text


def test_another_network_is_read_as_it_is_and_this_is_said_once(tmp_path):
    pages = image_pdf(tmp_path / "two.pdf", [draw_page((500, 400), em=10, lines=6)] * 2, dpi=72)
    parts = read_container(find_traineddata("eng"))
    tuned = {**parts, LSTM: read_network(ENG).data()}  # its own network is another one than tessdata_fast's
    env = elsewhere(tmp_path / "tessdata", "eng", join_container(tuned))
    done, _, records, _ = run(pages, tmp_path, "-v", "1", env=env)
    assert [record["networks"] for record in records] == [{}, {}]
    assert done.stderr.count("is not the file of tessdata_fast") == 1


def test_a_folder_of_networks_comes_before_the_installed_ones(pdf, tmp_path):
    own = tmp_path / "own"
    shutil.copytree(ENG, own)
    card = own / "network.toml"
    card.write_text(card.read_text().replace('name = "eng"', 'name = "ours"', 1))
    _, _, records, _ = run(pdf, tmp_path, "--superres-networks", own)
    assert records[0]["networks"]["eng"].startswith("ours ")


@pytest.mark.parametrize("fault", ["missing", "damaged"])
def test_a_folder_that_cannot_be_used_is_refused_before_the_job(pdf, tmp_path, fault):
    own = tmp_path / "own"
    if fault == "damaged":
        shutil.copytree(ENG, own)
        (own / NETWORK).write_bytes(b"x")
    done, _, _, _ = run(pdf, tmp_path, "--superres-networks", own, check=False)
    assert done.returncode == 1 and "--superres-networks was given" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "o.pdf").exists()


def test_a_cache_that_cannot_be_written_costs_the_network_only(pdf, tmp_path):
    file = tmp_path / "file"
    file.write_text("not a folder")
    env = {"OCRMYPDF_SUPERRES_CACHE": str(file), "XDG_CACHE_HOME": str(file), "OMP_THREAD_LIMIT": "1"}
    (tmp_path / "sitecustomize.py").write_text(
        "import ocrmypdf_superres.recognizers.tesseract.networks.cache as c\n"
        "whole = c.cache_folders\n"
        "c.cache_folders = lambda: whole()[:2]\n"  # the folder of temporary files is OCRmyPDF's as well
    )
    env["PYTHONPATH"] = f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    done, text, records, _ = run(pdf, tmp_path, env=env)
    _, stock, _, _ = run(pdf, tmp_path / "stock", "--superres-networks", "stock")
    assert records[0]["networks"] == {} and text == stock
    assert done.stderr.count("could not be joined with its tuned network") == 1


def test_a_joined_file_that_vanishes_is_made_again_or_the_page_read_without_it(pdf, tmp_path, own_cache):
    # The program finds the file damaged while it reads: the page is read with the installed network.
    (tmp_path / "sitecustomize.py").write_text(
        "import ocrmypdf_superres.plugin.networks as n\n"
        "there = n.Tuned.is_there\n"
        "def once(self):\n"
        "    self.file.write_bytes(b'nonsense')\n"
        "    return True\n"
        "n.Tuned.is_there = once\n"
    )
    env = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    done, text, records, _ = run(pdf, tmp_path, env=env)
    _, stock, _, _ = run(pdf, tmp_path / "stock", "--superres-networks", "stock")
    assert text == stock and records[0]["networks"] == {}
    assert "could not be read with the tuned networks" in done.stderr


class Tesseract:
    """What is asked of the engine before it reads."""

    def __str__(self) -> str:
        return "Tesseract OCR 5.3.0"


def choice(networks: object, *languages: str) -> NetworkChoice:
    ours = SuperresOptions(networks=str(networks))
    return NetworkChoice(SimpleNamespace(superres=ours, tesseract=SimpleNamespace(oem=None), languages=languages), Tesseract())


def test_a_cache_that_can_be_written_again_is_used_by_a_process_that_stays(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_text("not a folder")
    for variable in ("OCRMYPDF_SUPERRES_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(file))
    monkeypatch.setattr(tempfile, "tempdir", str(file))
    assert choice("auto", "eng").tuned == []
    file.unlink()
    assert choice("auto", "eng").tuned == []  # pages of the next minute try nothing
    monkeypatch.setattr(networks_choice, "_RETRY_SECONDS", 0.0)
    assert [one.language for one in choice("auto", "eng").tuned] == ["eng"]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda options: pickle.loads(pickle.dumps(options))])
def test_engines_may_copy_the_options_and_send_them_to_a_process(copied):
    options = copied(Replaced(SimpleNamespace(languages=["eng"], jobs=2), languages=["deu"]))
    assert (options.languages, options.jobs) == (["deu"], 2)


def test_how_far_words_are_trusted_depends_on_the_networks(tmp_path, caplog):
    table = read_table()
    stock = table.calibration("Tesseract OCR 5.3.0", table.model_sha256)
    own = replace(table, probability={name: [0.5] * 21 for name in table.probability})
    named = {"fitted": asdict(own), "unfitted": {}, "damaged": {"probability": 3}}
    for name, values in named.items():
        shutil.copytree(ENG, tmp_path / name)
        change_card(read_network(tmp_path / name), name=name, calibration=values)
    asked = {"engine": "Tesseract OCR 5.3.0", "model_sha256": table.model_sha256}
    assert choice("stock", "eng").calibration(**asked) == stock
    assert choice(tmp_path / "fitted", "eng").calibration(**asked).probability(99.0, "net") == 0.5
    for name in ("unfitted", "damaged"):
        found = choice(tmp_path / name, "eng").calibration(**asked)
        assert found.probability(99.0, "net") <= stock.probability(99.0, "net") and found.probabilities
    assert sum("calibration of the network damaged" in record.message for record in caplog.records) == 1
    mixed = choice(tmp_path / "fitted", "eng", "osd").calibration(**asked)
    assert mixed.probability(99.0, "net") == 0.5 and mixed.probability(0.0, "net") == pytest.approx(stock.probability(0.0, "net"))


def test_a_reading_of_the_cache_belongs_to_its_networks(monkeypatch, tmp_path):
    page = BenchmarkPage("p", "c", str(ENG / NETWORK), "", "eng", 90.0, False)
    keys = {(method, key_of(Case(page, 90.0, ""), method, "")) for method in ("plugin", "plugin-stock")}
    shutil.copytree(ENG, tmp_path / "recognizers" / "eng")
    change_card(read_network(tmp_path / "recognizers" / "eng"), language="deu")
    monkeypatch.setenv("OCRMYPDF_SUPERRES_MODELS", str(tmp_path))
    others = {(method, key_of(Case(page, 90.0, ""), method, "")) for method in ("plugin", "plugin-stock")}
    assert {method for method, _ in keys & others} == {"plugin-stock"}
    change_card(read_network(tmp_path / "recognizers" / "eng"), language="eng", calibration={"date": "today"})
    fitted = {(method, key_of(Case(page, 90.0, ""), method, "")) for method in ("plugin", "plugin-stock")}
    assert {method for method, _ in keys & fitted} == {"plugin-stock"}


def test_every_shipped_network_is_whole_and_small():
    networks = installed_networks()
    assert networks and sum(len(network.data()) for network in networks) < 8e6
    for network in networks:
        inside = {path.name for path in network.folder.iterdir()}
        assert inside == {"network.toml", NETWORK}
        assert network.card.licence == "Apache-2.0" and "Apache License" in network.card.notice
        assert network.card.language.rpartition("/")[2] == network.folder.name
