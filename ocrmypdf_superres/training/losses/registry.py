# SPDX-License-Identifier: MPL-2.0
"""Names of losses: an explicit table, and the options that a recipe may give each."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from torch import nn

from ocrmypdf_superres.errors import OptionError

_LOSSES = "ocrmypdf_superres.training.losses"

# Losses of whole strips: ``forward(sr, hr)``, or ``forward(sr, lr)`` where the class has ``target = "lr"``; with
# ``target = "batch"`` ``forward(sr, batch)``, and with ``"net"`` ``forward(net, batch)``.
_STRIP_LOSSES = {
    "charbonnier": f"{_LOSSES}.image.charbonnier:CharbonnierLoss",
    "gradient": f"{_LOSSES}.image.gradient:GradientLoss",
    "l1": f"{_LOSSES}.image.pixel:L1Loss",
    "l2": f"{_LOSSES}.image.pixel:L2Loss",
    "consistency": f"{_LOSSES}.image.consistency:ConsistencyLoss",
    "contrast": f"{_LOSSES}.image.contrast:ContrastLoss",
    "detector": f"{_LOSSES}.recognition.detector:ctpn_loss",
    "edge": f"{_LOSSES}.image.edge:EdgeLoss",
    "perceptual": f"{_LOSSES}.image.perceptual:PerceptualLoss",
    "prior": f"{_LOSSES}.recognition.prior:PriorLoss",
    "text-focus": f"{_LOSSES}.recognition.text_focus:text_focus_loss",
}
# Losses of the lines cut from the strips; they need the stage's recognizers.
READING_LOSSES = ("ctc", "probabilities", "features")

def names() -> list[str]:
    """Return the names that a recipe may use, sorted."""
    return sorted([*_STRIP_LOSSES, *READING_LOSSES])


def split_setting(setting: object, where: str) -> tuple[float, dict[str, Any]]:
    """Return the weight and the options of a loss's *setting*: a number, or a table with ``weight`` (default 1).

    Raises:
        OptionError: it is neither, or the weight is no finite number of 0 or more.
    """
    options = dict(setting) if isinstance(setting, Mapping) else {"weight": setting}
    weight = options.pop("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not math.isfinite(weight) or weight < 0:
        raise OptionError(f"{where} has the weight {weight!r}; give a number of 0 or more, or a table with weight.")
    return weight, options


def is_reading(name: str, options: Mapping[str, Any], where: str) -> bool:
    """Return whether the loss *name* is one of lines.

    Raises:
        OptionError: no such loss, or options for a loss that has none.
    """
    if name not in names():
        raise OptionError(f"{where} names the unknown loss {name!r}; known are {', '.join(names())}.")
    if name in READING_LOSSES and options:
        raise OptionError(f"{where}: the loss {name!r} has the unknown option {next(iter(options))!r}; known is weight.")
    return name in READING_LOSSES


def make_loss(name: str, options: Mapping[str, Any], where: str) -> nn.Module:
    """Return the strip loss *name* with *options*, importing its module.

    Raises:
        OptionError: an unknown option, a wrong type, or a value that the loss refuses.
    """
    module, _, attribute = _STRIP_LOSSES[name].partition(":")
    kind = getattr(import_module(module), attribute)
    known = inspect.signature(kind).parameters
    for key, value in options.items():
        if key not in known:
            raise OptionError(
                f"{where}: the loss {name!r} has the unknown option {key!r}; known are {', '.join(['weight', *known])}."
            )
        expected = type(known[key].default)
        fits = isinstance(value, (int, float) if expected is float else expected)
        if not fits or (isinstance(value, bool) and expected is not bool):
            raise OptionError(
                f"{where}: the loss {name!r} has {key} = {value!r}, but a value of type {expected.__name__} was expected."
            )
    loss: nn.Module = kind(**options)
    return loss
