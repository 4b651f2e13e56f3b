# SPDX-License-Identifier: MPL-2.0
"""Names that recipes and options use: a table of our own for each kind of thing, and the entry points of other packages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from ocrmypdf_superres.errors import OptionError, SuperresError
from ocrmypdf_superres.tables import did_you_mean


@dataclass(frozen=True)
class Registry:
    """Objects of one kind by name; a module is imported only when one of its objects is asked for.

    Attributes:
        group: the group of entry points in which other packages offer such objects, such as ``ocrmypdf_superres.losses``.
        what: the kind in messages, such as ``loss``.
        built_in: name -> ``module:attribute`` of what this package has itself.
        error: the error to raise.
    """

    group: str
    what: str
    built_in: Mapping[str, str] = field(default_factory=dict)
    error: type[SuperresError] = OptionError

    def _offers(self) -> dict[str, list[str]]:
        """Return name -> every different ``module:attribute`` that is offered under it."""
        offers = {name: [place] for name, place in self.built_in.items()}
        for point in entry_points(group=self.group):
            places = offers.setdefault(point.name, [])
            if point.value not in places:
                places.append(point.value)
        return offers

    def names(self) -> list[str]:
        """Return all names, sorted; a name that two packages offer is among them, although loading it fails."""
        return sorted(self._offers())

    def load(self, name: str, where: str = "") -> Any:
        """Return the object called *name*.

        Args:
            name: as :meth:`names` lists it.
            where: names the place where *name* was given, such as ``Stage lines of recipe.toml``; it begins the message.

        Raises:
            SuperresError: of the kind :attr:`error`: there is no such name, two packages offer it, or its module cannot be
                imported or lacks the object.
        """
        offers = self._offers()
        begin = f"{where}: the" if where else "The"
        if name not in offers:
            known = ", ".join(sorted(offers))
            raise self.error(f"{begin} {self.what} {name!r} is not known{did_you_mean(name, offers)}; known are {known}.")
        place, *others = offers[name]
        if others:
            raise self.error(
                f"{begin} {self.what} {name!r} is offered by two packages ({place} and {others[0]}); uninstall one of them."
            )
        module, _, attribute = place.partition(":")
        try:
            found: Any = import_module(module)
            for part in attribute.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError) as cause:
            raise self.error(
                f"{begin} {self.what} {name!r} cannot be loaded from {place} ({cause}); "
                "install what it needs or correct its entry point."
            ) from cause
        return found
