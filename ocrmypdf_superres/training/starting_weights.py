# SPDX-License-Identifier: MPL-2.0
"""Starting a training from the weights of a finished model, whose convolutions are folded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from ocrmypdf_superres.architectures.spec import Growable, StartsFromFolded
from ocrmypdf_superres.errors import ModelError, OptionError, RecognizerError
from ocrmypdf_superres.modelstore.store import Model, find_model, find_recognizer
from ocrmypdf_superres.recognizers import folder
from ocrmypdf_superres.upscaling.backends import packed_weights as packed


@torch.no_grad()
def start_from(net: nn.Module, model: Model) -> None:
    """Give *net*, in its training form, the weights of *model*.

    Layers that are :class:`StartsFromFolded` take the folded kernel; all others are copied by name. A larger net that is
    :class:`Growable` starts as a net whose output is the model's.

    Raises:
        ModelError: the model's weights are damaged, or of another architecture or configuration.
    """
    device = next(net.parameters()).device
    state = {name: torch.from_numpy(value).to(device) for name, value in packed.read(model.weights_path()).items()}
    state = _grown(net, state)
    folded = {name: module for name, module in net.named_modules() if isinstance(module, StartsFromFolded)}
    own = dict(net.state_dict())
    wanted = {n for n in own if not any(n.startswith(f"{layer}.") for layer in folded)}
    wanted |= {f"{layer}.main.{part}" for layer in folded for part in ("weight", "bias")}
    for name in sorted(wanted | set(state)):
        if name not in state or name not in wanted or own[name].shape != state[name].shape:
            raise ModelError(
                f"Model {model.card.name} ({model.card.architecture}, {dict(model.card.config)}) cannot be the base of this net: "
                f"they differ at {name}; give the recipe the base's architecture and [config]."
            )
    for layer, module in folded.items():
        module.start_from(state[f"{layer}.main.weight"], state[f"{layer}.main.bias"])
    for name in wanted - {f"{layer}.main.{part}" for layer in folded for part in ("weight", "bias")}:
        own[name].copy_(state[name])


@torch.no_grad()
def take_parts(net: nn.Module, parts: Mapping[str, str]) -> None:
    """Give each part of *net* that *parts* names the weights of a recognizer's part of the same name, or of a whole model.

    Both are given as names or folders. A model stands for the part as a whole: ``parts = { edsr = "edsr-car" }``.

    Raises:
        OptionError: the net or the recognizer has no such part, or another configuration of it; or there is neither a recognizer
            nor a model of that name.
        RecognizerError, ModelError: it is damaged.
    """
    for part, name in parts.items():
        try:
            net.get_submodule(part).load_state_dict(_part_weights(part, str(name)))
        except (AttributeError, RuntimeError) as error:
            reason = str(error).splitlines()[-1].strip()
            raise OptionError(
                f"parts gives {part!r} the weights of {name!r}, but the two do not fit ({reason}); "
                "give a part that both have, of one configuration."
            ) from error


def _part_weights(part: str, name: str) -> Mapping[str, torch.Tensor]:
    try:
        find_recognizer(name)
    except RecognizerError as missing:
        try:
            model = find_model(name)
        except ModelError as error:
            raise OptionError(
                f"parts gives {part!r} the weights of {name!r}, but there is no recognizer and no model of that name; train or "
                "import it first, or give its folder."
            ) from (error if Path(name).exists() else missing)
        return {key: torch.from_numpy(value) for key, value in packed.read(model.weights_path()).items()}
    return folder.load(name).get_submodule(part).state_dict()


def _grown(net: nn.Module, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """*state* enlarged to *net*'s size where its class knows how; otherwise as it is, for the caller to compare."""
    if not isinstance(net, Growable):
        return state
    try:
        return net.grown(state)
    except (KeyError, ValueError):
        return state
