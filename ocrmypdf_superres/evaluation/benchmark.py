# SPDX-License-Identifier: MPL-2.0
"""Reading cases by methods, several at a time; readings in the cache are not repeated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ocrmypdf_superres.errors import SuperresError
from ocrmypdf_superres.evaluation.data.pages import Case
from ocrmypdf_superres.evaluation.methods.dispatch import read
from ocrmypdf_superres.evaluation.methods.peers import Peer
from ocrmypdf_superres.evaluation.reading_cache import ReadingCache, key_of, versions_of
from ocrmypdf_superres.metrics.ground_truth import read_truth
from ocrmypdf_superres.metrics.text import TextScore, right_by_letters, s_lcs, s_ld, score
from ocrmypdf_superres.processes import worker_pool
from ocrmypdf_superres.tables import read_record

_WRITTEN = "give what evaluate --json or --run wrote"


@dataclass
class Result:
    """The counts and costs of a method on one case.

    Attributes:
        group: the condition, or the collection of a page that was not reduced; see :attr:`Case.group`.
        page, collection, method: names.
        counts: of the text against the ground truth; after an error those of an empty text.
        tesseract_seconds, superres_seconds: CPU seconds of reading and of super-resolution.
        details: the plugin's page record; empty for other methods.
        error: why the page could not be read; empty otherwise.
        scores: measures that are not summed over pages: S_LCS, S_LD, and 1 if its letters and digits are right, else 0.
        run_seconds: CPU seconds of the whole OCRmyPDF run, further engines included; 0 for a method without one.
        ignore_case: whether text and truth were compared without regard to case.
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
    run_seconds: float = 0.0
    ignore_case: bool = False

    @property
    def one_reading_seconds(self) -> float:
        """CPU seconds of Tesseract for one reading of the page, however often the plugin had it read."""
        return self.tesseract_seconds / float(self.details.get("reading_cost", 1.0))


def _read(case: Case, method: str, model: str, key: str, cache: ReadingCache, peer: Peer | None) -> dict[str, Any]:
    """Read one case in a worker. Another run may have stored the reading meanwhile."""
    known = cache.load(key)
    if known is not None:
        return known
    try:
        reading = asdict(read(case, method, model, peer))
    except Exception as error:  # noqa: BLE001 - whatever libraries raise: a page that fails is a result, too
        said = str(error) if isinstance(error, SuperresError | OSError) else f"{type(error).__name__}: {error}"
        return {"text": "", "tesseract_seconds": 0.0, "superres_seconds": 0.0, "details": {}, "error": said}
    cache.save(key, reading)
    return reading


def reading_of(case: Case, method: str, model: str, cache: Path | None) -> dict[str, Any]:
    """Return the reading of *case* by *method*, a ``Reading`` as a dictionary; from the folder *cache* if it is there.

    Raises:
        MissingDependencyError: Tesseract is not installed.
        ModelError: there is no such model.
        SuperresError: the page cannot be read.
    """
    key = key_of(case, method, versions_of(method, model))
    found = _read(case, method, model, key, ReadingCache(cache), None)
    if found.get("error"):
        raise SuperresError(found["error"])
    return found


def applies(case: Case, method: str, peer: Peer | None = None) -> bool:
    """Return whether *method* applies to *case*: only a reduced page has a native scan, and *peer* may lack its languages."""
    return (method != "native" or bool(case.profile)) and (peer is None or peer.knows(case.page.languages))


def run_cases(
    cases: Sequence[Case],
    methods: Sequence[str],
    model: str,
    cache: Path | None,
    jobs: int,
    peers: Sequence[Peer] = (),
) -> Iterator[Result]:
    """Yield a result for each case and each method that applies, as they finish; a page that fails is a result with an error.

    Args:
        cases: pages under conditions.
        methods: names of methods, see :mod:`~ocrmypdf_superres.evaluation.methods.names`.
        model: name or folder of the plugin's model.
        cache: folder of the :class:`ReadingCache`; None to keep no readings.
        jobs: number of processes.
        peers: further methods, each under its own name.

    Raises:
        MissingDependencyError: Tesseract is not installed.
        ModelError: there is no such model.
    """
    known_peers = {peer.name: peer for peer in peers}
    methods = [*methods, *known_peers]
    versions = {method: versions_of(method, model, known_peers.get(method)) for method in methods}
    readings = ReadingCache(cache)
    if cache is not None:
        cache.mkdir(parents=True, exist_ok=True)
    # One reading may serve several cases: the native scan serves every condition.
    wanted: dict[str, list[tuple[Case, str]]] = {}
    for case in cases:
        for method in methods:
            if applies(case, method, known_peers.get(method)):
                wanted.setdefault(key_of(case, method, versions[method]), []).append((case, method))
    missing: dict[str, list[tuple[Case, str]]] = {}
    for key, served in wanted.items():
        known = readings.load(key)
        if known is None:
            missing[key] = served
        else:
            yield from (result_of(case, method, known) for case, method in served)
    if not missing:
        return
    pool = worker_pool(jobs)
    try:
        waiting = {}
        for key, served in missing.items():
            case, method = served[0]
            waiting[pool.submit(_read, case, method, model, key, readings, known_peers.get(method))] = served
        for job in as_completed(waiting):
            yield from (result_of(case, method, job.result()) for case, method in waiting[job])
    finally:
        # On an interrupt the readings under way end, and the others are not begun.
        pool.shutdown(wait=True, cancel_futures=True)


def result_of(case: Case, method: str, reading: dict[str, Any]) -> Result:
    """Score *reading*, a ``Reading`` as a dictionary, of *case* by *method* against the page's ground truth.

    Raises:
        OptionError: the ground truth cannot be read.
    """
    page = case.page
    truth, text = read_truth(Path(page.truth)).text, reading["text"]
    scores = {
        "s_lcs": round(s_lcs(text, truth, page.ignore_case), 6), "s_ld": round(s_ld(text, truth, page.ignore_case), 6),
        # Nothing is the text of a page that could not be read, and the truth of an empty one.
        "right": float(not reading.get("error") and right_by_letters(text, truth)),
    }  # fmt: skip
    return Result(
        case.group, page.name, page.collection, method, score(text, truth, page.ignore_case), reading["tesseract_seconds"],
        reading["superres_seconds"], reading["details"], reading.get("error", ""), scores,
        reading.get("run_seconds", 0.0), page.ignore_case,
    )  # fmt: skip


def to_json(result: Result) -> dict[str, Any]:
    """Return *result* for a JSON file; equal runs differ only in fields whose names end in ``seconds``."""
    counts = result.counts
    rates = {"cer": counts.cer, "wer": counts.wer, "recall": counts.recall, "precision": counts.precision}
    own = {"file", "device", "reading_cost"}  # of the temporary PDF, of the machine, and a ratio of times
    details = {name: value for name, value in result.details.items() if name not in own and not name.endswith("seconds")}
    return {
        **asdict(result),
        "one_reading_seconds": result.one_reading_seconds,
        "counts": asdict(counts),
        "rates": {name: round(value, 6) for name, value in rates.items()},
        "details": details,
    }


def from_json(values: object) -> Result:
    """Return the result that :func:`to_json` wrote.

    Raises:
        OptionError: it is something else.
    """
    result = read_record(Result, values, "The result of a page", advice=_WRITTEN)
    once = values.get("one_reading_seconds", 0.0) if isinstance(values, dict) else 0.0
    if isinstance(once, (int, float)) and once > 0:
        result = replace(result, details={**result.details, "reading_cost": result.tesseract_seconds / once})
    return result
