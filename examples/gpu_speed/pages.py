# SPDX-License-Identifier: MPL-2.0
"""Pages from NumPy to NumPy, by threads and by worker processes that share the GPU."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Listener
from typing import Any

import numpy as np
import package  # noqa: F401 - before the package, in worker processes too
import torch
from PIL import Image, ImageDraw, ImageFont
from report import Report

from ocrmypdf_superres.archive.executors.gpu_service import Batcher, accept
from ocrmypdf_superres.modelstore.store import Model, find_model
from ocrmypdf_superres.upscaling.backends.base import Backend
from ocrmypdf_superres.upscaling.backends.service import ServiceBackend
from ocrmypdf_superres.upscaling.backends.torch import TorchBackend
from ocrmypdf_superres.upscaling.upscaler import BandUpscaler, PageUpscaler

WIDTH, HEIGHT = 8.27, 11.69
OLD_TILE = 384
THREADS = (1, 2, 4, 8)
BATCHES = (1, 4, 16)


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


def rate(enlarge: Callable[[np.ndarray], object], pages: list[np.ndarray], threads: int) -> float:
    """Return pages a second of *enlarge* in *threads* threads, after each has run once."""
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
    """Return pages a second of each number of worker processes, which share *backend* as in archive runs."""
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
