# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import pickle
import shutil

import pytest

from ocrmypdf_superres.archive.settings import Settings, parse_settings
from ocrmypdf_superres.archive.worker.preflight import check_folders, check_settings
from ocrmypdf_superres.errors import ArchiveError
from ocrmypdf_superres.modelstore.networks import installed_networks, read_network
from ocrmypdf_superres.recognizers.tesseract.networks.pack import change_card
from ocrmypdf_superres.tesseract import find_traineddata


def test_toml_there_and_back():
    settings = parse_settings(
        'languages = ["deu", "eng"]\noutputs = ["pdf", "alto"]\n[ocrmypdf]\ndeskew = true\n[superres]\nbelow_dpi = 200.0'
    )
    assert parse_settings(settings.toml()) == settings
    assert pickle.loads(pickle.dumps(settings)) == settings
    assert settings.ocr_arguments() == {
        "output_type": "pdfa", "max_image_mpixels": 250.0, "deskew": True, "superres_below_dpi": 200.0,
        "language": ["deu", "eng"],
    }  # fmt: skip


def test_the_hash_is_of_what_decides_about_outputs():
    base = Settings()
    same = [base.changed(workers=7), base.changed(seconds=1.0), base.changed(tries=9), base.changed(memory_mb=99)]
    other = [base.changed(languages=("deu",)), base.changed(outputs=("pdf", "text")), base.changed(ocrmypdf={"deskew": True}),
             base.changed(superres={"below_dpi": 100.0}), base.changed(image_dpi=200)]  # fmt: skip
    assert {s.hash() for s in same} == {base.hash()}
    assert len({s.hash() for s in other} | {base.hash()}) == 6


def test_the_hash_is_of_the_models_bytes(random_model):
    settings = Settings(superres={"model": str(random_model.folder)})
    before = settings.hash()
    card = random_model.folder / "card.toml"
    kept = card.read_text()
    try:
        file, digest = next(iter(random_model.card.files.items()))
        card.write_text(kept.replace(digest, "0" * 64))
        assert settings.hash() != before, file
    finally:
        card.write_text(kept)
    assert settings.hash() == before


def test_the_hash_is_of_what_calibrations_say(random_model, tmp_path):
    card = random_model.folder / "card.toml"
    kept, settings = card.read_text(), Settings(superres={"model": str(random_model.folder)})
    before = settings.hash()
    try:
        card.write_text(kept.replace('calibrated_as = ""', f'calibrated_as = "{"1" * 64}"'))
        assert settings.hash() != before
    finally:
        card.write_text(kept)
    shipped = next(network for network in installed_networks() if network.card.language == "eng")
    own = tmp_path / "own" / "eng"
    shutil.copytree(shipped.folder, own)
    networks = Settings(superres={"networks": str(own.parent)})
    hashes = set()
    for calibration in ({}, {"note": "one"}, {"note": "another"}):
        change_card(read_network(own), calibration=calibration)
        hashes.add(networks.hash())
    assert len(hashes) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("langages = []", "did you mean 'languages'"),
        ("languages = []", "languages"),
        ('languages = "eng"', "languages"),
        ('outputs = ["docx"]', "'pdf', 'text', 'alto'"),
        ('outputs = ["pdf", "pdf"]', "outputs"),
        ("seconds = -1", "seconds"),
        ('outputs = ["pdf", 1]', "outputs.1 = 1"),
        ("languages = [1]", "languages.0 = 1, but expected is a valid string"),
        ('languages = ["deu", ""]', "languages.1"),
        ("tries = 0", "tries = 0, but expected is greater than or equal to 1"),
        ("workers = 1.5", "valid integer"),
        ("workers = true", "valid integer"),
        ("wait = inf", "wait"),
        ("scratch = 3", "scratch"),
        ("ocrmypdf = 3", "ocrmypdf = 3, but expected is a table of options"),
        ("[ocrmypdf]\ndeskw = true", "did you mean 'deskew'"),
        ("[ocrmypdf]\njobs = 3", "set by the run itself"),
        ('[ocrmypdf]\noutput_type = "docx"', "output_type"),
        ('[ocrmypdf]\noutput_type = "none"', "outputs"),
        ('[ocrmypdf]\npdf_renderer = "sandwich"', "sandwich"),
        ("[superres]\nbelow_dpi = 0", "below_dpi"),
        ('[superres]\nreport = "x"', "set by the run itself"),
        ("[superres]\nbelow_dp = 3", "did you mean 'below_dpi'"),
        ("languages = [", "not valid TOML"),
    ],
)
def test_what_is_wrong_is_said(text, message):
    with pytest.raises(ArchiveError) as error:
        parse_settings(text)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_what_every_file_would_fail_at_is_said_at_once(tmp_path):
    check_settings(Settings())
    with pytest.raises(ArchiveError, match="xyz"):
        check_settings(Settings(languages=("xyz",)))
    with pytest.raises(ArchiveError, match="no model 'nosuch'"):
        check_settings(Settings(superres={"model": "nosuch"}))
    with pytest.raises(ArchiveError, match="scratch"):
        check_settings(Settings(scratch=str(tmp_path / "missing")))


def test_a_language_that_tesseract_would_leave_out_is_said_at_once(tmp_path, monkeypatch):
    english = find_traineddata("eng").read_bytes()
    (tmp_path / "eng.traineddata").write_bytes(english)
    (tmp_path / "deu.traineddata").write_bytes(english[: len(english) // 2])
    monkeypatch.setenv("TESSDATA_PREFIX", str(tmp_path))
    check_settings(Settings())
    with pytest.raises(ArchiveError, match="cannot load its language 'deu'"):
        check_settings(Settings(languages=("eng", "deu")))


def test_preflight_uses_promised_names_of_ocrmypdf_only():
    from ocrmypdf import api

    assert {"check_options", "create_options", "get_parser", "setup_plugin_infrastructure"} <= set(api.__all__)


def test_folders_that_would_mix_are_refused(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    check_folders(source, out)
    check_folders(source, source / "out")
    for other in (source, tmp_path):
        with pytest.raises(ArchiveError, match="outputs would become inputs"):
            check_folders(source, other)
    with pytest.raises(ArchiveError, match="not a folder"):
        check_folders(tmp_path / "nosuch", out)


def test_the_example_has_every_key():
    import tomllib
    from dataclasses import fields
    from pathlib import Path

    from ocrmypdf_superres.archive.settings import read_settings

    path = Path(__file__).parents[2] / "examples" / "archive-settings.toml"
    check_settings(read_settings(path))
    assert set(tomllib.loads(path.read_text(encoding="utf-8"))) == {field.name for field in fields(Settings)}
