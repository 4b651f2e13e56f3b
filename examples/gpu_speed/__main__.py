# SPDX-License-Identifier: MPL-2.0
"""Pages per second of a network on a GPU, and how near that is to the machine's limits.

    python examples/gpu_speed [--device cuda] [--model docsr-s2] [--pages 64] [--dpi 100] [--scale 3] [-o FILE.md]

Measures the limits (a copy within the device's memory, a product of large matrices), the network alone, and a page's way from
NumPy to NumPy, by threads and by worker processes that share the GPU. Needs torch, NumPy, Pillow, pydantic and safetensors, not
OCRmyPDF. `--device cpu` runs the same with small numbers.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import package  # noqa: F401 - before what imports the package
import torch
from machine import ceilings, machine
from network import Alone
from pages import accuracy, end_to_end, page
from report import Report

from ocrmypdf_superres.modelstore.store import find_model


def main() -> None:
    """Print the tables, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cuda, cuda:N or cpu")
    parser.add_argument("--model", default="docsr-s2")
    parser.add_argument("--pages", type=int, help="pages from NumPy to NumPy; 64 on CUDA, else 2")
    parser.add_argument("--dpi", type=int, default=100)
    parser.add_argument("--scale", type=int, default=3)
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="try torch.compile only within this many seconds of the start"
    )
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
