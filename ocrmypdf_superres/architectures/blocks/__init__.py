# SPDX-License-Identifier: MPL-2.0
"""Layers and trunks that several networks share."""
