# SPDX-License-Identifier: MPL-2.0
"""What is checked of the plugin's options before pages are worked on, each with one clear sentence and OCRmyPDF's exit code."""

from __future__ import annotations

import difflib
import logging
import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from ocrmypdf.exceptions import BadArgsError, MissingDependencyError, OutputFileAccessError

from ocrmypdf_superres.errors import ModelError
from ocrmypdf_superres.modelstore.networks import AUTO, STOCK
from ocrmypdf_superres.modelstore.store import find_model
from ocrmypdf_superres.plugin.options import NAMESPACE, SuperresOptions, read_options
from ocrmypdf_superres.upscaling.upscaler import check_tileable

log = logging.getLogger("ocrmypdf.superres")


def check_unknown(extra_attrs: dict[str, Any]) -> None:
    """Refuse ``superres_*`` keywords that no field has.

    Raises:
        BadArgsError: with the unknown names and, where one is near, the name that was probably meant.
    """
    known = {f"{NAMESPACE}_{name}" for name in SuperresOptions.model_fields}
    unknown = sorted(key for key in extra_attrs if key.startswith(f"{NAMESPACE}_") and key not in known)
    if not unknown:
        return
    hints = []
    for key in unknown:
        near = difflib.get_close_matches(key, known, n=1)
        hints.append(f"{key} (did you mean {near[0]}?)" if near else key)
    raise BadArgsError(f"Unknown super-resolution option {', '.join(hints)}; the known ones are {', '.join(sorted(known))}.")


def check_model(name: str) -> None:
    """Look the model up, verify its files and check that it can enlarge pages, without loading a net.

    Raises:
        MissingDependencyError: the model is missing, damaged, or not one that this version can run on pages.
    """
    try:
        model = find_model(name)
        model.verify()
        if not model.card.line_size:
            check_tileable(model)
    except ModelError as error:
        raise MissingDependencyError(str(error)) from error


def check_report(report: str | None, options: Any) -> None:
    """Check that the report can be written and is not another file of the job, before pages are worked on.

    Call it when OCRmyPDF validates, for only then does its command line give the exit code of this error.

    Raises:
        BadArgsError: the report is the input, output or sidecar file, or standard output.
        OutputFileAccessError: its folder is missing or cannot be written to.
    """
    if report is None:
        return
    if report == "-":
        raise BadArgsError("--superres-report was given -, a file was expected; name one, such as pages.jsonl.")
    path = Path(report).absolute()
    for other in (options.input_file, options.output_file, options.sidecar):
        if isinstance(other, str | os.PathLike) and os.path.realpath(other) == os.path.realpath(path):
            raise BadArgsError(
                f"--superres-report was given {report}, which is another file of this job; name a file of its own."
            )
    target = path if path.exists() else path.parent
    if path.is_dir() or not os.access(target, os.W_OK):
        raise OutputFileAccessError(
            f"--superres-report was given {report}, which cannot be written; name a file in a folder that is there and writable."
        )


def make_keep_folder(keep: str | None) -> None:
    """Create the folder of ``--superres-keep`` where it is missing, and check that it can be written to.

    Raises:
        OutputFileAccessError: it cannot.
    """
    if keep is None:
        return
    try:
        Path(keep).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputFileAccessError(
            f"--superres-keep was given {keep}, which cannot be made ({error}); name a folder."
        ) from error
    if not os.access(keep, os.W_OK):
        raise OutputFileAccessError(f"--superres-keep was given {keep}, which cannot be written to; name a writable folder.")


@lru_cache(maxsize=8)
def _cuda_devices() -> tuple[int, str]:
    """Return the number of CUDA devices that PyTorch can use, and what is missing where that is 0.

    PyTorch is asked in a process of its own: a CUDA context in this one would break workers that are forked from it.
    """
    code = "import torch; print(torch.cuda.device_count() if torch.cuda.is_available() else 0, torch.version.cuda)"
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=180, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return 0, f"asking PyTorch failed ({error})"
    if done.returncode != 0:
        return 0, "PyTorch cannot be imported here (pip install 'ocrmypdf-superres[gpu]' brings it)"
    count, version = done.stdout.split()[-2:]
    return int(count), "this PyTorch is built without CUDA" if version == "None" else "PyTorch finds no CUDA device"


def check_device(device: str) -> None:
    """Refuse an explicit CUDA device that does not exist; ``auto`` and ``cpu`` always pass.

    Raises:
        MissingDependencyError: with what is missing.
    """
    if not device.startswith("cuda"):
        return
    index = int(device.partition(":")[2] or 0)
    count, why = _cuda_devices()
    if index >= count:
        found = f"there are {count} CUDA devices" if count else why
        raise MissingDependencyError(f"--superres-device was given {device}, but {found}; use --superres-device cpu or auto.")


def check_all(options: Any) -> SuperresOptions:
    """Check everything that can be checked before work starts; return the plugin's options.

    Raises:
        ocrmypdf.exceptions.ExitCodeException: a subclass with OCRmyPDF's exit code and one clear sentence.
    """
    check_unknown(options.extra_attrs)
    found = read_options(options)
    _warn_of_options_without_effect(found)
    if found.trigger == "off":
        return found
    check_device(found.device)
    check_model(found.model)
    if found.networks not in (AUTO, STOCK):
        from ocrmypdf_superres.plugin.networks import check_networks

        check_networks(found.networks)
    if found.named_engines():
        from ocrmypdf_superres.plugin.readings.opinions import check_engines

        check_engines(options)
    return found


def _warn_of_options_without_effect(ours: SuperresOptions) -> None:
    if ours.trigger == "off":
        if ours.report is not None:
            log.warning("superres: with --superres-trigger off no page is measured, so --superres-report writes nothing")
        return
    if ours.verify == "off" and ours.named_engines():
        log.warning("superres: with --superres-verify off no page is read again, so --superres-engines asks none")
    if ours.verify == "always" and ours.use_for == "page":
        log.warning(
            "superres: with --superres-use-for page there is no other variant of a page, so --superres-verify always reads none"
        )
