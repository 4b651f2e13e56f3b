# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import pytest


@pytest.mark.parametrize("module", ["ocrmypdf_superres", "ocrmypdf_superres.cli", "ocrmypdf_superres.modelstore.store"])
def test_importing_brings_neither_torch_nor_onnxruntime_nor_training(module):
    code = (
        f"import sys, {module}\n"
        "heavy = [m for m in sys.modules if m.split('.')[0] in ('torch', 'onnxruntime', 'scipy', 'onnx')"
        " or m.startswith(('ocrmypdf_superres.training', 'ocrmypdf_superres.evaluation', 'ocrmypdf_superres.export'))]\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_package_registers_itself_with_ocrmypdf_by_name_only():
    # An entry point in this group beside --plugin would register the plugin twice, which is fatal.
    ours = [p for p in entry_points(group="ocrmypdf") if p.value.partition(":")[0].partition(".")[0] == "ocrmypdf_superres"]
    assert ours == []
