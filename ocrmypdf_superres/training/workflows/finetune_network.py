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

import tomli_w

from ocrmypdf_superres.files import atomic_write_text
from ocrmypdf_superres.metrics.ground_truth import read_truth
from ocrmypdf_superres.modelstore.networks import networks_for, read_network
from ocrmypdf_superres.modelstore.store import DEFAULT_MODEL, find_model
from ocrmypdf_superres.processes import available_cores, worker_pool
from ocrmypdf_superres.recognizers.tesseract.format.writer import save_traineddata
from ocrmypdf_superres.recognizers.tesseract.networks.language_file import open_language_file
from ocrmypdf_superres.recognizers.tesseract.networks.pack import About, change_card, pack_network
from ocrmypdf_superres.tesseract import find_traineddata
from ocrmypdf_superres.training.data.split import ENOUGH, SELECTION_FOLDER, selection_side, split_scans
from ocrmypdf_superres.training.loop.time_limit import TimeLimit
from ocrmypdf_superres.training.networks.own_lines import HELD_SHARDS, OwnLines, make_own_lines
from ocrmypdf_superres.training.networks.reading import Reading, table
from ocrmypdf_superres.training.networks.recipe import parse_tuning_recipe
from ocrmypdf_superres.training.workflows.finetune_settings import Comparison, FinetuneSettings, Gain, resumable
from ocrmypdf_superres.training.workflows.tune_network import TunedNetwork, tune_on_lines

log = logging.getLogger(__name__)

PAGES = "pages.json"
RESULT = "network"
STEPS = 4000
FIRST_SHARDS = 2
"""Files of lines that are there before training begins; more are made beside it."""
_WAIT = 0.5


@dataclass(frozen=True, kw_only=True)
class NetworkSettings(FinetuneSettings):
    """How to tune Tesseract's networks; the scans are images with their ground truth, whose text is rendered if none is given.

    Attributes:
        model: the super-resolution model that enlarges.
    """

    model: str = DEFAULT_MODEL


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


def finetune_networks(settings: NetworkSettings, comparison: Comparison) -> FinetunedNetworks:
    """Tune, compare, and save the networks if they read the held-out pages better.

    Raises:
        SuperresError: an argument, the scans or the disk cannot be used.
        KeyboardInterrupt: the user stopped it; what was done is kept.
    """
    settings.check(PAGES)
    networks_for(settings.base, settings.languages.split("+"))
    find_model(settings.model)
    with resumable(settings.run):
        return _finetune(settings, comparison)


def _finetune(settings: NetworkSettings, comparison: Comparison) -> FinetunedNetworks:
    began = time.monotonic()
    run, jobs = settings.run, available_cores()
    languages = settings.languages.split("+")
    if not (run / PAGES).is_file():
        _prepare(settings, jobs)
    before_began = time.monotonic()
    seconds = comparison.read_before(run / "held-out", settings.base, run / "readings", jobs)
    after = max(time.monotonic() - before_began, seconds)
    end = None if settings.steps else time.monotonic() + settings.training_seconds(began, after)
    lines = {}
    for number, language in enumerate(languages):
        # The languages that are left share the time that is left.
        share = None if end is None else (end - time.monotonic()) / (len(languages) - number)
        lines[language] = _tune(settings, language, None if share is None else TimeLimit(time.monotonic() + share, 0.0))
    gain = comparison.read_after(str(run / RESULT))
    saved = gain.better or settings.force
    if saved:
        _save(settings, languages, gain)
    return FinetunedNetworks(gain, lines, saved)


def _prepare(settings: NetworkSettings, jobs: int) -> None:
    """Sort the pages that have a text, let Tesseract find their lines, and write the texts to render."""
    split, run = split_scans(settings.scans, with_truth=True), settings.run
    learnt, held_out = settings.read(split, jobs)
    if not split.selection:
        log.info("Weights are chosen by the pages that are compared on; from %d pages on some are set apart for that.", ENOUGH)
    texts = [read_truth(Path(row["text"])).text for row in _index(run / "train") if row["text"]]
    (run / "text").mkdir(exist_ok=True)
    (run / "text" / "pages.txt").write_text("\n".join(texts), encoding="utf-8")
    atomic_write_text(run / PAGES, json.dumps({"learnt": learnt, "held-out": held_out}) + "\n")


def _index(folder: Path) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    return rows


def _start(settings: NetworkSettings, language: str) -> tuple[str, str]:
    """Return the folder of the tuned network that a language's starts from, empty for the installed one, and a name for it."""
    installed = open_language_file(find_traineddata(language))
    fitting = (one for one in networks_for(settings.base, [language]) if installed.fits(one.card.base))
    network = next(fitting, None)
    if network is None:
        log.info("The network of %s starts from the installed one.", language)
        return "", "the installed network"
    log.info("The network of %s starts from the tuned one %s.", language, network.card.name)
    return str(network.folder.resolve()), network.card.name


def _tune(settings: NetworkSettings, language: str, limit: TimeLimit | None) -> tuple[Reading, Reading]:
    """Tune one language's network, pack it in the run's folder, and return how held-out lines are read before and after."""
    run, name = settings.run, language.rpartition("/")[2]
    base, start = _start(settings, language)
    own = OwnLines(run, language, settings.model, settings.text)
    stage = {"name": "own scans", "steps": settings.steps or STEPS, "batch": 20, "lr": 3e-4, "warmup": 50, "final": 0.03}
    every = max(1, min(300, (settings.steps or STEPS) // 4))
    values = {
        "name": settings.out.name, "description": f"{start}, tuned on scans with their text.", "language": language,
        "base": base, "lines": f"lines/{name}", "seed": 1, "threads": 1, "workers": 0, "checkpoint_every": 100,
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
    apart = selection_side(settings.run) == SELECTION_FOLDER
    summary = gain.summary if apart else f"{gain.summary}; the weights were chosen by these pages"
    for language in languages:
        name = language.rpartition("/")[2]
        network = read_network(settings.run / RESULT / name)
        if network is not None:
            change_card(network, metrics={"held-out pages": summary})
            (settings.run / RESULT / name).rename(settings.out / name)
