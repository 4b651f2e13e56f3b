# SPDX-License-Identifier: MPL-2.0
"""Names of losses, degradation stages and sources that a recipe may use, ours and those of other packages."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, get_type_hints

from torch import nn

from ocrmypdf_superres.entry_points import Registry
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.tables import did_you_mean, read_options
from ocrmypdf_superres.training.protocols import DegradationStage, Loss, Target

__all__ = ["DEGRADATIONS", "LOSSES", "SOURCES"]

T = TypeVar("T")
_HERE = "ocrmypdf_superres.training"

LOSSES = Registry(
    "ocrmypdf_superres.losses",
    "loss",
    {
        "adversarial": f"{_HERE}.losses.image.adversarial:AdversarialLoss",
        "charbonnier": f"{_HERE}.losses.image.charbonnier:CharbonnierLoss",
        "consistency": f"{_HERE}.losses.image.consistency:ConsistencyLoss",
        "contrast": f"{_HERE}.losses.image.contrast:ContrastLoss",
        "detector": f"{_HERE}.losses.recognition.detector:ctpn_loss",
        "distillation": f"{_HERE}.losses.image.distillation:DistillationLoss",
        "edge": f"{_HERE}.losses.image.edge:EdgeLoss",
        "gradient": f"{_HERE}.losses.image.gradient:GradientLoss",
        "hue": f"{_HERE}.losses.image.hue:HueLoss",
        "keypoints": f"{_HERE}.losses.recognition.keypoints:KeypointLoss",
        "l1": f"{_HERE}.losses.image.pixel:L1Loss",
        "l2": f"{_HERE}.losses.image.pixel:L2Loss",
        "perceptual": f"{_HERE}.losses.image.perceptual:PerceptualLoss",
        "prior": f"{_HERE}.losses.recognition.prior:PriorLoss",
        "recognizer": f"{_HERE}.losses.recognition.patch_features:PatchFeatureLoss",
        "text-focus": f"{_HERE}.losses.recognition.text_focus:text_focus_loss",
    },
)
READING_LOSSES = ("ctc", "probabilities", "features")
"""Losses of the lines cut from the strips, by the stage's recognizers; see :mod:`ocrmypdf_superres.training.reading_losses`."""

DEGRADATIONS = Registry(
    "ocrmypdf_superres.degradations",
    "degradation stage",
    {
        name: f"{_HERE}.data.degradations:{kind}"
        for name, kind in {
            "binarize": "Binarize", "blur": "Blur", "camera": "Camera", "contrast": "Contrast", "downsample": "Downsample",
            "halftone": "Halftone", "jpeg": "Jpeg", "median": "Median", "motion": "Motion", "noise": "Noise",
            "resample": "Resample", "sharpen": "Sharpen", "speckle": "Speckle", "threshold": "Threshold",
        }.items()
    },
)  # fmt: skip

SOURCES = Registry(
    "ocrmypdf_superres.sources",
    "source kind",
    {
        "rendered": f"{_HERE}.data.sources.rendered:KIND",
        "scans": f"{_HERE}.data.sources.scans:KIND",
        "pairs": f"{_HERE}.data.sources.pairs:KIND",
        "patches": f"{_HERE}.data.sources.patches:KIND",
        "words": f"{_HERE}.data.sources.words:WORDS",
        "lines": f"{_HERE}.data.sources.words:LINES",
        "textzoom": f"{_HERE}.data.sources.textzoom:KIND",
        "recognition": f"{_HERE}.data.sources.recognition:KIND",
    },
)


def typed(kind: type[T], found: object, what: str) -> T:
    """Return *found* if it is a *kind*.

    Raises:
        OptionError: it is something else; the message begins with *what*.
    """
    if not isinstance(found, kind):
        raise OptionError(f"{what} is a {type(found).__name__}, but a {kind.__name__} was expected; correct its entry point.")
    return found


@dataclass(frozen=True)
class LossSetting:
    """A loss as a recipe names it, checked and not yet made.

    Attributes:
        weight: its factor in the sum. factory, options: what makes it; None for a loss that reads lines.
        target: what it compares the sr image with.
    """

    name: str
    weight: float
    factory: Callable[..., nn.Module] | None
    options: Mapping[str, Any]
    target: Target

    @property
    def reads_lines(self) -> bool:
        """Whether the stage's recognizers compute it."""
        return self.factory is None

    def make(self) -> Loss:
        """Return the loss.

        Raises:
            OptionError, RecognizerError: it refuses its options, needs something that is not installed, or reads lines, which
                only the recognizers of a stage can do.
        """
        if self.factory is None:
            raise OptionError(f"The loss {self.name!r} reads lines, and so belongs to a stage with recognizers; name it there.")
        return typed(Loss, self.factory(**self.options), f"The loss {self.name!r}")  # type: ignore[type-abstract]


def _weight_only() -> None:
    """Stand for a loss without options."""


def loss_setting(name: str, value: object, where: str) -> LossSetting:
    """Return the loss *name* with the *value* of a recipe: its weight, or a table of ``weight`` (default 1) and options.

    Raises:
        OptionError: an unknown loss or option, a value of the wrong type, a weight below 0, or a loss of another package that
            does not follow the protocol.
    """
    place = f"{where}, the loss {name!r}"
    table = dict(value) if isinstance(value, Mapping) else {"weight": value}
    factory, target = None, Target.BATCH
    if name not in READING_LOSSES:
        if name not in LOSSES.names():
            known = sorted([*LOSSES.names(), *READING_LOSSES])
            raise OptionError(
                f"{where} names the unknown loss {name!r}{did_you_mean(name, known)}; known are {', '.join(known)}."
            )
        factory = LOSSES.load(name, where)
        target = _target(factory, place)
    options = read_options(factory or _weight_only, table, place, weight=(float, 1.0))
    weight = options.pop("weight")
    if not 0 <= weight < math.inf:
        raise OptionError(f"{place} has the weight {weight}; give a number of 0 or more, or a table with weight.")
    return LossSetting(name, weight, factory, options, target)


def _target(factory: Callable[..., Any], place: str) -> Target:
    kind = factory if isinstance(factory, type) else get_type_hints(factory).get("return")
    target = getattr(kind, "target", None)
    if not isinstance(target, Target):
        raise OptionError(
            f"{place} comes from {factory.__module__}, whose class has target = {target!r}; "
            "a loss needs one of Target.HR, Target.LR, Target.BATCH and Target.NET there."
        )
    return target


@dataclass(frozen=True)
class AppliedStage:
    """A degradation stage and the probability that it is applied."""

    name: str
    probability: float
    apply: DegradationStage


def make_degradation(tables: Sequence[Mapping[str, Any]], where: str = "The degradation") -> list[AppliedStage]:
    """Return the stages that the tables of a recipe describe: ``name``, ``probability`` (default 1) and the stage's settings.

    Raises:
        OptionError: an unknown stage or setting, a value of the wrong type, a probability outside [0, 1], or not exactly one
            ``downsample``.
    """
    stages = []
    for table in tables:
        name = table.get("name")
        if not isinstance(name, str):
            raise OptionError(f"{where} has a [[degradation]] table without a name; known are {', '.join(DEGRADATIONS.names())}.")
        place = f"{where}: the degradation stage {name!r}"
        factory = DEGRADATIONS.load(name, where)
        given = {key: value for key, value in table.items() if key != "name"}
        options = read_options(factory, given, place, probability=(float, 1.0))
        probability = options.pop("probability")
        if not 0.0 <= probability <= 1.0:
            raise OptionError(f"{place} has probability = {probability}; give a number from 0 to 1.")
        stages.append(AppliedStage(name, probability, factory(**options)))
    if sum(stage.name == "downsample" for stage in stages) != 1:
        raise OptionError(f"{where} has no degradation stage named downsample, or several; give exactly one.")
    return stages
