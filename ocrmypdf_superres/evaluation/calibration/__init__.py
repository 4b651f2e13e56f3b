# SPDX-License-Identifier: MPL-2.0
"""Calibration on pages with known text: of the engines' confidences, and of the vote between readings."""
