# SPDX-License-Identifier: MPL-2.0
"""Run OCRmyPDF's own tests without and with this plugin in every one of them, and name those that only fail with it.

    pip download --no-deps --no-binary :all: ocrmypdf==17.13.0 && tar xf ocrmypdf-17.13.0.tar.gz
    python tests/tools/host_suite.py ocrmypdf-17.13.0 [--tests tests/test_userunit.py ...] [--jobs 4]

The plugin is loaded by an entry point that exists for this run only. Needs OCRmyPDF's requirements for tests (hypothesis,
reportlab, pymupdf, pytest-xdist, python-xmp-toolkit with libexempi), Tesseract with eng and osd, Ghostscript, unpaper and
pngquant.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ENTRY_POINT = "[ocrmypdf]\nsuperres = ocrmypdf_superres\n"
METADATA = "Metadata-Version: 2.1\nName: superres-in-every-test\nVersion: 0\n"
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.M)


def failures(source: Path, tests: list[str], jobs: int, plugin: Path | None) -> set[str]:
    """Return the names of the tests that fail; with the folder *plugin* on the path its entry point is found."""
    path = [str(folder) for folder in (plugin, Path(__file__).parents[2]) if folder is not None]
    path += [os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    command = [sys.executable, "-m", "pytest", "-q", "-rfE", "-n", str(jobs), "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, check=False)
    print(done.stdout.strip().splitlines()[-1:] or done.stderr[-2000:], flush=True)
    if done.returncode not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        # After a crash pytest names no test that failed, as if none had.
        sys.exit(f"pytest ended with {done.returncode} before all tests had run:\n{done.stdout[-3000:]}")
    return set(_FAILED.findall(done.stdout))


def main() -> int:
    """Compare; return 1 where the plugin makes a test fail."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="unpacked source distribution of OCRmyPDF")
    parser.add_argument("--tests", nargs="*", default=["tests"])
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        info = Path(folder) / "superres_in_every_test-0.dist-info"
        info.mkdir()
        (info / "entry_points.txt").write_text(ENTRY_POINT, encoding="utf-8")
        (info / "METADATA").write_text(METADATA, encoding="utf-8")
        with_plugin = failures(arguments.source, arguments.tests, arguments.jobs, Path(folder))
        # Only what failed need be run without: the rest is no fault of the plugin.
        names = sorted(with_plugin)
        without = failures(arguments.source, names, arguments.jobs, None) if names else set()
    new = sorted(with_plugin - without)
    print(f"{len(with_plugin)} fail with the plugin, {len(without)} of these without it; only with it: {len(new)}")
    print("\n".join(new))
    return 1 if new else 0


if __name__ == "__main__":
    sys.exit(main())
