# SPDX-License-Identifier: MPL-2.0
"""Chooses the executor of a run."""

from __future__ import annotations

from pathlib import Path

from ocrmypdf_superres.archive.executors.base import Executor
from ocrmypdf_superres.archive.executors.gpu_client import share_gpu
from ocrmypdf_superres.archive.executors.local_pool import LocalPool
from ocrmypdf_superres.archive.settings import Settings
from ocrmypdf_superres.archive.store.layout import Layout
from ocrmypdf_superres.plugin.options import SuperresOptions
from ocrmypdf_superres.processes import available_cores


def make_executor(settings: Settings, source: Path, out: Path, cluster: str = "") -> Executor:
    """Return the executor of *cluster*, the value of ``--cluster``, or the one for this machine without it.

    Raises:
        ArchiveError: the cluster cannot be reached or used.
        DeviceError: a GPU was asked for and is not available.
        ModuleNotFoundError: a cluster was asked for and Dask is not installed.
    """
    superres = SuperresOptions(**settings.superres)
    executor: Executor
    if cluster:
        from ocrmypdf_superres.archive.executors.dask_executor import open_cluster
        from ocrmypdf_superres.archive.worker.requirements import Requirements

        if cluster == "local" and settings.workers:
            cluster = f"local:{settings.workers}"
        executor = open_cluster(cluster, Requirements.here(source.absolute(), Layout(out.absolute()), settings))
    else:
        executor = LocalPool(settings.workers or available_cores())
    # Workers on other machines use the GPUs of those machines.
    if superres.trigger == "off" or not (cluster or "local").startswith("local"):
        return executor
    return share_gpu(executor, superres.model, superres.device)
