# SPDX-License-Identifier: MPL-2.0
"""The log of a run: ``log.jsonl``, and TensorBoard's files where TensorBoard is installed."""

from __future__ import annotations

import errno
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ocrmypdf_superres.errors import SuperresError
from ocrmypdf_superres.files import atomic_write_text

log = logging.getLogger(__name__)

LOG = "log.jsonl"
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EACCES}


@contextmanager
def writing(run: Path) -> Iterator[None]:
    """Turn a full or broken disk under *run* into one sentence.

    Raises:
        SuperresError: the body could not write; what was written before is whole.
    """
    try:
        yield
    except OSError as error:
        elsewhere = error.filename is not None and not Path(error.filename).absolute().is_relative_to(run.absolute())
        if error.errno not in _DISK or elsewhere:
            raise
        raise SuperresError(
            f"The run's folder {run} cannot be written ({error.strerror}); its last checkpoint is whole, "
            "make room and continue with --resume."
        ) from error


def read_log(run: Path) -> list[dict[str, Any]]:
    """Return the rows of the log in the folder *run*; a last one that was cut off is left out."""
    path = run / LOG
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            rows.append(json.loads(line))
        except ValueError:
            log.warning("%s has a row that was cut off; it is left out.", path)
    return rows


def _tensorboard(run: Path, step: int) -> Any:
    """Return a writer for TensorBoard, None where that is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError:
        log.info("TensorBoard is not installed, so the run is logged in %s only; see it with pip install tensorboard.", LOG)
        return None
    return SummaryWriter(str(run / "tensorboard"), purge_step=step or None)


class RunLog:
    """The log of the run in the folder *run*, from step *step* on: rows of later steps, from an interrupted run, go."""

    def __init__(self, run: Path, step: int) -> None:
        kept = [row for row in read_log(run) if row["step"] <= step] if step else []
        # Whole or not at all: a full disk must not cost the rows of the steps that are done.
        atomic_write_text(run / LOG, "".join(json.dumps(row) + "\n" for row in kept))
        self._lines = (run / LOG).open("a", encoding="utf-8")  # closed by close()
        self._board: Any = None
        try:
            self._board = _tensorboard(run, step)
        except OSError:
            self._lines.close()
            raise

    def row(self, step: int, stage: str, seconds: float, values: dict[str, float]) -> None:
        """Write *values* (losses, or a validation metric) of *step*."""
        row: dict[str, Any] = {"step": step, "stage": stage, "seconds": round(seconds, 1)}
        row.update({name: round(value, 6) for name, value in values.items()})
        self._lines.write(json.dumps(row) + "\n")
        self._lines.flush()
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Close the files."""
        self._lines.close()
        if self._board is not None:
            self._board.close()
