# SPDX-License-Identifier: MPL-2.0
"""Networks for lines of text, one in a file."""
