# SPDX-License-Identifier: MPL-2.0
"""Dewarping: the lines of skewed and curled pages are made level."""
