# SPDX-License-Identifier: MPL-2.0
"""The run's tasks on Dask: this machine's processes, a cluster that is there, or SLURM through dask-jobqueue.

Dask brings tasks to workers and says which workers are lost.  Inside each Dask worker a task runs as on one machine:
in a child process with the file's limits (:mod:`ocrmypdf_superres.archive.pool`).  Nothing here tries a file again.
When Dask loses a worker it runs its tasks anew by itself; such a second run finds the staging folder that the first
one made, does nothing, and reports a lost worker, so that the run decides and counts as it does on one machine.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import queue
import re
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import dask
from distributed import Client, Future, LocalCluster, get_worker, wait

from ocrmypdf_superres.archive.pool import LocalPool
from ocrmypdf_superres.archive.site import Site
from ocrmypdf_superres.archive.tasks import FileResult, FileTask, State
from ocrmypdf_superres.errors import ArchiveError

log = logging.getLogger("ocrmypdf.superres")

#: Seconds that a worker which cannot do the run's work keeps a task, so that it does not take them all.
UNFIT_PAUSE = 20.0

#: Seconds between looks at whether the task is still wanted.
LOOK = 0.5


class DaskExecutor:
    """An :class:`~ocrmypdf_superres.archive.executor.Executor` on Dask.

    Args:
        client: connected; closed at the end.
        site: what every worker must see and have.
        cluster: ended at the end, where this run started it.

    Raises:
        ArchiveError: a worker cannot do the work; or a task needs a GPU and no worker offers one.
    """

    def __init__(self, client: Client, site: Site, cluster: LocalCluster | None = None) -> None:
        self._client, self._site, self._cluster = client, site, cluster
        self._futures: dict[str, Future] = {}
        self._done: queue.SimpleQueue[FileResult] = queue.SimpleQueue()
        self._run, self._numbers = uuid.uuid4().hex[:8], itertools.count()
        self._counted, self._count = -60.0, 1
        site.mark()
        try:
            self._await_workers()
            self._check_workers()
        except BaseException:
            self.close(cancel=True)
            raise

    @property
    def workers(self) -> int:
        """How many tasks the cluster runs at once now."""
        if time.monotonic() - self._counted > 5.0 and self._client.status == "running":
            self._count = max(1, sum(self._client.nthreads().values()))
            self._counted = time.monotonic()
        return self._count

    def submit(self, task: FileTask) -> None:
        """Take *task*; its staging folder must not be there, for making it is how the worker claims the task.

        Raises:
            ArchiveError: the scheduler is gone, or no worker has the GPU that the task asks for.
        """
        if self._client.status != "running":
            raise ArchiveError(
                "The Dask scheduler does not answer any more; start it and repeat the command, the run then goes on where it was."
            )
        staging = Path(task.staging)
        if staging.is_dir():
            staging.rmdir()
        key = f"digitise-{self._run}-{next(self._numbers)}-file-{task.number}-try-{task.attempt}"
        future = self._client.submit(
            carry_out, task, self._site, key=key, pure=False, retries=0, resources={"GPU": 1} if needs_gpu(task) else None
        )
        self._futures[key] = future
        future.add_done_callback(lambda done: self._note(done, task))

    def results(self, timeout: float) -> Iterator[FileResult]:
        """Yield the results that are there, waiting at most *timeout* seconds for the first."""
        try:
            yield self._done.get(timeout=timeout)
            while True:
                yield self._done.get_nowait()
        except queue.Empty:
            return

    def close(self, cancel: bool = False) -> None:
        """Finish what runs (or, with *cancel*, stop it) and free everything."""
        try:
            if self._client.status == "running":
                futures = list(self._futures.values())
                if cancel:
                    self._client.cancel(futures)
                    self._client.run(_stopped, self._run, on_error="ignore")
                elif futures:
                    wait(futures)
        finally:
            self._site.unmark()
            self._client.close()
            if self._cluster is not None:
                self._cluster.close()

    def _note(self, future: Future, task: FileTask) -> None:
        """Keep the result of *future*; runs in Dask's thread for call-backs."""
        try:
            result = future.result()
        # KilledWorker, a lost scheduler, an error while a result travels: to the run they are all a lost worker.
        except (Exception, CancelledError) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            result = failed(task, "died", f"The file's worker was lost: {reason}")
        self._futures.pop(future.key, None)
        self._done.put(result)

    def _await_workers(self) -> None:
        log.info("Dask's dashboard: %s", self._client.dashboard_link)
        while not self._client.nthreads():
            log.info("Waiting for a Dask worker")
            try:
                self._client.wait_for_workers(1, timeout=60)
            except TimeoutError:
                continue

    def _check_workers(self) -> None:
        """Ask every worker that is there; later ones ask themselves before their first task."""
        for address, problem in self._client.run(self._site.problem, on_error="return").items():
            if isinstance(problem, ModuleNotFoundError):
                problem = f"lacks the package {problem.name}; install ocrmypdf-superres[archive] there in the same version"
            if problem:
                raise ArchiveError(f"The Dask worker {address} {problem}.")


def open_cluster(where: str, site: Site) -> DaskExecutor:
    """Return the executor for the value *where* of ``--cluster``.

    Args:
        where: ``local`` or ``local:N`` for N processes of this machine, ``dask://HOST:PORT`` (or ``tls://HOST:PORT``) for a
            scheduler, or ``dask-scheduler-file:PATH`` for one that wrote its address to a file.
        site: what every worker must see and have.

    Raises:
        ArchiveError: *where* is none of these, or the cluster cannot be reached or used.
    """
    kind, _, rest = where.partition(":")
    if kind == "local" and re.fullmatch(r"([1-9][0-9]{0,3})?", rest):
        return _open_local(int(rest) if rest else None, site)
    if kind in ("dask", "tls") and re.fullmatch(r"//(\[[0-9a-fA-F:.]+\]|[^/:\s]+):[0-9]{1,5}", rest):
        target: dict[str, Any] = {"address": f"{'tcp' if kind == 'dask' else 'tls'}:{rest}"}
    elif kind == "dask-scheduler-file" and rest:
        if not Path(rest).is_file():
            raise ArchiveError(f"--cluster was given {where}, but there is no such file; give the one of `dask scheduler`.")
        target = {"scheduler_file": rest}
    else:
        raise ArchiveError(
            f"--cluster was given {where!r}; give local, local:N, dask://HOST:PORT, tls://HOST:PORT or dask-scheduler-file:PATH."
        )
    try:
        client = Client(**target)
    except (OSError, ValueError) as error:
        raise ArchiveError(f"The Dask scheduler of --cluster {where} does not answer ({error}); start it first.") from error
    return DaskExecutor(client, site)


def _open_local(processes: int | None, site: Site) -> DaskExecutor:
    # What Dask does about a lost worker must not depend on chance, and a worker's own children must be allowed.
    settings = {"distributed.scheduler.allowed-failures": 0, "distributed.worker.daemon": False}
    with dask.config.set(settings):
        cluster = LocalCluster(
            n_workers=processes,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",
            memory_limit=None,
            resources={"GPU": 1},
        )
    return DaskExecutor(Client(cluster), site, cluster)


def needs_gpu(task: FileTask) -> bool:
    """Return whether *task* may run only where a worker offers ``GPU``: where the settings insist on CUDA.

    With the device ``auto`` a task runs anywhere, and takes the GPU that it finds.
    """
    return task.ocr.get("superres_trigger") != "off" and str(task.ocr.get("superres_device", "auto")).startswith("cuda")


def failed(task: FileTask, code: str, reason: str) -> FileResult:
    """Return the result of a try that failed for what may pass."""
    return FileResult(task.number, State.FAILED, code, reason, passing=True)


# What follows runs in the Dask workers.

_local = threading.local()
_busy: set[str] = set()


def carry_out(task: FileTask, site: Site) -> FileResult:
    """Do *task* in the child process of this Dask worker's thread."""
    worker = get_worker()
    key = str(worker.get_current_task())
    problem = site.problem()
    if problem:
        time.sleep(UNFIT_PAUSE)
        return failed(task, "worker", f"The Dask worker {worker.address} {problem}.")
    try:
        Path(task.staging).mkdir(parents=True)
    except FileExistsError:
        return failed(task, "died", "The file's worker was lost while it worked on it.")
    pool: LocalPool | None = getattr(_local, "pool", None)
    if pool is None:
        pool = _local.pool = LocalPool(1)
    _busy.add(key)
    try:
        pool.submit(task)
        while True:
            for result in pool.results(LOOK):
                result.worker = f"{worker.address} {result.worker}".strip()
                return result
            # Dask cannot stop a thread: it only marks the task when its client wants it no more, or is gone.
            held = worker.state.tasks.get(key)
            if held is None or held.state != "executing":
                del _local.pool
                pool.close(cancel=True)
                return failed(task, "died", "The run stopped.")
    finally:
        _busy.discard(key)


async def _stopped(run: str) -> None:
    """Wait until this worker has nothing of *run* in hand."""
    for _ in range(300):
        if not any(f"-{run}-" in key for key in _busy):
            return
        await asyncio.sleep(0.1)
