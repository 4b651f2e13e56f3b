# SPDX-License-Identifier: MPL-2.0
"""What the machine is, and its limits: a copy within the device's memory, a product of large matrices."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from report import Report


@dataclass(frozen=True)
class Ceilings:
    """Bytes and floating-point operations a second."""

    bytes: float
    flops: float


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
