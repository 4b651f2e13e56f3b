# SPDX-License-Identifier: MPL-2.0
"""The recipe of a fine-tuning: what a model was trained with, on other scans, as long as there is time."""

from __future__ import annotations

import json
import logging
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ocrmypdf_superres.errors import ModelError, RecognizerError
from ocrmypdf_superres.modelstore.store import Model, find_model
from ocrmypdf_superres.processes import available_cores
from ocrmypdf_superres.recognizers import load
from ocrmypdf_superres.training.data.batches import load_batches
from ocrmypdf_superres.training.data.sources.scans import index_page
from ocrmypdf_superres.training.recipe import parse_recipe
from ocrmypdf_superres.training.super_resolution import super_resolution_trainer

log = logging.getLogger(__name__)

CONFIDENCE = 75.0
"""Mean word confidence from which a line's own reading is learned from."""
SCRIPTS = ("Latin", "Cyrillic", "Greek", "Arabic", "Hebrew")
TEXT_SHARE = 0.3
"""Share of rendered strips where a folder of text is given, so that the net does not forget print it does not see."""
MINIMUM_STEPS, MAXIMUM_STEPS = 20, 20000
WARM_STEPS, TIMED_STEPS = 8, 12
"""Steps before the time of a step is taken, and those that it is taken of."""
_KEPT = ("config", "scales", "degradation", "line_height", "usual_height", "clean")


def tuning_values(name: str, model: Model, languages: str, recognizers: Sequence[str], text: Path | None) -> dict[str, Any]:
    """Return a recipe, as TOML values, that trains *model* on pages in ``train``; with one step, to be set.

    Raises:
        ModelError: the model's card holds no recipe with a degradation.
    """
    try:
        old = tomllib.loads(model.card.recipe)
    except tomllib.TOMLDecodeError as error:
        raise ModelError(
            f"The recipe in the card of model {model.card.name} is damaged ({error}); give another --base."
        ) from error
    values = {key: old[key] for key in _KEPT if key in old}
    if "degradation" not in values:
        raise ModelError(
            f"The card of model {model.card.name} holds no recipe to fine-tune with; give a --base that was trained with one."
        )
    scans = {"kind": "scans", "folder": "train", "language": languages, "confidence": CONFIDENCE, "weight": 1.0}
    sources: list[dict[str, Any]] = [scans]
    if text is not None:
        scans["weight"] = 1.0 - TEXT_SHARE
        sources.append({"kind": "rendered", "folder": str(text.resolve()), "weight": TEXT_SHARE})
    stage = {
        "name": "fine-tune", "steps": 1, "batch": 16, "lr": 4e-4, "final": 0.02, "recognizer_lines": 16,
        # The pixel losses hold the net to what the scans look like; reading alone would let it drift.
        "losses": {"charbonnier": 1.0, "gradient": 0.2, "ctc": 0.15, "probabilities": 0.15},
        "recognizers": list(recognizers),
    }  # fmt: skip
    cores = available_cores()
    return {
        "name": name,
        "description": f"{model.card.name}, fine-tuned on scans without annotation.",
        "base": _reference(model),
        "architecture": model.card.architecture,
        "seed": 1,
        "threads": min(8, max(1, cores - 1)),
        **values,
        "config": {key: list(v) if isinstance(v, tuple) else v for key, v in model.card.config.items()},
        "sources": sources,
        "stages": [stage],
    }


def _reference(model: Model) -> str:
    """Return the model's name where it is found by it, else its folder."""
    try:
        found = find_model(model.card.name).folder.resolve() == model.folder.resolve()
    except ModelError:
        found = False
    return model.card.name if found else str(model.folder.resolve())


def choose_recognizers(languages: str, run: Path) -> list[str]:
    """Return the recognizers of *languages*, and one of their script where it is installed and writes the pages' lines.

    A second opinion keeps the net from making images that suit one recognizer alone.

    Raises:
        RecognizerError: a language is not installed, or its file cannot be used.
    """
    names = [f"tesseract:{language}" for language in languages.split("+")]
    for name in names:
        load(name)
    lines: list[str] = []
    for row in json.loads((run / "train" / "index.json").read_text(encoding="utf-8")):
        page = index_page(Path(row["image"]), None, languages, run / "lines", CONFIDENCE)
        lines += [" ".join(word.text for word in line) for line in page.lines]
    for script in SCRIPTS:
        try:
            recognizer = load(f"tesseract:script/{script}")
        except RecognizerError:
            continue  # not installed, which is not a fault
        written = 0
        for line in lines:
            try:
                recognizer.encode(line)
            except RecognizerError:
                continue  # a line of another script
            written += 1
        if written > 0.5 * len(lines):
            return [*names, f"tesseract:script/{script}"]
    return names


def set_time(values: dict[str, Any], run: Path, seconds: float, device: str = "auto") -> float:
    """Set the faster precision in the recipe *values*, and the steps that fit into *seconds*, which measuring counts to.

    Returns:
        The seconds that a step takes.
    """
    began = time.monotonic()
    paces = {precision: _pace({**values, "precision": precision}, run, device) for precision in ("float32", "bfloat16")}
    precision = min(paces, key=lambda name: paces[name])
    left = seconds - (time.monotonic() - began)
    set_steps(values, int(left / paces[precision]))
    values["precision"] = precision
    log.info(
        "A step takes %.2f s here in %s: %d steps in %.0f minutes.",
        paces[precision], precision, values["stages"][0]["steps"], left / 60,
    )  # fmt: skip
    return paces[precision]


def set_steps(values: dict[str, Any], steps: int) -> None:
    """Set the number of steps in the recipe *values*, and the settings that depend on it."""
    steps = max(MINIMUM_STEPS, min(MAXIMUM_STEPS, steps))
    values["stages"][0]["steps"] = steps
    values["stages"][0]["warmup"] = min(100, steps // 10)
    # The average's memory is a small part of the run.
    values["ema"] = 0.998 if steps >= 2000 else 0.99
    values["checkpoint_every"] = max(10, min(200, steps // 10))
    values["sample_every"] = max(10, steps // 4)


def _pace(values: dict[str, Any], run: Path, device: str) -> float:
    """Return the seconds that a step takes, by doing a few that are then forgotten.

    The first ones are not timed, since they find their batches ready.
    """
    stage = {**values["stages"][0], "steps": WARM_STEPS + TIMED_STEPS}
    recipe = parse_recipe({**values, "stages": [stage]}, "the fine-tuning's recipe")
    trainer = super_resolution_trainer(recipe, run, run, device)
    batches = load_batches(trainer.task.batches, 0, recipe.workers)
    began = time.monotonic()
    for step in range(WARM_STEPS + TIMED_STEPS):
        if step == WARM_STEPS:
            began = time.monotonic()
        trainer.train_step(next(batches))
    return max(1e-3, (time.monotonic() - began) / TIMED_STEPS)
