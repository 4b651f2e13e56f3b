# SPDX-License-Identifier: MPL-2.0
"""The names and shapes of the tensors in published checkpoints, written down from the authors' code."""

from __future__ import annotations

from collections.abc import Iterator

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


def stn(channels: int, pixels: int = 1024) -> Shapes:
    inputs = channels
    for index, width in enumerate((32, 64, 128, 256, 256, 256)):
        yield from conv(f"stn_head.stn_convnet.{2 * index}.0", inputs, width, 3)
        yield from norm(f"stn_head.stn_convnet.{2 * index}.1", width)
        inputs = width
    yield from linear("stn_head.stn_fc1.0", 512, 512)
    yield from norm("stn_head.stn_fc1.1", 512)
    yield from linear("stn_head.stn_fc2", 512, 40)
    yield from [("tps.inverse_kernel", (23, 23)), ("tps.padding_matrix", (3, 2)), ("tps.target_coordinate_repr", (pixels, 23)),
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
