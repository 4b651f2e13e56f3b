# SPDX-License-Identifier: MPL-2.0
"""Systems that a user has, compared on lines and patches: a command that is run once on a folder, or a model through spandrel.

PEAN, TATT, DocRes and NAF-DPM are programs of their own, with weights that their authors publish; none of them are included here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ocrmypdf_superres.architectures.blocks.layers import grey_of
from ocrmypdf_superres.errors import OptionError, SuperresError
from ocrmypdf_superres.evaluation.methods.commands import run_command, split_command
from ocrmypdf_superres.evaluation.methods.peers import Peer, enlarge_in_colour, weights_peer
from ocrmypdf_superres.training.data.batches import Batch

Predictor = Callable[[Tensor, int], Tensor]
"""Called as ``predict(lr, scale)`` with the batches' lr in their order; returns what the system made of it."""


def system_predictors(commands: Sequence[str], models: Sequence[Path], batches: Sequence[Batch]) -> dict[str, Predictor]:
    """Return the systems by their names: those of the commands' programs or scripts, and of the models' files.

    Commands are run here, once each, on all of *batches*, which their predictors then want in this order.

    Args:
        commands: with {in}, a folder of PNG images, and {out}, the folder for images of the same names.
        models: weights that spandrel reads.
        batches: lr, in luma or RGB.

    Raises:
        OptionError: {in} or {out} is missing, a file does not exist, or two systems have one name.
        MissingDependencyError: spandrel is not installed. SuperresError: a command fails, or leaves an image out.
    """
    found: dict[str, Predictor] = {}
    for text in commands:
        _add(found, _name(text), _in_order(_run(text, batches)))
    for path in models:
        peer = weights_peer(path, "spandrel")
        _add(found, peer.name, _by_model(peer))
    return found


def check_row(what: str, name: str, rows: Iterable[str]) -> None:
    """Refuse a model or system, as *what* says, whose *name* is that of one of *rows* of the table, or of hr, its last row.

    Raises:
        OptionError: it is.
    """
    if name in (*rows, "hr"):
        raise OptionError(f"A {what} is called {name}, which is a row of the table; give it another name.")


def _by_model(peer: Peer) -> Predictor:
    return lambda lr, scale: _each(lr, scale, lambda image: enlarge_in_colour(peer, image))


def _add(found: dict[str, Predictor], name: str, predict: Predictor) -> None:
    if name in found:
        raise OptionError(f"Two systems are called {name}; give another name to a script or a file of weights.")
    found[name] = predict


def _name(text: str) -> str:
    words = split_command(text, "--system", "the folders {in} and {out}")
    script = next((word for word in words[1:] if word.endswith((".py", ".sh"))), words[0])
    return Path(script).stem


def _in_order(made: Sequence[NDArray[np.uint8]]) -> Predictor:
    images: Iterator[NDArray[np.uint8]] = iter(made)
    return lambda lr, scale: _each(lr, scale, lambda image: Image.fromarray(next(images)))


def _run(text: str, batches: Sequence[Batch]) -> list[NDArray[np.uint8]]:
    with tempfile.TemporaryDirectory(prefix="superres-system-") as temporary:
        source, target = Path(temporary) / "in", Path(temporary) / "out"
        source.mkdir()
        target.mkdir()
        names: list[str] = []
        for batch in batches:
            for image in _images(batch.lr):
                names.append(f"{len(names):06d}.png")
                image.save(source / names[-1])
        run_command(text, source, target)
        made = []
        for name in names:
            try:
                with Image.open(target / name) as image:
                    made.append(np.asarray(image.convert("RGB")))
            except OSError as error:
                raise SuperresError(f"The command {text!r} wrote no image {name} to {{out}}; {len(names)} were given.") from error
        return made


def _images(lr: Tensor) -> list[Image.Image]:
    pixels = (lr[:, :3].clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    return [Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)) for image in pixels]


def _each(lr: Tensor, scale: int, make: Callable[[Image.Image], Image.Image]) -> Tensor:
    """Return what *make* makes of each image, in the channels of *lr*; other sizes are resized to *scale* times lr's, bicubic."""
    size = (lr.shape[-1] * scale, lr.shape[-2] * scale)
    made = []
    for image in _images(lr):
        large = make(image).convert("RGB")
        large = large if large.size == size else large.resize(size, Image.Resampling.BICUBIC)
        made.append(torch.from_numpy(np.asarray(large, dtype=np.float32).transpose(2, 0, 1) / 255))
    colour = torch.stack(made)
    return grey_of(colour) if lr.shape[1] == 1 else colour
