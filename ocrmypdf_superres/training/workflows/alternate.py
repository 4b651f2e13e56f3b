# SPDX-License-Identifier: MPL-2.0
"""Alternating between a super-resolution net and a Tesseract network, with the controls that say what each step is worth.

The second stage of Hildebrandt et al., OCR-guided super-resolution, DocEng 2022, repeated: the net learns to make lines that
the network reads, then the network learns how letters in such lines look.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path

from ocrmypdf_superres.architectures import get
from ocrmypdf_superres.export.onnx import export_model
from ocrmypdf_superres.files import atomic_write_text
from ocrmypdf_superres.modelstore.cards import CARD
from ocrmypdf_superres.ocr.engines.base import LineEngine, TunedEngine, shared_engine
from ocrmypdf_superres.ocr.engines.calibration import calibrated_engines
from ocrmypdf_superres.recognizers.tesseract.format.traineddata import read_traineddata
from ocrmypdf_superres.recognizers.tesseract.format.writer import save_traineddata
from ocrmypdf_superres.tesseract import find_traineddata
from ocrmypdf_superres.training.data.ocr_lines.build import Sources, build_stream, settings_of
from ocrmypdf_superres.training.data.ocr_lines.line_images import LineVariant
from ocrmypdf_superres.training.data.ocr_lines.shards import SHARD_LINES, make_shards, read_prepared
from ocrmypdf_superres.training.loop.trainer import CHECKPOINT
from ocrmypdf_superres.training.networks.alternating import AlternatingRecipe
from ocrmypdf_superres.training.networks.reading import Reading, read_by_engine, read_by_program
from ocrmypdf_superres.training.super_resolution import super_resolution_trainer
from ocrmypdf_superres.training.workflows.tune_network import tune_on_lines

log = logging.getLogger(__name__)

REPORT = "report.md"


@dataclass(frozen=True)
class Pair:
    """A net, as a model's name or folder, and a network, as the path of a file, that belong together under a *name*."""

    name: str
    net: str
    network: Path


class Alternation:
    """The parts of an alternation, each of which is made once: an interrupted run makes what is missing.

    Args:
        recipe: what to do.
        data: the folder that its text, scans and sources are in.
        run: the folder for everything.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    """

    def __init__(self, recipe: AlternatingRecipe, data: Path, run: Path, device: str = "auto") -> None:
        self.recipe, self.data, self.run, self.device = recipe, data, run, device
        self.stock = find_traineddata(recipe.language)

    def lines(self, net: str, name: str, variant: LineVariant, held: bool = False) -> Path:
        """Return the folder of lines of one *variant* by the model *net*, called *name*; of one index they are of one text."""
        folder = self.run / "lines" / f"{variant}-{name}{'-held' if held else ''}"
        count = self.recipe.held_out if held else self.recipe.lines
        scans = self.data / self.recipe.scans if self.recipe.scans else None
        shards = -(-count // SHARD_LINES)
        if (folder / "done").is_file():
            return folder
        log.info("Making %d lines in %s.", count, folder)
        settings = replace(settings_of(self.recipe.language), variants=(variant,))
        sources = Sources(self.data / self.recipe.text, scans, self.run / "readings", net)
        stream = build_stream(self.recipe.language, sources, self.recipe.seed, held=held, settings=settings)
        list(make_shards(stream, folder, shards))
        (folder / "done").touch()
        return folder

    def net(self, name: str, start: str, network: Path, rounds: int = 1) -> str:
        """Return the model folder of the net *name*, trained from the model *start* with the file *network* as recognizer."""
        run = self.run / "nets" / name
        model = run / "model"
        if not (model / CARD).is_file():
            recipe = self.recipe.net_recipe(start, str(network.resolve()), rounds)
            trainer = super_resolution_trainer(recipe, self.data, run, self.device)
            if (run / CHECKPOINT).is_file():
                trainer.resume(run / CHECKPOINT)
            trainer.fit()
            spec = get(recipe.architecture)
            description = f"{self.recipe.name}: {name}."
            export_model(trainer.averaged_net(), spec, spec.parse_config(recipe.config), model, name, description=description)
        return str(model.resolve())

    def network(self, name: str, start: Path, lines: Path, held_out: Path, rounds: int = 1) -> Path:
        """Return the file of the network *name*, tuned from the file *start* on *lines*."""
        file = self.run / "networks" / f"{name}.traineddata"
        if not file.is_file():
            recipe = self.recipe.network_recipe(str(start.resolve()), str(lines.resolve()), str(held_out.resolve()), rounds)
            tuned = tune_on_lines(recipe, self.data, self.run / "networks" / f"{name}.run", True, self.device)
            save_traineddata(tuned.data, file)
        return file

    def pairs(self) -> list[Pair]:
        """Return the pair that it starts from, the controls, and the pair of each round, after making what is missing."""
        recipe, rounds, start = self.recipe, self.recipe.rounds, self.recipe.start
        found = [Pair("start", start, self.stock)]
        variants: dict[str, LineVariant] = {"lanczos": "lanczos", "hr": "hr", "sr": "net"}
        for control in recipe.controls:
            if control == "net":
                found.append(Pair("net alone", self.net("net-alone", start, self.stock, rounds), self.stock))
                continue
            lines, held = (self.lines(start, "start", variants[control], held) for held in (False, True))
            network = self.network(f"on-{control}", self.stock, lines, held, rounds)
            found.append(Pair(f"network on {control}", start, network))
        net, network = start, self.stock
        for number in range(1, rounds + 1):
            name = f"round-{number}"
            net = self.net(name, net, network)
            network = self.network(name, network, self.lines(net, name, "net"), self.lines(net, name, "net", held=True))
            found.append(Pair(f"round {number}", net, network))
        return found

    def readings(self, pairs: list[Pair]) -> dict[str, dict[str, Reading]]:
        """Return how each pair's network reads the same held-out lines as ``sr`` by its net, as ``lanczos`` and as ``hr``.

        ``sr by ENGINE`` is what an engine that is in no loss, where one is installed, reads on the lines of its net.
        """
        start, language = self.recipe.start, self.recipe.language
        engines = [shared_engine(name) for name in calibrated_engines()]
        untuned = [one for one in engines if isinstance(one, LineEngine) and not isinstance(one, TunedEngine)]
        outside = [one for one in untuned if one.knows([language])]
        result: dict[str, dict[str, Reading]] = {}
        nets: dict[str, str] = {}
        for pair in pairs:
            own = Path(pair.net).parent.name if pair.net != start else "start"
            data = read_traineddata(pair.network)
            folders = {"sr": self.lines(pair.net, own, "net", held=True)}
            folders |= {variant: self.lines(start, "start", variant, held=True) for variant in ("lanczos", "hr")}
            lines = {variant: read_prepared(folder, self.recipe.held_out) for variant, folder in folders.items()}
            result[pair.name] = {variant: read_by_program(data, held) for variant, held in lines.items()}
            for engine in outside:
                known = f"sr by {engine.name}"
                same = next((one[known] for name, one in result.items() if nets.get(name) == pair.net), None)
                result[pair.name][known] = same or read_by_engine(engine, language, lines["sr"])
            nets[pair.name] = pair.net
        return result


def alternate(recipe: AlternatingRecipe, data: Path, run: Path, device: str = "auto") -> list[str]:
    """Do what *recipe* says in the folder *run*, or what is left of it; return the rows of its report, ``report.md``.

    Raises:
        SuperresError: the recipe, the data or the disk cannot be used.
    """
    work = Alternation(recipe, data, run, device)
    found = work.readings(work.pairs())
    columns = list(next(iter(found.values())))
    rows = [f"| net and network | {' | '.join(f'{variant}, low | clean' for variant in columns)} |"]
    rows.append("|---" * (2 * len(columns) + 1) + "|")
    for name, readings in found.items():
        cells = [f"{readings[variant].rates.get(group, float('nan')):.2f}" for variant in columns for group in ("low", "clean")]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    rates = {name: {variant: reading.rates for variant, reading in readings.items()} for name, readings in found.items()}
    atomic_write_text(run / "report.json", json.dumps(rates, indent=1) + "\n")
    atomic_write_text(
        run / REPORT,
        "\n".join([f"# {recipe.name}", "", "CER in %, of tesseract but where another engine is named.", "", *rows]) + "\n",
    )
    return rows
