# SPDX-License-Identifier: MPL-2.0
"""A trained net as a model folder: safetensors, one ONNX graph a scale, card and README."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from ocrmypdf_superres.architectures.blocks.layers import on_luma
from ocrmypdf_superres.architectures.spec import ArchitectureSpec, Foldable
from ocrmypdf_superres.errors import ModelError
from ocrmypdf_superres.export.tracing import trace_to_onnx
from ocrmypdf_superres.modelstore.cards import CARD, WEIGHTS, Card, check_name, onnx_name, read_card
from ocrmypdf_superres.modelstore.store import Model, sha256_of
from ocrmypdf_superres.modelstore.writer import model_folder, write_card
from ocrmypdf_superres.onnx_sessions import open_session

TOLERANCE = 1e-4
"""Largest difference, of [0, 1], that torch and onnxruntime may show."""


class _OneScale(nn.Module):
    def __init__(self, net: nn.Module, scale: int, channels: int) -> None:
        super().__init__()
        self.net = on_luma(net, channels)
        self.scale = scale

    def forward(self, lr: Tensor) -> Tensor:
        result: Tensor = self.net(lr, self.scale)
        return result


def export_model(
    net: nn.Module,
    spec: ArchitectureSpec,
    config: Any,
    folder: Path,
    name: str,
    *,
    description: str = "",
    metrics: Mapping[str, Any] | None = None,
    recipe: str = "",
    licence: str = "MPL-2.0",
    scales: Sequence[int] = (),
    calibrated_as: str = "",
    track: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> Model:
    """Write *net*, built from *spec* and *config*, to *folder* as the model *name*; return it.

    The net is folded where it can be (in place). The folder appears whole or not at all; one that exists is
    replaced only when it holds a model. *scales* are those of the net's that the model offers; without it all.
    *calibrated_as* is for the :class:`~ocrmypdf_superres.modelstore.cards.Card`. *track* iterates over the scales, for a
    progress bar.

    Raises:
        ModelError: *name* is not a plain name, *folder* exists and does not hold a model, or torch and onnxruntime
            disagree by more than 1e-4.
    """
    check_name(name)
    net = net.cpu().float().eval()
    if isinstance(net, Foldable):
        net.fold()
    with model_folder(folder) as part:
        save_file({k: v.contiguous() for k, v in net.state_dict().items()}, part / WEIGHTS)
        offered = tuple(scale for scale in spec.scales(config) if not scales or scale in scales)
        for scale in track(offered):
            graph = export_graph(net, scale, spec, spec.channels_of(config), part / onnx_name(scale))
            _compare(graph, spec, part / onnx_name(scale))
        card = Card(
            name=name,
            architecture=spec.name,
            config=asdict(config),
            scales=offered,
            files={p.name: sha256_of(p) for p in sorted(part.iterdir())},
            radius=None if spec.receptive_radius is None else spec.receptive_radius(config),
            channels=3 if spec.channels_of(config) == 3 else 1,
            size_multiple=spec.size_multiple,
            line_size=spec.line_size or (),
            licence=licence,
            description=description,
            metrics=dict(metrics or {}),
            recipe=recipe,
            calibrated_as=calibrated_as,
        )
        write_card(card, part / CARD)
        read_card(part / CARD)
        (part / "README.md").write_text(model_readme(card, sum(p.numel() for p in net.parameters())), encoding="utf-8")
    return Model(read_card(folder / CARD), folder)


def export_graph(net: nn.Module, scale: int, spec: ArchitectureSpec, channels: int, path: Path) -> nn.Module:
    """Write the graph of *net*, of *channels* channels, for *scale* to *path*; return the module that was traced.

    Its input ``lr`` and its output ``sr`` are luma, float32 (n, 1, h, w) and (n, 1, scale h, scale w).
    """
    graph = _OneScale(net, scale, channels).eval()
    side = 16 * spec.size_multiple
    # A batch of two, since layers with a state may take a batch of one for a fixed size.
    example = torch.rand(2, 1, *(spec.line_size or (side, side)))
    free = {} if spec.line_size else {2: "h", 3: "w"}
    axes = {"lr": {0: "n", **free}, "sr": {0: "n", **{axis: name.upper() for axis, name in free.items()}}}
    trace_to_onnx(graph, (example,), path, ["sr"], axes)
    return graph


def example_tiles(spec: ArchitectureSpec) -> NDArray[np.float32]:
    """Return tiles to compare a net and its graph on, float32 (3, 1, h, w) in [0, 1]."""
    size = spec.line_size or (20 * spec.size_multiple, 26 * spec.size_multiple)
    return np.random.default_rng(0).random((3, 1, *size), dtype=np.float32)


def _compare(net: nn.Module, spec: ArchitectureSpec, path: Path) -> None:
    session = open_session(path, threads=0)
    x = example_tiles(spec)
    with torch.inference_mode():
        expected = net(torch.from_numpy(x)).numpy()
    worst = float(np.abs(session.run(["sr"], {"lr": x})[0] - expected).max())
    if not worst <= TOLERANCE:
        raise ModelError(
            f"The exported {path.name} differs from the net by {worst:.2g}, more than {TOLERANCE:.0e}; it was not kept."
        )


def model_readme(card: Card, parameters: int) -> str:
    """Return the README.md of a model with *parameters* parameters."""
    lines = [
        f"# {card.name}",
        "",
        card.description or "No description was given.",
        "",
        f"Architecture `{card.architecture}`, {parameters:,} parameters in inference form, scales "
        + ", ".join(f"x{s}" for s in card.scales)
        + f"; licence {card.licence}.",
        "",
        "| file | SHA-256 |",
        "|---|---|",
        *(f"| `{name}` | `{digest}` |" for name, digest in card.files.items()),
        "",
    ]
    if card.metrics:
        lines += ["| metric | value |", "|---|---|", *(f"| {k} | {v} |" for k, v in card.metrics.items()), ""]
    return "\n".join(lines)
