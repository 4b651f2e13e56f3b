# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocrmypdf_superres.errors import ModelError
from ocrmypdf_superres.modelstore.cards import read_card
from ocrmypdf_superres.modelstore.store import SEARCH_VARIABLE, find_model, list_models, sha256_of

CARD = """name = "{name}"
architecture = "docsr"
scales = [2, 3]
radius = 8
size_multiple = 2
description = "for tests"

[config]
features = 8

[files]
"model.x2.onnx" = "{digest}"
"""


def make(folder: Path, name: str = "small", data: bytes = b"graph") -> Path:
    folder.mkdir(parents=True)
    (folder / "model.x2.onnx").write_bytes(data)
    (folder / "card.toml").write_text(CARD.format(name=name, digest=sha256_of(folder / "model.x2.onnx")))
    return folder


def test_a_folder_its_card_and_a_name_find_the_same_model(tmp_path, monkeypatch):
    folder = make(tmp_path / "models" / "small")
    monkeypatch.setenv(SEARCH_VARIABLE, str(tmp_path / "models"))
    for given_ in (str(folder), str(folder / "card.toml"), "small"):
        model = find_model(given_)
        assert model.card.scales == (2, 3)
        assert model.onnx_path(2).read_bytes() == b"graph"
    assert "small" in [m.card.name for m in list_models()]


def test_a_name_means_the_installed_model(tmp_path, monkeypatch):
    installed = make(tmp_path / "models" / "small")
    make(tmp_path / "here" / "small", data=b"other")
    monkeypatch.setenv(SEARCH_VARIABLE, str(tmp_path / "models"))
    monkeypatch.chdir(tmp_path / "here")
    assert find_model("small").folder == installed
    assert find_model("./small").folder == tmp_path / "here" / "small"


def test_files_are_checked(tmp_path):
    folder = make(tmp_path / "m")
    graph = folder / "model.x2.onnx"
    model = find_model(str(folder))
    with pytest.raises(ModelError, match="offers x2, x3"):
        model.onnx_path(4)
    with pytest.raises(ModelError, match=r"no file model\.x3\.onnx in its card"):
        model.onnx_path(3)
    graph.write_bytes(b"grap")
    with pytest.raises(ModelError, match=r"model\.x2\.onnx has the SHA-256 .* install the model again"):
        model.onnx_path(2)
    graph.unlink()
    with pytest.raises(ModelError, match="lacks its file"):
        model.verify()


def test_what_is_no_model_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"no model 'nosuch'.*folder"):
        find_model("nosuch")
    with pytest.raises(ModelError, match="no model"):
        find_model(str(tmp_path))
    with pytest.raises(ModelError, match="cannot be read"):
        read_card(tmp_path / "card.toml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("scales = [2, 3]", "scales = [0]", "scales"),
        ("scales = [2, 3]", 'scales = ["2"]', "scales"),
        ("scales = [2, 3]", "scales = 2", "scales"),
        ("scales = [2, 3]\n", "", "lacks the key 'scales'"),
        ("radius = 8", "radius = -1", "radius"),
        ("size_multiple = 2", "size_multiple = 0", "size_multiple"),
        ("size_multiple = 2", "size_multiple = 2\nchannels = 4", "channels"),
        ("size_multiple = 2", "size_multiple = 2\nspeed = 3", "unknown key 'speed'"),
        ('description = "for tests"', "description = 5", "description"),
        ('description = "for tests"', 'calibrated_as = "docsr-s2"', "calibrated_as 'docsr-s2'"),
        ('name = "small"', 'name = "../small"', "plain name"),
        ('"model.x2.onnx" =', '"../model.x2.onnx" =', "SHA-256"),
        ("[config]", "[config", "not valid TOML"),
    ],
)
def test_bad_cards_name_the_field(tmp_path, old, new, message):
    folder = make(tmp_path / "m")
    card = folder / "card.toml"
    assert old in card.read_text()
    card.write_text(card.read_text().replace(old, new))
    with pytest.raises(ModelError, match=message) as caught:
        find_model(str(folder))
    assert str(card) in str(caught.value)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 400), value=st.binary(min_size=0, max_size=3))
def test_a_damaged_card_is_a_model_error_or_still_a_card(tmp_path, at, value):
    data = CARD.format(name="small", digest="0" * 64).encode()
    path = tmp_path / "card.toml"
    path.write_bytes(data[:at] + value + data[at + 1 :])
    try:
        card = read_card(path)
    except ModelError:
        return
    assert all(1 <= scale <= 8 for scale in card.scales)


def test_broken_cards_do_not_hide_the_others(tmp_path, monkeypatch):
    make(tmp_path / "good")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "card.toml").write_text("no toml")
    monkeypatch.setenv(SEARCH_VARIABLE, str(tmp_path))
    assert [m.card.name for m in list_models()][:1] == ["small"]
