# SPDX-License-Identifier: MPL-2.0
"""A small benchmark of rendered pages, and a net that equals Lanczos."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from evaluation_pages import LINES, draw


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    os.environ["OMP_THREAD_LIMIT"] = "1"


@pytest.fixture(scope="session")
def benchmark_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An hr page of 300 dpi and a page of 100 dpi, with an index."""
    folder = tmp_path_factory.mktemp("benchmark")
    rows = []
    for name, collection, dpi in (("good", "books", 300), ("poor", "faxes", 100)):
        (folder / collection).mkdir()
        image, text = f"{collection}/{name}.png", f"{collection}/{name}.gt.txt"
        draw(dpi).save(folder / image, dpi=(dpi, dpi))
        (folder / text).write_text("\n".join(LINES), encoding="utf-8")
        rows.append({"id": name, "collection": collection, "image": image, "text": text, "languages": "eng", "dpi": dpi})
    (folder / "index.json").write_text(json.dumps(rows), encoding="utf-8")
    return folder
