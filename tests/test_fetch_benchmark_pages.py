# SPDX-License-Identifier: MPL-2.0
"""The script that fetches the public pages, from a file server of this test's own."""

from __future__ import annotations

import csv
import functools
import hashlib
import http.server
import json
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from PIL import Image

EXAMPLES = Path(__file__).parent.parent / "examples"
SCRIPT = EXAMPLES / "fetch_benchmark_pages.py"
COLUMNS = (
    "collection", "page", "languages", "dpi", "repository", "commit", "image", "image_sha256", "truth", "truth_sha256",
)  # fmt: skip
FORM = {
    "form": [
        {"words": [{"box": [60, 11, 90, 20], "text": "Smith"}, {"box": [10, 40, 40, 50], "text": "Date:"}]},
        {"words": [{"box": [10, 10, 50, 20], "text": "NAME:"}, {"box": [0, 0, 1, 1], "text": " "}]},
    ]
}


@pytest.fixture
def server(tmp_path):
    """Serves a repository with two pages; yields its address and folder, and writes the list of pages."""
    site = tmp_path / "site"
    inside = site / "owner" / "set" / "c0ffee" / "data [a]"
    inside.mkdir(parents=True)
    Image.new("L", (40, 30), 255).save(inside / "one.png")
    Image.new("L", (40, 30), 200).save(inside / "two.png")
    (inside / "one.xml").write_text("<alto/>", encoding="utf-8")
    (inside / "two.json").write_text(json.dumps(FORM), encoding="utf-8")
    with (tmp_path / "pages.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for collection, name, truth in (("letters", "one", "one.xml"), ("forms", "two", "two.json")):
            hashes = [hashlib.sha256((inside / file).read_bytes()).hexdigest() for file in (f"{name}.png", truth)]
            paths = [f"data [a]/{name}.png", f"data [a]/{truth}"]
            writer.writerow([collection, name, "eng", 90, "owner/set", "c0ffee", paths[0], hashes[0], paths[1], hashes[1]])
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_port}", inside
        served.shutdown()


def run(tmp_path: Path, address: str, *more: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        str(SCRIPT),
        str(tmp_path / "pages"),
        "--from",
        address,
        "--list",
        str(tmp_path / "pages.csv"),
        *more,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_pages_are_fetched_once_and_have_an_index(server, tmp_path):
    address, _ = server
    done = run(tmp_path, address)
    assert done.returncode == 0, done.stderr
    assert "2 pages" in done.stdout and "4 files fetched" in done.stdout
    index = json.loads((tmp_path / "pages" / "index.json").read_text(encoding="utf-8"))
    assert [row["text"] for row in index] == ["letters/one.xml", "forms/two.gt.txt"]
    assert (tmp_path / "pages" / "forms" / "two.gt.txt").read_text(encoding="utf-8") == "NAME: Smith\nDate:\n"
    assert "0 files fetched" in run(tmp_path, address).stdout
    (tmp_path / "pages" / "letters" / "one.png").write_bytes(b"damaged")
    assert "1 files fetched" in run(tmp_path, address).stdout


def test_a_file_that_is_another_one_is_refused(server, tmp_path):
    address, inside = server
    (inside / "two.json").write_text("{}", encoding="utf-8")
    done = run(tmp_path, address)
    assert done.returncode == 1 and "was expected; nothing was written" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "pages" / "forms" / "two.json").exists()


def test_what_is_missing_and_wrong_collections_are_one_sentence(server, tmp_path):
    address, inside = server
    (inside / "one.png").unlink()
    done = run(tmp_path, address)
    assert done.returncode == 1 and "cannot be fetched" in done.stderr and "Traceback" not in done.stderr
    done = run(tmp_path, address, "--collections", "nosuch")
    assert done.returncode == 2 and "forms, letters" in done.stderr
    assert run(tmp_path, address, "--collections", "forms").returncode == 0


def test_the_list_names_what_the_figures_are_of():
    with (EXAMPLES / "benchmark_pages.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        assert re.fullmatch(r"[0-9a-f]{40}", row["commit"]) and row["repository"].count("/") == 1
        assert all(re.fullmatch(r"[0-9a-f]{64}", row[kind]) for kind in ("image_sha256", "truth_sha256"))
    table = (EXAMPLES.parent / "docs" / "results" / "lowres.md").read_text(encoding="utf-8")
    for collection in {row["collection"] for row in rows}:
        count = sum(row["collection"] == collection for row in rows)
        assert f"| {collection} ({count}) |" in table


def test_a_connection_that_breaks_off_is_one_sentence(server, tmp_path):
    class BreakingOff(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"too little")

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), BreakingOff) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        done = run(tmp_path, f"http://127.0.0.1:{served.server_port}")
        served.shutdown()
    assert done.returncode == 1 and "cannot be fetched" in done.stderr and "Traceback" not in done.stderr
