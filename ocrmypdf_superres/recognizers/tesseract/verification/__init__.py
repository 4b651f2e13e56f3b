# SPDX-License-Identifier: MPL-2.0
"""Checks of the port against the installed program."""
