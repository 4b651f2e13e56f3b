# SPDX-License-Identifier: MPL-2.0
"""Measuring: metrics, degradation profiles, and the comparison of methods on pages with known text."""
