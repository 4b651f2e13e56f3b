# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch")

from ocrmypdf_superres.errors import ModelError
from ocrmypdf_superres.modelstore import networks, rapidocr_networks, store
from ocrmypdf_superres.modelstore.cards import CARD, WEIGHTS
from ocrmypdf_superres.modelstore.store import DEFAULT_MODEL, SEARCH_VARIABLE, find_model, kept_beside, list_models, sha256_of
from ocrmypdf_superres.upscaling.backends.onnx import OnnxBackend
from ocrmypdf_superres.upscaling.backends.torch import load_network

MODELS = Path(__file__).parents[1] / "models"


@pytest.fixture
def copy(random_model, tmp_path):
    """A copy of the random model that a test may break."""
    folder = tmp_path / "copy"
    shutil.copytree(random_model.folder, folder)
    return folder


def edit(folder, old, new):
    card = folder / CARD
    text = card.read_text()
    assert old in text
    card.write_text(text.replace(old, new))


def test_a_model_is_found_by_path_card_and_name(random_model, monkeypatch):
    folder = random_model.folder
    assert find_model(str(folder)).card == random_model.card
    assert find_model(str(folder / CARD)).card == random_model.card
    monkeypatch.setenv(SEARCH_VARIABLE, str(folder.parent))
    assert find_model("random").folder == folder
    assert "random" in [model.card.name for model in list_models()]


def test_shipped_models_verify():
    models = {model.card.name: model for model in list_models()}
    assert DEFAULT_MODEL in models
    for model in models.values():
        model.verify()
        assert model.card.licence and model.card.description


@pytest.mark.parametrize("name", ["model.x2.onnx", WEIGHTS])
def test_damaged_and_missing_files_are_named(copy, name):
    (copy / name).write_bytes((copy / name).read_bytes()[:-7])
    with pytest.raises(ModelError, match="SHA-256"):
        find_model(str(copy)).verify()
    (copy / name).unlink()
    with pytest.raises(ModelError, match=f"lacks its file .*{name}"):
        find_model(str(copy)).verify()


def test_foreign_content_with_a_right_hash_is_refused(copy):
    for name, load in (
        ("model.x2.onnx", lambda m: OnnxBackend(m, 1)._graph(2)),
        (WEIGHTS, load_network),
    ):
        old = sha256_of(copy / name)
        (copy / name).write_bytes(b"something else")
        edit(copy, old, sha256_of(copy / name))
        with pytest.raises(ModelError, match=name.replace(".", r"\.")):
            load(find_model(str(copy)))


def test_weights_of_another_size_are_refused(copy):
    edit(copy, "features = 8", "features = 9")
    with pytest.raises(ModelError, match="does not hold weights of docsr"):
        load_network(find_model(str(copy)))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "random"', 'name = "../up"', "not a plain name"),
        ("size_multiple = 4", "size_multiple = 0", "size_multiple"),
        ("channels = 1", "channels = 2", "channels"),
        ("radius = 8", 'radius = "far"', "radius"),
        ('licence = "MPL-2.0"', 'license = "MPL-2.0"', "'license'"),
        ("[files]", "[file]", "'file'"),
        ('"model.x2.onnx" =', '"../model.x2.onnx" =', "proper SHA-256"),
        ("channels = 1", "channels = ", "not valid TOML"),
    ],
)
def test_broken_cards_are_one_sentence(copy, old, new, message):
    edit(copy, old, new)
    with pytest.raises(ModelError, match=message):
        find_model(str(copy))


def test_unknown_names_list_what_there_is():
    with pytest.raises(ModelError, match="There is no model 'nosuch'"):
        find_model("nosuch")


@pytest.mark.parametrize(
    ("module", "reader", "read", "folder"),
    [
        (store, "read_card", store.find_model, "docsr-xs"),
        (networks, "read_toml", networks.read_network, "recognizers/frk"),
        (rapidocr_networks, "read_toml", rapidocr_networks.read_rapidocr_network, "rapidocr/ppocr-latin"),
    ],
)
def test_a_folder_that_a_writer_renames_is_still_read(module, reader, read, folder, tmp_path, monkeypatch):
    place = tmp_path / "net"
    place.mkdir()
    for card in (MODELS / folder).glob("*.toml"):
        shutil.copy(card, place)
    actual = getattr(module, reader)

    def renamed_meanwhile(path, *rest):
        if place.exists():
            place.rename(kept_beside(place))
        return actual(path, *rest)

    monkeypatch.setattr(module, reader, renamed_meanwhile)
    assert read(str(place) if module is store else place).folder == kept_beside(place)


@pytest.mark.parametrize("kind", ["recognizers/eng", "rapidocr/ppocr-latin"])
def test_a_network_is_listed_while_it_is_replaced(tmp_path, monkeypatch, kind):
    place = tmp_path / kind
    listed = networks.network_folders if kind.startswith("recognizers") else rapidocr_networks.rapidocr_network_folders
    shutil.copytree(MODELS / kind, place)
    monkeypatch.setenv(SEARCH_VARIABLE, str(tmp_path))
    assert place in listed()
    place.rename(kept_beside(place))
    assert kept_beside(place) in listed()
