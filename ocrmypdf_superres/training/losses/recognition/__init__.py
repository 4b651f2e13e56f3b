# SPDX-License-Identifier: MPL-2.0
"""Losses of what recognizers and detectors see."""
