# SPDX-License-Identifier: MPL-2.0
"""Merging readings of one page: alignment, vote, reading order."""
