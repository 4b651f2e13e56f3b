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


BLOCKED = (
    "torch",
    "safetensors",
    "scipy",
    "onnx",
    "matplotlib",
    "jinja2",
    "lxml",
    "dask",
    "lightning_fabric",
    "skimage",
    "tomli_w",
)

BLOCK = f"""
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED!r}:
            raise ModuleNotFoundError(f"{{name}} is blocked", name=name)
sys.meta_path.insert(0, Block())
"""


def without_extras(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run *code* where nothing is installed but what the plugin needs on a CPU."""
    command = [sys.executable, "-c", BLOCK + code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_the_plugins_way_needs_no_extra(tmp_path):
    """Every module on the way of a page is imported, and an image really is super-resolved."""
    code = """
import importlib, pkgutil
import ocrmypdf_superres
for room in ("plugin", "page", "upscaling", "ocr", "modelstore", "metrics", "commands"):
    importlib.import_module(f"ocrmypdf_superres.{room}")
own = {
    "upscaling.backends.torch", "upscaling.backends.packed_weights", "metrics.lpips", "modelstore.published_weights",
    "page.fusion", "page.registration",  # of several scans: the command fuse and training
}
for module in pkgutil.walk_packages(ocrmypdf_superres.__path__, "ocrmypdf_superres."):
    room = module.name.split(".")[1]
    if room in ("plugin", "page", "upscaling", "ocr", "modelstore", "metrics", "tesseract", "errors", "files", "tables", "cli"):
        if module.name.removeprefix("ocrmypdf_superres.") not in own:
            importlib.import_module(module.name)
import numpy as np
from ocrmypdf_superres.upscaling.loading import load_upscaler
upscaler = load_upscaler("docsr-s2", "auto", 1)
page = np.ones((40, 60), np.float32)
page[10:30, 20:24] = 0
large = upscaler.upscale(page, 2)
assert large.shape == (80, 120) and large.min() < 0.2 and large.max() > 0.8
"""
    done = without_extras(code)
    assert done.returncode == 0, done.stderr


def test_commands_without_their_extra_say_what_to_type():
    code = """
from ocrmypdf_superres.cli import main
assert main(["doctor", "--device", "cpu"]) in (0, 1)
sys.exit(main(sys.argv[1:]))
"""
    done = without_extras(code, "export", "recipe.toml", "run", "-o", "model")
    assert done.returncode == 1, done.stderr
    assert "pip install 'ocrmypdf-superres[train]'" in " ".join(done.stderr.split())
    assert "extra [gpu]" in done.stdout


def test_the_package_registers_itself_with_ocrmypdf_by_name_only():
    # An entry point in this group beside --plugin would register the plugin twice, which is fatal.
    ours = [p for p in entry_points(group="ocrmypdf") if p.value.partition(":")[0].partition(".")[0] == "ocrmypdf_superres"]
    assert ours == []
