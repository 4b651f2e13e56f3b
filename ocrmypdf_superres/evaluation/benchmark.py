# SPDX-License-Identifier: MPL-2.0
"""Running cases through methods, several at a time, with a cache that makes a run resumable.

A reading is kept under the hash of all that decides it: the page's image, languages and dpi, the condition, the method,
Tesseract's version, for the plugin also OCRmyPDF's version, the model's files and the plugin's own code, and for a net by
itself its files and the code that runs it.  So the baselines are read once, and a new net costs only its own readings.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ocrmypdf_superres.errors import OptionError, SuperresError
from ocrmypdf_superres.evaluation.data.ground_truth import read_truth
from ocrmypdf_superres.evaluation.data.pages import Case
from ocrmypdf_superres.evaluation.methods.methods import read
from ocrmypdf_superres.evaluation.methods.peers import Peer
from ocrmypdf_superres.files import atomic_write_text
from ocrmypdf_superres.metrics.text import TextScore, right_by_textzoom, s_lcs, s_ld, score
from ocrmypdf_superres.modelstore.store import find_model
from ocrmypdf_superres.processes import worker_pool
from ocrmypdf_superres.tesseract import version


@dataclass
class Result:
    """A method's counts and costs on one case; ``error`` says why there are none.

    ``scores`` are those that do not add up over pages: S_LCS, S_LD, and whether the text is right by TextZoom's rules.
    """

    group: str
    page: str
    collection: str
    method: str
    counts: TextScore
    tesseract_seconds: float
    superres_seconds: float
    details: dict[str, Any]
    error: str = ""
    scores: dict[str, float] = field(default_factory=dict)


def _versions(method: str, model: str, peer: Peer | None = None) -> str:
    """Return what, beside page and condition, decides a method's result.

    Raises:
        MissingDependencyError: there is no Tesseract. ModelError: there is no such model.
    """
    parts = [version()]
    if peer is not None:
        parts += [peer.kind, peer.decides()]
    if method in ("oversample", "plugin", "plugin-once", "plugin-checked"):
        import ocrmypdf

        parts.append(f"ocrmypdf {ocrmypdf.__version__}")
    if method in ("plugin", "plugin-once", "plugin-checked"):
        parts += sorted(find_model(model).card.files.values())
        package = Path(__file__).resolve().parents[1]
        # The plugin's own code decides too; training and evaluation do not.
        for path in sorted([*package.rglob("*.py"), *package.rglob("*.json")]):
            inside = path.relative_to(package).parts[0]
            if inside not in ("training", "evaluation", "export", "commands", "cli.py", "recognizers"):
                parts.append(hashlib.sha256(path.read_bytes()).hexdigest())
    return "\n".join(parts)


#: To be raised whenever a profile or a method changes what it does, so that older readings are not taken.
CACHE_FORM = "2"


def _key(case: Case, method: str, versions: str) -> str:
    # The native scan does not depend on what the page is reduced to.
    condition = "" if method == "native" else f"{case.dpi:g}/{case.profile}"
    if case.page.line:
        condition += "/line"
    image = hashlib.sha256(Path(case.page.image).read_bytes()).hexdigest()
    text = "\n".join([CACHE_FORM, image, case.page.languages, f"{case.page.dpi:g}", condition, method, versions])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _stored(path: Path) -> dict[str, Any] | None:
    """Return the reading kept at *path*; None where there is none, or a damaged one."""
    try:
        reading = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return reading if isinstance(reading, dict) and "text" in reading else None


def _work(case: Case, method: str, model: str, path: str | None, peer: Peer | None) -> dict[str, Any]:
    """Read one case in a worker. Another run may have stored the reading meanwhile."""
    known = _stored(Path(path)) if path is not None else None
    if known is not None:
        return known
    try:
        reading = asdict(read(case, method, model, peer))
    except (SuperresError, OSError) as error:
        return {"text": "", "tesseract_seconds": 0.0, "superres_seconds": 0.0, "details": {}, "error": str(error)}
    if path is not None:
        atomic_write_text(Path(path), json.dumps(reading))
    return reading


def applies(case: Case, method: str) -> bool:
    """Whether *method* means something for *case*: only a reduced page has a native scan."""
    return method != "native" or bool(case.profile)


def run_cases(
    cases: Sequence[Case],
    methods: Sequence[str],
    model: str,
    cache: Path | None,
    jobs: int,
    peers: Sequence[Peer] = (),
) -> Iterator[Result]:
    """Yield a result for each case and each method that applies, as they are done; errors become results too.

    Each of *peers* is a method of its name.

    Raises:
        MissingDependencyError: there is no Tesseract. ModelError: there is no such model.
    """
    known_peers = {peer.name: peer for peer in peers}
    methods = [*methods, *known_peers]
    versions = {method: _versions(method, model, known_peers.get(method)) for method in methods}
    if cache is not None:
        cache.mkdir(parents=True, exist_ok=True)
    # One reading may serve several cases: the native scan serves every condition.
    wanted: dict[str, list[tuple[Case, str]]] = {}
    for case in cases:
        for method in methods:
            if applies(case, method):
                wanted.setdefault(_key(case, method, versions[method]), []).append((case, method))
    missing: dict[str, list[tuple[Case, str]]] = {}
    for key, served in wanted.items():
        known = _stored(cache / f"{key}.json") if cache is not None else None
        if known is None:
            missing[key] = served
        else:
            yield from (_result(case, method, known) for case, method in served)
    if not missing:
        return
    pool = worker_pool(jobs)
    try:
        waiting = {}
        for key, served in missing.items():
            path = str(cache / f"{key}.json") if cache is not None else None
            waiting[pool.submit(_work, *served[0], model, path, known_peers.get(served[0][1]))] = served
        for job in as_completed(waiting):
            yield from (_result(case, method, job.result()) for case, method in waiting[job])
    finally:
        # On an interrupt the readings under way end, and the others are not begun.
        pool.shutdown(wait=True, cancel_futures=True)


def _result(case: Case, method: str, reading: dict[str, Any]) -> Result:
    truth, text = read_truth(Path(case.page.truth)).text, reading["text"]
    scores = {
        "s_lcs": round(s_lcs(text, truth), 6), "s_ld": round(s_ld(text, truth), 6),
        "textzoom_right": float(right_by_textzoom(text, truth)),
    }  # fmt: skip
    return Result(
        case.group, case.page.name, case.page.collection, method, score(text, truth), reading["tesseract_seconds"],
        reading["superres_seconds"], reading["details"], reading.get("error", ""), scores,
    )  # fmt: skip


def to_json(result: Result) -> dict[str, Any]:
    """Return *result* as it is written: two equal runs differ only in the fields whose names end in ``seconds``."""
    counts = result.counts
    rates = {"cer": counts.cer, "wer": counts.wer, "recall": counts.recall, "precision": counts.precision}
    own = {"file", "device", "reading_cost"}  # of the temporary PDF, of the machine, and a ratio of times
    cost = result.details.get("reading_cost", 1.0)
    details = {name: value for name, value in result.details.items() if name not in own and not name.endswith("seconds")}
    return {
        **asdict(result),
        "one_reading_seconds": result.tesseract_seconds / cost,
        "counts": asdict(counts),
        "rates": {name: round(value, 6) for name, value in rates.items()},
        "details": details,
    }


def from_json(values: dict[str, Any]) -> Result:
    """Return the result that :func:`to_json` wrote.

    Raises:
        OptionError: it has another form.
    """
    try:
        fields = {name: values[name] for name in Result.__dataclass_fields__ if name not in ("counts", "scores")}
        fields["scores"] = values.get("scores", {})
        once = values.get("one_reading_seconds", 0.0)
        if once > 0:
            fields["details"] = {**fields["details"], "reading_cost": fields["tesseract_seconds"] / once}
        return Result(**fields, counts=TextScore(**values["counts"]))
    except (KeyError, TypeError) as error:
        raise OptionError(f"The results cannot be used ({error!r}); give what evaluate --json or --run wrote.") from error
