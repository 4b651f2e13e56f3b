# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
import torch
from nets import random_page
from PIL import Image, ImageDraw, ImageFont

from ocrmypdf_superres.architectures import get
from ocrmypdf_superres.errors import DeviceError, ModelError
from ocrmypdf_superres.export.onnx import export_model
from ocrmypdf_superres.modelstore.cards import Card, onnx_name
from ocrmypdf_superres.modelstore.store import Model, find_model, sha256_of
from ocrmypdf_superres.upscaling.backends.onnx import OnnxBackend
from ocrmypdf_superres.upscaling.backends.torch import TorchBackend
from ocrmypdf_superres.upscaling.upscaler import PageUpscaler


def with_file(model: Model, folder, name: str, data: bytes) -> Model:
    """A copy of *model* whose file *name* holds *data*, with a card that says so."""
    shutil.copytree(model.folder, folder)
    (folder / name).write_bytes(data)
    card = (folder / "card.toml").read_text()
    (folder / "card.toml").write_text(card.replace(model.card.files[name], sha256_of(folder / name)))
    return find_model(str(folder))


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120, check=False)


def test_the_cpu_route_needs_no_torch(model):
    done = python(f"""
        import sys
        class Block:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] == "torch":
                    raise ImportError("torch is blocked")
        sys.meta_path.insert(0, Block())
        import numpy as np
        from ocrmypdf_superres.upscaling.loading import load_upscaler
        for device in ("cpu", "auto"):
            upscaler = load_upscaler({str(model.folder)!r}, device, 1)
            assert upscaler.upscale(np.zeros((33, 40), np.float32), 2).shape == (66, 80)
        try:
            load_upscaler({str(model.folder)!r}, "cuda")
        except Exception as error:
            print(type(error).__name__, error)
        assert "torch" not in sys.modules
    """)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("DeviceError")
    assert "not installed" in done.stdout


def test_asking_for_the_cpu_imports_no_torch(model):
    done = python(f"""
        import sys
        from ocrmypdf_superres.upscaling.loading import load_upscaler
        load_upscaler({str(model.folder)!r}, "cpu", 1)
        assert "torch" not in sys.modules
    """)
    assert done.returncode == 0, done.stderr


def test_onnxruntime_is_told_not_to_send_telemetry(model, tmp_path):
    """The official builds would keep an identifier in the user's home and send usage data."""
    code = f"""
        import os
        from ocrmypdf_superres.upscaling.loading import load_upscaler
        import numpy as np
        assert "ORT_DISABLE_TELEMETRY" not in os.environ
        load_upscaler({str(model.folder)!r}, "cpu", 1).upscale(np.zeros((8, 8), np.float32), 2)
        assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"
    """
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": "", "XDG_DATA_HOME": "", "XDG_CONFIG_HOME": ""}
    environment = {**{k: v for k, v in os.environ.items() if k not in ("ORT_DISABLE_TELEMETRY", *home)}, "HOME": str(tmp_path)}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.rglob("*")) == []


def test_a_file_that_is_no_graph(model, tmp_path):
    broken = with_file(model, tmp_path / "m", onnx_name(2), b"not a graph")
    with pytest.raises(ModelError, match=r"model\.x2\.onnx is not an ONNX model"):
        OnnxBackend(broken, 1).run(np.zeros((1, 1, 8, 8), np.float32), 2)


def test_a_graph_of_another_scale(model, tmp_path):
    broken = with_file(model, tmp_path / "m", onnx_name(2), (model.folder / onnx_name(3)).read_bytes())
    with pytest.raises(ModelError, match="expected"):
        OnnxBackend(broken, 1).run(np.zeros((1, 1, 8, 8), np.float32), 2)


def test_weights_that_are_cut_or_foreign(model, tmp_path):
    whole = (model.folder / "model.safetensors").read_bytes()
    with pytest.raises(ModelError, match="does not hold weights"):
        TorchBackend(with_file(model, tmp_path / "cut", "model.safetensors", whole[: len(whole) // 2]), "cpu")
    values = {**vars(model.card), "config": {"features": 7, "convolutions": 3}}
    with pytest.raises(ModelError, match="does not hold weights"):
        TorchBackend(Model(Card(**values), model.folder), "cpu")
    with pytest.raises(ModelError, match="'nosuch'"):
        TorchBackend(Model(Card(**{**values, "architecture": "nosuch"}), model.folder), "cpu")


class Full(TorchBackend):
    """A device that has room for three tiles, or for none."""

    room = 3
    tried: tuple[int, ...] = ()

    def _run_part(self, part, scale):
        self.tried += (len(part),)
        if len(part) > self.room:
            raise torch.cuda.OutOfMemoryError("out of memory")
        return super()._run_part(part, scale)


def test_the_batch_is_halved_when_memory_runs_out(model):
    tiles = random_page(7 * 16, 16).reshape(7, 1, 16, 16)
    expected = TorchBackend(model, "cpu").run(tiles, 2)
    small = Full(model, "cpu")
    small.batch = 8
    assert np.abs(small.run(tiles, 2) - expected).max() < 1e-6
    assert small.tried == (7, 4, 2, 2, 2, 1)
    assert small.batch == 2
    small.room = 0
    with pytest.raises(DeviceError, match="--superres-tile"):
        small.run(tiles, 2)


def test_other_errors_of_torch_are_not_taken_for_full_memory(model):
    class Broken(TorchBackend):
        def _run_part(self, part, scale):
            raise RuntimeError("out of memory, says somebody else")

    with pytest.raises(RuntimeError):
        Broken(model, "cpu").run(random_page(8, 8)[None, None], 2)


class Small(TorchBackend):
    """A device that has room for tiles of 100 x 100 pixels."""

    tried: tuple[tuple[int, ...], ...] = ()

    def _run_part(self, part, scale):
        self.tried += (part.shape[2:],)
        if part[0].numel() > 100 * 100:
            raise torch.cuda.OutOfMemoryError("out of memory")
        return super()._run_part(part, scale)


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_a_tile_that_is_too_large_runs_in_halves(model, dtype):
    tiles = (random_page(2 * 120, 180).reshape(2, 1, 120, 180) * (255 if dtype == np.uint8 else 1)).astype(dtype)
    expected = TorchBackend(model, "cpu").run(tiles, 3)
    small = Small(model, "cpu")
    got = small.run(tiles, 3)
    assert got.dtype == dtype and np.abs(got.astype(float) - expected).max() <= (1 if dtype == np.uint8 else 1e-5)
    assert set(small.tried) == {(120, 180), (120, 96), (68, 96), (68, 100)}
    small.tried = ()
    small.run(tiles, 3)
    assert set(small.tried) == {(68, 96), (68, 100)}, "what did not fit is not tried again"


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("make", [partial(OnnxBackend, threads=1), partial(TorchBackend, device="cpu")], ids=["onnx", "torch"])
def test_levels_are_the_rounded_floats(model, make, scale):
    backend = make(model)
    levels = np.random.default_rng(4).integers(0, 256, (1, 1, 36, 52), dtype=np.uint8)
    floats = np.clip(backend.run(levels.astype(np.float32) / np.float32(255), scale), 0, 1)
    assert np.array_equal(backend.run(levels, scale), (floats * np.float32(255) + np.float32(0.5)).astype(np.uint8))


needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")


def text_page() -> np.ndarray:
    """A grey page of text, 8-bit, at 100 dpi."""
    image = Image.new("L", (3 * 414, 3 * 585), 244)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(36)
    for line in range(28):
        pen.text((90, 110 + 54 * line), f"{line}. The quick brown fox jumps over the lazy dog, {line * 7919}", 40, font)
    small = np.asarray(image.resize((827, 1169), Image.Resampling.BOX), np.float64)
    return np.clip(small + np.random.default_rng(5).normal(0, 4, small.shape), 0, 255).astype(np.uint8)


@needs_gpu
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_page_on_the_gpu_is_that_of_the_cpu(scale):
    shipped, levels = find_model("docsr-s2"), text_page()
    expected = PageUpscaler(shipped, TorchBackend(shipped, "cpu")).upscale_bytes(levels, scale).astype(int)
    backend = TorchBackend(shipped, "cuda")
    upscaler = PageUpscaler(shipped, backend)
    with ThreadPoolExecutor(4) as threads:
        pages = list(threads.map(lambda _: upscaler.upscale_bytes(levels, scale), range(12)))
    assert all(np.array_equal(page, pages[0]) for page in pages)
    assert np.abs(pages[0] - expected).max() <= 2
    assert np.abs(PageUpscaler(shipped, backend, 384).upscale_bytes(levels, scale) - expected).max() <= 2


@needs_gpu
def test_half_precision_on_the_gpu_is_near(model):
    tiles = random_page(4 * 64, 64).reshape(4, 1, 64, 64)
    expected = TorchBackend(model, "cpu").run(tiles, 2)
    assert np.abs(TorchBackend(model, "cuda").run(tiles, 2) - expected).max() < 1e-2


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there(model):
    with pytest.raises(DeviceError, match="sees 0 CUDA devices"):
        TorchBackend(model, "cuda:1")


def test_a_limit_of_openmp_threads_changes_no_pixel(tmp_path):
    """torch would leave out what the threads beyond the limit were to compute, without an error."""
    spec = get("tsrn")  # a net with kernels of 9x9 pixels
    config = spec.parse_config({})
    torch.manual_seed(0)
    model = export_model(spec.build(config), spec, config, tmp_path / "tsrn", "tsrn")
    scale = model.card.scales[0]
    tiles = np.random.default_rng(0).random((2, 1, 16, 64), dtype=np.float32)
    np.save(tmp_path / "tiles.npy", tiles)
    done = python(f"""
        import os
        os.environ["OMP_THREAD_LIMIT"] = "1"
        os.environ.pop("OMP_NUM_THREADS", None)
        import numpy as np
        from ocrmypdf_superres.modelstore.store import find_model
        from ocrmypdf_superres.upscaling.backends.torch import TorchBackend
        backend = TorchBackend(find_model({str(model.folder)!r}), "cpu", threads=2)
        np.save({str(tmp_path / "sr.npy")!r}, backend.run(np.load({str(tmp_path / "tiles.npy")!r}), {scale}))
    """)
    assert done.returncode == 0, done.stderr
    assert np.abs(np.load(tmp_path / "sr.npy") - OnnxBackend(model, 1).run(tiles, scale)).max() < 1e-4
