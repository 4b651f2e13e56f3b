# SPDX-License-Identifier: MPL-2.0
"""Tuning the networks of Tesseract on low-resolution lines."""
