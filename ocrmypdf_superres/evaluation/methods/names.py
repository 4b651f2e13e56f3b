# SPDX-License-Identifier: MPL-2.0
"""The names of the methods that are compared, as tables, caches and the command line have them."""

from __future__ import annotations

METHODS = ("as-is", "lanczos", "oversample", "plugin", "plugin-checked", "native")
"""The methods that run unless a user says otherwise; peers and nets by themselves are added to them."""
FURTHER = ("bicubic", "plugin-once", "plugin-tesseract", "plugin-tesseract-stock", "plugin-stock", "rapidocr", "easyocr")
"""Further methods that a user may name.

plugin-stock and plugin-tesseract-stock read with Tesseract's installed networks; rapidocr and easyocr read the page as it is,
without super-resolution.
"""
BASELINES = ("as-is", "lanczos", "oversample")
"""The methods that the plugin is compared with, before peers."""
PLUGIN_METHODS = ("plugin-once", "plugin-tesseract-stock", "plugin-tesseract", "plugin-stock", "plugin", "plugin-checked")
"""The methods that run the plugin."""
PLUGIN_OPTIONS = {
    "plugin-once": {"superres_verify": "off"},
    "plugin-tesseract": {"superres_engines": "none"},
    "plugin-tesseract-stock": {"superres_engines": "none", "superres_networks": "stock"},
    "plugin-stock": {"superres_networks": "stock"},
    "plugin": {},
    "plugin-checked": {"superres_verify": "always"},
}
"""What differs from the plugin's defaults in each of these."""
OWN_NETWORKS_AS = "plugin-tesseract"
"""The method as which a user's own networks read, and with which they are compared."""
ENGINE_METHODS = {"rapidocr", "easyocr"}
"""The methods that are an OCR engine by itself."""
READ_BY_TESSERACT = ("plugin-once", "plugin-tesseract", "plugin-tesseract-stock")
"""Methods of the plugin in which no other engine has a say; they are not compared with one."""
