# SPDX-License-Identifier: MPL-2.0
"""onnxruntime without telemetry: the one place that imports it for inference."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType
from typing import Any

from ocrmypdf_superres.errors import ModelError


def import_onnxruntime() -> ModuleType:
    """Return the module ``onnxruntime``, imported with its telemetry off unless the user's environment says otherwise.

    The official builds send usage data and keep an identifier in the user's home, unless this variable is set before the
    import. Every import of this package goes through here.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    module: ModuleType = onnxruntime
    return module


def open_session(path: Path, threads: int) -> Any:
    """Return an ``InferenceSession`` of the file *path* on *threads* CPU threads.

    Raises:
        ModelError: onnxruntime cannot load the file.
    """
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin while they wait would take the cores that Tesseract needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common base class
        raise ModelError(f"{path} is not an ONNX model that onnxruntime can load ({error}); install the model again.") from error
