# SPDX-License-Identifier: MPL-2.0
"""Losses, one a file."""
