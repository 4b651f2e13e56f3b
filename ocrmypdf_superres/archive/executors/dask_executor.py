# SPDX-License-Identifier: MPL-2.0
"""The executor on Dask: processes on this machine, a running cluster, or SLURM through dask-jobqueue.

Dask brings tasks to workers and reports lost workers; nothing here retries a file. The workers' side is
:mod:`ocrmypdf_superres.archive.executors.dask_worker`.
"""

from __future__ import annotations

import itertools
import logging
import queue
import re
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import dask
from distributed import Client, Future, KilledWorker, LocalCluster, wait

from ocrmypdf_superres.archive.executors import dask_worker
from ocrmypdf_superres.archive.executors.dask_worker import carry_out, check_worker, failed, release_worker
from ocrmypdf_superres.archive.tasks import UNFIT, FileResult, FileTask
from ocrmypdf_superres.archive.worker.requirements import Requirements
from ocrmypdf_superres.errors import ArchiveError
from ocrmypdf_superres.processes import available_cores

log = logging.getLogger("ocrmypdf.superres")


class DaskExecutor:
    """An :class:`~ocrmypdf_superres.archive.executors.base.Executor` on Dask.

    Args:
        client: connected; closed at the end.
        requirements: what every worker must have and see.
        cluster: the cluster that this run started, if it did; closed at the end.

    Attributes:
        shares_cores: False, since the workers' cores may be on other machines.

    Raises:
        ArchiveError: a connected worker cannot do the work.
    """

    shares_cores = False

    def __init__(self, client: Client, requirements: Requirements, cluster: LocalCluster | None = None) -> None:
        self._client, self._requirements, self._cluster = client, requirements, cluster
        self._waiting: dict[str, Future[FileResult]] = {}
        self._cancelled, self._fit, self._unfit = False, False, ""
        self._gpus: float | None = None
        self._done: queue.SimpleQueue[FileResult] = queue.SimpleQueue()
        self._run, self._numbers = uuid.uuid4().hex[:8], itertools.count()
        self._counted, self._count = -60.0, 1
        requirements.mark()
        try:
            self._check_workers()
        except BaseException:
            self.close(cancel=True)
            raise

    @property
    def workers(self) -> int:
        """Twice the tasks that the cluster now runs at once, so that no worker has to wait until the run hears of its result."""
        if time.monotonic() - self._counted > 5.0:
            try:
                self._count = max(1, 2 * sum(self._client.nthreads().values()))
            except OSError as error:
                raise _scheduler_gone() from error
            self._counted = time.monotonic()
        return self._count

    def submit(self, task: FileTask) -> None:
        """See :meth:`Executor.submit`.

        Raises:
            ArchiveError: the scheduler is gone, or the task needs a GPU and no worker that was connected at the start offers one.
        """
        self._check()
        if needs_gpu(task) and self._gpus == 0.0:
            raise ArchiveError(
                "The device cuda was asked for, but no Dask worker offers a GPU; start some with --resources GPU=1, or give auto."
            )
        key = f"ocr-{self._run}-{next(self._numbers)}"
        resources = {"GPU": 1} if needs_gpu(task) else None
        future = self._client.submit(
            carry_out, task, self._requirements, self._run, key=key, pure=False, retries=0, resources=resources
        )
        self._waiting[key] = future
        future.add_done_callback(lambda done: self._note(done, task))

    def results(self, timeout: float) -> Iterator[FileResult]:
        """See :meth:`Executor.results`.

        Raises:
            ArchiveError: the scheduler is gone, or none of the workers that joined can do the work.
        """
        self._check()
        try:
            result = self._done.get(timeout=timeout)
            while True:
                self._check()
                yield result
                result = self._done.get_nowait()
        except queue.Empty:
            return

    def close(self, cancel: bool = False) -> None:
        """See :meth:`Executor.close`."""
        try:
            if self._client.status == "running":
                waiting = list(self._waiting.values())
                if cancel:
                    self._client.cancel(waiting)
                elif waiting:
                    wait(waiting)
                self._client.run(release_worker, self._run, self._requirements, on_error="ignore")
        except OSError as error:  # the scheduler is gone, and its workers end with it
            log.debug("superres: %s", error)
        finally:
            self._requirements.unmark()
            self._client.close()
            if self._cluster is not None:
                self._cluster.close()

    def _note(self, future: Future[FileResult], task: FileTask) -> None:
        """Keep the result of *future*; runs in Dask's thread for callbacks."""
        try:
            result = future.result()
        except KilledWorker:
            result = failed(task, "died", "The Dask workers that had the file died, one after the other.")
        except CancelledError:
            # By close(), or because the scheduler is gone; neither is the file's fault, so it costs no try.
            self._cancelled = True
            return
        # Any error on a result's way here means a lost worker to the run.
        except Exception as error:  # noqa: BLE001
            reason = " ".join(str(error).split()) or type(error).__name__
            result = failed(task, "died", f"The file's Dask worker was lost: {reason}")
        if result.code == UNFIT:
            self._unfit = result.reason
        else:
            self._fit = True
        self._waiting.pop(str(future.key), None)
        self._done.put(result)

    def _check(self) -> None:
        if self._cancelled or self._client.status != "running":
            raise _scheduler_gone()
        if self._unfit and not self._fit:
            raise ArchiveError(self._unfit)

    def _check_workers(self) -> None:
        """Check every connected worker; later ones check themselves before each task."""
        log.info("Dask's dashboard: %s", self._client.dashboard_link)
        for address, said in self._client.run(check_worker, self._requirements, on_error="return").items():
            if isinstance(said, ModuleNotFoundError):
                said = f"lacks the package {said.name}; install the run's version of ocrmypdf-superres[archive] there", 0.0
            elif isinstance(said, BaseException):
                said = f"failed while it was checked ({said})", 0.0
            problem, gpus = said
            if problem:
                raise ArchiveError(f"The Dask worker {address} {problem}.")
            self._fit = True
            self._gpus = (self._gpus or 0.0) + gpus
        if not self._fit:
            log.info("There is no Dask worker yet; the work begins with the first that joins.")


def _scheduler_gone() -> ArchiveError:
    return ArchiveError(
        "The Dask scheduler does not answer any more; start it and give the same command again, which continues the run."
    )


def open_cluster(where: str, requirements: Requirements) -> DaskExecutor:
    """Return the executor for the value *where* of ``--cluster``.

    Args:
        where: ``local`` or ``local:N`` for N processes on this machine, ``dask://HOST:PORT`` (or ``tls://HOST:PORT``) for a
            scheduler, or ``dask-scheduler-file:PATH`` for one that wrote its address to a file.
        requirements: what every worker must have and see.

    Raises:
        ArchiveError: *where* is something else, or the cluster cannot be reached or used.
    """
    # Otherwise Dask logs every connection, and also the errors that it raises in our threads.
    for name, level in (("distributed", logging.WARNING), ("distributed.client", logging.CRITICAL)):
        logging.getLogger(name).setLevel(level)
    kind, _, rest = where.partition(":")
    if kind == "local" and re.fullmatch(r"([1-9][0-9]{0,3})?", rest):
        return _open_local(int(rest) if rest else None, requirements)
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
    return DaskExecutor(client, requirements)


def _open_local(processes: int | None, requirements: Requirements) -> DaskExecutor:
    cluster = LocalCluster(
        n_workers=processes or available_cores(),
        threads_per_worker=1,
        processes=True,
        dashboard_address="127.0.0.1:0",
        # A file's limit holds for its own process; Dask's would hold for the worker.
        memory_limit=None,
        resources={"GPU": 1},
        preload=[*dask.config.get("distributed.worker.preload"), dask_worker.__name__],
    )
    return DaskExecutor(Client(cluster), requirements, cluster)


def needs_gpu(task: FileTask) -> bool:
    """Return whether *task* may only run on a worker that offers ``GPU``, because the settings demand CUDA.

    With the device ``auto`` a task runs anywhere, and uses a GPU if there is one.
    """
    return task.ocr.get("superres_trigger") != "off" and str(task.ocr.get("superres_device", "auto")).startswith("cuda")
