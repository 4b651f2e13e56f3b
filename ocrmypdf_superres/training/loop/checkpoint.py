# SPDX-License-Identifier: MPL-2.0
"""Checkpoints: written whole or not at all, and read with ``weights_only``."""

from __future__ import annotations

import textwrap
import tomllib
from pathlib import Path
from typing import Any

import torch

from ocrmypdf_superres.errors import OptionError, SuperresError
from ocrmypdf_superres.files import atomic_write
from ocrmypdf_superres.modelstore.published_weights import unreadable

FREE = ("description", "workers", "checkpoint_every", "sample_every")
"""Keys of a recipe that change nothing of what is trained."""


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write *state* (tensors, numbers, text, lists, dicts) to *path*; an older one stays until the new one is whole.

    Raises:
        SuperresError: the disk is full or cannot be written; the older checkpoint is untouched.
    """
    try:
        for left in path.parent.glob(f".{path.stem}.*.part{path.suffix}"):
            left.unlink(missing_ok=True)  # of a process that was killed while it wrote
        with atomic_write(path, durable=True) as part, part.open("wb") as stream:
            torch.save(state, stream)
    except (OSError, RuntimeError) as error:
        # torch's writer wraps what the disk said in a RuntimeError of its own.
        cause = error if isinstance(error, OSError) else error.__context__
        reason = cause.strerror if isinstance(cause, OSError) else str(error).splitlines()[0]
        older = "the older one is untouched" if path.exists() else "there is no older one"
        raise SuperresError(
            f"The checkpoint {path} could not be written ({reason}), {older}; make room and continue with --resume."
        ) from error


def same_recipe(one: str, other: str) -> bool:
    """Return whether the recipes of the texts *one* and *other* train the same: they differ in comments and :data:`FREE` keys."""
    try:
        values, others = ({k: v for k, v in tomllib.loads(text).items() if k not in FREE} for text in (one, other))
    except tomllib.TOMLDecodeError:
        return one == other
    return values == others


def mismatch(error: Exception) -> str:
    """Return the beginning of torch's *error* that weights do not fit a network; it goes on with every tensor."""
    said = " ".join(line.strip().rstrip(".") for line in str(error).split("\n", 2)[:2])
    return textwrap.shorten(said, 200, placeholder=" ...")


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Return what :func:`save_checkpoint` wrote.

    Raises:
        OptionError: the file is missing or damaged.
    """
    if not path.is_file():
        raise OptionError(f"There is no checkpoint {path}; give the folder of a training run, or start one without --resume.")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the parser raises anything on a damaged file
        raise OptionError(
            f"The checkpoint {path} is damaged ({unreadable(error)}); delete it and start without --resume."
        ) from error
    if not isinstance(state, dict):
        raise OptionError(f"{path} is not a checkpoint of this trainer; give the folder of a training run.")
    return state


def load_run(path: Path) -> dict[str, Any]:
    """Return the state of a training run in *path*.

    Raises:
        OptionError: as :func:`load_checkpoint`, or it is a checkpoint of something else.
    """
    state = load_checkpoint(path)
    if not {"recipe", "step", "net"} <= state.keys():
        raise OptionError(f"{path} is not a checkpoint of this trainer; give the folder of a training run.")
    return state
