# SPDX-License-Identifier: MPL-2.0
"""A run so small that a test may train it: two stages of three steps, on rendered text."""

from __future__ import annotations

from typing import Any

from ocrmypdf_superres.training.recipe import Recipe, parse_recipe
from ocrmypdf_superres.training.recognizers.recipe import RecognizerRecipe, parse_recognizer_recipe

TINY: dict[str, Any] = {
    "name": "tiny",
    "architecture": "docsr",
    "config": {"features": 8, "convolutions": 2, "scales": [2]},
    "scales": {"2": 1.0},
    "seed": 4,
    "workers": 0,
    "checkpoint_every": 3,
    "sources": [{"kind": "rendered", "folder": "text"}],
    "degradation": [{"name": "blur", "sigma": [0.8, 0.8]}, {"name": "downsample"}],
    "clean": 0.0,
    "stages": [
        {"name": "one", "steps": 3, "batch": 2, "lr": 1e-3, "warmup": 1, "losses": {"charbonnier": 1.0}},
        {"name": "two", "steps": 3, "batch": 2, "lr": 5e-4, "losses": {"charbonnier": 1.0, "gradient": 0.5}},
    ],
}
VALIDATION = {"kind": "rendered", "folder": "held", "metric": "psnr", "every": 2, "lines": 2}


def tiny(stages: list[dict[str, Any]] | None = None, **changes: Any) -> Recipe:
    """Return the recipe with *changes*; each of *stages* overrides what the first stage has."""
    values = {**TINY, **changes}
    if stages is not None:
        values["stages"] = [{**TINY["stages"][0], "name": f"stage{i}", **stage} for i, stage in enumerate(stages)]
    return parse_recipe(values, "tiny.toml")


def same(left: dict[str, Any], right: dict[str, Any]) -> bool:
    """Whether two state dicts hold the same tensors, bit for bit."""
    return left.keys() == right.keys() and all(bool((left[name] == right[name]).all()) for name in left)


def recognizer_recipes() -> list[RecognizerRecipe]:
    """Return small recipes of each kind of network."""
    common = {"workers": 0, "stages": [{"name": "a", "steps": 2, "batch": 2}]}
    words = {"sources": [{"kind": "words", "folder": "text"}], "images": {"hr": 0.5, "lr": 0.5}, **common}
    configs = {
        "text-focus": {"base": 2, "blocks": [1, 1, 1, 1], "heads": 2, "inner": 16},
        "crnn": {"base": 2, "hidden": 4},
    }
    values = [{"name": name, "network": name, "config": config, **words} for name, config in configs.items()]
    detector = {"widths": [4, 4, 4, 4, 4], "hidden": 4, "deep": 8}
    pages = {"sources": [{"kind": "rendered", "folder": "text"}], "size": [96, 160], **common}
    values.append({"name": "ctpn", "network": "ctpn", "config": detector, **pages})
    return [parse_recognizer_recipe(value, value["name"]) for value in values]
