# SPDX-License-Identifier: MPL-2.0
"""Networks for whole pages, one a file."""
