# SPDX-License-Identifier: MPL-2.0
"""Quantisation-aware training on a model's own recipe."""

from __future__ import annotations

import textwrap

import pytest
import torch

from ocrmypdf_superres.architectures import get
from ocrmypdf_superres.cli import main
from ocrmypdf_superres.errors import ModelError
from ocrmypdf_superres.export.onnx import export_model
from ocrmypdf_superres.modelstore.cards import int8_name
from ocrmypdf_superres.modelstore.store import find_model
from ocrmypdf_superres.training.int8 import Int8Settings, Int8Tuning, add_int8
from ocrmypdf_superres.training.loop.processes import Processes
from ocrmypdf_superres.training.loop.trainer import Trainer

RECIPE = textwrap.dedent("""
    name = "little"
    architecture = "docsr"
    config = { features = 8, convolutions = 3, scales = [2, 3] }
    [[sources]]
    kind = "rendered"
    folder = "text"
    languages = { eng = 1.0 }
    [[degradation]]
    name = "downsample"
    [[stages]]
    name = "one"
    steps = 1
    losses = { l2 = 1.0 }
""")


@pytest.fixture
def little(tmp_path):
    """A small random net, whose outputs are not only Lanczos', with its recipe in its card."""
    torch.manual_seed(1)
    spec = get("docsr")
    config = spec.parse_config({"features": 8, "convolutions": 3, "scales": [2, 3]})
    net = spec.build(config)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return export_model(net, spec, config, tmp_path / "little", "little", recipe=RECIPE)


def test_training_brings_the_rounded_net_nearer(little, data_folder, tmp_path):
    task = Int8Tuning(little, data_folder, tmp_path / "lines", Int8Settings(steps=80, batch=4, lr=2e-4))
    before = task.difference(task.net)
    assert before > 0.05
    trainer = Trainer(task, None, Processes("cpu"))
    trainer.fit()
    assert task.difference(trainer.averaged_net()) < 0.97 * before


def test_the_command_adds_graphs_and_figures_and_goes_on(little, data_folder, tmp_path, capsys):
    arguments = ["quantize", str(little.folder), "-o", str(tmp_path / "out"), "--int8", str(data_folder), "--steps", "4"]
    assert main([*arguments, "--run", str(tmp_path / "run"), "--name", "little"]) == 0
    made = find_model(str(tmp_path / "out"))
    made.verify()
    assert {int8_name(2), int8_name(3), *little.card.files} == set(made.card.files)
    assert all(made.card.files[name] == digest for name, digest in little.card.files.items())
    figure = made.card.metrics["int8, mean difference in grey levels"]
    # The run is complete, so the second time only the graphs are written, and the model may replace itself.
    again = add_int8(made, data_folder, made.folder, "little", tmp_path / "run", Int8Settings(4))
    assert again.card.files == made.card.files and again.card.metrics["int8, mean difference in grey levels"] == figure


def test_a_branch_of_context_computes_in_integers_too(tmp_path, data_folder):
    import onnx

    more = "convolutions = 5, context = 1, context_features = 8"
    recipe = RECIPE.replace("convolutions = 3", more)
    torch.manual_seed(1)
    spec = get("docsr")
    config = spec.parse_config({"features": 8, "convolutions": 5, "scales": [2, 3], "context": 1, "context_features": 8})
    net = spec.build(config)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    model = export_model(net, spec, config, tmp_path / "branched", "branched", recipe=recipe)
    made = add_int8(model, data_folder, tmp_path / "out", "branched", tmp_path / "run", Int8Settings(0))
    graph = onnx.load(str(made.file(int8_name(2)))).graph
    by_output = {name: node for node in graph.node for name in node.output}
    users = {name: node for node in graph.node for name in node.input}
    convolutions = [
        node for node in graph.node if node.op_type == "Conv" and by_output[node.input[0]].op_type == "DequantizeLinear"
    ]
    inner = [node for node in convolutions if node.input[1] in by_output]
    # What comes out of each convolution is rounded at once, so that it computes in integers.
    assert len(inner) == 5 + 3
    for node in inner:
        after = users[node.output[0]]
        assert after.op_type == "QuantizeLinear" or users[after.output[0]].op_type == "QuantizeLinear"


def test_a_model_without_its_recipe_is_refused(little, data_folder, tmp_path):
    spec = get("docsr")
    bare = export_model(spec.build(spec.parse_config({})), spec, spec.parse_config({}), tmp_path / "bare", "bare")
    with pytest.raises(ModelError, match="has no recipe"):
        Int8Tuning(bare, data_folder, tmp_path / "lines", Int8Settings())
    assert main(["quantize", str(little.folder), "-o", str(tmp_path / "x"), "--int8", str(data_folder), "--steps", "-1"]) != 0
