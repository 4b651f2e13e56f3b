# SPDX-License-Identifier: MPL-2.0
"""What a step of each full-size published recipe takes here, as a Markdown table: step_costs.py [RECIPE ...] [-o FILE.md].

Forwards and backwards at the published batch size, on noise and with random weights, so that neither data nor weights are
needed. A recipe that does not fit is a row that says why; the others follow.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import torch

from ocrmypdf_superres.training.loop.processes import device_name, pick_device
from ocrmypdf_superres.training.workflows.one_step import one_step

PAPERS = Path(__file__).parents[2] / "examples" / "recipes" / "papers"
HEAD = "| recipe | stage | images a step | parameters, trained | seconds a step | peak memory, MiB |\n|---|---|---|---|---|---|"


def full_size() -> list[Path]:
    """Return the recipes of nets, recognizers and detectors at the papers' sizes."""
    found = (*sorted(PAPERS.glob("*.toml")), *sorted((PAPERS / "recognizers").glob("*.toml")))
    return [path for path in found if "-small" not in path.stem]


def rows(path: Path, device: str, batch: int) -> list[str]:
    """Return a row for each stage of the recipe *path*, or one that says why it has none."""
    try:
        costs = one_step(path, device, batch)
    except Exception as error:  # noqa: BLE001 - whatever stops one recipe, the others follow
        return [f"| {path.stem} | - | - | - | {type(error).__name__}: {(str(error).splitlines() or ['no message'])[0]} | - |"]
    return [
        f"| {path.stem} | {cost.stage} | {cost.batch} | {cost.parameters[1]:,} of {cost.parameters[0]:,} | "
        f"{cost.seconds:.3f} | {cost.memory:,.0f} |"
        for cost in costs
    ]


def machine(device: str) -> str:
    """Return one line that names the device, the number of CPU cores and torch's version."""
    return f"{device_name(pick_device(device))}, {os.cpu_count()} CPU cores, torch {torch.__version__}"


def main() -> int:
    """Print the table, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*", type=Path, help="recipes (default: all of full size)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--batch", type=int, default=0, help="images a step (default: each recipe's)")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no recipe after this time")
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    began, lines = time.monotonic(), [f"Machine: {machine(args.device)}.", "", HEAD]
    print("\n".join(lines), flush=True)
    for path in args.recipes or full_size():
        if time.monotonic() - began > args.seconds:
            print(f"{path.stem} and the rest were not begun: {args.seconds:.0f} seconds are over.", file=sys.stderr)
            break
        new = rows(path, args.device, args.batch)
        print("\n".join(new), flush=True)
        lines += new
        if args.output:
            args.output.write_text("\n".join(lines) + "\n", encoding="utf-8")  # so that a run that is stopped leaves its rows
    return 0


if __name__ == "__main__":
    sys.exit(main())
