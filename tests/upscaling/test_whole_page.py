# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import gc
import os
import threading
import weakref

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nets import random_net, random_page

from ocrmypdf_superres.errors import DeviceError, ImageError, ModelError, OptionError
from ocrmypdf_superres.upscaling.backends.onnx import OnnxBackend
from ocrmypdf_superres.upscaling.backends.torch import TorchBackend
from ocrmypdf_superres.upscaling.loading import load_upscaler
from ocrmypdf_superres.upscaling.upscaler import PageUpscaler


class Counting:
    """A backend that passes tiles on and counts them; *failing* makes it report a broken device."""

    def __init__(self, backend, failing=False):
        self.inner, self.device, self.batch, self.tile = backend, "counted", 1, 32
        self.tiles, self.failing = 0, failing

    def run(self, tiles, scale):
        if self.failing:
            raise DeviceError("the device broke")
        self.tiles += len(tiles)
        return self.inner.run(tiles, scale)


@pytest.fixture(scope="module")
def backend(model):
    return OnnxBackend(model, 1)


def whole(page, scale):
    """The net on the whole page at once, its edge repeated by more than the radius."""
    net = random_net()
    height, width = page.shape
    padded = np.pad(page, ((16, 16 + height % 2), (16, 16 + width % 2)), mode="edge")
    with torch.inference_mode():
        out = net(torch.from_numpy(padded)[None, None], scale)[0, 0].numpy()
    edge = 16 * scale
    return np.clip(out[edge : edge + height * scale, edge : edge + width * scale], 0, 1)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (1, 50), (37, 2), (64, 64), (65, 97), (120, 33)])
def test_tiled_equals_whole(backend, model, size, scale):
    page = random_page(*size)
    got = PageUpscaler(model, backend, tile=32).upscale(page, scale)
    assert got.shape == (size[0] * scale, size[1] * scale)
    assert got.dtype == np.float32
    assert np.abs(got - whole(page, scale)).max() <= 1e-5


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(height=st.integers(1, 90), width=st.integers(1, 90), tile=st.integers(16, 70), blank=st.booleans())
def test_any_size_and_tile(backend, model, height, width, tile, blank):
    page = random_page(height, width, height)
    if blank:
        page[height // 3 :, width // 4 :] = 1.0
    got = PageUpscaler(model, backend, tile=tile).upscale(page, 2)
    assert np.abs(got - whole(page, 2)).max() <= 1e-5


def test_tiles_of_one_tone_are_filled_exactly_without_the_net(backend, model):
    counted = Counting(backend)
    upscaler = PageUpscaler(model, counted)
    page = np.full((160, 159), 1.0, np.float32)
    page[70:80, 70:80] = random_page(10, 10)
    first = upscaler.upscale(page, 3)
    assert np.abs(first - whole(page, 3)).max() <= 1e-5
    # Nine of the 25 tiles see the ink at most; white is asked for once.
    assert counted.tiles <= 10
    counted.tiles = 0
    upscaler.upscale(np.full((160, 159), 1.0, np.float32), 3)
    assert counted.tiles == 0


def test_bands_cover_the_page_in_order(backend, model):
    bands = list(PageUpscaler(model, backend, tile=32).bands(random_page(101, 40), 2))
    starts = np.cumsum([0] + [len(band) for _, band in bands])
    assert [top for top, _ in bands] == list(starts[:-1])
    assert starts[-1] == 202


def test_threads_share_one_upscaler(model):
    upscaler = load_upscaler(str(model.folder), "cpu", 1)
    pages = [random_page(50 + n, 60, n) for n in range(4)]
    results = {}

    def work(n):
        assert load_upscaler(str(model.folder), "cpu", 1) is upscaler
        results[n] = upscaler.upscale(pages[n], 2)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n, page in enumerate(pages):
        assert np.abs(results[n] - whole(page, 2)).max() <= 1e-5


def test_a_process_does_not_collect_upscalers_of_all_numbers_of_threads(model):
    loaded = [weakref.ref(load_upscaler(str(model.folder), "cpu", threads)) for threads in (1, 2, 3, 2, 4)]
    gc.collect()
    assert [upscaler() is not None for upscaler in loaded] == [False, True, False, True, True]
    assert load_upscaler(str(model.folder), "cpu", 2) is loaded[1]()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_worker_loads_its_own(model):
    page = random_page(40, 40)
    expected = load_upscaler(str(model.folder), "cpu", 2).upscale(page, 2)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            got = load_upscaler(str(model.folder), "cpu", 2).upscale(page, 2)
            status = 0 if np.abs(got - expected).max() <= 1e-6 else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_torch_on_the_cpu_agrees(backend, model):
    page = random_page(70, 45)
    by_onnx = PageUpscaler(model, backend, tile=32).upscale(page, 4)
    by_torch = PageUpscaler(model, TorchBackend(model, "cpu"), tile=48).upscale(page, 4)
    assert np.abs(by_onnx - by_torch).max() <= 1e-4


def test_bad_calls_are_refused(backend, model):
    upscaler = PageUpscaler(model, backend)
    with pytest.raises(ImageError, match=r"\(0, 5\)"):
        upscaler.upscale(np.zeros((0, 5), np.float32), 2)
    with pytest.raises(ModelError, match="x2, x3, x4"):
        upscaler.upscale(random_page(4, 4), 5)
    with pytest.raises(OptionError, match="at least 16"):
        PageUpscaler(model, backend, tile=5)
    with pytest.raises(DeviceError, match="broke"):
        PageUpscaler(model, Counting(backend, failing=True)).upscale(random_page(4, 4), 2)


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "cpu:0", "auto:1", ""])
def test_unknown_devices_are_refused(model, device):
    with pytest.raises(OptionError, match="not known"):
        load_upscaler(str(model.folder), device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_missing_gpu_is_an_error_and_auto_goes_on(model):
    with pytest.raises(DeviceError, match="cuda"):
        load_upscaler(str(model.folder), "cuda")
    assert load_upscaler(str(model.folder), "auto", 1).device == "cpu (onnxruntime, 1 thread)"
