# SPDX-License-Identifier: MPL-2.0
"""Rendered pages of many scripts and layouts whose text heights are known."""
