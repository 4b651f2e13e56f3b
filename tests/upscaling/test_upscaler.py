# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

pytest.importorskip("torch")

from ocrmypdf_superres.errors import DeviceError, ImageError, ModelError, OptionError
from ocrmypdf_superres.upscaling import upscaler as upscaler_module
from ocrmypdf_superres.upscaling.backends.onnx import OnnxBackend
from ocrmypdf_superres.upscaling.backends.torch import TorchBackend
from ocrmypdf_superres.upscaling.loading import load_upscaler
from ocrmypdf_superres.upscaling.upscaler import PageUpscaler


def page(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Noise with blank parts, as pages have them."""
    luma = np.random.default_rng(seed).random((height, width), dtype=np.float32)
    luma[: height // 2] = 1.0
    return luma


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.sampled_from([16, 17, 30]), st.sampled_from([2, 3, 4]))
def test_tiled_equals_whole(random_model, height, width, tile, scale):
    luma = page(height, width)
    backend = OnnxBackend(random_model, 1)
    tiled = PageUpscaler(random_model, backend, tile).upscale(luma, scale)
    whole = PageUpscaler(random_model, backend, 512).upscale(luma, scale)
    assert tiled.shape == (height * scale, width * scale) and tiled.dtype == np.float32
    assert np.abs(tiled - whole).max() <= 1e-5
    assert tiled.min() >= 0.0 and tiled.max() <= 1.0


def test_blank_tiles_do_not_run_and_equal_those_that_do(random_model):
    class Counting(OnnxBackend):
        runs = 0

        def run(self, tiles, scale):
            self.runs += 1
            return super().run(tiles, scale)

    luma = np.full((200, 200), np.float32(240 / 255))
    counting = Counting(random_model, 1)
    filled = PageUpscaler(random_model, counting, 40).upscale(luma, 3)
    assert counting.runs == 1, "one small run for the tone, none for the 25 tiles"
    direct = OnnxBackend(random_model, 1).run(luma[None, None], 3)[0, 0]
    assert np.abs(filled[60:-60, 60:-60] - np.clip(direct, 0, 1)[60:-60, 60:-60]).max() <= 1e-6


def test_bytes_are_the_rounded_floats(random_model):
    levels = np.random.default_rng(1).integers(0, 256, (70, 51), dtype=np.uint8)
    upscaler = PageUpscaler(random_model, OnnxBackend(random_model, 1), 32)
    floats = upscaler.upscale(levels.astype(np.float32) / np.float32(255), 2)
    assert np.array_equal(upscaler.upscale_bytes(levels, 2), (floats * 255 + 0.5).astype(np.uint8))


def letter(height: int = 300, width: int = 260) -> np.ndarray:
    """Yellowed paper with noise, a heading on the right and a few lines on the left."""
    rng = np.random.default_rng(4)
    levels = (215 + rng.normal(0, 1.5, (height, width))).astype(np.uint8)
    for rows, columns in ((slice(40, 56), slice(170, 230)), (slice(190, 240), slice(30, 150))):
        levels[rows, columns] = rng.integers(0, 256, levels[rows, columns].shape)
    return levels


@pytest.mark.parametrize("scale", [2, 3])
def test_only_ink_is_given_to_the_net(random_model, scale):
    class Counting(OnnxBackend):
        pixels = 0

        def run(self, tiles, scale):
            self.pixels += tiles.size
            return super().run(tiles, scale)

    levels = letter()
    counting = Counting(random_model, 1)
    found = PageUpscaler(random_model, counting).upscale_ink(levels, scale)
    assert counting.pixels < 0.5 * levels.size
    whole = PageUpscaler(random_model, OnnxBackend(random_model, 1)).upscale_bytes(levels, scale)
    paper = np.asarray(Image.fromarray(levels).resize(whole.shape[::-1], Image.Resampling.LANCZOS))
    inked, edge = np.zeros(whole.shape, bool), 16 * scale
    for top, bottom, left, right in ((40, 56, 170, 230), (190, 240, 30, 150)):
        inked[top * scale : bottom * scale, left * scale : right * scale] = True
    near = ndimage.binary_dilation(inked, np.ones((3, 3)), iterations=edge + 9 * scale)
    assert np.abs(found.astype(int) - whole)[inked].max() <= 1, "ink is as it is with the whole page"
    assert np.abs(found.astype(int) - paper)[~near].max() <= 2, "paper stays as it is"


def test_pages_full_of_ink_or_noise_and_batches_are_enlarged_whole(random_model):
    upscaler = PageUpscaler(random_model, OnnxBackend(random_model, 1), 64)
    levels = np.random.default_rng(1).integers(0, 256, (90, 70), dtype=np.uint8)
    assert np.array_equal(upscaler.upscale_ink(levels, 2), upscaler.upscale_bytes(levels, 2))
    upscaler.backend.batch = 4
    assert np.array_equal(upscaler.upscale_ink(letter(), 2), upscaler.upscale_bytes(letter(), 2))
    with pytest.raises(ModelError, match="x9"):
        upscaler.upscale_ink(levels, 9)


def test_a_page_without_ink_is_resampled(random_model):
    empty = np.full((50, 40), 240, np.uint8)
    assert (PageUpscaler(random_model, OnnxBackend(random_model, 1)).upscale_ink(empty, 3) == 240).all()


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_torch_equals_onnx(random_model, scale):
    tiles = np.random.default_rng(2).random((3, 1, 24, 32), dtype=np.float32)
    a = OnnxBackend(random_model, 1).run(tiles, scale)
    b = TorchBackend(random_model, "cpu").run(tiles, scale)
    assert np.abs(a - b).max() <= 1e-4


def test_one_upscaler_for_many_threads(random_model):
    luma, results = page(64, 64), {}

    def work(number: int) -> None:
        upscaler = load_upscaler(str(random_model.folder), "cpu", 1)
        results[number] = (id(upscaler), upscaler.upscale(luma, 2))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({identity for identity, _ in results.values()}) == 1
    assert all(np.array_equal(out, results[0][1]) for _, out in results.values())


def test_bad_calls_are_one_sentence(random_model):
    upscaler = PageUpscaler(random_model, OnnxBackend(random_model, 1))
    with pytest.raises(ImageError, match="at least one pixel"):
        upscaler.upscale(np.ones((0, 5), np.float32), 2)
    with pytest.raises(ModelError, match="offers x2, x3, x4"):
        upscaler.upscale(np.ones((5, 5), np.float32), 7)
    with pytest.raises(OptionError, match="at least 16"):
        PageUpscaler(random_model, OnnxBackend(random_model, 1), 3)
    with pytest.raises(OptionError, match="'tpu'"):
        load_upscaler(str(random_model.folder), "tpu")


def test_cuda_that_is_not_there_is_an_error(random_model):
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    with pytest.raises(DeviceError, match="CUDA devices"):
        load_upscaler(str(random_model.folder), f"cuda:{count}")


def test_the_cpu_route_needs_no_torch(random_model):
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import numpy as np\n"
        "from ocrmypdf_superres.upscaling.loading import load_upscaler\n"
        f"u = load_upscaler({str(random_model.folder)!r}, 'auto', 1)\n"
        "assert u.upscale(np.random.rand(20, 20).astype('float32'), 2).shape == (40, 40)\n"
        "print(u.device)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("cpu (onnxruntime")


@pytest.mark.slow
def test_memory_of_a_huge_page_is_bounded(random_model):
    # A 10,000 x 10,000 page forced through at x2: the result alone is 400 MB.
    code = (
        "import resource, numpy as np\n"
        "from ocrmypdf_superres.upscaling.loading import load_upscaler\n"
        f"u = load_upscaler({str(random_model.folder)!r}, 'cpu', 1)\n"
        "u.upscale_bytes(np.zeros((64, 64), np.uint8), 2)\n"
        "levels = np.random.default_rng(0).integers(0, 256, (10000, 10000), dtype=np.uint8)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "u.upscale_bytes(levels, 2)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 1536


def test_tones_that_are_remembered_stay_few(random_model, monkeypatch):
    """A page in floats may have a tone of its own for every tile."""
    monkeypatch.setattr(upscaler_module, "MOST_TONES", 4)
    upscaler = PageUpscaler(random_model, OnnxBackend(random_model, 1), 16)
    page = np.repeat(np.repeat(np.linspace(0, 1, 36, dtype=np.float32).reshape(6, 6), 64, axis=0), 64, axis=1)
    before = upscaler.upscale(page, 2)
    assert 1 <= len(upscaler._uniform) <= 4
    monkeypatch.setattr(upscaler_module, "MOST_TONES", 1024)
    assert np.array_equal(PageUpscaler(random_model, OnnxBackend(random_model, 1), 16).upscale(page, 2), before)


@pytest.mark.parametrize(
    "given", [np.zeros((3, 4, 4), np.float32), np.zeros((0, 4), np.float32), np.full((8, 8), np.nan, np.float32)]
)
def test_what_is_no_page_is_refused_with_a_sentence(random_model, given):
    upscaler = PageUpscaler(random_model, OnnxBackend(random_model, 1), 64)
    with pytest.raises(ImageError, match="was given"):
        upscaler.upscale(given, 2)
