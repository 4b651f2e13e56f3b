# SPDX-License-Identifier: MPL-2.0
"""Run OCRmyPDF alone and with this plugin on every PDF of a folder; name those that fail, look different or take far longer.

    git clone --depth 1 https://github.com/mozilla/pdf.js && python tests/tools/corpus.py pdf.js/test/pdfs [--pages 3]

Pages that have text are skipped, as with --skip-text. A file counts as slow from twice the CPU seconds that OCRmyPDF takes alone,
plus those of the network, on; the text of RapidOCR is left out. Each run is a process that is forked after the imports.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import ocrmypdf
import pypdfium2
from ocrmypdf.exceptions import ExitCodeException

import ocrmypdf_superres  # noqa: F401  before the forks

NETWORK_SECONDS = 1.0
"""What loading a network and enlarging a page may cost."""
DPI = 50
KILLED = -9


@dataclass
class Run:
    """How a run ended: exit code or signal, what was said, CPU seconds."""

    code: int
    message: str
    seconds: float


def run(source: Path, target: Path, pages: int, limit: int, plugin: bool) -> Run:
    """Run OCRmyPDF on *source* in a process of its own, killed after *limit* seconds on the clock."""
    said = target.with_suffix(".txt")
    said.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        os._exit(_in_child(source, target, pages, said, plugin))
    ends = time.monotonic() + limit
    while True:
        ended, status, usage = os.wait4(child, os.WNOHANG)
        if ended:
            break
        if time.monotonic() > ends:
            os.kill(child, 9)
        time.sleep(0.02)
    message = said.read_text(encoding="utf-8") if said.exists() else ""
    return Run(os.waitstatus_to_exitcode(status), message, usage.ru_utime + usage.ru_stime)


def _in_child(source: Path, target: Path, pages: int, said: Path, plugin: bool) -> int:
    os.environ["OMP_THREAD_LIMIT"] = "1"
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    more = {"plugins": ["ocrmypdf_superres"], "superres_device": "cpu", "superres_engines": "none"} if plugin else {}
    try:
        return int(
            ocrmypdf.ocr(
                source, target, language=["eng"], skip_text=True, output_type="pdf", optimize=0, jobs=1, use_threads=True,
                progress_bar=False, pages=f"1-{pages}", **more,
            )
        )  # fmt: skip
    except ExitCodeException as error:
        said.write_text(f"{type(error).__name__}: {error}", encoding="utf-8")
        return int(error.exit_code)
    except BaseException as error:  # noqa: BLE001  whatever it is, it is the run that ended so
        said.write_text(f"{type(error).__name__}: {error}\n{traceback.format_exc()}", encoding="utf-8")
        return 70


def looks(path: Path, pages: int) -> list[np.ndarray]:
    """Return the first *pages* pages as they look; drawn twice, since the first use of a font may give another one."""
    for _ in range(2):
        with pypdfium2.PdfDocument(path) as document:
            shown = [document[n].render(scale=DPI / 72).to_numpy().copy() for n in range(min(pages, len(document)))]
    return shown


def compared(source: Path, folder: Path, pages: int, limit: int) -> dict[str, object]:
    """Return what was found for *source*, with ``fault``: "" where the plugin changed nothing but the text layer."""
    plain, ours = folder / "plain.pdf", folder / "superres.pdf"
    for path in (plain, ours):
        path.unlink(missing_ok=True)
    first = run(source, plain, pages, limit, plugin=False)
    second = run(source, ours, pages, 3 * limit, plugin=True)
    fault = ""
    if first.code == KILLED:
        pass  # nothing to compare with
    elif first.code != second.code:
        fault = f"exit code {second.code}, {first.code} without"
    elif second.seconds > 2 * first.seconds + NETWORK_SECONDS * pages:
        fault = f"{second.seconds:.1f} s, {first.seconds:.1f} s without"
    elif first.code == 0:
        shown = zip(looks(plain, pages), looks(ours, pages), strict=True)
        if not all(one.shape == two.shape and (one == two).all() for one, two in shown):
            fault = "a page looks different"
    return {"file": source.name, "fault": fault, "alone": asdict(first), "superres": asdict(second)}


def main() -> int:
    """Compare; return 1 where a file has a fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pages", type=int, default=3, help="only the first pages of each file (default: %(default)s)")
    parser.add_argument("--limit", type=int, default=60, help="seconds on the clock for a run without (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="write every result there; files that it has are not run again")
    arguments = parser.parse_args()
    if not any(arguments.folder.glob("*.pdf")):
        parser.error(f"there is no PDF in {arguments.folder}; give another folder")
    found: dict[str, dict[str, object]] = {}
    if arguments.json and arguments.json.exists():
        found = {entry["file"]: entry for entry in json.loads(arguments.json.read_text(encoding="utf-8"))}
    with tempfile.TemporaryDirectory() as folder:
        for number, path in enumerate(sorted(arguments.folder.glob("*.pdf"))):
            if path.name not in found:
                found[path.name] = compared(path, Path(folder), arguments.pages, arguments.limit)
            if found[path.name]["fault"]:
                print(f"{path.name}: {found[path.name]['fault']}", flush=True)
            if arguments.json and number % 20 == 0:
                arguments.json.write_text(json.dumps(list(found.values())), encoding="utf-8")
    results = list(found.values())
    if arguments.json:
        arguments.json.write_text(json.dumps(results), encoding="utf-8")
    codes = [entry["alone"]["code"] for entry in results]  # type: ignore[index]
    seconds = [sum(entry[name]["seconds"] for entry in results) for name in ("alone", "superres")]  # type: ignore[index]
    faults = sum(bool(entry["fault"]) for entry in results)
    print(f"{len(results)} files, {codes.count(0)} of them made by OCRmyPDF alone; with the plugin {faults} faults, "
          f"{seconds[1] / seconds[0]:.2f} times the CPU seconds")  # fmt: skip
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
