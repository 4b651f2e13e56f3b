# SPDX-License-Identifier: MPL-2.0
"""Peak memory, in a process of its own, since a peak never goes down again."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

resource = pytest.importorskip("resource")


def peak_mib(folder, side: int, scale: int) -> float:
    """MiB that enlarging a grey *side* x *side* page adds to the process's peak."""
    code = f"""
        import resource, sys
        import numpy as np
        from PIL import Image
        from ocrmypdf_superres.upscaling.loading import load_upscaler
        from ocrmypdf_superres.ocr.variants import enlarge
        from ocrmypdf_superres.page.plan import Plan
        unit = 1 if sys.platform == "darwin" else 1024
        # Mostly white with a textured stripe: white tiles are filled, the stripe goes through the net.
        levels = np.full(({side}, {side}), 255, np.uint8)
        levels[: min({side}, 400)] = np.random.default_rng(0).integers(0, 256, (min({side}, 400), {side}), dtype=np.uint8)
        image = Image.fromarray(levels)
        del levels
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        size = ({side} * {scale}, {side} * {scale})
        plan = Plan("enlarge", "forced", {scale}, float({scale}), size, (100.0, 100.0))
        large = enlarge(image, plan, load_upscaler({str(folder)!r}, "cpu", 1))
        assert large.size == size
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit - before)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=570, check=False)
    assert done.returncode == 0, done.stderr
    return float(done.stdout) / 2**20


def test_memory_is_the_result_and_little_more(model):
    # 16 MiB of result; floats of the whole page would be another 64.
    assert peak_mib(model.folder, 2048, 2) < 16 + 100
