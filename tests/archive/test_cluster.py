# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import replace

import pytest
from archive_files import command, environment, states, wait_until
from PIL import Image, ImageDraw, ImageFont

pytest.importorskip("distributed")

import dask
from distributed import Client, LocalCluster, Scheduler, SpecCluster, Worker, get_worker

from ocrmypdf_superres.archive.executors import dask_executor as cluster_module
from ocrmypdf_superres.archive.executors import dask_worker
from ocrmypdf_superres.archive.executors.dask_executor import DaskExecutor, needs_gpu, open_cluster
from ocrmypdf_superres.archive.executors.local_pool import LocalPool
from ocrmypdf_superres.archive.run import Run
from ocrmypdf_superres.archive.settings import Settings
from ocrmypdf_superres.archive.store.layout import Layout
from ocrmypdf_superres.archive.store.manifest import Manifest
from ocrmypdf_superres.archive.tasks import FileTask, Kind, Limits, State
from ocrmypdf_superres.archive.worker.requirements import Requirements
from ocrmypdf_superres.errors import ArchiveError
from ocrmypdf_superres.modelstore.store import sha256_of


@pytest.fixture
def layout(tmp_path):
    layout = Layout(tmp_path / "out")
    layout.make()
    return layout


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    image = Image.new("L", (520, 90), 255)
    draw = ImageDraw.Draw(image)
    draw.text((10, 20), "Harbour Street", 0, ImageFont.load_default(48))
    image.save(folder / "good.png", dpi=(200, 200))
    (folder / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    return folder


@pytest.fixture
def requirements(source, layout):
    return Requirements.here(source, layout, Settings(ocrmypdf={"output_type": "pdf"}))


@pytest.fixture
def threads(tmp_path):
    """A cluster of two workers in this process."""
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
        yield cluster


def task(source, layout, number, name="good.png", **values):
    values = {"ocr": {"language": ["eng"], "output_type": "pdf", "superres_trigger": "off"}, **values}
    return FileTask(number, str(source / name), name, Kind.IMAGE, str(layout.staging / f"1.{number}"), **values)


def gathered(executor, number, seconds=120.0):
    found = {}
    until = time.monotonic() + seconds
    while len(found) < number:
        assert time.monotonic() < until, f"only {len(found)} of {number} results came"
        found.update({result.number: result for result in executor.results(1.0)})
    return found


def test_files_are_done_and_every_loss_is_a_result(threads, source, layout, requirements, monkeypatch):
    executor = DaskExecutor(Client(threads), requirements)
    assert executor.workers == 4 and os.path.exists(requirements.marker)
    claimed = task(source, layout, 3)
    os.mkdir(claimed.staging)  # as a worker that is lost by now did
    submitted = [task(source, layout, 1), task(source, layout, 2, "bad.png"), claimed]
    submitted.append(task(source, layout, 4, limits=Limits(seconds=0.01)))
    odd = os.fsdecode(b"caf\xe9 'and'\nmore.png")
    os.link(source / "good.png", source / odd)
    submitted.append(task(source, layout, 6, odd))
    for one in submitted:
        executor.submit(one)
    results = gathered(executor, 5)
    assert (
        results[6].state is State.STAGED
        and results[1].state is State.STAGED
        and os.path.isfile(layout.staging / "1.1" / results[1].outputs[0].name)
    )
    assert (results[2].state, results[2].transient) == (State.FAILED, False)
    assert (results[3].code, results[3].transient) == ("died", True)
    assert results[4].code == "timeout"
    # A run that stops takes its work back, also what a child is in the middle of.
    executor.submit(task(source, layout, 5))
    while not os.path.isdir(layout.staging / "1.5"):
        time.sleep(0.01)
    executor.close(cancel=True)
    assert not dask_worker._busy and not dask_worker._pools and not os.path.exists(requirements.marker)
    with pytest.raises(ArchiveError, match="does not answer"):
        executor.submit(task(source, layout, 7))


def test_a_gpu_is_a_resource(source, layout, requirements, monkeypatch):
    plain, gpu = task(source, layout, 1), task(source, layout, 2, ocr={"superres_device": "cuda:0"})
    assert not needs_gpu(plain) and needs_gpu(gpu)
    assert not needs_gpu(replace(gpu, ocr={**gpu.ocr, "superres_trigger": "off"}))
    workers = {"one": {"nthreads": 1, "resources": {"GPU": 1}}, "two": {"nthreads": 1}}

    def tell(task, *_):
        return dask_worker.failed(task, "told", str(get_worker().state.total_resources.get("GPU", 0)))

    monkeypatch.setattr(cluster_module, "carry_out", tell)
    spec = {name: {"cls": Worker, "options": options} for name, options in workers.items()}
    with SpecCluster(spec, {"cls": Scheduler, "options": {"dashboard": False}}) as two:
        executor = DaskExecutor(Client(two), requirements)
        for number in range(1, 7):
            executor.submit(replace(gpu, number=number))
        assert {result.reason for result in gathered(executor, 6).values()} == {"1"}
        executor.close()


def test_no_worker_offers_a_gpu(threads, source, layout, requirements):
    executor = DaskExecutor(Client(threads), requirements)
    with pytest.raises(ArchiveError, match="no Dask worker offers a GPU"):
        executor.submit(task(source, layout, 1, ocr={"superres_device": "cuda"}))
    executor.close()


def test_a_worker_that_cannot_do_the_work_is_named(threads, requirements, monkeypatch):
    with pytest.raises(ArchiveError, match=r"The Dask worker inproc://.* has ocrmypdf .* the run has 1\.0"):
        DaskExecutor(Client(threads), replace(requirements, software={**requirements.software, "ocrmypdf": "1.0"}))
    assert not os.path.exists(requirements.marker)


def test_an_unfit_worker_that_came_later_keeps_no_file(threads, source, layout, requirements, monkeypatch):
    executor = DaskExecutor(Client(threads), requirements)
    monkeypatch.setattr(dask_worker, "UNFIT_PAUSE", 0.1)
    executor._requirements = replace(requirements, token="another", marker=str(layout.hidden / "not-there"))
    executor.submit(task(source, layout, 1))
    result = gathered(executor, 1)[1]
    assert (result.code, result.transient) == ("worker", True) and "cannot read" in result.reason
    assert not os.path.exists(layout.staging / "1.1")
    executor.close()


def test_a_worker_whose_disk_fails_later_is_unfit(threads, source, layout, requirements, monkeypatch):
    monkeypatch.setattr(dask_worker, "UNFIT_PAUSE", 0.1)
    scratch = layout.out / "scratch"
    scratch.mkdir()
    settings = requirements.settings.changed(scratch=str(scratch))
    executor = DaskExecutor(Client(threads), replace(requirements, scratch=str(scratch), settings=settings))
    scratch.rmdir()
    scratch.write_text("no folder any more")
    executor.submit(task(source, layout, 1, scratch=str(scratch)))
    result = gathered(executor, 1)[1]
    assert (result.code, result.transient) == ("worker", True) and "not a writable folder" in result.reason
    executor.close()


def test_workers_that_come_late(source, layout, requirements, monkeypatch):
    monkeypatch.setattr(dask_worker, "UNFIT_PAUSE", 0.1)
    with SpecCluster(
        {}, {"cls": Scheduler, "options": {"dashboard": False}}, worker={"cls": Worker, "options": {"nthreads": 1}}
    ) as late:
        executor = DaskExecutor(Client(late), requirements)
        assert executor.workers == 1 and list(executor.results(0.0)) == []
        executor.submit(task(source, layout, 1))
        late.scale(1)
        assert gathered(executor, 1)[1].state is State.STAGED
        executor.close()
        late.scale(0)
        executor = DaskExecutor(Client(late), replace(requirements, token="another"))
        os.unlink(requirements.marker)
        executor.submit(task(source, layout, 2))
        late.scale(1)
        with pytest.raises(ArchiveError, match="cannot read"):
            gathered(executor, 1)
        executor.close()


def test_what_a_machine_must_have(requirements, source, layout, tmp_path):
    assert "cannot read" in requirements.problem()  # not marked yet
    requirements.mark()
    assert "another file" in replace(requirements, token="x").problem()
    assert "has other files of the model docsr-s2" in replace(requirements, files={}).problem()
    assert "cannot use the model" in replace(requirements, model="no-such-model").problem()
    empty = tmp_path / "mount point"
    empty.mkdir()
    assert "finds nothing in" in replace(requirements, source=str(empty)).problem()
    assert "cannot read" in replace(requirements, source=str(tmp_path / "not there")).problem()
    with_settings = [({"languages": ("xyz",)}, "xyz"), ({"scratch": str(tmp_path / "nosuch")}, "not a writable folder")]
    for values, said in with_settings:
        assert said in replace(requirements, settings=requirements.settings.changed(**values)).problem()
    assert requirements.problem() == ""
    requirements.unmark()
    assert requirements.problem() == "", "a machine is asked once"


def test_what_cluster_takes(requirements, tmp_path, monkeypatch):
    for wrong in ("local:0", "local:x", "dask:host", "dask://host", "slurm", "", "dask-scheduler-file:"):
        with pytest.raises(ArchiveError, match="give local, local:N"):
            open_cluster(wrong, requirements)
    with pytest.raises(ArchiveError, match="there is no such file"):
        open_cluster(f"dask-scheduler-file:{tmp_path / 'scheduler.json'}", requirements)
    with dask.config.set({"distributed.comm.timeouts.connect": "0.3s"}):
        with pytest.raises(ArchiveError, match="does not answer"):
            open_cluster("dask://127.0.0.1:9", requirements)


def test_ctrl_c_finishes_the_files_in_work(source, layout):
    (source / "bad.png").unlink()
    for number in range(8):
        os.link(source / "good.png", source / f"{number}.png")
    line = command("run", source, layout.out, "--output-type", "pdf", "--cluster", "local:1")
    run = subprocess.Popen(line, stderr=subprocess.PIPE, text=True, env=environment(), start_new_session=True)
    try:
        wait_until(lambda: list(layout.staging.glob("*.log")))
        os.killpg(run.pid, signal.SIGINT)
        _, said = run.communicate(timeout=90)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
    assert run.returncode == 4 and "stopped by SIGINT" in said, said
    found = list(states(layout.out).values())
    assert set(found) == {("done", "ok"), ("waiting", "")} and not list(layout.staging.iterdir())


@pytest.mark.slow
def test_a_killed_worker_costs_a_try_and_nothing_else(source, tmp_path):
    for number in range(6):
        os.link(source / "good.png", source / f"{number}.png")
    settings = Settings(wait=0.1, ocrmypdf={"output_type": "pdf"}, outputs=("pdf", "text"))
    executors = []

    def cluster():
        executors.append(open_cluster("local:2", Requirements.here(source, Layout(tmp_path / "cluster"), settings)))
        return executors[0]

    def kill_one():
        staging = tmp_path / "cluster" / ".superres" / "staging"
        while not (executors and any(path.is_dir() for path in staging.iterdir())):
            time.sleep(0.05)
        for pid in list(executors[0]._client.run(os.getpid).values())[:1]:
            os.kill(pid, signal.SIGKILL)

    undisturbed = Run(source, tmp_path / "alone", settings, lambda: LocalPool(1)).run()
    killer = threading.Thread(target=kill_one)
    killer.start()
    disturbed = Run(source, tmp_path / "cluster", settings, cluster).run()
    killer.join()
    assert disturbed == undisturbed
    alone, clustered = ({p.name: p for p in (tmp_path / run).iterdir() if p.is_file()} for run in ("alone", "cluster"))
    assert alone.keys() == clustered.keys() and len(alone) == 14
    for name, path in alone.items():
        if name.endswith(".txt"):
            assert path.read_bytes() == clustered[name].read_bytes()
    layout = Layout(tmp_path / "cluster")
    assert os.listdir(layout.staging) == []
    with Manifest(layout.manifest) as manifest:
        rows = list(manifest.files(State.DONE))
        for row in rows:
            for output in manifest.outputs(row.number):
                assert sha256_of(layout.out / output.name) == output.sha256
    assert sum(row.tries for row in rows) <= len(rows) + 1, "what was not in flight is done once"
