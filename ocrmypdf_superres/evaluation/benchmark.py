# SPDX-License-Identifier: MPL-2.0
"""Running cases through methods, several at a time, with a cache that makes a run resumable."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ocrmypdf_superres.errors import SuperresError
from ocrmypdf_superres.evaluation.methods import read
from ocrmypdf_superres.evaluation.metrics import TextScore, score
from ocrmypdf_superres.evaluation.pages import Case
from ocrmypdf_superres.modelstore import find_model


@dataclass
class Result:
    """A method's counts and costs on one case; ``error`` says why there are none."""

    group: str
    page: str
    collection: str
    method: str
    counts: TextScore
    tesseract_seconds: float
    superres_seconds: float
    details: dict[str, Any]
    error: str = ""


def _versions(method: str, model: str) -> str:
    """Return what, beside page and condition, decides a method's result."""
    import subprocess

    tesseract = subprocess.run(["tesseract", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    parts = [tesseract]
    if method in ("oversample", "plugin", "plugin-checked"):
        import ocrmypdf

        parts.append(f"ocrmypdf {ocrmypdf.__version__}")
    if method in ("plugin", "plugin-checked"):
        parts += sorted(find_model(model).card.files.values())
        package = Path(__file__).resolve().parent.parent
        # The plugin's own code decides too; training and evaluation do not.
        for path in sorted(package.rglob("*.py")):
            inside = path.relative_to(package).parts[0]
            if inside not in ("training", "evaluation", "export", "commands", "cli.py", "recognizers"):
                parts.append(hashlib.sha256(path.read_bytes()).hexdigest())
    return "\n".join(parts)


def _key(case: Case, method: str, versions: str) -> str:
    # Lanczos and the native scan do not depend on what else the run does, so their readings serve every run.
    condition = "" if method == "native" else f"{case.dpi:g}/{case.profile}"
    picture = hashlib.sha256(Path(case.page.image).read_bytes()).hexdigest()
    text = "\n".join(["2", picture, case.page.languages, f"{case.page.dpi:g}", condition, method, versions])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _work(case: Case, method: str, model: str, stored: str | None) -> dict[str, Any]:
    try:
        reading = asdict(read(case, method, model))
    except (SuperresError, OSError) as error:
        return {"text": "", "tesseract_seconds": 0.0, "superres_seconds": 0.0, "details": {}, "error": str(error)}
    if stored is not None:
        part = Path(stored).with_suffix(".part")
        part.write_text(json.dumps(reading), encoding="utf-8")
        part.replace(stored)
    return reading


def run_cases(
    cases: Sequence[Case], methods: Sequence[str], model: str, cache: Path | None, jobs: int
) -> Iterator[Result]:
    """Yield a result for each case and method, as they are done; errors become results too."""
    versions = {method: _versions(method, model) for method in methods}
    if cache is not None:
        cache.mkdir(parents=True, exist_ok=True)
    # Threads of the parent and fork do not go together; a fresh interpreter is a second's cost.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=jobs, mp_context=context) as pool:
        waiting = {}
        for case in cases:
            for method in methods:
                stored = cache / f"{_key(case, method, versions[method])}.json" if cache is not None else None
                if stored is not None and stored.is_file():
                    yield _result(case, method, json.loads(stored.read_text(encoding="utf-8")))
                else:
                    job = pool.submit(_work, case, method, model, str(stored) if stored else None)
                    waiting[job] = (case, method)
        for job in as_completed(waiting):
            case, method = waiting[job]
            yield _result(case, method, job.result())


def _result(case: Case, method: str, reading: dict[str, Any]) -> Result:
    truth = Path(case.page.truth).read_text(encoding="utf-8")
    return Result(
        case.group, case.page.name, case.page.collection, method, score(reading["text"], truth),
        reading["tesseract_seconds"], reading["superres_seconds"], reading["details"], reading.get("error", ""),
    )  # fmt: skip
