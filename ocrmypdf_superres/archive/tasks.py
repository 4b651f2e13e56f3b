# SPDX-License-Identifier: MPL-2.0
"""Tasks and results: plain data that travels between a run and its workers, across processes and machines.

A worker knows neither the manifest nor other files. It reads one input, writes finished outputs into the task's
staging folder, and returns what happened; publishing and the manifest are the run's business.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

UNFIT = "worker"
"""Code of a result that costs no try: the worker found that it cannot do the run's work."""


class State(enum.StrEnum):
    """State of a file: ``WAITING``, ``STAGED`` (outputs complete, not yet published) or one of three final ones."""

    WAITING = "waiting"
    STAGED = "staged"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


class Kind(enum.StrEnum):
    """Kind of an input: a PDF, an image file (of one or many pages), or a METS document with its images.

    ``OTHER`` is a file that is not an input or could not be examined; the manifest has it with the reason.
    """

    PDF = "pdf"
    IMAGE = "image"
    METS = "mets"
    OTHER = "other"


@dataclass(frozen=True)
class Limits:
    """Limits of one file.

    Attributes:
        seconds: wall-clock time; None for no limit.
        memory: bytes of resident memory of the worker and its children; None for no limit.
    """

    seconds: float | None = None
    memory: int | None = None


@dataclass(frozen=True)
class FileTask:
    """One file to run OCR on.

    Attributes:
        number: the file's row in the manifest.
        source: absolute path of the input, as ``os.fsdecode`` gives it (undecodable bytes are surrogates).
        relative: its path below the run's input folder, with ``/``; the file's name in catalogues.
        kind: of the input.
        staging: absolute path of a folder for this task alone, on the file system of the outputs, that is empty or missing.
        outputs: what to make: ``pdf``, ``text``, ``alto``, ``hocr``, ``images``.
        ocr: keyword arguments of ``ocrmypdf.ocr()``, including ``superres_*``.
        limits: for the work on the file.
        attempt: 1 for the first try.
        known: SHA-256 of the input that the present outputs were made from; an input that still has it is left alone
            (``SKIPPED``, code ``unchanged``). Empty without such outputs.
        scratch: folder for temporary files on the worker's machine; empty for the system's.
        settings: hash of the run's settings, for the provenance.
        image_dpi: resolution of images that claim none; with 0 such an image fails.
        conflict: why its outputs could not be published, so that an input without the hash ``known`` is not read; else empty.
    """

    number: int
    source: str
    relative: str
    kind: Kind
    staging: str
    outputs: tuple[str, ...] = ("pdf",)
    ocr: dict[str, Any] = field(default_factory=dict)
    limits: Limits = Limits()
    attempt: int = 1
    known: str = ""
    scratch: str = ""
    settings: str = ""
    image_dpi: int = 0
    conflict: str = ""

    @property
    def root(self) -> Path:
        """The run's input folder."""
        return Path(self.source[: -len(self.relative)])

    @property
    def log(self) -> str:
        """Path of the file's log, which its worker writes beside the staging folder."""
        return f"{self.staging}.log"


@dataclass(frozen=True)
class Output:
    """One finished output.

    Attributes:
        kind: as in :attr:`FileTask.outputs`.
        name: path below the staging folder, and below the run's output folder once published, with ``/``.
        sha256: of its bytes.
        size: in bytes.
    """

    kind: str
    name: str
    sha256: str
    size: int


@dataclass
class PageResult:
    """The result of one page.

    Attributes:
        page: number, from 1.
        action, reason: the plugin's plan and its reason, as in its page record; empty if the plugin did not see the page.
        dpi, new_dpi, scale, x_height: as in the page record.
        seconds: for planning and super-resolution.
        words: number of words that OCR found; None if the page was not read.
        confidence: their mean confidence in [0, 1]; None without words.
        findings: reasons why a person should look at the page, a clause each (``ink but no words``).
        record: the plugin's whole page record.
    """

    page: int
    action: str = ""
    reason: str = ""
    dpi: float | None = None
    new_dpi: float | None = None
    scale: int | None = None
    x_height: float | None = None
    seconds: float = 0.0
    words: int | None = None
    confidence: float | None = None
    findings: list[str] = field(default_factory=list)
    record: dict[str, Any] = field(default_factory=dict)


@dataclass
class FileResult:
    """The result of a task.

    Attributes:
        number: the task's.
        state: ``STAGED``, ``SKIPPED`` or ``FAILED``.
        code: one word for machines (``ok``, ``encrypted``, ``damaged``, ``timeout``, ``memory``, ``died``, ``has-text`` ...);
            ``unchanged`` if the input still has the hash :attr:`FileTask.known`.
        reason: one sentence for people; empty after success.
        transient: whether the failure may disappear by itself, so that another try makes sense.
        sha256: of the input as it was read.
        outputs, pages: the finished outputs, and the result of each page.
        findings: reasons why a person should look at the file.
        warnings: OCRmyPDF's and the plugin's, in order.
        seconds: wall-clock time.
        worker: name of the process or machine, for the log.
    """

    number: int
    state: State
    code: str
    reason: str = ""
    transient: bool = False
    sha256: str = ""
    outputs: list[Output] = field(default_factory=list)
    pages: list[PageResult] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    seconds: float = 0.0
    worker: str = ""
