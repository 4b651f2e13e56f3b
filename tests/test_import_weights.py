# SPDX-License-Identifier: MPL-2.0
"""Published weights: state dicts with the published names and shapes, randomly initialised, become models and recognizers."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
from published_recognizers import PUBLISHED, crnn
from published_shapes import Shapes, edsr
from safetensors.torch import load_file

from ocrmypdf_superres.cli import main
from ocrmypdf_superres.commands.networks.import_weights import KINDS as OFFERED
from ocrmypdf_superres.export import published_names as names
from ocrmypdf_superres.export.import_weights import FILES, KINDS, import_weights
from ocrmypdf_superres.modelstore.store import find_model
from ocrmypdf_superres.recognizers.folder import load
from ocrmypdf_superres.upscaling.backends.torch import load_network


def test_the_command_offers_every_kind():
    assert tuple(sorted([*KINDS, *FILES])) == OFFERED and set(PUBLISHED) == set(KINDS)


@pytest.mark.parametrize("kind", PUBLISHED)
def test_every_tensor_of_a_published_network_has_a_place(kind):
    published = KINDS[kind]
    with torch.device("meta"):
        tensors = {name: torch.empty(shape) for name, shape in PUBLISHED[kind]()}
        config = published.config(tensors)
        if published.recognizer:
            from ocrmypdf_superres.recognizers.folder import build

            net = build(published.network, config)
        else:
            from ocrmypdf_superres.architectures import get

            spec = get(published.network)
            net = spec.build(spec.parse_config(config))
        own = {name: tuple(value.shape) for name, value in net.state_dict().items()}
        made = names.renamed(tensors, published.rules(config), own)
    assert {name: tuple(value.shape) for name, value in made.items()} == own


def state(shapes: Shapes, prefix: str = "") -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {prefix + n: torch.randn(s) * 0.02 if s else torch.tensor(1) for n, s in shapes}


def test_edsr_becomes_a_model_that_computes_what_its_weights_say(tmp_path, capsys):
    values = state(edsr(8, 2), "module.")
    torch.save({"epoch": 3, "state_dict": values}, tmp_path / "usn.pth")
    folder = tmp_path / "edsr-car"
    assert main(["import-weights", "edsr", str(tmp_path / "usn.pth"), "-o", str(folder)]) == 0
    model = find_model(str(folder))
    assert model.card.scales == (2,) and model.card.channels == 3 and "SHA-256" in model.card.description
    net = load_network(model)
    assert torch.equal(net.head.weight, values["module.head.0.weight"])
    assert torch.equal(net.body[1].layers[2].weight, values["module.body.1.body.2.weight"])
    assert net.config.residual_scale == 1.0 and "Written" in capsys.readouterr().out


def test_a_recognizer_keeps_what_its_attention_shares_out(tmp_path):
    values = state(crnn())
    torch.save(values, tmp_path / "crnn.pth")
    reader = load(str(import_weights("crnn", [tmp_path / "crnn.pth"], tmp_path / "judge")))
    assert torch.equal(reader.between.weight, values["rnn.0.embedding.weight"]) and reader.name == "judge"
    tensor = torch.arange(6.0).reshape(6, 1)
    parts = names.renamed({"a.in_proj_weight": tensor}, list(names._packed("a", "b")), {})
    assert [parts[f"b.{part}.weight"].flatten().tolist() for part in ("query", "key", "value")] == [[0, 1], [2, 3], [4, 5]]


def test_wrong_weights_are_refused_in_a_sentence(tmp_path, capsys):
    torch.save({"conv.weight": torch.rand(1)}, tmp_path / "other.pth")
    torch.save(state(edsr(8, 2)), tmp_path / "edsr.pth")
    out = ["-o", str(tmp_path / "made")]
    assert main(["import-weights", "crnn", str(tmp_path / "other.pth"), *out]) == 1
    assert "has a tensor conv.weight, which crnn does not have" in capsys.readouterr().err
    assert main(["import-weights", "edsr", str(tmp_path / "other.pth"), *out]) == 1
    assert "does not hold the tensors of edsr" in capsys.readouterr().err
    torch.save({"a": Shapes}, tmp_path / "code.pth")
    assert main(["import-weights", "edsr", str(tmp_path / "code.pth"), *out]) == 1
    assert "cannot be read" in capsys.readouterr().err and not (tmp_path / "made").exists()
    (tmp_path / "text.pth").write_text("junk, not weights")
    assert main(["import-weights", "edsr", str(tmp_path / "text.pth"), *out]) == 1
    assert "cannot be read (it holds something other than tensors)" in " ".join(capsys.readouterr().err.split())


def test_weight_files_of_losses_keep_what_is_used(tmp_path, capsys):
    alex = {f"features.{i}.{part}": torch.rand(2) for i in (0, 3, 6, 8, 10) for part in ("weight", "bias")}
    torch.save({**alex, "classifier.1.weight": torch.rand(3)}, tmp_path / "alexnet.pth")
    torch.save({f"lin{i}.model.1.weight": torch.rand(1, 2, 1, 1) for i in range(5)}, tmp_path / "lpips.pth")
    output = tmp_path / "lpips.safetensors"
    assert main(["import-weights", "lpips", str(tmp_path / "alexnet.pth"), str(tmp_path / "lpips.pth"), "-o", str(output)]) == 0
    assert len(load_file(output)) == 15 and "classifier.1.weight" not in load_file(output)
    assert main(["import-weights", "vgg19", str(tmp_path / "lpips.pth"), "-o", str(output)]) == 1
    assert "hold 0 of the 32 tensors" in capsys.readouterr().err
    assert main(["import-weights", "hed", str(tmp_path / "lpips.pth"), "-o", str(tmp_path / "hed")]) == 1
    assert "ends in .safetensors" in capsys.readouterr().err
