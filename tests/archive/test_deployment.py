# SPDX-License-Identifier: MPL-2.0
"""The deployments in examples/ do what their READMEs say."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"

# As paperless-ngx calls OCRmyPDF: by its API, in a thread, its user arguments merged into its own.
PAPERLESS = """
import json, os, sys, threading
import ocrmypdf
try:
    import torch
except ImportError:
    pass
else:
    sys.exit("torch is here")
source, target, sidecar = sys.argv[1:]
args = {
    "input_file_or_options": source, "output_file": target, "sidecar": sidecar, "use_threads": True, "jobs": 1, "language": "eng",
    "output_type": "pdf", "progress_bar": False, "skip_text": True, "clean": True, "deskew": True, "rotate_pages": True,
}
args |= json.loads(os.environ["PAPERLESS_OCR_USER_ARGS"])
thread = threading.Thread(target=lambda: ocrmypdf.ocr(**args))
thread.start()
thread.join()
"""


def run(*command, **keywords):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **keywords)


@pytest.mark.slow
def test_paperless_without_torch(tmp_path):
    dockerfile = (EXAMPLES / "paperless-ngx" / "Dockerfile").read_text(encoding="utf-8")
    steps = re.findall(r"^RUN python3 (-m pip install .*)$", dockerfile, re.MULTILINE)
    copied = re.findall(r"^COPY (.*) /tmp/superres/", dockerfile, re.MULTILINE)
    user_args = re.search(r"^ENV PAPERLESS_OCR_USER_ARGS='(.*)'$", dockerfile, re.MULTILINE)
    assert len(steps) == 2 and user_args is not None
    folder = tmp_path / "superres"
    folder.mkdir()
    for name in " ".join(copied).split():
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    assert run(sys.executable, "-m", "venv", tmp_path / "venv").returncode == 0
    python = tmp_path / "venv" / "bin" / "python"
    pinned = run(python, "-m", "pip", "install", "-q", "ocrmypdf~=17.7.0", env=environment, timeout=900)
    if pinned.returncode:
        pytest.skip(f"no packages can be installed here: {pinned.stderr[-200:]}")
    for step in steps:
        done = run(python, *step.replace("/tmp/superres", str(folder)).split(), env=environment, timeout=900)
        assert done.returncode == 0, done.stderr
    assert run(python.with_name("ocrmypdf-superres"), "doctor", env=environment).returncode == 0
    report = tmp_path / "report.jsonl"
    environment["PAPERLESS_OCR_USER_ARGS"] = json.dumps({**json.loads(user_args[1]), "superres_report": str(report)})
    sample = EXAMPLES / "sample-72dpi.pdf"
    done = run(python, "-c", PAPERLESS, sample, tmp_path / "out.pdf", tmp_path / "out.txt", env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    record = json.loads(report.read_text(encoding="utf-8"))
    assert record["action"] == "enlarged" and "onnxruntime" in record["device"]
    assert "County Record Office" in (tmp_path / "out.txt").read_text(encoding="utf-8")
