# SPDX-License-Identifier: MPL-2.0
"""Names of architectures: an explicit table, and the entry points of other packages."""

from __future__ import annotations

from ocrmypdf_superres.architectures.spec import ArchitectureSpec
from ocrmypdf_superres.entry_points import Registry
from ocrmypdf_superres.errors import ModelError

_PAGE, _LINE = "ocrmypdf_superres.architectures.page_nets", "ocrmypdf_superres.architectures.line_nets"
REGISTRY = Registry(
    "ocrmypdf_superres.architectures",
    "architecture",
    {
        "docsr": f"{_PAGE}.docsr:SPEC",
        "dpnet": f"{_PAGE}.dpnet:SPEC",
        "edsr": f"{_PAGE}.edsr:SPEC",
        "edsr-stn": f"{_LINE}.edsr_stn:SPEC",
        "epgr": f"{_PAGE}.epgr:SPEC",
        "fsrcnn": f"{_PAGE}.fsrcnn:SPEC",
        "lemma": f"{_LINE}.lemma:SPEC",
        "srcnn": f"{_PAGE}.srcnn:SPEC",
        "srresnet": f"{_PAGE}.srresnet:SPEC",
        "tbsrn": f"{_LINE}.tbsrn:SPEC",
        "tsrn": f"{_LINE}.tsrn:SPEC",
    },
    ModelError,
)


def names() -> list[str]:
    """Return the registered architecture names, sorted."""
    return REGISTRY.names()


def get(name: str) -> ArchitectureSpec:
    """Return the spec called *name*, importing its module (and with it torch).

    Raises:
        ModelError: there is no such architecture, two packages offer it, its module cannot be imported, or does not hold a
            spec of that name.
    """
    spec = REGISTRY.load(name)
    if not isinstance(spec, ArchitectureSpec) or spec.name != name:
        raise ModelError(f"The entry point of the architecture {name!r} does not name a spec called {name!r}; correct it.")
    return spec
