# SPDX-License-Identifier: MPL-2.0
"""The names of the methods that are compared, as tables, caches and the command line have them."""

from __future__ import annotations

METHODS = ("as-is", "lanczos", "oversample", "plugin", "plugin-checked", "native")
"""The methods that run unless a user says otherwise; peers and nets by themselves are added to them."""
FURTHER = ("bicubic", "plugin-once")
"""Further methods that a user may name."""
BASELINES = ("as-is", "lanczos", "oversample")
"""The methods that the plugin is compared with."""
PLUGIN_METHODS = ("plugin-once", "plugin", "plugin-checked")
"""The methods that run the plugin."""
VERIFY = {"plugin-once": "off", "plugin-checked": "always"}
"""The setting of ``--superres-verify`` for the methods in which it is not the plugin's default."""
