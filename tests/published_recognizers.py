# SPDX-License-Identifier: MPL-2.0
"""The names and shapes of the tensors in recognizers' checkpoints, and of all kinds together."""

from __future__ import annotations

from published_shapes import Shapes, abinet, conv, ctpn, edsr, lemma, linear, norm, resnet45, stn, tbsrn, tsrn


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


def aster() -> Shapes:
    yield from stn(3, pixels=3200)
    for name, shape in resnet45("encoder"):
        yield name.replace("encoder.conv1", "encoder.layer0.0").replace("encoder.bn1", "encoder.layer0.1"), shape
    for layer in (0, 1):
        for end in ("", "_reverse"):
            yield f"encoder.rnn.weight_ih_l{layer}{end}", (1024, 512)
            yield f"encoder.rnn.weight_hh_l{layer}{end}", (1024, 256)
            yield from [(f"encoder.rnn.bias_{part}_l{layer}{end}", (1024,)) for part in ("ih", "hh")]
    place = "decoder.decoder"
    yield from linear(f"{place}.attention_unit.sEmbed", 512, 512)
    yield from linear(f"{place}.attention_unit.xEmbed", 512, 512)
    yield from linear(f"{place}.attention_unit.wEmbed", 512, 1)
    yield from [
        (f"{place}.tgt_embedding.weight", (98, 512)), (f"{place}.gru.weight_ih_l0", (1536, 1024)),
        (f"{place}.gru.weight_hh_l0", (1536, 512)), (f"{place}.gru.bias_ih_l0", (1536,)), (f"{place}.gru.bias_hh_l0", (1536,)),
    ]  # fmt: skip
    yield from linear(f"{place}.fc", 512, 97)


def moran() -> Shapes:
    inputs = 1
    for place, width in zip((1, 5, 9, 12, 15), (64, 128, 64, 16, 1), strict=True):
        yield from conv(f"MORN.cnn.{place}", inputs, width, 3)
        yield from norm(f"MORN.cnn.{place + 1}", width)
        inputs = width
    yield from conv("ASRN.cnn.block0.0", 1, 32, 3)
    yield from norm("ASRN.cnn.block0.1", 32)
    inputs = 32
    for stage, count in enumerate((3, 4, 6, 6, 3), start=1):
        outputs = 32 << (stage - 1)
        for block in range(count):
            place = f"ASRN.cnn.block{stage}.{block}"
            yield from conv(f"{place}.conv1.0", inputs, outputs, 1 if block else 3)
            yield from norm(f"{place}.conv1.1", outputs)
            yield from conv(f"{place}.conv2.0", outputs, outputs, 3)
            yield from norm(f"{place}.conv2.1", outputs)
            if block == 0:
                yield from conv(f"{place}.downsample.0", inputs, outputs, 3)
                yield from norm(f"{place}.downsample.1", outputs)
            inputs = outputs
    for index, width in ((0, 512), (1, 256)):
        for end in ("", "_reverse"):
            yield f"ASRN.rnn.{index}.rnn.weight_ih_l0{end}", (1024, width)
            yield f"ASRN.rnn.{index}.rnn.weight_hh_l0{end}", (1024, 256)
            yield from [(f"ASRN.rnn.{index}.rnn.bias_{part}_l0{end}", (1024,)) for part in ("ih", "hh")]
        yield from linear(f"ASRN.rnn.{index}.embedding", 512, 256)
    for part in ("attentionL2R", "attentionR2L"):
        place = f"ASRN.{part}"
        yield from [(f"{place}.char_embeddings", (38, 256)), (f"{place}.attention_cell.i2h.weight", (256, 256))]
        yield from linear(f"{place}.attention_cell.h2h", 256, 256)
        yield f"{place}.attention_cell.score.weight", (1, 256)
        yield from [(f"{place}.attention_cell.rnn.weight_ih", (768, 512)), (f"{place}.attention_cell.rnn.weight_hh", (768, 256))]
        yield from [(f"{place}.attention_cell.rnn.bias_{part}", (768,)) for part in ("ih", "hh")]
        yield from linear(f"{place}.generator", 256, 37)


PUBLISHED = {
    "edsr": edsr, "tsrn": tsrn, "tbsrn": tbsrn, "lemma": lemma, "text-focus": text_focus, "cdistnet": cdistnet, "abinet": abinet,
    "crnn": crnn, "ctpn": ctpn, "aster": aster, "moran": moran,
}  # fmt: skip
