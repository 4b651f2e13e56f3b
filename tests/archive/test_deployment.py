# SPDX-License-Identifier: MPL-2.0
"""The deployments in examples/ do what their READMEs say."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
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
    assert len(steps) == 1 and user_args is not None
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


def parts_of(readme, language):
    """The code blocks of a README."""
    return re.findall(rf"^```{language}\n(.*?)^```", readme.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def on_path(folder, environment=None):
    """An environment in which the commands of the READMEs are found."""
    folder.mkdir(exist_ok=True)
    command = folder / "ocrmypdf-superres"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m ocrmypdf_superres "$@"\n')
    command.chmod(0o755)
    path = os.pathsep.join([str(folder), str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "OMP_THREAD_LIMIT": "1", **(environment or {})}


def test_the_systemd_unit(tmp_path):
    from ocrmypdf_superres.archive.settings import read_settings
    from ocrmypdf_superres.cli import build_parser

    unit = (EXAMPLES / "systemd" / "superres-watch.service").read_text(encoding="utf-8")
    command = re.search(r"^ExecStart=(\S+)/ocrmypdf-superres (.*)$", unit, re.MULTILINE)
    assert command is not None
    parsed = build_parser("archive").parse_args(command[2].split())
    assert str(parsed.source) == "/srv/scanner" and str(parsed.out) == "/srv/archive"
    assert read_settings(EXAMPLES / "systemd" / "superres-watch.toml").workers == 2
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze")
    on_path(tmp_path / "bin")
    here = tmp_path / "superres-watch.service"
    here.write_text(unit.replace(command[1], str(tmp_path / "bin")), encoding="utf-8")
    done = run("systemd-analyze", "verify", here)
    assert done.returncode == 0 and "superres-watch" not in done.stderr, done.stderr


@pytest.mark.slow
def test_the_lines_for_users_of_parallel(tmp_path):
    readme = EXAMPLES / "gnu-parallel" / "README.md"
    (tmp_path / "settings.toml").write_text(parts_of(readme, "toml")[0], encoding="utf-8")
    (tmp_path / "scans").mkdir()
    (tmp_path / "out").mkdir()
    for name in ("a letter.pdf", "b.pdf"):
        shutil.copy(EXAMPLES / "sample-72dpi.pdf", tmp_path / "scans" / name)
    before, *after = parts_of(readme, "sh")
    environment = on_path(tmp_path / "bin")
    if shutil.which("parallel"):
        done = run("sh", "-ec", before, cwd=tmp_path, env=environment, timeout=300)
        assert done.returncode == 0, done.stderr
        assert sorted(os.listdir(tmp_path / "out")) == ["a letter.pdf", "b.pdf"]
        shutil.rmtree(tmp_path / "out")
    for lines in after:
        done = run("sh", "-ec", lines, cwd=tmp_path, env=environment, timeout=300)
        assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "out").glob("*.pdf")} == {"a letter.pdf", "b.pdf"}
    assert len(list((tmp_path / "out2").glob("*.txt"))) == 2


@pytest.mark.slow
def test_slurm_with_a_stand_in_for_sbatch(tmp_path):
    pytest.importorskip("dask_jobqueue")
    environment = on_path(tmp_path / "bin", {"TMPDIR": str(tmp_path)})
    for name, script in (
        ("sbatch", 'job=$(mktemp)\ncp "$1" "$job"\nsetsid sh "$job" >"$job.log" 2>&1 &\necho "Submitted batch job $!"'),
        ("scancel", 'kill -TERM -- "-$1"'),
    ):
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "IN").mkdir()
    for number in range(3):
        shutil.copy(EXAMPLES / "sample-72dpi.pdf", tmp_path / "IN" / f"{number}.pdf")
    cluster = [
        sys.executable,
        str(EXAMPLES / "slurm" / "cluster.py"),
        "scheduler.json",
        "--jobs",
        "2",
        "--cores",
        "1",
        "--memory",
        "1GB",
    ]
    with subprocess.Popen(cluster, cwd=tmp_path, env=environment) as process:
        try:
            for _ in range(300):
                if (tmp_path / "scheduler.json").exists():
                    break
                time.sleep(0.1)
            line = "ocrmypdf-superres archive run IN OUT --cluster dask-scheduler-file:scheduler.json"
            assert line in (EXAMPLES / "slurm" / "README.md").read_text(encoding="utf-8")
            done = run("sh", "-c", f"{line} --output-type pdf", cwd=tmp_path, env=environment, timeout=300)
        finally:
            process.terminate()
    assert done.returncode == 0 and "3 done" in done.stdout, done.stderr
    assert process.returncode == 0 and not (tmp_path / "scheduler.json").exists()
