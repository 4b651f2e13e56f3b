# SPDX-License-Identifier: MPL-2.0
"""Starting a training from the weights of a finished model, whose convolutions are folded."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from ocrmypdf_superres.architectures.spec import Growable, StartsFromFolded
from ocrmypdf_superres.errors import ModelError, OptionError
from ocrmypdf_superres.modelstore.store import Model
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
    """Give each part of *net* that *parts* names the weights of the same part of a recognizer, a name or a folder.

    Raises:
        OptionError: the net or the recognizer has no such part, or another configuration of it.
        RecognizerError: there is no such recognizer, or it is damaged.
    """
    for part, name in parts.items():
        recognizer = folder.load(str(name))
        try:
            net.get_submodule(part).load_state_dict(recognizer.get_submodule(part).state_dict())
        except (AttributeError, RuntimeError) as error:
            reason = str(error).splitlines()[-1].strip()
            raise OptionError(
                f"parts gives {part!r} the weights of the recognizer {name!r}, but the two do not fit ({reason}); "
                "give a part that both have, of one configuration."
            ) from error


def _grown(net: nn.Module, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """*state* enlarged to *net*'s size where its class knows how; otherwise as it is, for the caller to compare."""
    if not isinstance(net, Growable):
        return state
    try:
        return net.grown(state)
    except (KeyError, ValueError):
        return state
