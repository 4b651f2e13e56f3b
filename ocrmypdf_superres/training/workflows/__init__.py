# SPDX-License-Identifier: MPL-2.0
"""Whole trainings with a purpose: fine-tuning a net, tuning Tesseract's network."""
