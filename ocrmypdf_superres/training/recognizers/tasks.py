# SPDX-License-Identifier: MPL-2.0
"""Training a reader or a detector from its recipe, and saving it as a folder."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.nn import functional

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.metrics.text import letters_and_digits
from ocrmypdf_superres.modelstore.store import check_name, find_model
from ocrmypdf_superres.recognizers import folder as folders
from ocrmypdf_superres.recognizers.reader import LineReader
from ocrmypdf_superres.training.checkpoint import load_checkpoint, save_checkpoint
from ocrmypdf_superres.training.data.batches import Batch, StepBatches
from ocrmypdf_superres.training.data.sources.detector_pages import RenderedPages
from ocrmypdf_superres.training.readers.detector_targets import CTPNLoss
from ocrmypdf_superres.training.readers.recipe import TeachRecipe, read_teach_recipe
from ocrmypdf_superres.training.run_log import writing
from ocrmypdf_superres.upscaling.backends.torch import load_network

log = logging.getLogger(__name__)

HELD_SEED = 999


def enlarged(lr: Tensor) -> Tensor:
    """Return lines of lr (B, 1, H, W) twice as large, bicubic, clipped to [0, 1]."""
    return functional.interpolate(lr, scale_factor=2, mode="bicubic", align_corners=False).clamp(0, 1)


class Teacher:
    """Trains the network of *recipe* on data below the folder *data*.

    Attributes:
        net: the network. done: steps done. best, score: its best weights so far by the held lines, and their accuracy.

    Raises:
        OptionError, RecognizerError, ModelError: the recipe or what it names cannot be used.
    """

    def __init__(self, recipe: TeachRecipe, data: Path, cache: Path) -> None:
        torch.manual_seed(recipe.seed)
        torch.set_num_threads(recipe.threads)
        self.recipe = recipe
        self.net = folders.build(recipe.network, recipe.config)
        if recipe.base:
            self._start_from(folders.load(recipe.base, (recipe.network,)))
        self.drawer: nn.Module | None = None
        if recipe.sr:
            model = find_model(recipe.sr)
            if not model.card.line_size:
                raise OptionError(f"{recipe.name}: sr = {recipe.sr!r} is a model for pages; give one for text lines.")
            self.drawer = load_network(model).requires_grad_(False)
        parameters = [p for p in self.net.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(parameters, lr=recipe.lr, betas=recipe.betas, weight_decay=recipe.weight_decay)
        self.done = 0
        self.best: dict[str, Tensor] = {}
        self.score = -1.0
        self._loss = self._detector_loss(data) if recipe.network == "ctpn" else self._reader_loss(data, cache)
        self.held: list[Batch] = []
        if recipe.held and recipe.network != "ctpn":
            sizes = [recipe.batch] * -(-recipe.lines // recipe.batch)
            held = StepBatches(recipe.batches_recipe(recipe.held, HELD_SEED), data, cache, sizes)
            self.held = [held[index] for index in range(len(held))]

    def _start_from(self, other: nn.Module) -> None:
        try:
            self.net.load_state_dict(other.state_dict())
        except RuntimeError as error:
            raise OptionError(
                f"{self.recipe.name}: base = {self.recipe.base!r} has another configuration; give the recipe the same [config]."
            ) from error

    def _detector_loss(self, data: Path) -> Callable[[int], Tensor]:
        source = self.recipe.sources[0]
        pages = RenderedPages(data / source.folder, dict(source.languages), (self.recipe.size[0], self.recipe.size[1]))
        criterion = CTPNLoss()

        def loss(step: int) -> Tensor:
            images, boxes = pages.batch(self.recipe.seed, step, self.recipe.batch)
            _, scores, coordinates = self.net(images)
            value: Tensor = criterion(scores, coordinates, boxes, (images.shape[2], images.shape[3]))
            return value

        return loss

    def _reader_loss(self, data: Path, cache: Path) -> Callable[[int], Tensor]:
        recipe = self.recipe
        batches = StepBatches(recipe.batches_recipe(recipe.sources, recipe.seed), data, cache, [recipe.batch] * recipe.steps)
        shares = np.array([float(share) for share in recipe.images.values()])

        def loss(step: int) -> Tensor:
            batch = batches[step]
            seen = str(np.random.default_rng([recipe.seed, step, 2]).choice(list(recipe.images), p=shares / shares.sum()))
            kept = [index for index, text in enumerate(batch.texts) if letters_and_digits(text)]
            lines = self.seen(batch, seen)[kept]
            value: Tensor = self.net.loss(lines, [batch.texts[index] for index in kept])  # type: ignore[operator]
            return value

        return loss

    def seen(self, batch: Batch, which: str) -> Tensor:
        """Return the lines of *batch* as the reader sees them: hr, lr enlarged, or what the line model draws, (B, 1, 32, 128)."""
        if which == "hr":
            return batch.hr
        if which == "lr":
            return enlarged(batch.lr)
        assert self.drawer is not None
        with torch.no_grad():
            value: Tensor = self.drawer(batch.lr, 2)
        return value.clamp(0, 1)

    def step(self) -> float:
        """Do the next training step; return its loss.

        What it draws depends on seed and step alone, so that resuming is exact.
        """
        recipe, step = self.recipe, self.done
        progress = step / max(1, recipe.steps)
        rate = recipe.final + (1 - recipe.final) * 0.5 * (1 + math.cos(math.pi * progress))
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.lr * min(rate, (step + 1) / max(1, recipe.warmup))
        torch.manual_seed(int(np.random.SeedSequence([recipe.seed, step]).generate_state(1, np.uint64)[0]))
        self.net.train()
        loss = self._loss(step)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.net.parameters(), recipe.clip)
        if torch.isfinite(norm):
            self.optimizer.step()
        self.done += 1
        return float(loss.detach())

    def accuracies(self) -> dict[str, float]:
        """Return the shares of held lines that are read without a mistake, for each kind of image shown in training."""
        self.net.eval()
        assert isinstance(self.net, LineReader)
        result = {}
        for which in self.recipe.images:
            right = total = 0
            for batch in self.held:
                found = self.net.read(self.seen(batch, which))
                pairs = [(letters_and_digits(a), letters_and_digits(b)) for a, b in zip(found, batch.texts, strict=True) if letters_and_digits(b)]
                right += sum(a == b for a, b in pairs)
                total += len(pairs)
            result[which] = right / max(1, total)
        return result

    def judge(self) -> None:
        """Keep the weights where the mean accuracy on the held lines is the best so far."""
        if not self.held:
            return
        found = self.accuracies()
        score = sum(found.values()) / len(found)
        log.info("Lines read without a mistake: %s.", ", ".join(f"{which} {share:.3f}" for which, share in found.items()))
        if score >= self.score:  # a later one of equals: it has learned more, as where nothing is read right yet
            self.score = score
            self.best = {name: value.detach().clone() for name, value in self.net.state_dict().items()}

    def fit(self, text: str, checkpoint: Path) -> None:
        """Run to the recipe's last step; every ``every`` steps judge, log and write *checkpoint*, with the recipe's *text*.

        Raises:
            SuperresError: the disk is full; the last checkpoint is whole.
        """
        recipe, losses = self.recipe, list[float]()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns) as progress:
            task = progress.add_task(recipe.name, total=recipe.steps, completed=self.done)
            while self.done < recipe.steps:
                losses.append(self.step())
                progress.update(task, completed=self.done, description=f"{recipe.name}: {losses[-1]:.3f}")
                if self.done % recipe.every == 0 or self.done == recipe.steps:
                    log.info("Step %d of %d: loss %.4f.", self.done, recipe.steps, sum(losses) / len(losses))
                    losses.clear()
                    self.judge()
                    save_checkpoint({"recipe": text, **self.state()}, checkpoint)

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds; of the generators nothing, as each step seeds its own."""
        return {
            "step": self.done,
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "best": self.best,
            "score": self.score,
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from *state*.

        Raises:
            OptionError: it does not fit the recipe's network.
        """
        try:
            self.net.load_state_dict(state["net"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.done, self.best, self.score = int(state["step"]), dict(state["best"]), float(state["score"])
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            raise OptionError(f"The checkpoint does not fit the network of {self.recipe.name}: {error}; start without --resume.") from error


def _read_checkpoint(path: Path, recipe_path: Path, text: str, resume: bool) -> dict[str, Any]:
    """Return what is to be resumed, empty where a run begins."""
    if not resume:
        if path.exists():
            raise OptionError(f"{path} is left of an earlier run; add --resume to go on with it, delete it, or give another folder with -o.")
        return {}
    state = load_checkpoint(path)
    if state.get("recipe") != text:
        raise OptionError(
            f"{path} belongs to another recipe than {recipe_path} is now; give the one that it was begun with, or another folder with -o."
        )
    return state


def teach(recipe_path: Path, out: Path, data: Path, resume: bool = False) -> Path:
    """Train what *recipe_path* describes on data below *data* and save it to the folder *out*; return it.

    ``OUT.checkpoint.pt`` beside *out* is what an interrupted run goes on from with *resume*; it goes when *out* is whole.

    Raises:
        OptionError, RecognizerError, ModelError: the recipe, its data, *out* or the checkpoint cannot be used, or there is a
            checkpoint and *resume* is not set.
        SuperresError: the disk is full.
    """
    recipe = read_teach_recipe(recipe_path)
    check_name(recipe.name)
    text = recipe_path.read_text(encoding="utf-8")
    if out.exists() and not (out / folders.CARD).is_file():
        raise OptionError(f"{out} exists and holds no reader; give a new folder.")
    checkpoint = out.absolute().with_name(f"{out.absolute().name}.checkpoint.pt")
    state = _read_checkpoint(checkpoint, recipe_path, text, resume)
    with writing(out.parent):
        out.parent.mkdir(parents=True, exist_ok=True)
        teacher = Teacher(recipe, data, out.parent)
        if resume:
            teacher.resume(state)
        teacher.fit(text, checkpoint)
        if teacher.best:
            teacher.net.load_state_dict(teacher.best)
        figures = {f"lines read without a mistake, {which}": round(share, 4) for which, share in teacher.accuracies().items()} if teacher.held else {}
        folders.save(teacher.net.eval(), recipe.network, out, recipe.name, description=recipe.description, figures=figures, recipe=text)
        checkpoint.unlink()
    return out
