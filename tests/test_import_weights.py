# SPDX-License-Identifier: MPL-2.0
"""Published weights: state dicts with the published names and shapes, randomly initialised, become models and recognizers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
from safetensors.torch import load_file

from ocrmypdf_superres.cli import main
from ocrmypdf_superres.export import published_names as names
from ocrmypdf_superres.export.import_weights import KINDS, import_weights
from ocrmypdf_superres.modelstore.store import find_model
from ocrmypdf_superres.recognizers.folder import load
from ocrmypdf_superres.upscaling.backends.torch import load_network

Shapes = Iterator[tuple[str, tuple[int, ...]]]


def conv(name: str, inputs: int, outputs: int, *kernel: int, bias: bool = True) -> Shapes:
    yield f"{name}.weight", (outputs, inputs, *(kernel if len(kernel) == 2 else kernel * 2))
    if bias:
        yield f"{name}.bias", (outputs,)


def linear(name: str, inputs: int, outputs: int, bias: bool = True) -> Shapes:
    yield f"{name}.weight", (outputs, inputs)
    if bias:
        yield f"{name}.bias", (outputs,)


def norm(name: str, width: int, batch: bool = True) -> Shapes:
    for part in ("weight", "bias", *(("running_mean", "running_var") if batch else ())):
        yield f"{name}.{part}", (width,)
    if batch:
        yield f"{name}.num_batches_tracked", ()


def gru(name: str, width: int = 64) -> Shapes:
    for end in ("", "_reverse"):
        yield from [
            (f"{name}.weight_ih_l0{end}", (3 * width // 2, width)),
            (f"{name}.weight_hh_l0{end}", (3 * width // 2, width // 2)),
        ]
        yield from [(f"{name}.bias_{part}_l0{end}", (3 * width // 2,)) for part in ("ih", "hh")]


def stn(channels: int) -> Shapes:
    inputs = channels
    for index, width in enumerate((32, 64, 128, 256, 256, 256)):
        yield from conv(f"stn_head.stn_convnet.{2 * index}.0", inputs, width, 3)
        yield from norm(f"stn_head.stn_convnet.{2 * index}.1", width)
        inputs = width
    yield from linear("stn_head.stn_fc1.0", 512, 512)
    yield from norm("stn_head.stn_fc1.1", 512)
    yield from linear("stn_head.stn_fc2", 512, 40)
    yield from [("tps.inverse_kernel", (23, 23)), ("tps.padding_matrix", (3, 2)), ("tps.target_coordinate_repr", (1024, 23)),
                ("tps.target_control_points", (20, 2))]  # fmt: skip


def trunk(channels: int) -> Shapes:
    yield from stn(channels)
    yield from conv("block1.0", channels, 64, 9)
    yield "block1.1.weight", (1,)
    for number in range(2, 7):
        for part in ("1", "2"):
            yield from conv(f"block{number}.conv{part}", 64, 64, 3)
            yield from norm(f"block{number}.bn{part}", 64)
    yield from conv("block7.0", 64, 64, 3)
    yield from norm("block7.1", 64)
    yield from conv("block8.0.conv", 64, 256, 3)
    yield from conv("block8.1", 64, channels, 9)


def mixed_grus(number: int) -> Shapes:
    for part in ("gru1", "gru2"):
        yield from conv(f"block{number}.{part}.conv1", 64, 64, 1)
        yield from gru(f"block{number}.{part}.gru")


def tsrn() -> Shapes:
    yield from trunk(4)
    for number in range(2, 7):
        yield from mixed_grus(number)


def tbsrn() -> Shapes:
    yield from trunk(3)
    yield from conv("conv", 3, 3, 3)
    yield from norm("bn", 3)
    for number in range(2, 7):
        yield from mixed_grus(number)
        place = f"block{number}.feature_enhancer"
        for index in range(4):
            yield from linear(f"{place}.multihead.linears.{index}", 128, 128)
        yield from linear(f"{place}.multihead.compress_attention_linear", 4, 1)
        for part in ("mul_layernorm1", "mul_layernorm3"):
            yield from [(f"{place}.{part}.a_2", (128,)), (f"{place}.{part}.b_2", (128,))]
        yield from linear(f"{place}.pff.w_1", 128, 128)
        yield from linear(f"{place}.pff.w_2", 128, 128)
        yield from linear(f"{place}.linear", 128, 64)


def resnet45(name: str) -> Shapes:
    yield from conv(f"{name}.conv1", 3, 32, 3, bias=False)
    yield from norm(f"{name}.bn1", 32)
    inputs = 32
    for stage, count in enumerate((3, 4, 6, 6, 3), start=1):
        outputs = 32 << (stage - 1)
        for block in range(count):
            place = f"{name}.layer{stage}.{block}"
            yield from conv(f"{place}.conv1", inputs, outputs, 1, bias=False)
            yield from norm(f"{place}.bn1", outputs)
            yield from conv(f"{place}.conv2", outputs, outputs, 3, bias=False)
            yield from norm(f"{place}.bn2", outputs)
            if block == 0:
                yield from conv(f"{place}.downsample.0", inputs, outputs, 1, bias=False)
                yield from norm(f"{place}.downsample.1", outputs)
            inputs = outputs


def layers(name: str, count: int, attention: str, width: int, inner: int, norms: tuple[str, str]) -> Shapes:
    for index in range(count):
        place = f"{name}.layers.{index}"
        yield from [
            (f"{place}.{attention}.in_proj_weight", (3 * width, width)),
            (f"{place}.{attention}.in_proj_bias", (3 * width,)),
        ]
        yield from linear(f"{place}.{attention}.out_proj", width, width)
        yield from linear(f"{place}.linear1", width, inner)
        yield from linear(f"{place}.linear2", inner, width)
        for part in norms:
            yield from norm(f"{place}.{part}", width, batch=False)


def abinet(prefix: str = "") -> Shapes:
    vision, language = f"{prefix}vision", f"{prefix}language"
    yield from resnet45(f"{vision}.backbone.resnet")
    yield f"{vision}.backbone.pos_encoder.pe", (256, 1, 512)
    yield from layers(f"{vision}.backbone.transformer", 3, "self_attn", 512, 2048, ("norm1", "norm2"))
    for index in range(4):
        yield from conv(f"{vision}.attention.k_encoder.{index}.0", 64 if index else 512, 64, 3)
        yield from norm(f"{vision}.attention.k_encoder.{index}.1", 64)
        yield from conv(f"{vision}.attention.k_decoder.{index}.1", 64, 512 if index == 3 else 64, 3)
        yield from norm(f"{vision}.attention.k_decoder.{index}.2", 512 if index == 3 else 64)
    yield f"{vision}.attention.pos_encoder.pe", (26, 1, 512)
    yield from linear(f"{vision}.attention.project", 512, 512)
    yield from linear(f"{vision}.cls", 512, 37)
    yield from linear(f"{language}.proj", 37, 512, bias=False)
    yield f"{language}.token_encoder.pe", (26, 1, 512)
    yield f"{language}.pos_encoder.pe", (26, 1, 512)
    yield from layers(f"{language}.model", 4, "multihead_attn", 512, 2048, ("norm2", "norm3"))
    yield from linear(f"{language}.cls", 512, 37)


def lemma() -> Shapes:
    yield from trunk(4)
    yield from abinet("position_prior.")
    for number in range(2, 7):
        place = f"block{number}"
        yield from gru(f"{place}.gru1.gru")
        yield from gru(f"{place}.gru2.gru")
        for part in ("BN", "affine.BN", "affine.BN2"):
            yield from norm(f"{place}.{part}", 64)
        for part, inputs in (("conv1x1_1", 128), ("conv1x1_2", 128), ("conv1x1_3", 128), ("aggregation", 64)):
            yield from conv(f"{place}.affine.{part}.0", inputs, 64, 1)
            yield from norm(f"{place}.affine.{part}.1", 64)
            yield f"{place}.affine.{part}.2.weight", (1,)
            yield from conv(f"{place}.affine.{part}.3", 64, 64, 1)
        yield from conv(f"{place}.affine.channel_attn.0", 1, 64, 16, 64)
        for index in (1, 3, 5):
            yield from conv(f"{place}.affine.channel_attn.{index}", 64, 64, 1)
    guide = "guidanceGen"
    yield from linear(f"{guide}.text_proj", 37, 64, bias=False)
    for part, length in (("vision_pos", 1024), ("text_pos", 40), ("select_pos", 500)):
        yield f"{guide}.{part}.pe", (length, 1, 64)
    yield from layers(f"{guide}.text_Encoder", 2, "self_attn", 64, 64, ("norm1", "norm2"))
    for part in ("text_decoder", "sematic_decoder"):
        yield from layers(f"{guide}.{part}", 3, "multihead_attn", 64, 64, ("norm2", "norm3"))
    for index, (inputs, outputs) in ((0, (1, 32)), (3, (32, 64)), (6, (64, 64))):
        yield from conv(f"{guide}.attn_conv.{index}", inputs, outputs, 3, bias=False)
    for index, width in ((1, 32), (4, 64)):
        yield from norm(f"{guide}.attn_conv.{index}", width)
        yield f"{guide}.attn_conv.{index + 1}.weight", (1,)
    yield from conv(f"{guide}.DWC", 64, 64, 3)


def text_focus() -> Shapes:
    yield from [("embedding_word.lut.weight", (37, 512)), ("pe.pe", (1, 5000, 512))]
    cnn = "encoder.cnn"
    for name, bn, inputs, outputs in (("conv1", "bn1", 1, 64), ("conv2", "bn2", 64, 128)):
        yield from conv(f"{cnn}.{name}", inputs, outputs, 3)
        yield from norm(f"{cnn}.{bn}", outputs)
    inputs = 128
    for stage, (count, width, after) in enumerate(((1, 256, 256), (2, 256, 256), (5, 512, 512), (3, 512, 1024)), start=1):
        for block in range(count):
            place = f"{cnn}.layer{stage}.{block}"
            for part, before in (("1", inputs), ("2", width)):
                yield from conv(f"{place}.conv{part}", before, width, 3)
                yield from norm(f"{place}.bn{part}", width)
            if inputs != width:
                yield from conv(f"{place}.downsample.0", inputs, width, 3)
                yield from norm(f"{place}.downsample.1", width)
            inputs = width
        last = stage == 4
        yield from conv(f"{cnn}.layer{stage}_conv{'2' if last else ''}", inputs, after, 3)
        yield from norm(f"{cnn}.layer{stage}_{'conv2_bn' if last else 'bn'}", after)
        inputs = after
    for part in ("mask_multihead", "multihead"):
        for index in range(4):
            yield from linear(f"decoder.{part}.linears.{index}", 1024, 1024)
        yield from linear(f"decoder.{part}.compress_attention_linear", 16, 1)
    for index in (1, 2, 3):
        yield from [(f"decoder.mul_layernorm{index}.{part}", (1024,)) for part in ("a_2", "b_2")]
    yield from linear("decoder.pff.w_1", 1024, 2048)
    yield from linear("decoder.pff.w_2", 2048, 1024)
    yield from linear("generator_word.proj", 1024, 37)


def cdistnet_unit(place: str, attention: str) -> Shapes:
    yield from [(f"{place}.{attention}.in_proj_weight", (1536, 512)), (f"{place}.{attention}.in_proj_bias", (1536,))]
    yield from linear(f"{place}.{attention}.out_proj", 512, 512)
    for index in (1, 2, 3):
        yield from conv(f"{place}.{attention}.conv{index}", 512, 512 * index, 1)


def cdistnet() -> Shapes:
    head = "visual_branch.transform.LocalizationNetwork"
    inputs = 3
    for index, width in enumerate((64, 128, 256, 512)):
        yield from conv(f"{head}.conv.{4 * index}", inputs, width, 3, bias=False)
        yield from norm(f"{head}.conv.{4 * index + 1}", width)
        inputs = width
    yield from linear(f"{head}.localization_fc1.0", 512, 256)
    yield from linear(f"{head}.localization_fc2", 256, 40)
    yield from [
        ("visual_branch.transform.GridGenerator.inv_delta_C", (23, 23)),
        ("visual_branch.transform.GridGenerator.P_hat", (4096, 23)),
    ]
    yield from resnet45("visual_branch.backbone")
    yield from conv("visual_branch.backbone.convbnrelu.conv", 512, 512, 3)
    yield from norm("visual_branch.backbone.convbnrelu.bn", 512)
    yield "visual_branch.positional_encoding.pe", (5000, 1, 512)
    yield "visual_branch.trans_encoder.pos_embeding", (48, 1, 512)
    yield "visual_branch.trans_encoder.pos_encoding.pe", (5000, 1, 512)
    for index in range(3):
        place = f"visual_branch.trans_encoder.layers.{index}"
        yield from cdistnet_unit(place, "self_attn")
        yield from conv(f"{place}.conv1", 512, 2048, 1)
        yield from conv(f"{place}.conv2", 2048, 512, 1)
        for part in ("norm1", "norm2"):
            yield from norm(f"{place}.{part}", 512, batch=False)
        for part in ("layers_pos", "layers2", "layers3"):
            place = f"mdcdp.{part}.{index}"
            yield from cdistnet_unit(place, "multihead_attn")
            yield from linear(f"{place}.linear1", 512, 1024)
            yield from linear(f"{place}.linear2", 1024, 512)
            for own in ("norm2", "norm3"):
                yield from norm(f"{place}.{own}", 512, batch=False)
    yield from linear("mdcdp.dynamic_shared_fusion.w_att", 1024, 512)
    yield from [
        ("semantic_branch.embedding.embedding.weight", (40, 512)),
        ("semantic_branch.positional_encoding.pe", (5000, 1, 512)),
    ]
    for part in ("linear1", "linear2"):
        yield from linear(f"positional_branch.{part}", 512, 512)
    yield from norm("positional_branch.norm2", 512, batch=False)
    yield "positional_branch.pos_encoding.pe", (5000, 1, 512)
    yield from linear("tgt_word_prj", 512, 40, bias=False)


def crnn() -> Shapes:
    inputs = 1
    for index, (width, kernel) in enumerate(zip((64, 128, 256, 256, 512, 512, 512), (3, 3, 3, 3, 3, 3, 2), strict=True)):
        yield from conv(f"cnn.conv{index}", inputs, width, kernel)
        if index in (2, 4, 6):
            yield from norm(f"cnn.batchnorm{index}", width)
        inputs = width
    for index, width in ((0, 512), (1, 256)):
        for end in ("", "_reverse"):
            yield from [
                (f"rnn.{index}.rnn.weight_ih_l0{end}", (1024, width)),
                (f"rnn.{index}.rnn.weight_hh_l0{end}", (1024, 256)),
            ]
            yield from [(f"rnn.{index}.rnn.bias_{part}_l0{end}", (1024,)) for part in ("ih", "hh")]
        yield from linear(f"rnn.{index}.embedding", 512, 256 if index == 0 else 37)


def edsr(features: int = 256, blocks: int = 32) -> Shapes:
    for part in ("sub_mean", "add_mean"):
        yield from conv(part, 3, 3, 1)
    yield from conv("head.0", 3, features, 3)
    for index in range(blocks):
        for place in ("0", "2"):
            yield from conv(f"body.{index}.body.{place}", features, features, 3)
    yield from conv(f"body.{blocks}", features, features, 3)
    yield from conv("tail.0.0", features, 4 * features, 3)
    yield from conv("tail.1", features, 3, 3)


def ctpn() -> Shapes:
    inputs, place = 3, 0
    for count, width in zip((2, 2, 3, 3, 3), (64, 128, 256, 512, 512), strict=True):
        for _ in range(count):
            yield from conv(f"base_layers.{place}", inputs, width, 3)
            inputs, place = width, place + 2
        place += 1
    yield from conv("rpn.conv", 512, 512, 3)
    for end in ("", "_reverse"):
        yield from [(f"brnn.weight_ih_l0{end}", (384, 512)), (f"brnn.weight_hh_l0{end}", (384, 128))]
        yield from [(f"brnn.bias_{part}_l0{end}", (384,)) for part in ("ih", "hh")]
    yield from conv("lstm_fc.conv", 256, 512, 1)
    yield from conv("rpn_class.conv", 512, 20, 1)
    yield from conv("rpn_regress.conv", 512, 20, 1)


PUBLISHED = {
    "edsr": edsr, "tsrn": tsrn, "tbsrn": tbsrn, "lemma": lemma, "text-focus": text_focus, "cdistnet": cdistnet, "abinet": abinet,
    "crnn": crnn, "ctpn": ctpn,
}  # fmt: skip


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
