# SPDX-License-Identifier: MPL-2.0
"""The guard: a failure after OCRmyPDF has handed over a page costs the improvement, never the page or the job."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import strsignal
from subprocess import CalledProcessError
from typing import TYPE_CHECKING

from ocrmypdf.exceptions import ExitCode, ExitCodeException

if TYPE_CHECKING:
    from ocrmypdf_superres.plugin.record import PageRecord

log = logging.getLogger("ocrmypdf.superres")


class SuperresPageError(ExitCodeException):
    """Something failed on a page, and ``--superres-on-error fail`` was given."""

    exit_code = ExitCode.other_error


@contextmanager
def guard(step: str, page: int, on_error: str, record: PageRecord | None = None) -> Iterator[None]:
    """Run the body of a ``with`` statement whose failure must not cost the page.

    ``KeyboardInterrupt`` and others that are not an ``Exception`` pass through.

    Args:
        step: names the failure in messages, such as "could not be enlarged".
        page: number of the page, from 1.
        on_error: ``skip``, or ``fail`` to end the job.
        record: where the fault is noted; the line that the record is logged with warns of it. Without one, the
            warning is logged at once.

    Raises:
        SuperresPageError: the body failed and *on_error* is ``fail``.
    """
    try:
        yield
    except SuperresPageError:
        raise
    # The one place that catches everything, memory and disk errors included: one page must not end a job of thousands.
    except Exception as error:
        cause = cause_of(error)
        if on_error == "fail":
            raise SuperresPageError(
                f"Page {page} {step}: {cause}; with --superres-on-error skip the job continues and reads it as well as it can."
            ) from error
        log.debug("superres: page %d %s", page, step, exc_info=error)
        if record is not None:
            record.faults.append(f"{step}: {cause}")
        else:
            log.warning("superres: page %d %s: %s", page, step, cause)


def cause_of(error: Exception) -> str:
    """Return what *error* says, in one line; OCRmyPDF's error of a program that failed says nothing, and has another as cause."""
    said, failed = " ".join(str(error).split()), error.__cause__
    if said or not isinstance(failed, CalledProcessError):
        return said or type(error).__name__
    code = failed.returncode
    how = f"was ended by signal {-code} ({strsignal(-code)})" if code < 0 else f"ended with status {code}"
    return f"{Path(failed.cmd[0]).name} {how}"
