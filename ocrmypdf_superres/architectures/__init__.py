# SPDX-License-Identifier: MPL-2.0
"""Networks, one in a file, each with a frozen :class:`~ocrmypdf_superres.architectures.spec.ArchitectureSpec`.

Importing this package imports no torch; looking up a spec with :func:`get` imports its network module.
"""

from ocrmypdf_superres.architectures.registry import get, names

__all__ = ["get", "names"]
