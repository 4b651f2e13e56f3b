# SPDX-License-Identifier: MPL-2.0
"""The manifest of a run, and the names of its files."""
