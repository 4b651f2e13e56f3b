# SPDX-License-Identifier: MPL-2.0
"""One training over several processes, GPUs or machines: started by ``torchrun``, run by Lightning Fabric.

Every process makes the whole batch of a step and takes its part, so that the strips of a step do not depend on the
number of processes; gradients are averaged over the processes, and only the first one (the leader) writes; its log has
the losses of its own part.  Losses are means over a process's part, so that their gradients average to those of one
process with the whole batch where each strip counts alike, and nearly so for the reading losses, whose lines may be
spread unevenly.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ocrmypdf_superres.errors import DeviceError, MissingDependencyError
from ocrmypdf_superres.training.protocols import TrainingBatch

B = TypeVar("B", bound=TrainingBatch)


class Processes:
    """This process among ``size``; without ``torchrun`` the only one, and Lightning Fabric is not needed.

    Attributes:
        rank: 0 for the leader. size: how many there are. device: where this one computes.

    Args:
        device: ``auto`` (CUDA where there is one), ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        DeviceError: there is no such device.
        MissingDependencyError: ``torchrun`` started several processes, but lightning-fabric is not installed.
    """

    def __init__(self, device: str = "auto") -> None:
        # Lines of every width make a kernel each, and the 1,024 that oneDNN keeps by default take gigabytes.
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
        self.device = pick_device(device)
        self.size = int(os.environ.get("WORLD_SIZE", "1"))
        self.rank = 0
        self._fabric: Any = None
        if self.size > 1:
            self._fabric = _launch(self.device.type, self.size)
            self.rank = self._fabric.global_rank
            self.device = self._fabric.device

    @property
    def leader(self) -> bool:
        """Whether this process writes."""
        return self.rank == 0

    def wrap(self, net: nn.Module) -> nn.Module:
        """Return *net* on the device, its gradients averaged over the processes; all its parameters must take gradients."""
        net.to(self.device)
        if self._fabric is None:
            return net
        wrapped: nn.Module = self._fabric.setup_module(net)
        return wrapped

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients of *loss*, averaged over the processes."""
        if self._fabric is None:
            loss.backward()  # type: ignore[no-untyped-call]
        else:
            self._fabric.backward(loss)

    def part(self, batch: B) -> B:
        """Return this process's share of *batch*."""
        if self.size == 1:
            return batch
        share = batch.count // self.size
        return batch.part(slice(self.rank * share, (self.rank + 1) * share))

    def from_leader(self, value: Any) -> Any:
        """Return the leader's *value* in every process."""
        return value if self._fabric is None else self._fabric.broadcast(value, src=0)

    @contextmanager
    def leader_first(self) -> Iterator[None]:
        """Run the body in the leader before the others, which then find its files."""
        if self._fabric is not None and not self.leader:
            self._fabric.barrier()
        yield
        if self._fabric is not None and self.leader:
            self._fabric.barrier()


def pick_device(name: str) -> torch.device:
    """Return the device called *name*: ``auto`` (CUDA where there is one), ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        DeviceError: there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda") or (index and not (kind == "cuda" and index.isdigit())):
        raise DeviceError(f"The device {name!r} is not known; give auto, cpu, cuda or cuda:N.")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind == "cuda" and int(index or 0) >= count:
        raise DeviceError(f"The device {name} was asked for, but torch sees {count} CUDA devices; use auto or cpu.")
    return torch.device(name)


def device_name(device: torch.device) -> str:
    """Return what *device* is: a GPU's model, or ``CPU`` and its architecture."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU ({platform.machine()})"


def _launch(kind: str, size: int) -> Any:
    try:
        from lightning_fabric import Fabric
        from lightning_fabric.strategies.ddp import DDPStrategy
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"torchrun started {size} processes, but training in more than one needs Lightning Fabric; "
            "install it with: pip install 'ocrmypdf-superres[train]'."
        ) from error
    local = int(os.environ.get("LOCAL_WORLD_SIZE", size))
    # A step trains one scale's layers, and stages freeze parts: the others have no gradient to wait for.
    strategy = DDPStrategy(find_unused_parameters=True)
    fabric = Fabric(accelerator=kind, devices=local, num_nodes=size // local, strategy=strategy)
    fabric.launch()
    return fabric
