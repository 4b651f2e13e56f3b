# SPDX-License-Identifier: MPL-2.0
"""How a stage's losses share the gradient: fixed weights, dynamic weight averaging, or uncertainty weighting.

A balance gives each loss a factor on top of the recipe's own weight.  It changes at the end of a window of steps only,
from the mean of each weighted loss over the window (and over the processes, so that all have the same factors).
Numbers are Python floats, which a checkpoint keeps exactly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import distributed

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.tables import read_options


class Fixed:
    """The recipe's weights as they are: every factor is 1."""

    def __init__(self, names: Sequence[str]) -> None:
        self.factors = dict.fromkeys(names, 1.0)

    def observe(self, values: Mapping[str, float]) -> None:
        """Take note of the weighted losses of a step, by name; fixed weights need none."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what :meth:`state_dict` returned."""


class _Windowed(Fixed):
    """A balance that learns from means over *window* steps; values that are not finite are left out."""

    def __init__(self, names: Sequence[str], window: int) -> None:
        super().__init__(names)
        if window < 1:
            raise OptionError(f"The balance has window = {window}, which must be at least 1 step; correct it.")
        self.window = window
        self._steps = 0
        self._sums = dict.fromkeys(names, 0.0)
        self._counts = dict.fromkeys(names, 0)
        self._memory: dict[str, float] = {}

    def observe(self, values: Mapping[str, float]) -> None:
        """Add the weighted losses of a step to the window."""
        for name, value in values.items():
            if math.isfinite(value):
                self._sums[name] += value
                self._counts[name] += 1
        self._steps += 1
        if self._steps == self.window:
            self._update(self._means())
            self._steps = 0
            self._sums = dict.fromkeys(self._sums, 0.0)
            self._counts = dict.fromkeys(self._counts, 0)

    def _means(self) -> dict[str, float]:
        shares: list[Any] = [(self._sums, self._counts)]
        if distributed.is_available() and distributed.is_initialized():
            shares = [None] * distributed.get_world_size()
            distributed.all_gather_object(shares, (self._sums, self._counts))
        counts = {name: sum(share[1][name] for share in shares) for name in self._sums}
        return {name: sum(share[0][name] for share in shares) / count for name, count in counts.items() if count}

    def _update(self, means: Mapping[str, float]) -> None:
        """Set the factors from the window's *means*; a loss that no step had is missing."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint holds: the factors and the window so far."""
        return {
            "balance": type(self).__name__,
            "factors": dict(self.factors),
            "steps": self._steps,
            "sums": dict(self._sums),
            "counts": dict(self._counts),
            "memory": dict(self._memory),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what :meth:`state_dict` returned.

        Raises:
            OptionError: it is of another balance, or of other losses.
        """
        if state.get("balance") != type(self).__name__ or set(state["factors"]) != set(self.factors):
            raise OptionError(
                "The checkpoint's balance belongs to other losses than the recipe's stage; use the recipe that it was made by."
            )
        # In the stage's own order.
        self.factors = {name: state["factors"][name] for name in self.factors}
        self._steps = state["steps"]
        self._sums = {name: state["sums"][name] for name in self._sums}
        self._counts = {name: state["counts"][name] for name in self._counts}
        self._memory = dict(state["memory"])


class DWA(_Windowed):
    """Dynamic weight averaging (Liu et al., CVPR 2019, eq. 7; Zyrek and Kawulok 2024, eq. 1 and 2).

    With L_i(t) the mean of loss i over window t and r_i = L_i(t-1) / L_i(t-2), the factor of i in window t is
    N exp(r_i / T) / sum_j exp(r_j / T): factors sum to N, and a loss that falls slowly counts more.  They are 1 in the
    first two windows.  An epoch is a window of its number of steps; single steps are too noisy.

    Guards: r_i is 1 where L_i(t-1) or L_i(t-2) is missing or L_i(t-2) is not above 1e-12, and is kept in [0.2, 5].

    DWA evens out how fast losses fall, not how large they are. With ``equalise`` steps, the factors are multiplied
    from then on by L_1 / L_i, the losses' means over those steps: each starts as large as the stage's first loss.

    Args:
        window: steps. temperature: T, above 0; the larger, the more alike the factors (2 in Liu et al.).
        equalise: steps over which the losses' sizes are measured; 0 leaves the recipe's weights as they are.
    """

    def __init__(self, names: Sequence[str], window: int = 200, temperature: float = 2.0, equalise: int = 0) -> None:
        super().__init__(names, window)
        if not (temperature > 0 and math.isfinite(temperature)):
            raise OptionError(f"The balance dwa has temperature = {temperature}; give a number above 0.")
        if not 0 <= equalise <= window:
            raise OptionError(
                f"The balance dwa has equalise = {equalise}; give a number of steps from 0 to its window, {window}."
            )
        self.temperature = temperature
        self.equalise = equalise
        self._scales: dict[str, float] = {}

    def observe(self, values: Mapping[str, float]) -> None:
        """Add the weighted losses of a step to the window, and equalise them when it is time."""
        super().observe(values)
        # The first `equalise` steps lie in the first window, whose sums so far are theirs.
        if self.equalise and not self._scales and (self._steps == self.equalise or self._memory):
            means = self._means() if self._steps else self._memory
            first = means.get(next(iter(self.factors)), 0.0)
            self._scales = {n: first / means[n] if first > 1e-12 and means.get(n, 0.0) > 1e-12 else 1.0 for n in self.factors}
            self.factors = dict(self._scales)

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint holds: the factors, the window so far and the scales."""
        return {**super().state_dict(), "scales": dict(self._scales)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what :meth:`state_dict` returned."""
        super().load_state_dict(state)
        self._scales = dict(state.get("scales", {}))

    def _update(self, means: Mapping[str, float]) -> None:
        if self._memory:
            ratios = {name: self._ratio(means.get(name), self._memory.get(name)) for name in self.factors}
            shares = {name: math.exp(ratio / self.temperature) for name, ratio in ratios.items()}
            total = sum(shares.values())
            self.factors = {name: self._scales.get(name, 1.0) * len(shares) * share / total for name, share in shares.items()}
        self._memory = dict(means)

    @staticmethod
    def _ratio(now: float | None, before: float | None) -> float:
        if now is None or before is None or before <= 1e-12:
            return 1.0
        return min(5.0, max(0.2, now / before))


class Uncertainty(_Windowed):
    """Homoscedastic uncertainty weighting (Kendall et al., CVPR 2018), minimising sum_i exp(-s_i) L_i + s_i.

    s_i = log sigma_i^2 (the constant 1/2 of the paper is left out, so that all factors exp(-s_i) begin as 1).  The s_i go
    down their gradient 1 - exp(-s_i) L_i at ``rate`` once a window; the net never sees the term s_i, which has no
    gradient for it.  At rest each loss counts 1.  A step of s_i is at most ``rate`` downwards or upwards, and s_i stays in
    [-10, 10], so that neither a loss of 0 nor a burst runs away; a loss that no step had keeps its s_i.

    Args:
        window: steps between updates. rate: above 0.
    """

    def __init__(self, names: Sequence[str], window: int = 10, rate: float = 0.02) -> None:
        super().__init__(names, window)
        if not (rate > 0 and math.isfinite(rate)):
            raise OptionError(f"The balance uncertainty has rate = {rate}; give a number above 0.")
        self.rate = rate

    def _update(self, means: Mapping[str, float]) -> None:
        for name, mean in means.items():
            level = self._memory.get(name, 0.0)
            slope = min(1.0, max(-1.0, 1.0 - math.exp(-level) * mean))
            self._memory[name] = min(10.0, max(-10.0, level - self.rate * slope))
            self.factors[name] = math.exp(-self._memory[name])


_KINDS: dict[str, type[Fixed]] = {"fixed": Fixed, "dwa": DWA, "uncertainty": Uncertainty}


def make_balance(setting: str | Mapping[str, Any], names: Sequence[str], where: str) -> Fixed:
    """Return the balance of the losses *names* that a recipe's *setting* asks for: a name, or a table with ``name``.

    Raises:
        OptionError: an unknown name or option, a wrong type, or a value out of range.
    """
    table = {"name": setting} if isinstance(setting, str) else setting
    name = table.get("name") if isinstance(table, Mapping) else None
    if not isinstance(name, str) or name not in _KINDS:
        raise OptionError(f"{where} has balance = {setting!r}; give one of {', '.join(_KINDS)}, or a table with such a name.")
    given = {key: value for key, value in table.items() if key != "name"}
    return _KINDS[name](names, **read_options(_KINDS[name], given, f"{where}, the balance {name}", skip=1))
