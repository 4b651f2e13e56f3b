# SPDX-License-Identifier: MPL-2.0
"""The rules of :mod:`~ocrmypdf_superres.export.published_names` for recognizers."""

from __future__ import annotations

from collections.abc import Iterator

from ocrmypdf_superres.architectures.blocks.resnet45 import COUNTS
from ocrmypdf_superres.export.published_names import ANY, Rule, W, convolution_and_norm, deviation_norm, four, resnet45, stn


def text_focus() -> list[Rule]:
    """Rules for the recognizer of Scene Text Telescope's text-focus loss."""
    rules = [
        Rule(r"embedding_word\.lut\.weight", "embed.weight"),
        Rule(r"pe\.pe", None),
        *convolution_and_norm(r"encoder\.cnn", "conv1", "bn1", "encoder.0"),
        *convolution_and_norm(r"encoder\.cnn", "conv2", "bn2", "encoder.2"),
        Rule(rf"generator_word\.proj\.{W}", r"last.\1"),
    ]
    place = 4
    for stage, count in enumerate((1, 2, 5, 3), start=1):
        for block in range(count):
            theirs = rf"encoder\.cnn\.layer{stage}\.{block}"
            rules += convolution_and_norm(theirs, "conv1", "bn1", f"encoder.{place}.first")
            rules += convolution_and_norm(theirs, "conv2", "bn2", f"encoder.{place}.second")
            rules += convolution_and_norm(theirs, r"downsample\.0", r"downsample\.1", f"encoder.{place}.short")
            place += 1
        name = f"layer{stage}_conv2" if stage == 4 else f"layer{stage}_conv"
        norm = f"{name}_bn" if stage == 4 else f"layer{stage}_bn"
        rules += convolution_and_norm(r"encoder\.cnn", name, norm, f"encoder.{place}")
        place += 1
    for index, (theirs, ours) in enumerate((("mask_multihead", "text"), ("multihead", "image"))):
        rules += four(rf"decoder\.{theirs}", f"decoder.{ours}")
        rules.append(Rule(rf"decoder\.{theirs}\.compress_attention_linear\.{W}", rf"decoder.unused.{index}.\1"))
    for index in range(3):
        rules += deviation_norm(rf"decoder\.mul_layernorm{index + 1}", f"decoder.norms.{index}")
    return [
        *rules,
        Rule(rf"decoder\.pff\.w_1\.{W}", r"decoder.feed.0.\1"),
        Rule(rf"decoder\.pff\.w_2\.{W}", r"decoder.feed.3.\1"),
    ]


def crnn() -> list[Rule]:
    """Rules for CRNN as the benchmarks have it."""
    places = {0: 0, 1: 3, 2: 6, 3: 9, 4: 12, 5: 15, 6: 18}
    return [
        Rule(rf"cnn\.conv(\d)\.{W}", lambda m: f"convolutions.{places[int(m[1])]}.{m[2]}"),
        Rule(rf"cnn\.batchnorm(\d)\.{ANY}", lambda m: f"convolutions.{places[int(m[1])] + 1}.{m[2]}"),
        Rule(r"rnn\.0\.rnn\.(.*)", r"first.\1"),
        Rule(rf"rnn\.0\.embedding\.{W}", r"between.\1"),
        Rule(r"rnn\.1\.rnn\.(.*)", r"second.\1"),
        Rule(rf"rnn\.1\.embedding\.{W}", r"last.\1"),
    ]


def cdistnet() -> list[Rule]:
    """Rules for CDistNet with ResNet45, without the projections that it never uses."""
    visual, head = r"visual_branch", r"visual_branch\.transform\.LocalizationNetwork"
    rules = [
        Rule(rf"{head}\.conv\.(\d+)\.{ANY}", r"localisation.convolutions.\1.\2"),
        Rule(rf"{head}\.localization_fc1\.0\.{W}", r"localisation.first.\1"),
        Rule(rf"{head}\.localization_fc2\.{W}", r"localisation.last.\1"),
        Rule(rf"{visual}\.transform\.GridGenerator\..*", None),
        *convolution_and_norm(rf"{visual}\.backbone\.convbnrelu", "conv", "bn", "shrink"),
        *resnet45(rf"{visual}\.backbone", "trunk"),
        Rule(rf"{visual}\.trans_encoder\.pos_embeding", None),
        Rule(r".*\.pe", None),
        Rule(r"semantic_branch\.embedding\.embedding\.weight", "embed.weight"),
        Rule(rf"positional_branch\.linear1\.{W}", r"place.0.\1"),
        Rule(rf"positional_branch\.linear2\.{W}", r"place.2.\1"),
        Rule(rf"positional_branch\.norm2\.{W}", r"place_norm.\1"),
        Rule(rf"mdcdp\.dynamic_shared_fusion\.w_att\.{W}", r"gate.\1"),
        Rule(r"tgt_word_prj\.weight", "last.weight"),
    ]
    encoder = rf"{visual}\.trans_encoder\.layers\.(\d)"
    rules += _unit(encoder, r"encoder.\1", "self_attn", True, ("conv1", "conv2"), ("norm1", "norm2"))
    for theirs, ours, alone in (("layers_pos", "positions", True), ("layers2", "image", False), ("layers3", "text", False)):
        place = rf"mdcdp\.{theirs}\.(\d)"
        rules += _unit(place, rf"decoder.\1.{ours}", "multihead_attn", alone, ("linear1", "linear2"), ("norm2", "norm3"))
    return rules


def _unit(theirs: str, ours: str, attention: str, alone: bool, feed: tuple[str, str], norms: tuple[str, str]) -> Iterator[Rule]:
    """CDistNet's units: to itself it attends by ``conv3`` *alone*, to others by ``conv1`` (queries) and ``conv2``."""
    place = rf"{theirs}\.{attention}"
    everything = tuple(rf"{ours}.attention.{part}.\2" for part in ("query", "key", "value"))
    yield Rule(rf"{place}\.conv3\.{W}", everything if alone else None)
    yield Rule(rf"{place}\.conv1\.{W}", None if alone else everything[0])
    yield Rule(rf"{place}\.conv2\.{W}", None if alone else everything[1:])
    yield Rule(rf"{place}\.in_proj_{W}", None)
    yield Rule(rf"{place}\.out_proj\.{W}", rf"{ours}.attention.out.\2")
    for name, own in ((feed[0], "feed.0"), (feed[1], "feed.3"), (norms[0], "norm"), (norms[1], "last")):
        yield Rule(rf"{theirs}\.{name}\.{W}", rf"{ours}.{own}.\2")


def aster() -> list[Rule]:
    """Rules for ASTER's PyTorch version, the one that TextZoom's users evaluate with."""
    parts = {
        r"attention_unit\.sEmbed": "from_state", r"attention_unit\.xEmbed": "from_columns", r"attention_unit\.wEmbed": "weigh",
        "fc": "last",
    }  # fmt: skip
    return [
        *stn(ours="head"),
        *resnet45("encoder", "trunk", (r"layer0\.0", r"layer0\.1")),
        Rule(r"encoder\.rnn\.(.*)", r"columns.\1"),
        *(Rule(rf"decoder\.decoder\.{theirs}\.{W}", rf"decoder.{ours}.\1") for theirs, ours in parts.items()),
        Rule(r"decoder\.decoder\.tgt_embedding\.weight", "decoder.embed.weight"),
        Rule(r"decoder\.decoder\.gru\.(.*)_l0", r"decoder.cell.\1"),
    ]


def moran() -> list[Rule]:
    """Rules for MORAN_v2 with both directions of reading."""
    rules = [
        Rule(rf"MORN\.cnn\.(\d+)\.{ANY}", r"rectify.convolutions.\1.\2"),
        Rule(rf"ASRN\.cnn\.block0\.([01])\.{ANY}", r"trunk.\1.\2"),
    ]
    place = 2
    for stage, count in enumerate(COUNTS, start=1):
        for block in range(count):
            theirs = rf"ASRN\.cnn\.block{stage}\.{block}"
            for name, ours in (("conv1", "first"), ("conv2", "second"), ("downsample", "short")):
                rules.append(Rule(rf"{theirs}\.{name}\.([01])\.{ANY}", rf"trunk.{place}.{ours}.\1.\2"))
            place += 1
    for index, (lstm, linear) in enumerate((("first", "between"), ("second", "after"))):
        rules += [
            Rule(rf"ASRN\.rnn\.{index}\.rnn\.(.*)", rf"{lstm}.\1"), Rule(rf"ASRN\.rnn\.{index}\.embedding\.{W}", rf"{linear}.\1"),
        ]  # fmt: skip
    for theirs, ours in (("attentionL2R", "rightwards"), ("attentionR2L", "leftwards")):
        cell = rf"ASRN\.{theirs}\.attention_cell"
        rules += [
            Rule(rf"{cell}\.i2h\.weight", f"{ours}.from_columns.weight"),
            Rule(rf"{cell}\.h2h\.{W}", rf"{ours}.from_state.\1"),
            Rule(rf"{cell}\.score\.weight", f"{ours}.weigh.weight"),
            Rule(rf"{cell}\.rnn\.(.*)", rf"{ours}.cell.\1"),
            Rule(rf"ASRN\.{theirs}\.generator\.{W}", rf"{ours}.last.\1"),
            Rule(rf"ASRN\.{theirs}\.char_embeddings", f"{ours}.embed"),
        ]
    return rules
