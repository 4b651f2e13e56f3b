# SPDX-License-Identifier: MPL-2.0
"""Tuning Tesseract's networks for one's own scans: sort, prepare lines, train, compare pages, save what reads better."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import tomli_w

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.files import atomic_write_text
from ocrmypdf_superres.modelstore.cards import check_name
from ocrmypdf_superres.modelstore.networks import networks_for, read_network
from ocrmypdf_superres.modelstore.store import find_model
from ocrmypdf_superres.processes import available_cores, worker_pool
from ocrmypdf_superres.recognizers.tesseract.format.writer import save_traineddata
from ocrmypdf_superres.recognizers.tesseract.networks.language_file import open_language_file, write_pieces
from ocrmypdf_superres.recognizers.tesseract.networks.pack import About, change_card, pack_network
from ocrmypdf_superres.tesseract import find_traineddata
from ocrmypdf_superres.training.data.split import prepare_pages, split_scans
from ocrmypdf_superres.training.loop.time_limit import TimeLimit
from ocrmypdf_superres.training.networks.own_lines import HELD_SHARDS, OwnLines, make_own_lines
from ocrmypdf_superres.training.networks.reading import Reading, table
from ocrmypdf_superres.training.networks.recipe import parse_tuning_recipe
from ocrmypdf_superres.training.workflows.finetune import Gain
from ocrmypdf_superres.training.workflows.tune_network import TunedNetwork, tune_on_lines

log = logging.getLogger(__name__)

PAGES = "pages.json"
RESULT = "network"
STEPS = 4000
FIRST_SHARDS = 2
"""Files of lines that are there before training begins; more are made beside it."""
LEAST_SHARE = 0.25
"""Share of the minutes that is trained at least, however long reading took."""
_WAIT = 0.5


class PageComparison(Protocol):
    """Reads held-out pages with the networks of a folder; where it comes from is not the business of training."""

    def read_before(self, folder: Path, networks: str, cache: Path, jobs: int) -> float:
        """Read the pages of *folder*, which has an index, with *networks*; return the seconds that it takes without *cache*.

        Args:
            folder: of held-out pages.
            networks: as ``--superres-networks`` takes them.
            cache: a folder to keep readings in.
            jobs: pages read at a time.

        Raises:
            SuperresError: a page cannot be read.
        """
        ...

    def read_after(self, networks: str) -> Gain:
        """Read the same pages with other *networks*.

        Raises:
            SuperresError: a page cannot be read.
        """
        ...


@dataclass(frozen=True)
class NetworkSettings:
    """What to tune, and for how long.

    Attributes:
        scans: a folder of page images with ``NAME.gt.txt``. out: the folder of networks to write, one for each language.
        languages: Tesseract's, joined by ``+``.
        base: the networks to start from, as ``--superres-networks`` takes them.
        model: the super-resolution model that enlarges.
        minutes: how long it may take in all, anew when resumed. steps: train so many steps for each language instead.
        text: folders by language whose text is rendered and mixed in; without it the scans' own text is.
        force: save the networks even where nothing was gained. resume: go on with an interrupted run.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    """

    scans: Path
    out: Path
    languages: str
    base: str
    model: str
    minutes: float = 50.0
    steps: int | None = None
    text: Path | None = None
    force: bool = False
    resume: bool = False
    device: str = "auto"

    @property
    def run(self) -> Path:
        """The folder for all that may be deleted afterwards."""
        return self.out.with_name(f"{self.out.name}.run")


@dataclass(frozen=True)
class FinetunedNetworks:
    """The outcome: the *gain* on pages, how *lines* were read before and after by language, and whether it was *saved*."""

    gain: Gain
    lines: dict[str, tuple[Reading, Reading]]
    saved: bool

    def rows(self) -> list[str]:
        """Return the rows of a table for each language."""
        columns: dict[str, Reading] = {}
        for name, (before, after) in self.lines.items():
            columns |= {f"{name} before": before, f"{name} after": after}
        return table(columns)


def finetune_networks(settings: NetworkSettings, comparison: PageComparison) -> FinetunedNetworks:
    """Tune, compare, and save the networks where they read the held-out pages better.

    Raises:
        SuperresError: an argument, the scans or the disk cannot be used.
        KeyboardInterrupt: the user stopped it; what was done is kept.
    """
    began = time.monotonic()
    _check(settings)
    run, jobs = settings.run, available_cores()
    languages = settings.languages.split("+")
    if not (run / PAGES).is_file():
        _prepare(settings, jobs)
    before_began = time.monotonic()
    seconds = comparison.read_before(run / "held-out", settings.base, run / "readings", jobs)
    after = max(time.monotonic() - before_began, seconds)
    lines = {}
    for number, language in enumerate(languages):
        limit = None if settings.steps else _limit(settings.minutes, began, after, len(languages) - number)
        lines[language] = _tune(settings, language, limit)
    gain = comparison.read_after(str(run / RESULT))
    saved = gain.better or settings.force
    if saved:
        _save(settings, languages, gain)
    return FinetunedNetworks(gain, lines, saved)


def _check(settings: NetworkSettings) -> None:
    """Refuse at once what would fail after an hour."""
    check_name(settings.out.name)
    if settings.out.exists():
        raise OptionError(f"{settings.out} exists already; give another name with -o.")
    if not settings.minutes > 0 or (settings.steps is not None and settings.steps < 1):
        raise OptionError("--minutes and --steps must be above 0.")
    if (settings.run / PAGES).exists() and not settings.resume:
        raise OptionError(
            f"{settings.run} holds an earlier run; add --resume to go on with it, delete it, or give another name with -o."
        )
    networks_for(settings.base, settings.languages.split("+"))
    find_model(settings.model)
    for language in settings.languages.split("+"):
        find_traineddata(language)


def _prepare(settings: NetworkSettings, jobs: int) -> None:
    """Sort the pages that have a text, let Tesseract find their lines, and write the texts to render."""
    split, run = split_scans(settings.scans), settings.run
    told = [len(pages) for pages in (split.learnt, split.held_out)]
    split.learnt = [page for page in split.learnt if page.truth is not None]
    split.held_out = [page for page in split.held_out if page.truth is not None]
    if not split.learnt or not split.held_out:
        raise OptionError(
            f"Of the pages in {settings.scans} {len(split.learnt)} of {told[0]} to learn from and {len(split.held_out)} of "
            f"{told[1]} to compare on have a text; a network needs NAME.gt.txt beside the images on both sides."
        )
    run.mkdir(parents=True, exist_ok=True)
    learnt, held_out = prepare_pages(split, settings.languages, run, jobs)
    log.info("%d pages to learn from, %d held out, of %d documents.", learnt, held_out, split.documents)
    texts = [Path(row["text"]).read_text(encoding="utf-8", errors="replace") for row in _index(run / "train") if row["text"]]
    (run / "text").mkdir(exist_ok=True)
    (run / "text" / "pages.txt").write_text("\n".join(texts), encoding="utf-8")
    atomic_write_text(run / PAGES, json.dumps({"learnt": learnt, "held-out": held_out}) + "\n")


def _index(folder: Path) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    return rows


def _limit(minutes: float, began: float, after: float, languages: int) -> TimeLimit:
    """Return the time of one of *languages* networks where all is to end *minutes* after *began*, and comparing takes *after*."""
    now, given = time.monotonic(), 60 * minutes
    left = began + given - after - now
    if left < LEAST_SHARE * given:
        left = LEAST_SHARE * given
        log.warning("Reading pages alone takes %.1f of the %g minutes; a quarter of them is still trained.", after / 60, minutes)
    return TimeLimit(now + left / languages, 0.0)


def _start(settings: NetworkSettings, language: str) -> tuple[Path, str]:
    """Return the file that a language's network starts from, in the run's folder, and the name of its network."""
    installed = open_language_file(find_traineddata(language))
    fitting = (one for one in networks_for(settings.base, [language]) if installed.fits(one.card.base))
    network = next(fitting, None)
    if network is None:
        log.info("The network of %s starts from the installed one.", language)
        return installed.path, "the installed network"
    log.info("The network of %s starts from the tuned one %s.", language, network.card.name)
    target = settings.run / "base" / installed.path.name
    target.parent.mkdir(parents=True, exist_ok=True)
    write_pieces(target, installed.with_network(network.data()))
    return target, network.card.name


def _tune(settings: NetworkSettings, language: str, limit: TimeLimit | None) -> tuple[Reading, Reading]:
    """Tune one language's network, pack it in the run's folder, and return how held-out lines are read before and after."""
    run, name = settings.run, language.rpartition("/")[2]
    base, start = _start(settings, language)
    own = OwnLines(run, language, settings.model, settings.text)
    stage = {"name": "own scans", "steps": settings.steps or STEPS, "batch": 20, "lr": 3e-4, "warmup": 50, "final": 0.03}
    every = max(1, min(300, (settings.steps or STEPS) // 4))
    values = {
        "name": settings.out.name, "description": f"{start}, tuned on scans with their text.", "language": language,
        "base": str(base.resolve()), "lines": f"lines/{name}", "seed": 1, "threads": 1, "workers": 0, "checkpoint_every": 100,
        "validation": {"folder": f"lines/{name}-held", "metric": "cer", "every": every, "lines": 250, "patience": 8},
        "stages": [stage],
    }  # fmt: skip
    recipe = parse_tuning_recipe(values, "recipe")
    with worker_pool(1) as pool:
        try:
            made = pool.submit(make_own_lines, own)
            _wait_for(own, made)
            tuned = tune_on_lines(recipe, run, run / f"train-{name}", True, settings.device, limit)
        finally:
            own.stop.parent.mkdir(parents=True, exist_ok=True)
            own.stop.touch()
            pool.shutdown(wait=True, cancel_futures=True)
    _pack(settings, language, tuned, tomli_w.dumps(values))
    return tuned.before, tuned.after


def _wait_for(own: OwnLines, made: Future[None]) -> None:
    """Wait until there are lines enough to begin with.

    Raises:
        SuperresError: they cannot be made.
    """
    log.info("Preparing lines of %s.", own.language)
    while own.count(held=True) < HELD_SHARDS or own.count() < FIRST_SHARDS:
        if made.done():
            made.result()
            return
        time.sleep(_WAIT)


def _pack(settings: NetworkSettings, language: str, tuned: TunedNetwork, recipe: str) -> None:
    run, name = settings.run, language.rpartition("/")[2]
    file = run / "tuned" / f"{name}.traineddata"
    file.parent.mkdir(parents=True, exist_ok=True)
    save_traineddata(tuned.data, file)
    about = About(
        "Tuned on an institution's own scans.", f"Pages of {settings.scans.name} and rendered text.", recipe, tuned.steps
    )
    (run / RESULT).mkdir(exist_ok=True)
    pack_network(file, find_traineddata(language), run / RESULT / name, language, about, f"{settings.out.name}-{name}")


def _save(settings: NetworkSettings, languages: Sequence[str], gain: Gain) -> None:
    """Write the packed networks to the output folder, with what was gained in their cards."""
    settings.out.mkdir(parents=True)
    for language in languages:
        name = language.rpartition("/")[2]
        network = read_network(settings.run / RESULT / name)
        if network is not None:
            change_card(network, metrics={"held-out pages": gain.summary})
            (settings.run / RESULT / name).rename(settings.out / name)
