# SPDX-License-Identifier: MPL-2.0
"""Names of architectures: an explicit table, and the entry points of third parties."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points

from ocrmypdf_superres.architectures.spec import ArchitectureSpec
from ocrmypdf_superres.errors import ModelError

ENTRY_POINT_GROUP = "ocrmypdf_superres.architectures"

_BUILT_IN = {
    "docsr": "ocrmypdf_superres.architectures.page_nets.docsr:SPEC",
    "dpnet": "ocrmypdf_superres.architectures.page_nets.dpnet:SPEC",
    "edsr": "ocrmypdf_superres.architectures.page_nets.edsr:SPEC",
    "edsr-stn": "ocrmypdf_superres.architectures.line_nets.edsr_stn:SPEC",
    "epgr": "ocrmypdf_superres.architectures.page_nets.epgr:SPEC",
    "fsrcnn": "ocrmypdf_superres.architectures.page_nets.fsrcnn:SPEC",
    "lemma": "ocrmypdf_superres.architectures.line_nets.lemma:SPEC",
    "srcnn": "ocrmypdf_superres.architectures.page_nets.srcnn:SPEC",
    "srresnet": "ocrmypdf_superres.architectures.page_nets.srresnet:SPEC",
    "tbsrn": "ocrmypdf_superres.architectures.line_nets.tbsrn:SPEC",
    "tsrn": "ocrmypdf_superres.architectures.line_nets.tsrn:SPEC",
}


def _table() -> dict[str, str]:
    table = dict(_BUILT_IN)
    for point in entry_points(group=ENTRY_POINT_GROUP):
        if point.name in table and table[point.name] != point.value:
            raise ModelError(
                f"Two packages offer the architecture {point.name!r} ({table[point.name]} and {point.value}); "
                "names must be unique, uninstall one of them."
            )
        table[point.name] = point.value
    return table


def names() -> list[str]:
    """Return the registered architecture names, sorted."""
    return sorted(_table())


def get(name: str) -> ArchitectureSpec:
    """Return the spec called *name*, importing its module (and with it torch).

    Raises:
        ModelError: no such architecture, or its module does not hold a spec of that name.
    """
    table = _table()
    if name not in table:
        raise ModelError(f"The architecture {name!r} is not known; known are {', '.join(sorted(table))}.")
    module_name, _, attribute = table[name].partition(":")
    spec = getattr(import_module(module_name), attribute, None)
    if not isinstance(spec, ArchitectureSpec) or spec.name != name:
        raise ModelError(f"{table[name]} was to hold the spec of the architecture {name!r}, but does not.")
    return spec
