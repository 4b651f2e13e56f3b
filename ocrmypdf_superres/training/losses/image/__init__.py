# SPDX-License-Identifier: MPL-2.0
"""Losses on pixels."""
