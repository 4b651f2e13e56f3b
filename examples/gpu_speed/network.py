# SPDX-License-Identifier: MPL-2.0
"""The network alone, on pages that are in the device's memory already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from machine import Ceilings, seconds
from report import Report
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from ocrmypdf_superres.architectures.page_nets.docsr import SHUFFLE, DocSR
from ocrmypdf_superres.modelstore.store import Model
from ocrmypdf_superres.upscaling.backends.torch import TorchBackend

COLUMNS = ("ms a page", "pages/s", "TFLOP/s", "of the product", "GB/s at least", "of the copy")
BATCHES = (1, 4, 16)


class Convolutions(TorchDispatchMode):
    """Counts the arithmetic of convolutions, and the bytes that they move if all between them is fused into them."""

    flops = bytes = 0

    def __torch_dispatch__(self, func: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func.__name__.split(".")[0] in ("convolution", "conv2d"):
            inputs, weight = args[:2]
            self.flops += 2 * result.numel() * weight[0].numel()
            self.bytes += sum(t.numel() * t.element_size() for t in (inputs, weight, result))
        return result


def graphed(work: Callable[[], object]) -> Callable[[], object]:
    """Return *work*, whose tensors stay where they are, as the replay of a CUDA graph."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    kept = []
    with torch.cuda.graph(graph):
        kept.append(work())
    return lambda: (graph.replay(), kept)


def fused(net: DocSR) -> Callable[[torch.Tensor, int], torch.Tensor]:
    """Return what *net* computes, with the bias and the ReLU in cuDNN's convolutions instead of passes of their own."""

    def forward(x: torch.Tensor, scale: int) -> torch.Tensor:
        base = F.conv2d(F.pad(x, (3, 3, 3, 3), mode="replicate"), getattr(net, f"lanczos_{scale}"))
        y = F.pixel_unshuffle(1.0 - x, SHUFFLE)
        for layer in net.body:
            conv = layer.main
            # Tensor cores take channels in eights.
            if conv.in_channels % 8:
                y = F.relu(conv(y))
            else:
                y = torch.cudnn_convolution_relu(y, conv.weight, conv.bias, (1, 1), (1, 1), (1, 1), 1)
        return F.pixel_shuffle(base, scale) + F.pixel_shuffle(net.tails[str(scale)](y), SHUFFLE * scale)

    return forward


Wrap = Callable[[Callable[[], object]], Callable[[], object]]


def as_is(work: Callable[[], object]) -> Callable[[], object]:
    """Return *work*."""
    return work


class Alone:
    """Measures the net alone, on pages that are on the device already, from 8-bit levels to 8-bit levels."""

    def __init__(self, model: Model, device: torch.device, levels: np.ndarray, scale: int, limits: Ceilings) -> None:
        self.backend = TorchBackend(model, str(device))
        self.device, self.scale, self.limits = device, scale, limits
        height, width = levels.shape
        multiple = max(4, model.card.size_multiple)
        self.levels = np.pad(levels, ((0, -height % multiple), (0, -width % multiple)), mode="edge")
        with torch.no_grad(), Convolutions() as self.counted:
            self.backend.enlarge(self.pages(1), scale)

    def pages(self, number: int) -> torch.Tensor:
        """Return *number* pages on the device, uint8 (number, 1, H, W)."""
        return torch.from_numpy(np.repeat(self.levels[None, None], number, 0)).to(self.device)

    def timed(self, wrap: Wrap, number: int = 1, enlarge: Callable[[torch.Tensor, int], object] | None = None) -> list[str]:
        """Return the cells of a row."""
        x, enlarge = self.pages(number), enlarge or self.backend.enlarge
        with torch.no_grad():
            taken = seconds(self.device, wrap(lambda: enlarge(x, self.scale)), 30 if self.device.type == "cuda" else 2)
        flops, moved = self.counted.flops * number / taken, self.counted.bytes * number / taken
        return [
            f"{taken / number * 1e3:.3f}", f"{number / taken:,.1f}", f"{flops / 1e12:.2f}", f"{flops / self.limits.flops:.1%}",
            f"{moved / 1e9:,.0f}", f"{moved / self.limits.bytes:.1%}",
        ]  # fmt: skip

    def with_choice(self, wrap: Wrap) -> list[str]:
        """Return the cells where cuDNN times its kernels and takes the fastest."""
        torch.backends.cudnn.benchmark = True
        try:
            return self.timed(wrap)
        finally:
            torch.backends.cudnn.benchmark = False

    def with_net(self, net: Any, wrap: Wrap) -> list[str]:
        """Return the cells with another form of the net; where it differs from the net, say so."""
        usual, x = self.backend.net, self.pages(1)
        with torch.no_grad():
            exact = self.backend.enlarge(x, self.scale).int()
            self.backend.net = net
            try:
                if int((self.backend.enlarge(x, self.scale).int() - exact).abs().max()) > 1:
                    raise ValueError("it differs from the net by more than a grey level")
                return self.timed(wrap)
            finally:
                self.backend.net = usual

    def measure(self, report: Report) -> None:
        """Report the ways of running the net that need no compiler."""
        counted, (height, width) = self.counted, self.levels.shape
        least = 1e3 * counted.flops / self.limits.flops, 1e3 * counted.bytes / self.limits.bytes
        report.add(
            f"\nThe net alone: {width} x {height} pixels, x{self.scale}, {counted.flops / 1e9:.1f} GFLOP in convolutions, which "
            f"move at least {counted.bytes / 1e6:.0f} MB if what is between them is fused into them. A page cannot take less "
            f"than {least[0]:.3f} ms by arithmetic, {least[1]:.3f} ms by memory."
        )
        report.table("net alone", *COLUMNS)
        cuda = self.device.type == "cuda"
        for number in BATCHES if cuda else BATCHES[:1]:
            report.attempt(f"eager, batches of {number}", lambda n=number: self.timed(as_is, n))
        if cuda:
            for number in BATCHES:
                report.attempt(f"CUDA graph, batches of {number}", lambda n=number: self.timed(graphed, n))
            report.attempt("eager, fastest kernels of cuDNN", lambda: self.with_choice(as_is))
            report.attempt("CUDA graph, fastest kernels of cuDNN", lambda: self.with_choice(graphed))
            if isinstance(self.backend.net, DocSR) and self.backend.net.context is None:
                net = fused(self.backend.net)
                report.attempt("eager, fused convolutions of cuDNN", lambda: self.with_net(net, as_is))
                report.attempt("CUDA graph, fused convolutions of cuDNN", lambda: self.with_net(net, graphed))
            report.table("kernels of a page, eager", "ms", "calls")
            report.attempt("all", lambda: self.kernels(report))

    def measure_compiled(self, report: Report) -> None:
        """Report what torch.compile makes of the net."""
        report.table("net alone, compiled", *COLUMNS)
        fast = torch.compile(self.backend.enlarge, dynamic=False)
        report.attempt("torch.compile", lambda: self.timed(as_is, enlarge=fast))
        if self.device.type == "cuda":
            report.attempt("torch.compile, CUDA graph", lambda: self.timed(graphed, enlarge=fast))

    def kernels(self, report: Report) -> list[str]:
        """Report the kernels that take longest, one page at a time; return the cells of their sum."""
        x, runs = self.pages(1), 5
        activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
        with torch.no_grad(), torch.profiler.profile(activities=activities) as profile:
            for _ in range(runs):
                self.backend.enlarge(x, self.scale)
            torch.cuda.synchronize()
        found = [event for event in profile.key_averages() if event.device_type == torch.autograd.DeviceType.CUDA]
        for event in sorted(found, key=lambda event: -event.self_device_time_total)[:14]:
            name, spent = event.key[:100].replace("|", "/"), event.self_device_time_total / 1e3 / runs
            report.row(f"`{name}`", f"{spent:.3f}", f"{event.count / runs:.0f}")
        return [f"{sum(event.self_device_time_total for event in found) / 1e3 / runs:.3f}", ""]
