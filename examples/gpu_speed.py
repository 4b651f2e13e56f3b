# SPDX-License-Identifier: MPL-2.0
"""Pages per second of a net on a GPU, and how near that is to the machine's limits.

    python examples/gpu_speed.py [--device cuda] [--model docsr-s2] [--pages 64] [--dpi 100] [--scale 3] [-o FILE.md]

Measures the ceilings (a copy within the device's memory, a product of large matrices), the net alone, and the way of a page from
NumPy to NumPy, by threads and by worker processes that share the GPU. Needs torch, NumPy, Pillow, pydantic and safetensors, not
OCRmyPDF. `--device cpu` runs the same with small numbers.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import statistics
import subprocess
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Listener
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

ROOT = Path(__file__).resolve().parent.parent
if importlib.util.find_spec("ocrmypdf") is None:
    # The plugin's hooks, which the package imports, need OCRmyPDF; the net does not.
    bare = types.ModuleType("ocrmypdf_superres")
    bare.__path__ = [str(ROOT / "ocrmypdf_superres")]
    sys.modules["ocrmypdf_superres"] = bare
sys.path.insert(0, str(ROOT))

# ruff: noqa: E402 - after the path
from ocrmypdf_superres.architectures.page_nets.docsr import SHUFFLE, DocSR
from ocrmypdf_superres.archive.executors.gpu_service import Batcher, accept
from ocrmypdf_superres.modelstore.store import Model, find_model
from ocrmypdf_superres.upscaling.backends.base import Backend
from ocrmypdf_superres.upscaling.backends.service import ServiceBackend
from ocrmypdf_superres.upscaling.backends.torch import TorchBackend
from ocrmypdf_superres.upscaling.upscaler import BandUpscaler, PageUpscaler

WIDTH, HEIGHT = 8.27, 11.69
OLD_TILE = 384
COLUMNS = ("ms a page", "pages/s", "TFLOP/s", "of the product", "GB/s at least", "of the copy")
THREADS = (1, 2, 4, 8)
BATCHES = (1, 4, 16)


@dataclass
class Report:
    """The tables so far, written after each row, so that a run that is cut short leaves what it measured."""

    file: Path | None
    lines: list[str] = field(default_factory=list)

    def add(self, line: str) -> None:
        """Print and keep a line."""
        print(line, flush=True)
        self.lines.append(line)
        if self.file:
            self.file.write_text("\n".join(self.lines) + "\n", encoding="utf-8")

    def table(self, *titles: str) -> None:
        """Begin a table."""
        self.add("")
        self.row(*titles)
        self.row(*("---" for _ in titles))

    def row(self, *cells: str) -> None:
        """Add a row to the table."""
        self.add(f"| {' | '.join(cells)} |")

    def attempt(self, name: str, measure: Callable[[], list[str]]) -> None:
        """Add a row of what *measure* returns, or of its error: one variant that fails must not cost the others."""
        try:
            self.row(name, *measure())
        except Exception as error:  # noqa: BLE001 - whatever torch, the driver or a compiler raises
            self.row(name, f"failed: {type(error).__name__}: {' '.join(str(error).split())[:200]}")

    def guard(self, part: Callable[[], None]) -> None:
        """Run a part of the measurement; where it fails, report its error."""
        try:
            part()
        except Exception as error:  # noqa: BLE001 - as above
            traceback.print_exc()
            self.add(f"\nfailed: {type(error).__name__}: {error}")


@dataclass(frozen=True)
class Ceilings:
    """Bytes and floating-point operations a second."""

    bytes: float
    flops: float


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


def seconds(device: torch.device, work: Callable[[], object], repeats: int, warmup: int = 3) -> float:
    """Return the median seconds of *work* on *device*."""
    for _ in range(warmup):
        work()
    taken = []
    for _ in range(repeats):
        if device.type == "cuda":
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            begin.record()
            work()
            end.record()
            end.synchronize()
            taken.append(begin.elapsed_time(end) / 1e3)
        else:
            began = time.perf_counter()
            work()
            taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def machine(device: torch.device) -> list[str]:
    """Return what the machine is, in lines."""
    lines = [f"- {platform.platform()}, {len(os.sched_getaffinity(0))} of {os.cpu_count()} CPU cores"]
    lines += [f"- Python {platform.python_version()}, torch {torch.__version__}, NumPy {np.__version__}"]
    if device.type == "cuda":
        found = torch.cuda.get_device_properties(device)
        asked = ["nvidia-smi", "--query-gpu=driver_version,clocks.sm,clocks.max.sm,power.limit", "--format=csv,noheader"]
        try:
            driver = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
        except (OSError, subprocess.SubprocessError) as error:
            driver = f"unknown ({error})"
        lines += [f"- {found.name}, {found.total_memory / 2**30:.0f} GiB, {found.multi_processor_count} multiprocessors"]
        lines += [f"- driver, clocks, power limit: {driver}; CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"]
    return lines


def page(dpi: int) -> np.ndarray:
    """Return a grey A4 page of text, uint8 (H, W), scanned at *dpi*."""
    factor = 3
    width, height = round(WIDTH * dpi), round(HEIGHT * dpi)
    image = Image.new("L", (width * factor, height * factor), 244)
    size = round(0.12 * dpi * factor)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(size)
    for number in range(int(HEIGHT / 0.208) - 8):
        text = f"{number}. " + f"The quick brown fox jumps over the lazy dog and {number * 7919} more. " * 2
        pen.text((size * 6, size * (6 + 1.6 * number)), text, 40, font)
    small = np.asarray(image.resize((width, height), Image.Resampling.BOX), np.float64)
    return np.clip(small + np.random.default_rng(0).normal(0, 4, small.shape), 0, 255).astype(np.uint8)


def ceilings(report: Report, device: torch.device) -> Ceilings:
    """Measure and report the copy within memory and the product of matrices."""
    cuda = device.type == "cuda"
    size, side = (2**30, 8192) if cuda else (2**24, 512)
    dtype = torch.float16 if cuda else torch.float32
    found = [float("nan"), float("nan")]
    report.table("ceiling", "measured", "ms")

    def copy() -> list[str]:
        source = torch.empty(size, dtype=torch.uint8, device=device).random_()
        target = torch.empty_like(source)
        taken = seconds(device, lambda: target.copy_(source), 20)
        found[0] = 2 * size / taken
        return [f"{found[0] / 1e9:,.0f} GB/s", f"{taken * 1e3:.3f}"]

    def product() -> list[str]:
        a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
        out = torch.empty_like(a)
        taken = seconds(device, lambda: torch.matmul(a, b, out=out), 20)
        found[1] = 2 * side**3 / taken
        return [f"{found[1] / 1e12:,.2f} TFLOP/s", f"{taken * 1e3:.3f}"]

    def bus(up: bool) -> list[str]:
        host = torch.empty(size // 16, dtype=torch.uint8, pin_memory=True)
        there = torch.empty_like(host, device=device)
        source, target = (host, there) if up else (there, host)
        taken = seconds(device, lambda: target.copy_(source, non_blocking=True), 10)
        return [f"{host.numel() / taken / 1e9:.1f} GB/s", f"{taken * 1e3:.3f}"]

    report.attempt("copy within memory, bytes read and written", copy)
    report.attempt(f"product of {side} x {side} matrices, {str(dtype).removeprefix('torch.')}, random data", product)
    if cuda:
        report.attempt("pinned memory to the device", lambda: bus(True))
        report.attempt("device to pinned memory", lambda: bus(False))
    return Ceilings(*found)


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


def rate(enlarge: Callable[[np.ndarray], object], pages: list[np.ndarray], threads: int) -> float:
    """Return pages a second of *enlarge* in so many *threads*, after each has run once."""
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(enlarge, pages[:threads] * 2))
        began = time.perf_counter()
        list(pool.map(enlarge, pages))
        return len(pages) / (time.perf_counter() - began)


class Old(TorchBackend):
    """The backend before 8-bit tiles: pageable memory, and one thread at a time until its result is there."""

    @torch.inference_mode()
    def _run_part(self, part: torch.Tensor, scale: int) -> torch.Tensor:
        with self._lock:
            return self.enlarge(part.to(self._device), scale).cpu()


def end_to_end(report: Report, model: Model, device: str, levels: np.ndarray, scale: int, number: int) -> None:
    """Report pages a second from NumPy to NumPy, in the old way and the new."""
    cuda = device != "cpu"
    new = TorchBackend(model, device)
    before = PageUpscaler(model, Old(model, device), OLD_TILE)
    smaller, after = PageUpscaler(model, new, OLD_TILE), PageUpscaler(model, new)
    # Pages that differ, as those of an archive do.
    pages = [np.roll(levels, 3 * n, axis=1) for n in range(number)]
    ways: list[tuple[str, Callable[[np.ndarray], Any], list[np.ndarray]]] = [
        # As all pages went before: floats there and back, clipped, stitched and rounded by the CPU.
        (
            f"tiles of {OLD_TILE}, floats (old)",
            lambda lr: BandUpscaler.upscale_bytes(before, lr, scale),
            pages[: max(2, number // 4)],
        ),
        (f"tiles of {OLD_TILE}, 8 bits", lambda lr: smaller.upscale_bytes(lr, scale), pages),
        (f"tiles of {new.tile}, 8 bits", lambda lr: after.upscale_bytes(lr, scale), pages),
    ]
    threads = THREADS if cuda else THREADS[:2]
    report.add(f"\nNumPy to NumPy, {number} pages of {levels.shape[1]} x {levels.shape[0]} pixels, x{scale}, pages a second:")
    report.table("way", *(f"{n} at once" for n in threads))
    for name, enlarge, some in ways:
        report.attempt(f"threads, {name}", lambda f=enlarge, some=some: [f"{rate(f, some, n):.1f}" for n in threads])
    for batch in BATCHES if cuda else ():
        report.attempt(f"threads, batches of {batch} pages", lambda b=batch: [
            f"{b * rate(lambda lr: new.run(lr, scale), stacks(levels, b, max(number, 2 * b * n)), n):.1f}" for n in threads
        ])  # fmt: skip
    report.attempt("processes that share the GPU", lambda: [f"{r:.1f}" for r in by_workers(model, new, pages, scale, threads)])


def accuracy(report: Report, model: Model, device: str, levels: np.ndarray) -> None:
    """Report how far a page is from that of float32 on the CPU, in all ways and at all scales."""
    whole, halves = TorchBackend(model, device), TorchBackend(model, device)
    # As after running out of memory.
    halves._largest = levels.size // 3
    exact = PageUpscaler(model, TorchBackend(model, "cpu"))
    ways = {
        f"tiles of {whole.tile}": PageUpscaler(model, whole),
        f"tiles of {OLD_TILE}": PageUpscaler(model, whole, OLD_TILE),
        "tiles run in halves": PageUpscaler(model, halves),
    }
    report.table("difference from float32 on the CPU, grey levels", "largest", "mean")
    for scale in model.card.scales:
        expected = exact.upscale_bytes(levels, scale).astype(int)
        for name, upscaler in ways.items():
            report.attempt(
                f"x{scale}, {name}", lambda u=upscaler, s=scale, e=expected: differences(u.upscale_bytes(levels, s), e)
            )


def begin_worker(model: str, address: str) -> None:
    """Connect a worker process to the process that holds the net."""
    global _upscaler
    found = find_model(model)

    def lost() -> Backend:
        raise RuntimeError("the process that holds the net is gone")

    _upscaler = PageUpscaler(found, ServiceBackend(found, address, lost))


def by_worker(levels: np.ndarray, scale: int) -> tuple[int, ...]:
    """Return the shape of the enlarged page, which stays in the worker."""
    return _upscaler.upscale_bytes(levels, scale).shape


def by_workers(model: Model, backend: TorchBackend, pages: list[np.ndarray], scale: int, numbers: tuple[int, ...]) -> list[float]:
    """Return pages a second of so many worker processes at once, which share *backend* as in archive runs."""
    if backend.half:
        backend.batch = 1  # as there
    with Listener(backlog=128) as listener:
        threading.Thread(target=accept, args=(listener, model, Batcher(backend)), daemon=True).start()
        begin = partial(begin_worker, str(model.folder), str(listener.address))
        with ProcessPoolExecutor(max(numbers), get_context("spawn"), begin) as pool:
            # Until each worker has started.
            list(pool.map(partial(by_worker, scale=scale), pages[:1] * 8 * max(numbers)))
            return [rate(lambda lr: pool.submit(by_worker, lr, scale).result(), pages, number) for number in numbers]


def stacks(levels: np.ndarray, batch: int, number: int) -> list[np.ndarray]:
    """Return *number* pages in stacks of *batch*, at least two."""
    return [np.repeat(levels[None, None, : len(levels) // 4 * 4, : levels.shape[1] // 4 * 4], batch, 0)] * max(2, number // batch)


def differences(got: np.ndarray, exact: np.ndarray) -> list[str]:
    """Return the largest and the mean absolute difference."""
    difference = np.abs(got.astype(int) - exact)
    return [str(difference.max()), f"{difference.mean():.4f}"]


def main() -> None:
    """Print the tables, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cuda, cuda:N or cpu")
    parser.add_argument("--model", default="docsr-s2")
    parser.add_argument("--pages", type=int, help="pages from NumPy to NumPy; 64 on CUDA, else 2")
    parser.add_argument("--dpi", type=int, default=100)
    parser.add_argument("--scale", type=int, default=3)
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--seconds", type=float, default=60.0, help="start torch.compile only before so many seconds have passed")
    parser.add_argument("-o", "--output", type=Path, help="write the tables to this Markdown file")
    arguments = parser.parse_args()
    began = time.perf_counter()
    device = torch.device(arguments.device)
    if device.type == "cuda":
        torch.cuda.set_device(device.index or 0)
    model, levels = find_model(arguments.model), page(arguments.dpi)
    report = Report(arguments.output)
    report.add(f"`{model.card.name}` on an A4 page of {arguments.dpi} dpi, x{arguments.scale}, measured on:\n")
    for line in machine(device):
        report.add(line)
    limits = ceilings(report, device)
    number = arguments.pages or (64 if device.type == "cuda" else 2)
    report.guard(lambda: Alone(model, device, levels, arguments.scale, limits).measure(report))
    report.guard(lambda: end_to_end(report, model, arguments.device, levels, arguments.scale, number))
    report.guard(lambda: accuracy(report, model, arguments.device, levels))
    if not arguments.no_compile and time.perf_counter() < began + arguments.seconds:
        report.guard(lambda: Alone(model, device, levels, arguments.scale, limits).measure_compiled(report))
    report.add(f"\nThe run took {time.perf_counter() - began:.0f} seconds.")


if __name__ == "__main__":
    main()
