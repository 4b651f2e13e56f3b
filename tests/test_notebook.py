# SPDX-License-Identifier: MPL-2.0
"""The notebook of the examples runs from top to bottom, and is stored without outputs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

NOTEBOOK = Path(__file__).parent.parent / "examples" / "researcher_loop.ipynb"


def cells(kind: str) -> list[dict]:
    return [cell for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == kind]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_its_cells_run_in_order(tmp_path):
    code = "\n\n".join("".join(cell["source"]) for cell in cells("code"))
    environment = {**os.environ, "PYTHONPATH": str(NOTEBOOK.parent.parent)}
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning", "-c", code],
        capture_output=True, text=True, timeout=800, check=False, cwd=tmp_path, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "CER: bicubic" in done.stdout
    assert (tmp_path / "my-net" / "card.toml").is_file() and (tmp_path / "lines.png").is_file()


def test_it_is_stored_without_outputs_and_its_links_lead_somewhere():
    nbformat = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert (nbformat["nbformat"], nbformat["nbformat_minor"]) == (4, 5)
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells("code"))
    for cell in cells("markdown"):
        for part in "".join(cell["source"]).split("](")[1:]:
            assert (NOTEBOOK.parent / part.partition(")")[0]).is_file()
