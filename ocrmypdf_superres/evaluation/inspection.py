# SPDX-License-Identifier: MPL-2.0
"""The pages of a run inspected one by one: words with boxes, trust measures, and the images that the report shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from ocrmypdf_superres.evaluation.benchmark import reading_of
from ocrmypdf_superres.evaluation.data.pages import Case
from ocrmypdf_superres.evaluation.methods.images import lr_image
from ocrmypdf_superres.evaluation.methods.names import ENGINE_METHODS, PLUGIN_METHODS
from ocrmypdf_superres.evaluation.methods.peers import Peer
from ocrmypdf_superres.evaluation.methods.prepared import prepare
from ocrmypdf_superres.evaluation.run_folder import Run, write_run
from ocrmypdf_superres.evaluation.summary import in_order
from ocrmypdf_superres.evaluation.trust.invented import invented_words
from ocrmypdf_superres.evaluation.trust.trust import Trust, inconsistency, silent_substitutions, summarize
from ocrmypdf_superres.evaluation.words import cached_words, correct_words
from ocrmypdf_superres.metrics.boxes import boxes_iou, scaled
from ocrmypdf_superres.metrics.ground_truth import read_truth
from ocrmypdf_superres.metrics.image import psnr, ssim
from ocrmypdf_superres.page.image import resize_luma, to_luma
from ocrmypdf_superres.processes import worker_pool
from ocrmypdf_superres.reporting.page_comparison import PageComparison, ReadWord, Side
from ocrmypdf_superres.tesseract import RAW_LINE

NOT_INSPECTED = ("oversample", "native")
"""Methods whose image is not made here but by OCRmyPDF or the scanner."""


@dataclass(frozen=True)
class InspectedPage:
    """One page under one method: its side for the report, what was done and why, its trust measures."""

    side: Side
    action: str
    reason: str
    trust: Trust


def inspect_page(
    case: Case, method: str, model: str, peer: Peer | None, cache: Path | None, image: Path, weights: tuple[Path, Path] | None
) -> InspectedPage:
    """Prepare *case* by *method*, read its words, and keep the image at *image* (``RUN/pages/NAME.png``).

    The words of the plugin's methods are those of the text layer of an OCRmyPDF run. *weights* are the two weight files of
    LPIPS, if it is to be measured.

    Raises:
        SuperresError: the page, the model, the peer or the dictionary fails.
    """
    ready = prepare(case, method, model, peer)
    languages = case.page.languages
    if method in PLUGIN_METHODS:
        words = _in_text_layer(case, method, model, cache, ready.image.size)
    else:
        read = cached_words(ready.image, ready.dpi, languages, cache, RAW_LINE if case.page.line else None)
        words = [ReadWord(word.text, word.confidence, word.box) for word in read]
    truth = read_truth(Path(case.page.truth))
    verdicts = correct_words(words, truth.text, case.page.ignore_case)
    seen = [replace(word, right=right) for word, right in zip(words, verdicts, strict=True)]
    silent = silent_substitutions(words, truth.text, languages, case.page.ignore_case)
    with Image.open(case.page.image) as opened:
        scan = to_luma(opened)
    height, width = scan.shape
    found = scaled([w.box for w in words], width / ready.image.width, height / ready.image.height)
    overlap = round(boxes_iou(found, truth.boxes, (width, height)), 6) if truth.boxes else None
    error = likeness = structure = distance = None
    if ready.action == "enlarged":
        error = round(inconsistency(ready.image, lr_image(case)[0]), 9)
        if case.profile:
            picked, reference = to_luma(ready.image), resize_luma(scan, ready.image.size)
            likeness, structure = round(psnr(picked, reference), 4), round(ssim(picked, reference), 6)
            if weights is not None:
                from ocrmypdf_superres.evaluation.networks.lpips_weights import load_lpips
                from ocrmypdf_superres.metrics.lpips import lpips

                distance = round(lpips(picked, reference, load_lpips(*weights)), 6)
    image.parent.mkdir(parents=True, exist_ok=True)
    ready.image.save(image)
    side = Side(f"{image.parent.name}/{image.name}", ready.image.size, seen)
    trust = Trust(case.group, case.page.name, method, len(words), len(silent), error, likeness, structure, distance, overlap)
    return InspectedPage(side, ready.action, ready.reason, trust)


def _in_text_layer(case: Case, method: str, model: str, cache: Path | None, size: tuple[int, int]) -> list[ReadWord]:
    found = reading_of(case, method, model, cache)
    x, y = (shown / max(1, read) for shown, read in zip(size, found["size"], strict=True))
    return [ReadWord(text, sure, scaled([box], x, y)[0]) for text, sure, box in found["words"]]


def check_weights(backbone: Path, linear: Path) -> None:
    """Load the weights of LPIPS once, so that what is wrong with them is said before hours of work.

    Raises:
        OptionError: they are missing, damaged or of another network.
    """
    from ocrmypdf_superres.evaluation.networks.lpips_weights import load_lpips

    load_lpips(backbone, linear)


def inspected_methods(methods: Sequence[str], peers: Sequence[Peer]) -> list[str]:
    """Return the methods of a run whose pages are inspected, as-is first."""
    others = [peer.name for peer in peers if peer.enlarges]
    return in_order(["as-is", *(m for m in (*methods, *others) if m not in (*NOT_INSPECTED, *ENGINE_METHODS))])


def _sides(inspected: Sequence[str], results: Sequence[dict[str, Any]]) -> tuple[str, str]:
    """Return the methods to compare: of those with *results* the first and the last *inspected*, else the first and last of all.

    The native scan, an upper bound, is a side only beside a single other method.
    """
    read = in_order(result["method"] for result in results if not result["error"])
    shown, others = [m for m in inspected if m in read], [m for m in read if m != "native"]
    sides = next((some for some in (shown, others, read) if len(some) > 1), read or inspected)
    return sides[0], sides[-1]


def save_run(
    folder: Path,
    title: str,
    cases: Sequence[Case],
    methods: Sequence[str],
    model: str,
    peers: Sequence[Peer],
    results: list[dict[str, Any]],
    cache: Path | None,
    jobs: int,
    weights: tuple[Path, Path] | None,
    advance: Callable[[], object],
) -> Run:
    """Inspect every case under each of :func:`inspected_methods` and write the run to *folder*; return it.

    The report shows the first of these methods beside the last: the original page, and the plugin where it ran. Where *results*
    have only one of them, it compares without images. *advance* is called after each page. Pages that fail are left out of the
    run's pages; their errors are in *results*.

    Raises:
        SuperresError: the model cannot be used, or Tesseract fails on the pages without text.
    """
    names = inspected_methods(methods, peers)
    by_name = {peer.name: peer for peer in peers}
    images = {(number, name): folder / "pages" / f"{number:04d}-{name}.png" for number in range(len(cases)) for name in names}
    tasks = {
        (number, name): (cases[number], name, model, by_name.get(name), cache, image, weights)
        for (number, name), image in images.items()
    }
    found = _inspect_all(tasks, jobs, advance)
    before, after = _sides(names, results)
    shown = (before, after) if before != after and after in names and before in names else ()
    pages = []
    for number, case in enumerate(cases):
        old, new = found.get((number, before)), found.get((number, after))
        if shown and old is not None and new is not None:
            pages.append(PageComparison(case.group, case.page.name, new.action, new.reason, old.side, new.side))
        for name in (name for name in names if name not in shown):
            images[number, name].unlink(missing_ok=True)
    ordered = [found[key].trust for key in sorted(found, key=lambda key: (names.index(key[1]), key[0]))]
    run = Run(title, before, after, results, pages, summarize(ordered, invented_words(model)))
    write_run(run, folder)
    return run


def _inspect_all(
    tasks: Mapping[tuple[int, str], tuple[Any, ...]], jobs: int, advance: Callable[[], object]
) -> dict[tuple[int, str], InspectedPage]:
    """Return :func:`inspect_page` of the arguments of each of *tasks*, without those that failed."""
    found: dict[tuple[int, str], InspectedPage] = {}
    pool = worker_pool(jobs)
    try:
        waiting = {pool.submit(inspect_page, *arguments): key for key, arguments in tasks.items()}
        for job in as_completed(waiting):
            advance()
            # A page that fails failed in the comparison, too, and its result there says why.
            if job.exception() is None or isinstance(job.exception(), BrokenExecutor):
                found[waiting[job]] = job.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return found
