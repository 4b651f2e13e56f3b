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
from ocrmypdf_superres.detectors.ctpn import PUBLIC_NAMES

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


W = r"(weight|bias)"
ANY = r"(weight|bias|running_mean|running_var|num_batches_tracked)"


def convolution_and_norm(theirs: str, conv: str, norm: str, ours: str, at: tuple[int, int] = (0, 1)) -> Iterator[Rule]:
    """Yield the rules of a convolution *conv* and its batch normalisation *norm*, which are the parts *at* of *ours*."""
    yield Rule(rf"{theirs}\.?{conv}\.{W}", rf"{ours}.{at[0]}.\{_groups(theirs) + 1}")
    yield Rule(rf"{theirs}\.?{norm}\.{ANY}", rf"{ours}.{at[1]}.\{_groups(theirs) + 1}")


def _groups(pattern: str) -> int:
    return re.compile(pattern).groups


def _packed(theirs: str, ours: str) -> Iterator[Rule]:
    """Attention whose three projections are one matrix, as in torch."""
    n = _groups(theirs) + 1
    yield Rule(rf"{theirs}\.in_proj_{W}", tuple(rf"{ours}.{part}.\{n}" for part in ("query", "key", "value")))
    yield Rule(rf"{theirs}\.out_proj\.{W}", rf"{ours}.out.\{n}")


def four(theirs: str, ours: str) -> Iterator[Rule]:
    """Attention whose four matrices are ``linears.0`` to ``linears.3``."""
    n = _groups(theirs) + 1
    for index, part in enumerate(("query", "key", "value", "out")):
        yield Rule(rf"{theirs}\.linears\.{index}\.{W}", rf"{ours}.{part}.\{n}")


def deviation_norm(theirs: str, ours: str) -> Iterator[Rule]:
    """Yield the rules of the layer norm of the annotated transformer, which has weights of its own names."""
    for name, part in (("a_2", "weight"), ("b_2", "bias")):
        yield Rule(rf"{theirs}\.{name}", rf"{ours}.{part}")


def stn(head: str = "stn_head", ours: str = "stn.head") -> Iterator[Rule]:
    """Yield the rules of the head that predicts control points."""
    # Their blocks stand at even places, pooling between them; ours are flat: convolution, norm, ReLU, pooling.
    yield Rule(rf"{head}\.stn_convnet\.(\d+)\.([01])\.{ANY}", lambda m: f"{ours}.convolutions.{2 * int(m[1]) + int(m[2])}.{m[3]}")
    yield Rule(rf"{head}\.stn_fc1\.0\.{W}", rf"{ours}.first.\1")
    yield Rule(rf"{head}\.stn_fc1\.1\.{ANY}", rf"{ours}.norm.\1")
    yield Rule(rf"{head}\.stn_fc2\.{W}", rf"{ours}.last.\1")
    yield Rule(r"tps\..*", None)


def _trunk() -> Iterator[Rule]:
    """Give the layout of TSRN, which TBSRN and LEMMA share: five blocks between stem and tail."""
    yield from stn()
    yield Rule(rf"block1\.([01])\.{W}", r"stem.\1.\2")
    yield Rule(rf"block7\.([01])\.{ANY}", r"merge.\1.\2")
    yield Rule(rf"block8\.0\.conv\.{W}", r"enlarge.convolution.\1")
    yield Rule(rf"block8\.1\.{W}", r"tail.\1")
    for number in range(2, 7):
        place = f"blocks.{number - 2}"
        yield from convolution_and_norm(f"block{number}", "conv1", "bn1", f"{place}.first")
        yield from convolution_and_norm(f"block{number}", "conv2", "bn2", f"{place}.second")


def _gru(columns: str, rows: str) -> Iterator[Rule]:
    for number in range(2, 7):
        for theirs, ours in (("gru1", columns), ("gru2", rows)):
            yield Rule(rf"block{number}\.{theirs}\.conv1\.{W}", rf"blocks.{number - 2}.{ours}.mix.\1")
            yield Rule(rf"block{number}\.{theirs}\.gru\.(.*)", rf"blocks.{number - 2}.{ours}.gru.\1")


def resnet45(theirs: str, ours: str, stem: tuple[str, str] = ("conv1", "bn1")) -> Iterator[Rule]:
    """Yield the rules of ResNet45, whose first convolution and its normalisation are called *stem*."""
    yield from convolution_and_norm(theirs, *stem, ours)
    first = 3
    for stage, count in enumerate(COUNTS, start=1):
        for block in range(count):
            their, own = rf"{theirs}\.layer{stage}\.{block}", f"{ours}.{first + block}"
            yield from convolution_and_norm(their, "conv1", "bn1", f"{own}.body")
            yield from convolution_and_norm(their, "conv2", "bn2", f"{own}.body", (3, 4))
            yield from convolution_and_norm(their, r"downsample\.0", r"downsample\.1", f"{own}.short")
        first += count


def _layers(theirs: str, ours: str, attention: str, norms: tuple[str, str]) -> Iterator[Rule]:
    """Layers of torch's transformer: attention, two norms, two matrices between them."""
    theirs = rf"{theirs}\.layers\.(\d+)"
    yield from _packed(rf"{theirs}\.{attention}", rf"{ours}.attention")
    for name, own in ((norms[0], "norm"), (norms[1], "last"), ("linear1", "feed.0"), ("linear2", "feed.3")):
        yield Rule(rf"{theirs}\.{name}\.{W}", rf"{ours}.{own}.\2")


def _prior(theirs: str, ours: str) -> Iterator[Rule]:
    vision, seen = rf"{theirs}vision", f"{ours}.vision"
    yield from resnet45(rf"{vision}\.backbone\.resnet", f"{seen}.trunk")
    yield from _layers(rf"{vision}\.backbone\.transformer", rf"{seen}.layers.\1", "self_attn", ("norm1", "norm2"))
    yield Rule(rf"{vision}\.attention\.k_encoder\.(\d)\.([01])\.{ANY}", rf"{seen}.attention.down.\1.\2.\3")
    for theirs_at, ours_at in ((1, 0), (2, 1)):
        yield Rule(rf"{vision}\.attention\.k_decoder\.(\d)\.{theirs_at}\.{ANY}", rf"{seen}.attention.up.\1.{ours_at}.\2")
    yield Rule(rf"{vision}\.attention\.project\.{W}", rf"{seen}.attention.project.\1")
    yield Rule(rf"{vision}\.cls\.{W}", rf"{seen}.classes.\1")
    language, read = rf"{theirs}language", f"{ours}.language"
    yield Rule(rf"{language}\.proj\.weight", f"{read}.embed.weight")
    yield from _layers(rf"{language}\.model", rf"{read}.layers.\1.layer", "multihead_attn", ("norm2", "norm3"))
    yield Rule(rf"{language}\.cls\.{W}", rf"{read}.classes.\1")
    yield Rule(r".*\.pe", None)


def edsr(blocks: int = 32) -> list[Rule]:
    """Rules for EDSR as in its own code and CAR's."""
    return [
        Rule(rf"head\.0\.{W}", r"head.\1"),
        Rule(rf"body\.(\d+)\.body\.([02])\.{W}", r"body.\1.layers.\2.\3"),
        Rule(rf"body\.{blocks}\.{W}", rf"body.{blocks}.\1"),
        Rule(rf"tail\.0\.(\d)\.{W}", r"tail.0.\1.\2"),
        Rule(rf"tail\.1\.{W}", r"tail.1.\1"),
        Rule(r"(sub|add)_mean\..*", None),
    ]


def tsrn() -> list[Rule]:
    """Rules for TextZoom's TSRN."""
    return [*_trunk(), *_gru("columns", "rows")]


def tbsrn() -> list[Rule]:
    """Rules for Scene Text Telescope's TBSRN, with the layers that it never calls."""
    rules = [*_trunk(), *_gru("unused.0", "unused.1"), *convolution_and_norm("", "conv", "bn", "unused")]
    for number in range(2, 7):
        theirs, ours = rf"block{number}\.feature_enhancer", f"blocks.{number - 2}"
        rules += four(rf"{theirs}\.multihead", f"{ours}.look.attention")
        rules += deviation_norm(rf"{theirs}\.mul_layernorm1", f"{ours}.look.norm")
        rules += deviation_norm(rf"{theirs}\.mul_layernorm3", f"{ours}.look.last")
        for name, own in (("pff.w_1", "look.feed.0"), ("pff.w_2", "look.feed.3"), ("linear", "narrow"),
                          ("multihead.compress_attention_linear", "unused.2")):  # fmt: skip
            rules.append(Rule(rf"{theirs}\.{re.escape(name)}\.{W}", rf"{ours}.{own}.\1"))
    return rules


def lemma() -> list[Rule]:
    """Rules for LEMMA with its prior."""
    rules = [*_trunk(), *_gru("columns", "rows"), *_prior(r"position_prior\.", "prior")]
    for number in range(2, 7):
        theirs, ours = rf"block{number}\.affine", f"blocks.{number - 2}.fusion"
        rules += [
            Rule(rf"block{number}\.BN\.{ANY}", rf"blocks.{number - 2}.norm.\1"),
            Rule(rf"{theirs}\.BN\.{ANY}", rf"{ours}.norm.\1"),
            Rule(rf"{theirs}\.BN2\.{ANY}", rf"{ours}.last.\1"),
            *(Rule(rf"{theirs}\.conv1x1_{i}\.(\d)\.{ANY}", rf"{ours}.branches.{i - 1}.\1.\2") for i in (1, 2, 3)),
            Rule(rf"{theirs}\.channel_attn\.0\.{W}", rf"{ours}.whole.\1"),
            *(Rule(rf"{theirs}\.channel_attn\.{i}\.{W}", rf"{ours}.scale.{i - 1}.\1") for i in (1, 3, 5)),
            Rule(rf"{theirs}\.aggregation\.(\d)\.{ANY}", rf"{ours}.mix.\1.\2"),
        ]
    guide = "guidanceGen"
    rules += [
        Rule(rf"{guide}\.text_proj\.weight", "guidance.embed.weight"),
        *_layers(rf"{guide}\.text_Encoder", r"guidance.text.\1", "self_attn", ("norm1", "norm2")),
        *_layers(rf"{guide}\.text_decoder", r"guidance.to_text.\1", "multihead_attn", ("norm2", "norm3")),
        *_layers(rf"{guide}\.sematic_decoder", r"guidance.to_image.\1", "multihead_attn", ("norm2", "norm3")),
        Rule(rf"{guide}\.attn_conv\.(\d)\.{ANY}", r"guidance.location.weigh.\1.\2"),
        Rule(rf"{guide}\.DWC\.{W}", r"guidance.location.region.\1"),
    ]
    return rules


def abinet() -> list[Rule]:
    """Rules for ABINet's vision and language parts; its fusion is left out."""
    return [*_prior("", "prior"), Rule(r"alignment\..*", None)]


def ctpn() -> list[Rule]:
    """Rules for CTPN as in ocr.pytorch."""
    return [Rule(rf"{re.escape(theirs)}\.(.*)", rf"{ours}.\1") for theirs, ours in PUBLIC_NAMES.items()]
