# SPDX-License-Identifier: MPL-2.0
"""Stages: which parameters are trained, at which rate, and by which optimizer.

Parameters are named by patterns of the shell (``tails.*``, ``body.[01].*``) on the names of
``net.named_parameters()``.  A frozen part gets no gradient and no weight decay, and its batch normalisation uses the
statistics that it has.  With these, a recipe can say: pretrain, then add losses at a tenth of the rate; one module
after another with the earlier ones frozen; a frozen last net that the gradient passes on its way to the first ones,
released later.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

import torch
from torch import nn

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.training.recipe import RunSettings, TrainingStage


def stage_at(stages: Sequence[TrainingStage], step: int) -> tuple[TrainingStage, int, int]:
    """Return the stage of the run's *step*, from 0, the step within it, and the stage's number.

    Raises:
        IndexError: there are fewer steps.
    """
    for number, stage in enumerate(stages):
        if step < stage.steps:
            return stage, step, number
        step -= stage.steps
    raise IndexError(step)


def learning_rate(stage: TrainingStage, step: int) -> float:
    """Return the rate of the stage's step *step* (from 0): linear warm-up, then a cosine, or steps at its milestones."""
    if step < stage.warmup:
        return stage.lr * (step + 1) / stage.warmup
    if stage.milestones:
        return stage.lr * stage.gamma ** sum(step >= share * stage.steps for share in stage.milestones)
    progress = (step - stage.warmup) / max(1, stage.steps - stage.warmup)
    return stage.lr * (stage.final + (1 - stage.final) * 0.5 * (1 + math.cos(math.pi * progress)))


def _matching(net: nn.Module, patterns: Iterable[str], where: str) -> set[str]:
    names = [name for name, _ in net.named_parameters()]
    found: set[str] = set()
    for pattern in patterns:
        hits = {name for name in names if fnmatchcase(name, pattern)}
        if not hits:
            parts = ", ".join(dict.fromkeys(name.partition(".")[0] + ".*" for name in names))
            raise OptionError(f"{where} names {pattern!r}, which matches no parameter of the net; use its parts, {parts}.")
        found |= hits
    return found


def trained_names(net: nn.Module, stage: TrainingStage) -> set[str]:
    """Return the names of the parameters that *stage* trains.

    Raises:
        OptionError: a pattern of ``train`` or ``freeze`` matches nothing, or nothing is left to train.
    """
    names = {name for name, _ in net.named_parameters()}
    if stage.train:
        names = _matching(net, stage.train, f"Stage {stage.name}, train,")
    names = names - _matching(net, stage.freeze, f"Stage {stage.name}, freeze,")
    if not names:
        raise OptionError(f"Stage {stage.name} freezes every parameter of the net; leave one to train.")
    return names


def freeze(net: nn.Module, stage: TrainingStage) -> None:
    """Let only the parameters of *stage* take gradients, and put the frozen parts in evaluation mode.

    Raises:
        OptionError: see :func:`trained_names`.
    """
    trained = trained_names(net, stage)
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(name in trained)
        if name not in trained:
            parameter.grad = None
    _set_modes(net)


def _set_modes(module: nn.Module) -> None:
    module.train()
    for part in module.children():
        parameters = list(part.parameters())
        if parameters and not any(p.requires_grad for p in parameters):
            part.eval()
        else:
            _set_modes(part)


def make_optimizer(net: nn.Module, stage: TrainingStage, settings: RunSettings) -> torch.optim.AdamW:
    """Return the optimizer of *stage*; its groups' ``lr_scale`` multiply the learning rate.

    Raises:
        OptionError: a pattern of ``lr_scale`` matches nothing, or two of them the same parameter.
    """
    factors: dict[str, float] = {}
    for pattern, factor in stage.lr_scale.items():
        for name in _matching(net, [pattern], f"Stage {stage.name}, lr_scale,"):
            if name in factors:
                raise OptionError(f"Stage {stage.name} gives {name} two factors in lr_scale; let one pattern match it.")
            factors[name] = factor
    groups: dict[float, list[nn.Parameter]] = {1.0: []}
    for name, parameter in net.named_parameters():
        groups.setdefault(factors.get(name, 1.0), []).append(parameter)
    tables = [{"params": parameters, "lr_scale": factor} for factor, parameters in groups.items() if parameters]
    return torch.optim.AdamW(tables, weight_decay=settings.weight_decay, betas=settings.betas)
