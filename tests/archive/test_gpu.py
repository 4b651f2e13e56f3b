# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Listener
from pathlib import Path

import numpy as np
import pytest

from ocrmypdf_superres.archive.executors.gpu_client import GpuExecutor, Service, share_gpu
from ocrmypdf_superres.archive.executors.gpu_service import Batcher, accept
from ocrmypdf_superres.archive.store.layout import Layout
from ocrmypdf_superres.archive.store.manifest import Manifest
from ocrmypdf_superres.archive.tasks import FileResult, FileTask, Kind, State
from ocrmypdf_superres.errors import DeviceError, ModelError
from ocrmypdf_superres.modelstore.store import find_model
from ocrmypdf_superres.upscaling.backends.onnx import OnnxBackend
from ocrmypdf_superres.upscaling.backends.service import ServiceBackend
from ocrmypdf_superres.upscaling.loading import load_upscaler, may_see_cuda
from ocrmypdf_superres.upscaling.upscaler import PageUpscaler

SAMPLE = Path(__file__).parent.parent.parent / "examples" / "sample-72dpi.pdf"
ONE_TILE = np.full((1, 1, 20, 20), 0.5, np.float32)


def page(seed, height=70, width=90):
    return np.random.default_rng(seed).random((height, width), dtype=np.float32)


def no_fallback():
    raise AssertionError("the service was there, so nothing may take over")


class CountingBackend(OnnxBackend):
    """The CPU route that likes four tiles at once and remembers what it was given."""

    batch = 4

    def __init__(self, model, threads):
        super().__init__(model, threads)
        self.sizes = []

    def run(self, tiles, scale):
        self.sizes.append(len(tiles))
        time.sleep(0.02)
        return super().run(tiles, scale)


@pytest.fixture(scope="module")
def service(random_model):
    service = Service(str(random_model.folder), "cpu")
    yield service
    service.close()


@pytest.fixture
def own_service(random_model):
    service = Service(str(random_model.folder), "cpu")
    yield service
    service.close()


def test_pages_through_the_service_equal_pages_alone(random_model, own_service):
    alone = PageUpscaler(random_model, OnnxBackend(random_model, 1), 32)
    shared = PageUpscaler(random_model, ServiceBackend(random_model, own_service.address, no_fallback), 32)
    assert shared.device == own_service.device and "onnxruntime" in own_service.device
    pages = [page(seed, 60 + seed, 80) for seed in range(6)]
    with ThreadPoolExecutor(4) as threads:
        for lr, sr in zip(pages, threads.map(lambda lr: shared.upscale(lr, 3), pages), strict=True):
            assert np.array_equal(sr, alone.upscale(lr, 3))
    levels = (page(7) * 255).astype(np.uint8)
    assert np.array_equal(shared.upscale_bytes(levels, 3), alone.upscale_bytes(levels, 3))
    done = own_service.close()
    assert done["tiles"] == done["batches"] > 30  # the CPU takes one tile at a time


def test_requests_of_one_shape_form_batches_and_change_nothing(random_model):
    backend = CountingBackend(random_model, 1)
    batcher = Batcher(backend, gather=0.05)
    alone = OnnxBackend(random_model, 1)
    requests = [(page(seed, 20 + 10 * (seed % 2), 20)[None, None], 2 + seed // 20) for seed in range(40)]
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda request: batcher.run(*request), requests))
    batcher.close()
    for request, answer in zip(requests, answers, strict=True):
        assert np.array_equal(answer, alone.run(*request))
    assert set(backend.sizes) == {4}, "every batch is full, so that its kernels are always the same"
    assert batcher.tiles == 40 and 10 <= batcher.batches <= 16


def test_large_and_odd_requests_are_cut_and_padded(random_model):
    batcher = Batcher(CountingBackend(random_model, 1))
    tiles = np.stack([page(seed, 20, 24)[None] for seed in range(7)])
    assert np.array_equal(batcher.run(tiles, 2), OnnxBackend(random_model, 1).run(tiles, 2))
    assert (batcher.tiles, batcher.batches) == (7, 2)


def test_full_batches_of_torch_do_not_depend_on_who_else_sends(random_model):
    from ocrmypdf_superres.upscaling.backends.torch import TorchBackend

    backend = TorchBackend(random_model, "cpu")
    tiles = np.stack([page(seed, 24, 20)[None] for seed in range(4)])
    alone = backend.run(tiles, 3)
    backend.batch = 4
    batcher = Batcher(backend)
    together = batcher.run(tiles, 3)
    # Torch takes other kernels for a batch of four than for one, so the last bits may differ: hence always four.
    assert np.abs(together - alone).max() <= 1e-5
    assert all(np.array_equal(batcher.run(tiles[i : i + 1], 3)[0], together[i]) for i in range(4))


def test_a_lost_service_costs_no_page(random_model, own_service, caplog):
    upscaler = load_upscaler(str(random_model.folder), f"service:{own_service.address}", threads=1, tile=32)
    before = upscaler.upscale(page(1), 2)
    own_service._process.kill()
    own_service._process.wait()
    assert np.array_equal(upscaler.upscale(page(1), 2), before)
    assert "takes over" in caplog.text and upscaler.device == "cpu (onnxruntime, 1 thread)"
    late = ServiceBackend(random_model, own_service.address, lambda: OnnxBackend(random_model, 1))
    assert late.tile == OnnxBackend.tile and np.array_equal(PageUpscaler(random_model, late, 32).upscale(page(1), 2), before)


def test_a_failing_device_hands_over(random_model, caplog):
    class Broken(CountingBackend):
        def run(self, tiles, scale):
            raise RuntimeError("CUDA error")

    batcher = Batcher(Broken(random_model, 1))
    with pytest.raises(RuntimeError):
        batcher.run(ONE_TILE, 2)
    with Listening(random_model, batcher) as address:
        backend = ServiceBackend(random_model, address, lambda: OnnxBackend(random_model, 1))
        assert np.array_equal(backend.run(ONE_TILE, 2), OnnxBackend(random_model, 1).run(ONE_TILE, 2))
    assert "(CUDA error)" in caplog.text


def test_a_wrong_model_or_scale_is_refused(random_model, lanczos_net, service):
    with pytest.raises(ModelError, match="holds random"):
        ServiceBackend(find_model(str(lanczos_net)), service.address, no_fallback)
    backend = ServiceBackend(random_model, service.address, no_fallback)
    with pytest.raises(ModelError, match="asked for x5"):
        backend.run(ONE_TILE, 5)
    assert backend.run(ONE_TILE, 4).shape == (1, 1, 80, 80)


def test_the_service_goes_with_its_run(random_model):
    code = (
        "import time\nfrom ocrmypdf_superres.archive.executors.gpu_client import Service\n"
        f"s = Service({str(random_model.folder)!r}, 'cpu')\nprint(s._process.pid, flush=True)\ntime.sleep(60)"
    )
    run = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    pid = int(run.stdout.readline())
    os.kill(pid, signal.SIGINT)  # Ctrl-C is the run's affair
    time.sleep(0.2)
    assert lives(pid)
    run.kill()
    run.wait()
    until = time.monotonic() + 20
    while time.monotonic() < until and lives(pid):
        time.sleep(0.05)
    assert not lives(pid)


class Recorder:
    """An executor that does each task at once: it tells the device that the task is given."""

    workers, shares_cores, closed = 3, True, False

    def __init__(self):
        self.tasks = []

    def submit(self, task):
        self.tasks.append(task)

    def results(self, timeout):
        yield from [FileResult(task.number, State.STAGED, task.ocr["superres_device"]) for task in self.tasks]

    def close(self, cancel=False):
        self.closed = True


def test_tasks_are_given_the_service(random_model, own_service):
    inner = Recorder()
    executor = GpuExecutor(inner, own_service)
    executor.submit(FileTask(1, "/in/a.pdf", "a.pdf", Kind.PDF, "/out/1", ocr={"superres_device": "auto", "jobs": 1}))
    assert [result.code for result in executor.results(0.0)] == [f"service:{own_service.address}"]
    assert inner.tasks[0].ocr["jobs"] == 1 and (executor.workers, executor.shares_cores) == (3, True)
    executor.close()
    assert inner.closed and own_service._process.returncode == 0


def test_without_a_gpu_nothing_is_shared():
    inner = Recorder()
    assert share_gpu(inner, "docsr-s2", "cpu") is inner
    if not may_see_cuda():
        assert share_gpu(inner, "docsr-s2", "auto") is inner and not inner.closed
    with pytest.raises(DeviceError, match="cannot be shared by the workers: There is no model 'no-such'"):
        share_gpu(inner, "no-such", "cuda")
    assert inner.closed


def test_threads_have_connections_of_their_own(random_model, service):
    backend = ServiceBackend(random_model, service.address, no_fallback)
    seen = []
    thread = threading.Thread(target=lambda: seen.append((backend.run(ONE_TILE, 2), backend._local.connection)))
    thread.start()
    thread.join()
    assert seen[0][1] is not backend._local.connection


class Listening:
    """A batcher behind a socket of this process."""

    def __init__(self, model, batcher):
        self.listener = Listener()
        threading.Thread(target=accept, args=(self.listener, model, batcher), daemon=True).start()

    def __enter__(self):
        return self.listener.address

    def __exit__(self, *_):
        self.listener.close()


def lives(pid):
    try:
        with open(f"/proc/{pid}/stat") as stream:
            return stream.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
def test_files_of_two_workers_share_one_net(tmp_path):
    pytest.importorskip("psutil")
    from ocrmypdf_superres.archive.executors.local_pool import LocalPool
    from ocrmypdf_superres.archive.run import Run
    from ocrmypdf_superres.archive.settings import Settings

    (tmp_path / "in").mkdir()
    for number in range(4):
        shutil.copy(SAMPLE, tmp_path / "in" / f"{number}.pdf")
    settings = Settings(outputs=("pdf", "text"), ocrmypdf={"output_type": "pdf"}, superres={"tile": 192})
    Run(tmp_path / "in", tmp_path / "alone", settings, lambda: LocalPool(1)).run()
    service = Service("docsr-s2", "cpu")
    Run(tmp_path / "in", tmp_path / "shared", settings, lambda: GpuExecutor(LocalPool(2), service)).run()
    assert service._process.returncode == 0
    texts = sorted((tmp_path / "alone").glob("*.txt"))
    assert len(texts) == 4
    for path in texts:
        assert path.read_bytes() == (tmp_path / "shared" / path.name).read_bytes()
    with Manifest(Layout(tmp_path / "shared").manifest) as manifest:
        devices = {page.record["device"] for row in manifest.files() for page in manifest.pages(row.number)}
    assert devices == {service.device}
