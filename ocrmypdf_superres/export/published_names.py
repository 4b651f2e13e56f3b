# SPDX-License-Identifier: MPL-2.0
"""From the names of tensors in published checkpoints to the names here, by rules.

A rule is a pattern for a whole name and what becomes of it: a template with the pattern's groups; several templates, among which
the tensor is shared out along its first dimension; or nothing, where the tensor is a table that is made here, or is never used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ocrmypdf_superres.architectures.blocks.resnet45 import COUNTS

Target = str | tuple[str, ...] | None | Callable[[re.Match[str]], str]


@dataclass(frozen=True)
class Rule:
    """*pattern* matches a whole name; *target*: see the module's docstring, or a function of the match that gives the name."""

    pattern: str
    target: Target


class UnknownNameError(Exception):
    """A checkpoint has a tensor that no rule knows; its name is the message."""


def renamed(tensors: Mapping[str, Tensor], rules: list[Rule], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Return *tensors* by our names; those of 1x1 kernels take the shape that *shapes* has for them where only ones differ.

    Raises:
        UnknownNameError: no rule matches a name.
    """
    compiled = [(re.compile(rule.pattern), rule.target) for rule in rules]
    result: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        plain = name.removeprefix("module.")
        for pattern, target in compiled:
            found = pattern.fullmatch(plain)
            if found is None:
                continue
            if target is not None:
                names = [target(found)] if callable(target) else [found.expand(t) for t in _several(target)]
                parts = tensor.chunk(len(names)) if len(names) > 1 else (tensor,)
                for own, part in zip(names, parts, strict=True):
                    result[own] = _shaped(part, shapes.get(own))
            break
        else:
            raise UnknownNameError(name)
    return result


def _several(target: str | tuple[str, ...]) -> tuple[str, ...]:
    return (target,) if isinstance(target, str) else target


def _shaped(tensor: Tensor, shape: tuple[int, ...] | None) -> Tensor:
    if (
        shape is None
        or tuple(tensor.shape) == shape
        or tuple(s for s in tensor.shape if s > 1) != tuple(s for s in shape if s > 1)
    ):
        return tensor.clone()
    return torch.reshape(tensor, shape).clone()


_W = r"(weight|bias)"
_ANY = r"(weight|bias|running_mean|running_var|num_batches_tracked)"


def _convolution_and_norm(theirs: str, conv: str, norm: str, ours: str, at: tuple[int, int] = (0, 1)) -> Iterator[Rule]:
    yield Rule(rf"{theirs}\.?{conv}\.{_W}", rf"{ours}.{at[0]}.\{_groups(theirs) + 1}")
    yield Rule(rf"{theirs}\.?{norm}\.{_ANY}", rf"{ours}.{at[1]}.\{_groups(theirs) + 1}")


def _groups(pattern: str) -> int:
    return re.compile(pattern).groups


def _packed(theirs: str, ours: str) -> Iterator[Rule]:
    """Attention whose three projections are one matrix, as in torch."""
    n = _groups(theirs) + 1
    yield Rule(rf"{theirs}\.in_proj_{_W}", tuple(rf"{ours}.{part}.\{n}" for part in ("query", "key", "value")))
    yield Rule(rf"{theirs}\.out_proj\.{_W}", rf"{ours}.out.\{n}")


def _four(theirs: str, ours: str) -> Iterator[Rule]:
    """Attention whose four matrices are ``linears.0`` to ``linears.3``."""
    n = _groups(theirs) + 1
    for index, part in enumerate(("query", "key", "value", "out")):
        yield Rule(rf"{theirs}\.linears\.{index}\.{_W}", rf"{ours}.{part}.\{n}")


def _norm(theirs: str, ours: str) -> Iterator[Rule]:
    for name, part in (("a_2", "weight"), ("b_2", "bias")):
        yield Rule(rf"{theirs}\.{name}", rf"{ours}.{part}")


def _stn(head: str = "stn_head", ours: str = "stn.head") -> Iterator[Rule]:
    # Their blocks stand at even places, pooling between them; ours are flat: convolution, norm, ReLU, pooling.
    yield Rule(
        rf"{head}\.stn_convnet\.(\d+)\.([01])\.{_ANY}", lambda m: f"{ours}.convolutions.{2 * int(m[1]) + int(m[2])}.{m[3]}"
    )
    yield Rule(rf"{head}\.stn_fc1\.0\.{_W}", rf"{ours}.first.\1")
    yield Rule(rf"{head}\.stn_fc1\.1\.{_ANY}", rf"{ours}.norm.\1")
    yield Rule(rf"{head}\.stn_fc2\.{_W}", rf"{ours}.last.\1")
    yield Rule(r"tps\..*", None)


def _trunk() -> Iterator[Rule]:
    """Give the layout of TSRN, which TBSRN and LEMMA share: five blocks between stem and tail."""
    yield from _stn()
    yield Rule(rf"block1\.([01])\.{_W}", r"stem.\1.\2")
    yield Rule(rf"block7\.([01])\.{_ANY}", r"merge.\1.\2")
    yield Rule(rf"block8\.0\.conv\.{_W}", r"enlarge.convolution.\1")
    yield Rule(rf"block8\.1\.{_W}", r"tail.\1")
    for number in range(2, 7):
        place = f"blocks.{number - 2}"
        yield from _convolution_and_norm(f"block{number}", "conv1", "bn1", f"{place}.first")
        yield from _convolution_and_norm(f"block{number}", "conv2", "bn2", f"{place}.second")


def _gru(columns: str, rows: str) -> Iterator[Rule]:
    for number in range(2, 7):
        for theirs, ours in (("gru1", columns), ("gru2", rows)):
            yield Rule(rf"block{number}\.{theirs}\.conv1\.{_W}", rf"blocks.{number - 2}.{ours}.mix.\1")
            yield Rule(rf"block{number}\.{theirs}\.gru\.(.*)", rf"blocks.{number - 2}.{ours}.gru.\1")


def _resnet45(theirs: str, ours: str) -> Iterator[Rule]:
    yield from _convolution_and_norm(theirs, "conv1", "bn1", ours)
    first = 3
    for stage, count in enumerate(COUNTS, start=1):
        for block in range(count):
            their, own = rf"{theirs}\.layer{stage}\.{block}", f"{ours}.{first + block}"
            yield from _convolution_and_norm(their, "conv1", "bn1", f"{own}.body")
            yield from _convolution_and_norm(their, "conv2", "bn2", f"{own}.body", (3, 4))
            yield from _convolution_and_norm(their, r"downsample\.0", r"downsample\.1", f"{own}.short")
        first += count


def _layers(theirs: str, ours: str, attention: str, norms: tuple[str, str]) -> Iterator[Rule]:
    """Layers of torch's transformer: attention, two norms, two matrices between them."""
    theirs = rf"{theirs}\.layers\.(\d+)"
    yield from _packed(rf"{theirs}\.{attention}", rf"{ours}.attention")
    for name, own in ((norms[0], "norm"), (norms[1], "last"), ("linear1", "feed.0"), ("linear2", "feed.3")):
        yield Rule(rf"{theirs}\.{name}\.{_W}", rf"{ours}.{own}.\2")


def _prior(theirs: str, ours: str) -> Iterator[Rule]:
    vision, seen = rf"{theirs}vision", f"{ours}.vision"
    yield from _resnet45(rf"{vision}\.backbone\.resnet", f"{seen}.trunk")
    yield from _layers(rf"{vision}\.backbone\.transformer", rf"{seen}.layers.\1", "self_attn", ("norm1", "norm2"))
    yield Rule(rf"{vision}\.attention\.k_encoder\.(\d)\.([01])\.{_ANY}", rf"{seen}.attention.down.\1.\2.\3")
    for theirs_at, ours_at in ((1, 0), (2, 1)):
        yield Rule(rf"{vision}\.attention\.k_decoder\.(\d)\.{theirs_at}\.{_ANY}", rf"{seen}.attention.up.\1.{ours_at}.\2")
    yield Rule(rf"{vision}\.attention\.project\.{_W}", rf"{seen}.attention.project.\1")
    yield Rule(rf"{vision}\.cls\.{_W}", rf"{seen}.classes.\1")
    language, read = rf"{theirs}language", f"{ours}.language"
    yield Rule(rf"{language}\.proj\.weight", f"{read}.embed.weight")
    yield from _layers(rf"{language}\.model", rf"{read}.layers.\1.layer", "multihead_attn", ("norm2", "norm3"))
    yield Rule(rf"{language}\.cls\.{_W}", rf"{read}.classes.\1")
    yield Rule(r".*\.pe", None)


def edsr(blocks: int = 32) -> list[Rule]:
    """Rules for EDSR as in its own code and CAR's."""
    return [
        Rule(rf"head\.0\.{_W}", r"head.\1"),
        Rule(rf"body\.(\d+)\.body\.([02])\.{_W}", r"body.\1.layers.\2.\3"),
        Rule(rf"body\.{blocks}\.{_W}", rf"body.{blocks}.\1"),
        Rule(rf"tail\.0\.(\d)\.{_W}", r"tail.0.\1.\2"),
        Rule(rf"tail\.1\.{_W}", r"tail.1.\1"),
        Rule(r"(sub|add)_mean\..*", None),
    ]


def tsrn() -> list[Rule]:
    """Rules for TextZoom's TSRN."""
    return [*_trunk(), *_gru("columns", "rows")]


def tbsrn() -> list[Rule]:
    """Rules for Scene Text Telescope's TBSRN, with the layers that it never calls."""
    rules = [*_trunk(), *_gru("unused.0", "unused.1"), *_convolution_and_norm("", "conv", "bn", "unused")]
    for number in range(2, 7):
        theirs, ours = rf"block{number}\.feature_enhancer", f"blocks.{number - 2}"
        rules += _four(rf"{theirs}\.multihead", f"{ours}.look.attention")
        rules += _norm(rf"{theirs}\.mul_layernorm1", f"{ours}.look.norm")
        rules += _norm(rf"{theirs}\.mul_layernorm3", f"{ours}.look.last")
        for name, own in (("pff.w_1", "look.feed.0"), ("pff.w_2", "look.feed.3"), ("linear", "narrow"),
                          ("multihead.compress_attention_linear", "unused.2")):  # fmt: skip
            rules.append(Rule(rf"{theirs}\.{re.escape(name)}\.{_W}", rf"{ours}.{own}.\1"))
    return rules


def lemma() -> list[Rule]:
    """Rules for LEMMA with its prior."""
    rules = [*_trunk(), *_gru("columns", "rows"), *_prior(r"position_prior\.", "prior")]
    for number in range(2, 7):
        theirs, ours = rf"block{number}\.affine", f"blocks.{number - 2}.fusion"
        rules += [
            Rule(rf"block{number}\.BN\.{_ANY}", rf"blocks.{number - 2}.norm.\1"),
            Rule(rf"{theirs}\.BN\.{_ANY}", rf"{ours}.norm.\1"),
            Rule(rf"{theirs}\.BN2\.{_ANY}", rf"{ours}.last.\1"),
            *(Rule(rf"{theirs}\.conv1x1_{i}\.(\d)\.{_ANY}", rf"{ours}.branches.{i - 1}.\1.\2") for i in (1, 2, 3)),
            Rule(rf"{theirs}\.channel_attn\.0\.{_W}", rf"{ours}.whole.\1"),
            *(Rule(rf"{theirs}\.channel_attn\.{i}\.{_W}", rf"{ours}.scale.{i - 1}.\1") for i in (1, 3, 5)),
            Rule(rf"{theirs}\.aggregation\.(\d)\.{_ANY}", rf"{ours}.mix.\1.\2"),
        ]
    guide = "guidanceGen"
    rules += [
        Rule(rf"{guide}\.text_proj\.weight", "guidance.embed.weight"),
        *_layers(rf"{guide}\.text_Encoder", r"guidance.text.\1", "self_attn", ("norm1", "norm2")),
        *_layers(rf"{guide}\.text_decoder", r"guidance.to_text.\1", "multihead_attn", ("norm2", "norm3")),
        *_layers(rf"{guide}\.sematic_decoder", r"guidance.to_image.\1", "multihead_attn", ("norm2", "norm3")),
        Rule(rf"{guide}\.attn_conv\.(\d)\.{_ANY}", r"guidance.location.weigh.\1.\2"),
        Rule(rf"{guide}\.DWC\.{_W}", r"guidance.location.region.\1"),
    ]
    return rules


def abinet() -> list[Rule]:
    """Rules for ABINet's vision and language parts; its fusion is left out."""
    return [*_prior("", "prior"), Rule(r"alignment\..*", None)]


def text_focus() -> list[Rule]:
    """Rules for the recognizer of Scene Text Telescope's text-focus loss."""
    rules = [
        Rule(r"embedding_word\.lut\.weight", "embed.weight"),
        Rule(r"pe\.pe", None),
        *_convolution_and_norm(r"encoder\.cnn", "conv1", "bn1", "encoder.0"),
        *_convolution_and_norm(r"encoder\.cnn", "conv2", "bn2", "encoder.2"),
        Rule(rf"generator_word\.proj\.{_W}", r"last.\1"),
    ]
    place = 4
    for stage, count in enumerate((1, 2, 5, 3), start=1):
        for block in range(count):
            theirs = rf"encoder\.cnn\.layer{stage}\.{block}"
            rules += _convolution_and_norm(theirs, "conv1", "bn1", f"encoder.{place}.first")
            rules += _convolution_and_norm(theirs, "conv2", "bn2", f"encoder.{place}.second")
            rules += _convolution_and_norm(theirs, r"downsample\.0", r"downsample\.1", f"encoder.{place}.short")
            place += 1
        name = f"layer{stage}_conv2" if stage == 4 else f"layer{stage}_conv"
        norm = f"{name}_bn" if stage == 4 else f"layer{stage}_bn"
        rules += _convolution_and_norm(r"encoder\.cnn", name, norm, f"encoder.{place}")
        place += 1
    for index, (theirs, ours) in enumerate((("mask_multihead", "text"), ("multihead", "image"))):
        rules += _four(rf"decoder\.{theirs}", f"decoder.{ours}")
        rules.append(Rule(rf"decoder\.{theirs}\.compress_attention_linear\.{_W}", rf"decoder.unused.{index}.\1"))
    for index in range(3):
        rules += _norm(rf"decoder\.mul_layernorm{index + 1}", f"decoder.norms.{index}")
    return [
        *rules,
        Rule(rf"decoder\.pff\.w_1\.{_W}", r"decoder.feed.0.\1"),
        Rule(rf"decoder\.pff\.w_2\.{_W}", r"decoder.feed.3.\1"),
    ]


def ctpn() -> list[Rule]:
    """Rules for CTPN as in ocr.pytorch."""
    parts = {
        "base_layers": "trunk", r"rpn\.conv": "window", "brnn": "rows", r"lstm_fc\.conv": "deep", r"rpn_class\.conv": "scores",
        r"rpn_regress\.conv": "coordinates",
    }  # fmt: skip
    return [Rule(rf"{theirs}\.(.*)", rf"{ours}.\1") for theirs, ours in parts.items()]


def crnn() -> list[Rule]:
    """Rules for CRNN as the benchmarks have it."""
    places = {0: 0, 1: 3, 2: 6, 3: 9, 4: 12, 5: 15, 6: 18}
    return [
        Rule(rf"cnn\.conv(\d)\.{_W}", lambda m: f"convolutions.{places[int(m[1])]}.{m[2]}"),
        Rule(rf"cnn\.batchnorm(\d)\.{_ANY}", lambda m: f"convolutions.{places[int(m[1])] + 1}.{m[2]}"),
        Rule(r"rnn\.0\.rnn\.(.*)", r"first.\1"),
        Rule(rf"rnn\.0\.embedding\.{_W}", r"between.\1"),
        Rule(r"rnn\.1\.rnn\.(.*)", r"second.\1"),
        Rule(rf"rnn\.1\.embedding\.{_W}", r"last.\1"),
    ]


def cdistnet() -> list[Rule]:
    """Rules for CDistNet with ResNet45, without the projections that it never uses."""
    visual, head = r"visual_branch", r"visual_branch\.transform\.LocalizationNetwork"
    rules = [
        Rule(rf"{head}\.conv\.(\d+)\.{_ANY}", r"localisation.convolutions.\1.\2"),
        Rule(rf"{head}\.localization_fc1\.0\.{_W}", r"localisation.first.\1"),
        Rule(rf"{head}\.localization_fc2\.{_W}", r"localisation.last.\1"),
        Rule(rf"{visual}\.transform\.GridGenerator\..*", None),
        *_convolution_and_norm(rf"{visual}\.backbone\.convbnrelu", "conv", "bn", "shrink"),
        *_resnet45(rf"{visual}\.backbone", "trunk"),
        Rule(rf"{visual}\.trans_encoder\.pos_embeding", None),
        Rule(r".*\.pe", None),
        Rule(r"semantic_branch\.embedding\.embedding\.weight", "embed.weight"),
        Rule(rf"positional_branch\.linear1\.{_W}", r"place.0.\1"),
        Rule(rf"positional_branch\.linear2\.{_W}", r"place.2.\1"),
        Rule(rf"positional_branch\.norm2\.{_W}", r"place_norm.\1"),
        Rule(rf"mdcdp\.dynamic_shared_fusion\.w_att\.{_W}", r"gate.\1"),
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
    yield Rule(rf"{place}\.conv3\.{_W}", everything if alone else None)
    yield Rule(rf"{place}\.conv1\.{_W}", None if alone else everything[0])
    yield Rule(rf"{place}\.conv2\.{_W}", None if alone else everything[1:])
    yield Rule(rf"{place}\.in_proj_{_W}", None)
    yield Rule(rf"{place}\.out_proj\.{_W}", rf"{ours}.attention.out.\2")
    for name, own in ((feed[0], "feed.0"), (feed[1], "feed.3"), (norms[0], "norm"), (norms[1], "last")):
        yield Rule(rf"{theirs}\.{name}\.{_W}", rf"{ours}.{own}.\2")
