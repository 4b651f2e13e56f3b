# SPDX-License-Identifier: MPL-2.0
"""A run shown to people."""
