# SPDX-License-Identifier: MPL-2.0
"""Differentiable text detectors."""
