# SPDX-License-Identifier: MPL-2.0
"""What a step of a recipe costs: forwards and backwards at its batch size, with memory and time, before any data is there.

Images are noise and frozen networks that are not found have random weights: neither changes what a step takes.
"""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from ocrmypdf_superres.detectors.keynet import KeyNet, published_state
from ocrmypdf_superres.errors import OptionError, RecognizerError
from ocrmypdf_superres.modelstore.store import also_searched, find_recognizer
from ocrmypdf_superres.recognizers import folder as folders
from ocrmypdf_superres.tables import read_toml
from ocrmypdf_superres.training.data.batches import Batch
from ocrmypdf_superres.training.data.colour import COLOURS
from ocrmypdf_superres.training.loop.trainer import Trainer
from ocrmypdf_superres.training.recipe import Recipe, Source, Stage, TrainingStage, check_source, parse_recipe
from ocrmypdf_superres.training.recognizers.recipe import DETECTOR, RecognizerRecipe, read_recognizer_recipe
from ocrmypdf_superres.training.super_resolution import super_resolution_trainer
from ocrmypdf_superres.training.workflows.train_recognizer import recognizer_trainer

REPEATS = 3
STRIP, LINE = (96, 576), (32, 128)
FROZEN = {"detector": ("weights", "ctpn"), "recognizer": ("weights", "crnn"), "text-focus": ("recognizer", "text-focus")}
"""Losses that look through a network: the option that names it, and its kind."""
WORDS = "the quick brown fox jumps over the lazy dog and keeps running through wet fields until evening comes "


@dataclass(frozen=True)
class StepCost:
    """What a step of one stage takes.

    Attributes:
        stage: its name. batch: images a step. parameters: of the network, all and trained in this stage.
        seconds: of a step, the median of some after the first. memory: in MiB: on a GPU the most that was allocated, on a CPU
            the most that the process had (not a number on Windows, which does not tell).
        values: the losses of the last step.
    """

    stage: str
    batch: int
    parameters: tuple[int, int]
    seconds: float
    memory: float
    values: Mapping[str, float]


def one_step(path: Path, device: str = "auto", batch: int = 0, repeats: int = REPEATS) -> list[StepCost]:
    """Return what a step of every stage of the recipe *path*, of a net, a recognizer or a detector, takes on *device*.

    Args:
        path: the recipe.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        batch: images a step; 0 for each stage's own.
        repeats: steps that are timed; the first one before them is not.

    Raises:
        OptionError, RecognizerError, DeviceError: the recipe or the device cannot be used.
    """
    values = read_toml(path, "The recipe")
    with TemporaryDirectory(prefix="superres-step-") as temporary, also_searched(Path(temporary), last=True):
        folder = Path(temporary)
        (folder / "text" / "eng").mkdir(parents=True)
        (folder / "text" / "eng" / "words.txt").write_text(WORDS * 20, encoding="utf-8")
        if "network" in values:
            return _recognizer_steps(read_recognizer_recipe(path), folder, device, batch, repeats)
        return _net_steps(parse_recipe(values, path.name), folder, device, batch, repeats)


def _net_steps(recipe: Recipe, folder: Path, device: str, batch: int, repeats: int) -> list[StepCost]:
    lines = check_source(recipe.sources[0], recipe.name).lines
    size = LINE if lines else tuple(recipe.sources[0].options.get("size", STRIP))
    stages = tuple(_with_stand_ins(_short(stage, batch, repeats), folder) for stage in recipe.stages)
    source = Source("words" if lines else "rendered", "text", languages={"eng": 1.0} if lines else {})
    colour = recipe.colour if lines else "luma"
    short = replace(recipe, sources=(source,), stages=stages, base="", parts={}, workers=0, validation=None, colour=colour)
    trainer = super_resolution_trainer(short, folder, folder / "run", device)
    generator = torch.Generator().manual_seed(0)
    costs = []
    for stage in stages:
        scale = int(max(stage.scales or trainer.task.recipe.scales, key=int))
        channels, shape = COLOURS[recipe.colour], (int(size[0]), int(size[1]))
        made = Batch(
            scale,
            torch.rand(stage.batch, channels, shape[0] // scale, shape[1] // scale, generator=generator),
            torch.rand(stage.batch, channels, *shape, generator=generator),
            ["word" if lines else WORDS.strip()] * stage.batch,
            [(0, 0, shape[1], shape[0]) if lines else (8, 24, shape[1] - 8, shape[0] - 24)] * stage.batch,
            ["eng"] * stage.batch,
        )
        costs.append(_cost(trainer, stage, made))
    return costs


def _recognizer_steps(recipe: RecognizerRecipe, folder: Path, device: str, batch: int, repeats: int) -> list[StepCost]:
    images = {name: share for name, share in recipe.images.items() if name != "sr"} or {"lr": 1.0}
    stages = tuple(_short(stage, batch, repeats) for stage in recipe.stages)
    kind = "rendered" if recipe.network == DETECTOR else "words"
    source = Source(kind, "text", languages={"eng": 1.0})
    short = replace(
        recipe, sources=(source,), stages=stages, base="", sr="", images=images, workers=0, validation=None, colour="luma"
    )
    trainer = recognizer_trainer(short, folder, folder / "run", device=device)
    costs, step = [], 0
    for stage in stages:
        costs.append(_cost(trainer, stage, trainer.task.batches[step]))
        step += stage.steps
    return costs


def _short(stage: Any, batch: int, repeats: int) -> Any:
    changes = {"base": ""} if isinstance(stage, Stage) else {}
    return replace(stage, steps=repeats + 1, batch=batch or stage.batch, warmup=0, **changes)


def _cost(trainer: Trainer[Any], stage: TrainingStage, batch: Any) -> StepCost:
    if batch.count == 1 and any(isinstance(layer, torch.nn.BatchNorm1d) for layer in trainer.net.modules()):
        raise OptionError(f"Stage {stage.name} was given one image a step, but its net normalises over images; give two or more.")
    cuda = trainer.device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats(trainer.device)
    seconds, values = [], {}
    for _ in range(stage.steps):
        began = time.perf_counter()
        values = trainer.train_step(batch)
        if cuda:
            torch.cuda.synchronize(trainer.device)
        seconds.append(time.perf_counter() - began)
    if "skipped" in values or not all(value == value for value in values.values()):
        raise OptionError(f"Stage {stage.name} gave {values}: its loss is not finite in the first steps; lower its lr.")
    peak = torch.cuda.max_memory_allocated(trainer.device) / 2**20 if cuda else process_memory()
    parameters = list(trainer.net.parameters())
    counts = sum(p.numel() for p in parameters), sum(p.numel() for p in parameters if p.requires_grad)
    return StepCost(stage.name, batch.count, counts, statistics.median(seconds[1:] or seconds), peak, values)


def process_memory() -> float:
    """Return the most memory that this process has had, in MiB; not a number on Windows."""
    try:
        import resource
    except ModuleNotFoundError:
        return math.nan
    # Bytes on macOS, KiB elsewhere.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def _with_stand_ins(stage: Stage, folder: Path) -> Stage:
    """Return *stage* with random networks in the place of those that its losses look through and that are not found."""
    losses = {name: _stand_in(name, value, folder) for name, value in stage.losses.items()}
    heads = {head: {n: _stand_in(n, v, folder) for n, v in values.items()} for head, values in stage.heads.items()}
    return replace(stage, losses=losses, heads=heads)


def _stand_in(name: str, value: Any, folder: Path) -> Any:
    if not isinstance(value, Mapping):
        return value
    if name == "keypoints" and "weights" in value and not Path(str(value["weights"])).is_file():
        path = folder / "keynet.pth"
        torch.save(published_state(KeyNet()), path)
        return {**value, "weights": str(path)}
    option, kind = FROZEN.get(name, ("", ""))
    if not option or option not in value or _is_found(str(value[option])):
        return value
    if not (folder / kind).is_dir():
        folders.save(folders.build(kind, {}), kind, folder / kind, kind)
    return {**value, option: str(folder / kind)}


def _is_found(name: str) -> bool:
    try:
        return Path(name).is_file() or find_recognizer(name) is not None
    except RecognizerError:
        return False
