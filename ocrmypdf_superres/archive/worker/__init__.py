# SPDX-License-Identifier: MPL-2.0
"""The work on one file."""
