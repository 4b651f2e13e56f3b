# SPDX-License-Identifier: MPL-2.0
"""Whether pages are read better with one net, or one set of networks, than another: on the same pages, reduced alike."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from ocrmypdf_superres.errors import OptionError, SuperresError
from ocrmypdf_superres.evaluation.benchmark import Result, result_of, run_cases
from ocrmypdf_superres.evaluation.data.pages import Case, find_pages
from ocrmypdf_superres.evaluation.methods.images import lr_image
from ocrmypdf_superres.evaluation.methods.readings import Reading, ocrmypdf_text
from ocrmypdf_superres.evaluation.reading_cache import ReadingCache
from ocrmypdf_superres.metrics.text import TextScore
from ocrmypdf_superres.processes import worker_pool

LEAST_GAIN = 0.02
"""Share of the wrong characters that a new net has to avoid: less may be chance on a few pages."""


@dataclass(frozen=True)
class Gain:
    """Counts of all pages together with the base net and with the new one; *groups* holds both by condition."""

    base: TextScore
    new: TextScore
    groups: dict[str, tuple[TextScore, TextScore]]
    pages: int

    @property
    def better(self) -> bool:
        """Whether the new net avoids at least :data:`LEAST_GAIN` of the wrong characters and misses no more words."""
        fewer = self.new.edits <= (1 - LEAST_GAIN) * self.base.edits and self.new.edits < self.base.edits
        return fewer and self.new.found >= self.base.found

    @property
    def summary(self) -> str:
        """Both nets' error rates, in words."""
        return (
            f"CER {100 * self.base.cer:.2f} % before and {100 * self.new.cer:.2f} % after, words missed "
            f"{100 * (1 - self.base.recall):.2f} % before and {100 * (1 - self.new.recall):.2f} % after"
        )

    def table(self) -> Table:
        """Return a table of the conditions and their sum."""
        table = Table("held-out pages at", "n", "CER % before", "after", "words missed % before", "after")
        for name, (base, new) in [*self.groups.items(), ("all together", (self.base, self.new))]:
            table.add_row(
                name, str(self.pages), f"{100 * base.cer:.2f}", f"{100 * new.cer:.2f}",
                f"{100 * (1 - base.recall):.1f}", f"{100 * (1 - new.recall):.1f}",
            )  # fmt: skip
        return table


def reduced_cases(folder: Path, conditions: Sequence[tuple[float, str]]) -> list[Case]:
    """Return the pages of *folder*, which has an index, under each of *conditions* (dpi, profile).

    Raises:
        OptionError: the folder's index cannot be used, or no page is above a condition's dpi.
    """
    cases = [Case(page, dpi, profile) for dpi, profile in conditions for page in find_pages(folder) if page.dpi > dpi]
    if not cases:
        raise OptionError(f"No page in {folder} has more dpi than the conditions to compare at; give lower ones.")
    return cases


def read_with(cases: Sequence[Case], model: str, cache: Path, jobs: int, advance: Callable[[], object]) -> list[Result]:
    """Read *cases* through OCRmyPDF with *model* and return the results in their order; call *advance* after each.

    Raises:
        SuperresError: a page could not be read.
    """
    results = []
    for result in run_cases(cases, ["plugin"], model, cache, jobs):
        if result.error:
            raise SuperresError(f"The held-out page {result.page} cannot be read at {result.group}: {result.error}")
        results.append(result)
        advance()
    order = {(case.group, case.page.name): number for number, case in enumerate(cases)}
    return sorted(results, key=lambda result: order[result.group, result.page])


def read_with_networks(
    cases: Sequence[Case], model: str, networks: str, cache: Path, jobs: int, advance: Callable[[], object]
) -> list[Result]:
    """Read *cases* through OCRmyPDF with Tesseract alone and its *networks*; return the results in their order.

    Args:
        cases: what to read.
        model: name or folder of the model that enlarges.
        networks: as ``--superres-networks`` takes them.
        cache: a folder of readings for these cases, this model and these networks only.
        jobs: pages read at a time.
        advance: called after each page.

    Raises:
        SuperresError: a page could not be read.
    """
    readings, results = ReadingCache(cache), []
    cache.mkdir(parents=True, exist_ok=True)
    with worker_pool(jobs) as pool:
        keys = [_key(case) for case in cases]
        jobs_of = {
            key: pool.submit(_read_page, case, model, networks)
            for key, case in zip(keys, cases, strict=True)
            if readings.load(key) is None
        }
        for key, case in zip(keys, cases, strict=True):
            if key in jobs_of:
                readings.save(key, asdict(jobs_of[key].result()))
            results.append(result_of(case, "plugin", readings.load(key) or {}))
            advance()
    return results


def _key(case: Case) -> str:
    """Return the name of the file that keeps the reading of *case*: readable, and another one for each page and condition."""
    name = f"{case.page.name}-{case.group}"
    readable = re.sub(r"[^\w.-]+", "_", name)[:80]
    return f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _read_page(case: Case, model: str, networks: str) -> Reading:
    image, dpi = lr_image(case)
    return ocrmypdf_text(
        image, dpi, case.page.languages, plugins=["ocrmypdf_superres"], superres_model=model, superres_device="cpu",
        superres_threads=1, superres_engines="none", superres_networks=networks,
    )  # fmt: skip


def compare(base: Sequence[Result], new: Sequence[Result]) -> Gain:
    """Return the gain of *new* over *base*, results of the same cases."""
    groups: dict[str, tuple[TextScore, TextScore]] = {}
    for before, after in zip(base, new, strict=True):
        sums = groups.get(before.group, (TextScore(), TextScore()))
        groups[before.group] = (sums[0] + before.counts, sums[1] + after.counts)
    total = [sum((pair[side] for pair in groups.values()), TextScore()) for side in (0, 1)]
    return Gain(total[0], total[1], groups, len({result.page for result in base}))
