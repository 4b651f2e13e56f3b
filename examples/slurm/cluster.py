# SPDX-License-Identifier: MPL-2.0
"""Starts Dask workers as SLURM jobs and writes the address of their scheduler; ends them when it is stopped.

Every worker has one core: a file is processed on one core, and many files at once.
"""

from __future__ import annotations

import argparse
import json
import signal
import threading
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scheduler_file", type=Path, help="file to write; give it to archive run --cluster dask-scheduler-file:")
    parser.add_argument("--jobs", type=int, default=4, help="SLURM jobs (default: %(default)s)")
    parser.add_argument("--cores", type=int, default=16, help="cores, and files at once, per job (default: %(default)s)")
    parser.add_argument("--memory", default="32GB", help="per job (default: %(default)s)")
    parser.add_argument("--walltime", default="12:00:00", help="of a job (default: %(default)s)")
    parser.add_argument("--gpu", action="store_true", help="ask for a GPU per job, and offer it to Dask")
    parser.add_argument(
        "--sbatch", action="append", default=[], metavar="OPTION", help="further option of sbatch, for example --account=archive"
    )
    args = parser.parse_args()
    # After the arguments, so that --help works without it.
    from dask_jobqueue import SLURMCluster

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())

    cluster = SLURMCluster(
        cores=args.cores,
        processes=args.cores,
        memory=args.memory,
        walltime=args.walltime,
        job_extra_directives=args.sbatch + (["--gres=gpu:1"] if args.gpu else []),
        worker_extra_args=["--resources", "GPU=1"] if args.gpu else [],
        # Each worker reads one page at a time, and Tesseract must not take the others' cores.
        job_script_prologue=["export OMP_THREAD_LIMIT=1"],
    )
    with cluster:
        cluster.scale(jobs=args.jobs)
        part = args.scheduler_file.with_name(args.scheduler_file.name + ".part")
        part.write_text(json.dumps({"address": cluster.scheduler_address}))
        part.replace(args.scheduler_file)
        print(f"{args.jobs} jobs asked for; dashboard: {cluster.dashboard_link}", flush=True)
        stop.wait()
        args.scheduler_file.unlink()


if __name__ == "__main__":
    main()
